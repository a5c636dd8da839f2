"""Committed runs against their checksums, and against reruns."""

import math
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from flatminima.checks import at_least
from flatminima.identity import library_versions
from flatminima.paths import store_folder
from flatminima.results.edits import is_present
from flatminima.results.reading import load
from flatminima.results.rows import (
    BadResult,
    config_of,
    difference,
    kept_history,
    setting,
    summary,
)
from flatminima.runs.kind import Run, engine_of
from flatminima.sweeps import store
from flatminima.sweeps.sweep import run_all

CHEAP_SECONDS = 5.0
CHEAP_RUNS = 60
"""Runs up to that cost are all run again, or so many of a file; of the others a sample
is."""

LEVEL = 1e-3
FLOORS = {"test_accuracy": 0.01, "test_r2": 0.01, "trace": 0.02, "train_loss": 0.5}
"""What the comparison of statistics lets pass where all seeds agree: accuracy and R^2
in absolute terms, the others relative to their size. A run has one of the first two."""

ABSOLUTE = ("test_accuracy", "test_r2")


class Comparison(NamedTuple):
    """How a committed run was compared with its rerun.

    Attributes:
        kind: "bits", "tolerance" or "statistics"; "nothing" if there are too few
            seeds for that; "failed" if the comparison raised an error.
        problem: what is wrong, or "".
        left_out: what statistics did not compare, and why.
    """

    kind: str
    problem: str = ""
    left_out: tuple[str, ...] = ()


