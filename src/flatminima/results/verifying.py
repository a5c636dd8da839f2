"""Committed runs against their checksums, and against reruns."""

import math
import shutil
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from flatminima.checks import at_least
from flatminima.identity import library_versions
from flatminima.paths import store_folder
from flatminima.results.reading import load
from flatminima.results.rows import (
    BadResult,
    columns,
    config_of,
    difference,
    engine_now,
    setting,
    summary,
)
from flatminima.runs.kind import Run
from flatminima.sweeps import store
from flatminima.sweeps.sweep import run_all

CHEAP_SECONDS = 5.0
"""Runs up to this cost are all run again; of the others a sample is."""

LEVEL = 1e-3
FLOORS = {"test_accuracy": 0.01, "trace": 0.02, "train_loss": 0.5}
"""What the comparison of statistics lets pass where all seeds agree: accuracy in
absolute terms, the others relative to their size."""


def verify(paths: Sequence[Path], sample: int, seed: int) -> list[str]:
    """Check every row against its checksum, and rerun cheap ones and a sample.

    On the processor and library versions that made it, and with the same engine, a
    rerun must give the same bits. Elsewhere it must agree within the row's
    tolerance; a chaotic run, and one that an older engine made, is compared with
    the committed runs of its setting by statistics over seeds. Where these are
    fewer than two, nothing is compared.

    The reruns have a store of their own, so that none of them is a run that was
    committed. An interrupted verification says how it stands, and the same call
    goes on with it.

    Args:
        paths: files of `results/`.
        sample: how many of the runs that cost more than 5 s to rerun, at most.
        seed: of the sample.

    Returns:
        One line per problem. A damaged file is said at once, before any run.

    Raises:
        ValueError: if the sample is negative.
        KeyboardInterrupt: once it has said how it stands.
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
    costs = [row["provenance"]["seconds"] for _, row in rows]
    cheap = [i for i, cost in enumerate(costs) if cost <= CHEAP_SECONDS]
    dear = [i for i, cost in enumerate(costs) if cost > CHEAP_SECONDS]
    rng = np.random.default_rng(seed)
    drawn = rng.choice(dear, size=min(sample, len(dear)), replace=False).tolist()
    chosen = sorted(cheap + drawn)
    print(
        f"{len(rows)} rows; running {len(chosen)} again, "
        f"{sum(costs[i] for i in chosen):.0f} s of computing when they were made",
        flush=True,
    )
    reruns = [(*rows[i], config_of(rows[i][1])) for i in chosen]
    settings: defaultdict[Any, list[dict[str, Any]]] = defaultdict(list)
    for path, row in rows:
        settings[path, setting(row)].append(row)
    folder = store_folder() / "verify"

    def compared() -> list[str]:
        """Compare the reruns that are finished."""
        outcome = {"bits": 0, "tolerance": 0, "statistics": 0, "nothing": 0}
        found = []
        for path, row, config in reruns:
            run, record = store.load(folder, config), store.load_record(folder, config)
            if run is None or record is None:
                continue
            device = record["provenance"]["device"]
            kind, problem = compare(row, run, device, settings[path, setting(row)])
            outcome[kind] += 1
            if problem:
                found.append(f"{path}: {problem} in {config!r}")
        counts = ", ".join(f"{count} by {kind}" for kind, count in outcome.items())
        done = sum(outcome.values())
        print(f"compared {done} of {len(reruns)}: {counts}", flush=True)
        return found

    try:
        run_all([config for _, _, config in reruns], folder=folder)
    except KeyboardInterrupt:
        problems += compared()
        for problem in problems:
            print(f"error: {problem}", file=sys.stderr)
        print(f"interrupted with {len(problems)} problems so far", file=sys.stderr)
        raise
    problems += compared()
    shutil.rmtree(folder, ignore_errors=True)
    return problems


def compare(
    row: dict[str, Any],
    run: Run,
    device: dict[str, Any],
    committed: Sequence[dict[str, Any]],
) -> tuple[str, str]:
    """Compare a committed run with its rerun.

    Args:
        row: the committed run.
        run: the rerun.
        device: where the rerun was computed; see `provenance.processor`.
        committed: all committed runs of the same setting.

    Returns:
        How they were compared ("bits", "tolerance" or "statistics"; "nothing" if
        there are too few seeds for that) and what is wrong, or "".
    """
    if row["engine"] == engine_now(row):
        apart = difference(row["history"], columns(run.history))
        same = row["libraries"] == library_versions()
        if same and _instructions(row["provenance"]["device"]) == _instructions(device):
            if run.diverged_at != row["diverged_at"]:
                return "bits", f"diverged at step {run.diverged_at}"
            kept = summary(config_of(row), run)
            apart = max(apart, difference(row["summary"], kept))
            wrong = f"differs by {apart:.2g} on the processor that made it"
            return "bits", wrong if apart > 0 else ""
        if row["tolerance"] is not None:
            wrong = f"differs by {apart:.2g}, allowed are {row['tolerance']:.2g}"
            return "tolerance", wrong if apart > row["tolerance"] else ""
    if len(committed) < 2:
        return "nothing", ""
    return "statistics", "; ".join(_outliers(run, committed))


def _outliers(run: Run, committed: Sequence[dict[str, Any]]) -> list[str]:
    """Metrics of a run that do not belong with those of the committed seeds.

    Allowed is what a further seed would show with 99.9 % confidence, and what any
    committed seed does show.
    """
    found = []
    diverged = run.diverged_at is not None
    if all((row["diverged_at"] is not None) != diverged for row in committed):
        found.append("diverged" if diverged else "did not diverge")
    for metric, floor in FLOORS.items():
        values = np.array([row["history"][metric][-1] for row in committed])
        value = float(run.history[metric].iloc[-1])
        mean, count = values.mean(), len(values)
        spread = values.std(ddof=1) * math.sqrt(1 + 1 / count)
        width = stats.t.ppf(1 - LEVEL / 2, count - 1) * spread
        slack = floor * (1.0 if metric == "test_accuracy" else abs(mean))
        low = min(mean - width, values.min()) - slack
        high = max(mean + width, values.max()) + slack
        if not low <= value <= high:
            found.append(
                f"{metric} {value:.4g} is outside {low:.4g} to {high:.4g}, from "
                f"{count} seeds"
            )
    return found


def _instructions(device: dict[str, Any]) -> tuple:
    """What decides which instructions a processor is given."""
    names = ["architecture", "family", "model", "stepping", "features"]
    if device["family"] is None:  # not told by every platform
        names.append("name")
    return tuple(device[name] for name in names)
