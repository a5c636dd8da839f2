"""Committed results: the histories of long runs, each with where it comes from.

A file of `results/` has one line of JSON a run: config, engine digest, library
versions, provenance, history, what the first layer looks like at the end, tolerance and
a checksum over all of it. The weights themselves are not kept. Pages show these curves
behind those of their own build; `verify` runs them again.

    python -m flatminima.results collect RECORD FILE    after a chapter has run
    python -m flatminima.results verify FILE...
"""

import argparse
import importlib
import itertools
import json
import math
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from scipy import stats

from flatminima import alignment, store
from flatminima.config import Config
from flatminima.identity import library_versions
from flatminima.paths import results_folder, store_folder
from flatminima.sweep import run_all, tidy
from flatminima.train import Run

FOLDER = Path("results")

CHEAP_SECONDS = 5.0
"""Runs up to this cost are all run again; of the others a sample is."""

SAFETY = 1e3
CHAOTIC = 1e-4
"""Tolerance above which a comparison number by number would say nothing."""

LEVEL = 1e-3
FLOORS = {"test_accuracy": 0.01, "trace": 0.02, "train_loss": 0.5}
"""What the comparison of statistics lets pass where all seeds agree: accuracy in
absolute terms, the others relative to their size."""


class BadResult(ValueError):
    """A committed result that does not match its checksum, or a rerun."""


@dataclass(frozen=True)
class Committed:
    """The runs of one file.

    Attributes:
        rows: one dictionary a run, as in the file.
        tables: their histories, with the columns of `sweep.sweep`, `engine`, and in
            their last rows those of `alignment.summary`.
    """

    rows: list[dict[str, Any]]
    tables: list[pd.DataFrame]

    @property
    def older(self) -> list[bool]:
        """For every run, whether another engine than the present one made it."""
        return [row["engine"] != _engine_now(row) for row in self.rows]

    def of(self, config: Config) -> pd.DataFrame:
        """The rows of one setting, all its seeds; empty if there are none."""
        wanted = _setting({"config": config.model_dump(mode="json")})
        tables = [
            table
            for row, table in zip(self.rows, self.tables, strict=True)
            if _setting(row) == wanted
        ]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def __repr__(self) -> str:
        return f"<{len(self.rows)} committed runs>"

    def _repr_markdown_(self) -> str:
        return self.origin()

    def origin(self) -> str:
        """Where the runs come from, in one sentence of Markdown."""
        if not self.rows:
            return "No runs at the source's scale are committed for this chapter."
        devices = sorted({_device(row) for row in self.rows})
        dates = sorted({row["provenance"]["date"][:10] for row in self.rows})
        seconds = [row["provenance"]["seconds"] for row in self.rows]
        engines = sorted({row["engine"][:8] for row in self.rows})
        text = (
            f"Committed runs: {len(self.rows)}, on {'; '.join(devices)}, "
            f"{' to '.join(dict.fromkeys([dates[0], dates[-1]]))}, "
            f"{min(seconds):.0f} to {max(seconds):.0f} s each on one thread, engine "
            f"{', '.join(f'`{engine}`' for engine in engines)}."
        )
        if old := sum(self.older):
            text += (
                f' <span class="older-engine">older engine: {old} of '
                f"{len(self.rows)} runs</span>"
            )
        return text


def load(path: Path) -> Committed:
    """Read committed runs and check each against its checksum.

    Args:
        path: a file of `results/`; one that does not exist has no runs.

    Raises:
        BadResult: naming the file and the line.
    """
    rows, tables = [], []
    if path.is_file():
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            where = f"{path}, line {number}"
            try:
                row = json.loads(line)
                checksum = row.pop("checksum")
            except (ValueError, KeyError, AttributeError, TypeError) as error:
                raise BadResult(f"{where}: not readable") from error
            if checksum != store.sha256(store.canonical(row)):
                raise BadResult(f"{where}: not what its checksum says")
            try:
                tables.append(_table(row))
            except (ImportError, AttributeError, KeyError, TypeError) as error:
                raise BadResult(f"{where}: not a run: {error!r}") from error
            except ValueError as error:
                raise BadResult(f"{where}: {error}") from error
            rows.append(row)
    return Committed(rows, tables)