def verify(paths: Sequence[Path], sample: int, seed: int) -> list[str]:
    """Check every row against its checksum, and rerun cheap ones and a sample.

    On the processor and library versions that made it, and with the same engine, a
    rerun must give the same bits. Elsewhere it must agree within the row's
    tolerance; a chaotic run, and one that an older engine made, is compared with
    the committed runs of its setting by statistics over seeds. Where these are
    fewer than two, nothing is compared. Rows whose kind says that their runs cannot
    be computed here, such as for want of their data, are counted with the reason.

    The reruns have a store of their own, so that none of them is a run that was
    committed. A verification that is interrupted or fails says how it stands, and the
    same call goes on with it: the store is removed only where all was well.

    Args:
        paths: files of `results/`.
        sample: how many of the runs that cost more than 5 s to rerun, at most. Of a
            file's cheaper runs as many as `CHEAP_RUNS` are.
        seed: of the samples.

    Returns:
        One line per problem. A damaged file is said at once, before any run.

    Raises:
        ValueError: if the sample is negative.
        KeyboardInterrupt, CellFailed, StoreError: as `run_all`, once it has said how
            it stands.
    """
    at_least("sample", sample, 0)
    problems = [f"{path}: no such file" for path in paths if not path.is_file()]
    rows: list[tuple[Path, dict[str, Any]]] = []
    for path in paths:
        try:
            rows += [(path, row) for row in load(path).rows]
        except BadResult as error:
            problems.append(str(error))
    if problems:
        return problems
    rows, lacking = _possible(rows)
    for reason, count in sorted(lacking.items()):
        print(f"not run again, {count} rows: {reason}", flush=True)
    costs = [row["provenance"]["seconds"] for _, row in rows]
    rng = np.random.default_rng(seed)
    chosen = []
    for path in dict.fromkeys(paths):
        own = [i for i, (file, _) in enumerate(rows) if file == path]
        chosen += _drawn(rng, [i for i in own if costs[i] <= CHEAP_SECONDS], CHEAP_RUNS)
    dear = [i for i, cost in enumerate(costs) if cost > CHEAP_SECONDS]
    chosen = sorted(chosen + _drawn(rng, dear, sample))
    print(
        f"{len(rows)} rows; running {len(chosen)} again, "
        f"{sum(costs[i] for i in chosen):.0f} s of computing when they were made",
        flush=True,
    )
    reruns = [(*rows[i], config_of(rows[i][1])) for i in chosen]
    folder = store_folder() / "verify"
    try:
        run_all([config for _, _, config in reruns], folder=folder)
    except BaseException as error:
        problems += _compare_all(reruns, rows, folder, finished=False)
        for problem in problems:
            print(f"error: {problem}", file=sys.stderr)
        stopped = "interrupted" if isinstance(error, KeyboardInterrupt) else "stopped"
        print(f"{stopped} with {len(problems)} problems so far", file=sys.stderr)
        raise
    problems += _compare_all(reruns, rows, folder, finished=True)
    if problems:
        print(f"the reruns are kept in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return problems


def _possible(
    rows: Sequence[tuple[Path, dict[str, Any]]],
) -> tuple[list[tuple[Path, dict[str, Any]]], Counter[str]]:
    """The rows whose runs can be computed here, and why others cannot, with counts."""
    possible, reasons = [], Counter[str]()
    known: dict[bytes, str] = {}
    for path, row in rows:
        its = setting(row)
        if its not in known:
            config = config_of(row)
            why = getattr(engine_of(config), "lacking", lambda config: "")
            known[its] = why(config)
        if known[its]:
            reasons[known[its]] += 1
        else:
            possible.append((path, row))
    return possible, reasons


def _drawn(rng: np.random.Generator, among: list[int], most: int) -> list[int]:
    """Some of a list, without repetition; all of them if they are no more."""
    return rng.choice(among, size=min(most, len(among)), replace=False).tolist()


def _compare_all(
    reruns: Sequence[tuple[Path, dict[str, Any], Any]],
    rows: Sequence[tuple[Path, dict[str, Any]]],
    folder: Path,
    *,
    finished: bool,
) -> list[str]:
    """Compare the reruns in a store, which should hold all of them once finished."""
    settings: defaultdict[Any, list[dict[str, Any]]] = defaultdict(list)
    for path, row in rows:
        settings[path, setting(row)].append(row)
    outcome = Counter(dict.fromkeys(("bits", "tolerance", "statistics", "nothing"), 0))
    left_out: Counter[str] = Counter()
    found = []
    for path, row, config in reruns:
        run, record = store.load(folder, config), store.load_record(folder, config)
        if run is None or record is None:
            if finished:
                found.append(f"{path}: the rerun cannot be read, of {config!r}")
            continue
        device = record["provenance"]["device"]
        try:
            seen = compare(row, run, device, settings[path, setting(row)])
        except Exception as error:  # which must not lose the others
            seen = Comparison("failed", f"the comparison raised {error!r}")
        outcome[seen.kind] += 1
        left_out.update(seen.left_out)
        if seen.problem:
            found.append(f"{path}: {seen.problem} in {config!r}")
    counts = ", ".join(f"{count} by {kind}" for kind, count in outcome.items())
    print(f"compared {outcome.total()} of {len(reruns)}: {counts}", flush=True)
    for what, count in sorted(left_out.items()):
        print(f"not compared in {count}: {what}", flush=True)
    return found


def compare(
    row: dict[str, Any],
    run: Run,
    device: dict[str, Any],
    committed: Sequence[dict[str, Any]],
) -> Comparison:
    """Compare a committed run with its rerun.

    Args:
        row: the committed run.
        run: the rerun.
        device: where the rerun was computed; see `provenance.processor`.
        committed: all committed runs of the same setting.
    """
    if is_present(row):
        history = kept_history(run.history)
        same = row["libraries"] == library_versions()
        if same and _instructions(row["provenance"]["device"]) == _instructions(device):
            if run.diverged_at != row["diverged_at"]:
                return Comparison("bits", f"diverged at step {run.diverged_at}")
            apart = difference(row["history"], history)
            kept = summary(config_of(row), run)
            apart = max(apart, difference(row["summary"], kept))
            wrong = f"differs by {apart:.2g} on the processor that made it"
            return Comparison("bits", wrong if apart > 0 else "")
        if row["tolerance"] is not None:
            if fate := _other_fate(run, [row]):
                return Comparison("tolerance", fate)
            before = row["history"]
            if run.diverged_at is not None:  # perhaps a checkpoint earlier or later
                before, history = _shared_rows(before, history)
            apart = difference(before, history)
            wrong = f"differs by {apart:.2g}, allowed are {row['tolerance']:.2g}"
            return Comparison("tolerance", wrong if apart > row["tolerance"] else "")
    if len(committed) < 2:
        return Comparison("nothing")
    found, left_out = _outliers(run, committed)
    return Comparison("statistics", "; ".join(found), tuple(left_out))


def _outliers(
    run: Run, committed: Sequence[dict[str, Any]]
) -> tuple[list[str], list[str]]:
    """Metrics of a run that do not belong with those of the committed seeds.

    Allowed is what a further seed would show with 99.9 % confidence, and what any
    committed seed does show. A run that diverged is compared by that alone: where it
    stood at the checkpoint before says little.

    Returns:
        What does not belong, and what was not compared since one side lacks it.
    """
    if fate := _other_fate(run, committed):
        return [fate], []
    if run.diverged_at is not None:
        return [], ["the end of a run that diverged"]
    ended = [row for row in committed if row["diverged_at"] is None]
    history = kept_history(run.history)
    found, left_out = [], []
    for metric, floor in FLOORS.items():
        value = _last(history, metric)
        lasts = [_last(row["history"], metric) for row in ended]
        values = np.array([last for last in lasts if last is not None], dtype=float)
        count = len(values)
        if value is None and count == len(ended):
            found.append(f"has no {metric}, which all {count} seeds have")
            continue
        if value is None or count < 2:
            have = "the rerun has none" if count else "neither has one"
            if value is not None:
                have = f"{count} of the committed seeds has one, needed are 2"
            left_out.append(f"{metric}: {have}")
            continue
        mean = values.mean()
        spread = values.std(ddof=1) * math.sqrt(1 + 1 / count)
        width = stats.t.ppf(1 - LEVEL / 2, count - 1) * spread
        slack = floor * (1.0 if metric in ABSOLUTE else abs(mean))
        low = min(mean - width, values.min()) - slack
        high = max(mean + width, values.max()) + slack
        if not low <= value <= high:
            found.append(
                f"{metric} {value:.4g} is outside {low:.4g} to {high:.4g}, from "
                f"{count} seeds"
            )
    return found, left_out


def _other_fate(run: Run, committed: Sequence[dict[str, Any]]) -> str:
    """Whether a run diverged as none of the committed ones did, or the reverse."""
    diverged = run.diverged_at is not None
    if any((row["diverged_at"] is not None) == diverged for row in committed):
        return ""
    return f"diverged at step {run.diverged_at}" if diverged else "did not diverge"


def _shared_rows(*histories: dict[str, list]) -> list[dict[str, list]]:
    """Histories cut to the length of the shortest."""
    shortest = min((len(x) for each in histories for x in each.values()), default=0)
    return [{key: x[:shortest] for key, x in each.items()} for each in histories]


def _last(history: dict[str, list], metric: str) -> float | None:
    """The last value of a metric; None if a history has no such one, or no row."""
    values = history.get(metric)
    return values[-1] if values else None


def _instructions(device: dict[str, Any]) -> tuple:
    """What decides which instructions a processor is given."""
    names = ["architecture", "family", "model", "stepping", "features"]
    if device["family"] is None:  # not told by every platform
        names.append("name")
    return *(device[name] for name in names), device.get("settings", {})