def committed(chapter: str) -> Committed:
    """The committed runs of a chapter; none for an installed package.

    Raises:
        BadResult: if the file is damaged.
    """
    folder = results_folder()
    return load(folder / f"{chapter}.jsonl") if folder else Committed([], [])


def collect(configs: Sequence[Config], path: Path) -> None:
    """Write the stored runs of some configs to a file of committed results.

    For every setting, one seed is run a second time from a start that is changed
    in the last bit. How far the two histories part is the sensitivity of the
    setting; its tolerance is a thousand times that, and where this is above 1e-4
    the run is chaotic and has none.

    Args:
        configs: what to commit, at least one; missing ones are run.
        path: the file, which is replaced.

    Raises:
        ValueError: if there is no config.
    """
    configs = list(dict.fromkeys(configs))
    if not configs:
        raise ValueError(f"configs = []: there is nothing to commit to {path}")
    runs = dict(zip(configs, run_all(configs), strict=True))
    settings = {config.with_seeds(0, 0): config for config in reversed(configs)}
    twins = joblib.Parallel(n_jobs=joblib.cpu_count(), prefer="threads")(
        joblib.delayed(sensitivity)(config, runs[config])
        for config in settings.values()
    )
    moved = dict(zip(settings, twins, strict=True))
    lines = []
    for config, run in runs.items():
        setting = config.with_seeds(0, 0)
        record = store.load_record(store_folder(), config)
        if record is None:
            raise BadResult(f"the store does not hold {config!r}")
        tolerance = max(SAFETY * moved[setting], 1e-12)
        row = {
            "module": config.engine,
            **{key: record[key] for key in ("config", "engine", "libraries")},
            "provenance": record["provenance"],
            "rule": config.rule,
            "diverged_at": run.diverged_at,
            "history": _columns(run.history),
            "weights": _weights(run),
            "sensitivity": moved[setting] if math.isfinite(moved[setting]) else None,
            "tolerance": tolerance if tolerance <= CHAOTIC else None,
        }
        row["checksum"] = store.sha256(store.canonical(row))
        lines.append(json.dumps(row, separators=(",", ":"), allow_nan=False))
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.tmp")
    draft.write_text("\n".join(lines) + "\n")
    draft.replace(path)


def sensitivity(config: Config, run: Run) -> float:
    """How far a change of the start in the last bit moves a history.

    Returns:
        The largest relative difference over all columns and checkpoints, up to the
        first that makes the run a chaotic one; inf if one of the two diverges and
        the other does not.
    """
    engine = importlib.import_module(config.engine)
    start = engine.initial_state(config)
    first, *rest = start.params
    twin = Run(pd.DataFrame(), (np.nextafter(first, np.inf), *rest), 0, finished=False)
    whole, apart = _columns(run.history), 0.0
    while not twin.finished and SAFETY * apart <= CHAOTIC:
        rows = len(twin.history)
        turns = itertools.count()
        twin = engine.proceed(config, twin, lambda turns=turns: next(turns) > 0)
        if rows < len(twin.history) and not twin.finished:
            so_far = {key: values[: len(twin.history)] for key, values in whole.items()}
            apart = difference(so_far, _columns(twin.history))
    return difference(whole, _columns(twin.history)) if twin.finished else apart


def difference(first: dict[str, list], second: dict[str, list]) -> float:
    """Largest relative difference of two histories; inf if they do not match."""
    worst = 0.0
    if first.keys() != second.keys():
        return math.inf
    for column, values in first.items():
        a = np.array(values, dtype=float)
        b = np.array(second[column], dtype=float)
        if a.shape != b.shape or (np.isnan(a) != np.isnan(b)).any():
            return math.inf
        unequal = (a != b) & ~np.isnan(a)
        a, b = a[unequal], b[unequal]
        if np.isinf(a).any() or np.isinf(b).any():
            return math.inf
        scale = np.maximum(np.abs(a), np.abs(b))
        # each divided first: the difference itself might overflow
        worst = max(worst, float(np.max(np.abs(a / scale - b / scale), initial=0.0)))
    return worst


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
    if sample < 0:
        raise ValueError(f"sample = {sample}: must be at least 0")
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
    reruns = [(*rows[i], _config(rows[i][1])) for i in chosen]
    settings: defaultdict[Any, list[dict[str, Any]]] = defaultdict(list)
    for path, row in rows:
        settings[path, _setting(row)].append(row)
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
            kind, problem = compare(row, run, device, settings[path, _setting(row)])
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
    if row["engine"] == _engine_now(row):
        apart = difference(row["history"], _columns(run.history))
        same = row["libraries"] == library_versions()
        if same and _instructions(row["provenance"]["device"]) == _instructions(device):
            if run.diverged_at != row["diverged_at"]:
                return "bits", f"diverged at step {run.diverged_at}"
            apart = max(apart, difference(row["weights"], _weights(run)))
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


def _weights(run: Run) -> dict[str, list]:
    """The first layer at the end: `alignment.summary` and `alignment.unit_table`."""
    w = run.params[0].astype(float)
    table = {name: [value] for name, value in alignment.summary(w).items()}
    return _columns(table | alignment.unit_table(w))


def _columns(table: Mapping[str, Iterable[float]] | pd.DataFrame) -> dict[str, list]:
    """The columns as lists, with None for NaN: JSON has no NaN."""
    return {
        str(name): [
            None if isinstance(x, float) and math.isnan(x) else x
            for x in np.asarray(column).tolist()
        ]
        for name, column in table.items()
    }


def _table(row: dict[str, Any]) -> pd.DataFrame:
    history = pd.DataFrame(row["history"]).astype(float)
    history["step"] = history["step"].astype(int)
    run = Run(history, (), 0, diverged_at=row["diverged_at"])
    table = tidy(_config(row), run).assign(engine=row["engine"])
    for name in alignment.SUMMARY:
        value = np.array(row["weights"][name], dtype=float)  # None becomes NaN
        table[name] = np.where(table["last"], value, np.nan)
    return table


def _config(row: dict[str, Any]) -> Config:
    module = row["module"]
    if not (isinstance(module, str) and module.startswith("flatminima.")):
        raise BadResult(f"module = {module!r}: not one of this engine")
    return importlib.import_module(module).Config(**row["config"])


def _engine_now(row: dict[str, Any]) -> str:
    return store.engine_digest(_config(row))


def _setting(row: dict[str, Any]) -> bytes:
    seeds = ("data_seed", "init_seed")
    return store.canonical({k: v for k, v in row["config"].items() if k not in seeds})


def _instructions(device: dict[str, Any]) -> tuple:
    """What decides which instructions a processor is given."""
    names = ["architecture", "family", "model", "stepping", "features"]
    if device["family"] is None:  # not told by every platform
        names.append("name")
    return tuple(device[name] for name in names)


def _device(row: dict[str, Any]) -> str:
    device = row["provenance"]["device"]
    name = device["name"] or device["architecture"]
    numbers = ("family", "model", "stepping")
    told = [f"{key} {device[key]}" for key in numbers if device[key] is not None]
    return f"{name} ({', '.join(told)})" if told else name


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="flatminima.results")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("collect", help="commit the runs of a record")
    command.add_argument("record", type=Path, help="written through FLATMINIMA_RECORD")
    command.add_argument("path", type=Path, help="file of results/")
    command = commands.add_parser("verify", help="run committed results again")
    command.add_argument("paths", type=Path, nargs="*")
    command.add_argument("--sample", type=int, default=20)
    command.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        problems = _run(options)
    except (ValueError, OSError) as error:
        problems = [str(error)]
    except KeyboardInterrupt:
        return 130
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if problems else 0


def _run(options: argparse.Namespace) -> list[str]:
    if options.command == "collect":
        lines = options.record.read_bytes().splitlines()
        collect([_config(json.loads(line)) for line in lines], options.path)
        print(f"committed {len(load(options.path).rows)} runs: {options.path}")
        return []
    paths = options.paths or sorted(FOLDER.glob("*.jsonl"))
    problems = verify(paths, options.sample, options.seed)
    if not problems:
        print(f"verified: {', '.join(map(str, paths)) or 'nothing is committed'}")
    return problems


if __name__ == "__main__":
    sys.exit(main())
