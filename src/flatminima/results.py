"""Committed results: the histories of long runs, each with where it comes from.

A file of `results/` has one line of JSON a run: config, engine digest, library
versions, provenance, history, tolerance and a checksum over all of it. Weights are
not kept. Pages show these curves behind those of their own build; `verify` runs
them again.

    python -m flatminima.results collect RECORD FILE    after a chapter has run
    python -m flatminima.results verify FILE...
"""

import argparse
import importlib
import json
import math
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from flatminima import store
from flatminima.config import Config
from flatminima.identity import library_versions
from flatminima.paths import results_folder, store_folder
from flatminima.provenance import processor
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
        tables: their histories, with the columns of `sweep.sweep`, and `engine`.
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
    rows = []
    if path.is_file():
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                row = json.loads(line)
                checksum = row.pop("checksum")
            except (ValueError, KeyError, AttributeError, TypeError) as error:
                raise BadResult(f"{path}, line {number}: not readable") from error
            if checksum != store.sha256(store.canonical(row)):
                raise BadResult(f"{path}, line {number}: not what its checksum says")
            rows.append(row)
    return Committed(rows, [_table(row) for row in rows])


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
        configs: what to commit; missing ones are run.
        path: the file, which is replaced.
    """
    configs = list(dict.fromkeys(configs))
    runs = run_all(configs)
    moved: dict[Config, float] = {}
    lines = []
    for config, run in zip(configs, runs, strict=True):
        setting = config.with_seeds(0, 0)
        if setting not in moved:
            moved[setting] = sensitivity(config, run)
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
            "history": _columns(run),
            "sensitivity": moved[setting],
            "tolerance": tolerance if tolerance <= CHAOTIC else None,
        }
        row["checksum"] = store.sha256(store.canonical(row))
        lines.append(store.canonical(row))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(lines) + b"\n")


def sensitivity(config: Config, run: Run) -> float:
    """How far a change of the start in the last bit moves a history.

    Returns:
        The largest relative difference over all columns and checkpoints; inf if
        one of the two diverges and the other does not.
    """
    engine = importlib.import_module(config.engine)
    start = engine.initial_state(config)
    first, *rest = start.params
    nudged = Run(
        pd.DataFrame(), (np.nextafter(first, np.inf), *rest), 0, finished=False
    )
    twin = engine.proceed(config, nudged, lambda: False)
    return difference(_columns(run), _columns(twin))


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
        scale = np.maximum(np.abs(a), np.abs(b))
        scale[scale == 0] = 1.0
        apart = np.abs(a - b) / scale
        worst = max(worst, float(np.nanmax(apart, initial=0.0)))
    return worst


def verify(paths: Sequence[Path], sample: int, seed: int) -> list[str]:
    """Check every row against its checksum, and rerun cheap ones and a sample.

    On the processor and library versions that made it, and with the same engine, a
    rerun must give the same bits. Elsewhere it must agree within the row's
    tolerance; a chaotic run, and one that an older engine made, is compared with
    the committed runs of its setting by statistics over seeds.

    Args:
        paths: files of `results/`.
        sample: how many of the runs that cost more than 5 s to rerun, at most.
        seed: of the sample.

    Returns:
        One line per problem.
    """
    problems: list[str] = []
    rows: list[tuple[Path, dict[str, Any]]] = []
    for path in paths:
        try:
            rows += [(path, row) for row in load(path).rows]
        except BadResult as error:
            problems.append(str(error))
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
    configs = [_config(rows[i][1]) for i in chosen]
    outcome = {"bits": 0, "tolerance": 0, "statistics": 0}
    # a store of their own: nothing is reused
    with tempfile.TemporaryDirectory() as folder:
        runs = run_all(configs, folder=Path(folder))
    for i, config, run in zip(chosen, configs, runs, strict=True):
        path, row = rows[i]
        committed = [r for p, r in rows if p == path and _setting(r) == _setting(row)]
        kind, problem = compare(row, run, committed)
        outcome[kind] += 1
        if problem:
            problems.append(f"{path}: {problem} in {config!r}")
    print(", ".join(f"{count} by {kind}" for kind, count in outcome.items()))
    return problems


def compare(
    row: dict[str, Any], run: Run, committed: Iterable[dict[str, Any]]
) -> tuple[str, str]:
    """Compare a committed run with its rerun.

    Args:
        row: the committed run.
        run: the rerun.
        committed: all committed runs of the same setting.

    Returns:
        How they were compared ("bits", "tolerance" or "statistics") and what is
        wrong, or "".
    """
    if row["engine"] == _engine_now(row):
        apart = difference(row["history"], _columns(run))
        same = row["libraries"] == library_versions()
        if same and _instructions(row) == _instructions({"provenance": _here()}):
            wrong = f"differs by {apart:.2g} on the processor that made it"
            return "bits", wrong if apart > 0 else ""
        if row["tolerance"] is not None:
            wrong = f"differs by {apart:.2g}, allowed are {row['tolerance']:.2g}"
            return "tolerance", wrong if apart > row["tolerance"] else ""
    return "statistics", "; ".join(_outliers(run, list(committed)))


def _outliers(run: Run, committed: list[dict[str, Any]]) -> list[str]:
    """Metrics of a run that do not belong with those of the committed seeds."""
    found = []
    for metric, floor in FLOORS.items():
        ends = [row["history"].get(metric, [None])[-1] for row in committed]
        values = np.array([end for end in ends if end is not None], dtype=float)
        value = float(run.history[metric].iloc[-1])
        if len(values) < 2 or math.isnan(value):
            continue
        spread = values.std(ddof=1) * math.sqrt(1 + 1 / len(values))
        width = stats.t.ppf(1 - LEVEL / 2, len(values) - 1) * spread
        size = 1.0 if metric == "test_accuracy" else abs(values.mean())
        if abs(value - values.mean()) > width + floor * size:
            found.append(
                f"{metric} {value:.4g} is outside {values.mean():.4g} +- "
                f"{width + floor * size:.2g}, from {len(values)} seeds"
            )
    return found


def _columns(run: Run) -> dict[str, list]:
    """The history as lists, with None for NaN: JSON has no NaN."""
    return {
        str(name): [
            None if isinstance(x, float) and math.isnan(x) else x
            for x in column.tolist()
        ]
        for name, column in run.history.items()
    }


def _table(row: dict[str, Any]) -> pd.DataFrame:
    history = pd.DataFrame(row["history"]).astype(float)
    history["step"] = history["step"].astype(int)
    run = Run(history, (), 0, diverged_at=row["diverged_at"])
    return tidy(_config(row), run).assign(engine=row["engine"])


def _config(row: dict[str, Any]) -> Config:
    if not row["module"].startswith("flatminima."):
        raise BadResult(f"module = {row['module']!r}: not one of this engine")
    return importlib.import_module(row["module"]).Config(**row["config"])


def _engine_now(row: dict[str, Any]) -> str:
    return store.engine_digest(_config(row))


def _setting(row: dict[str, Any]) -> bytes:
    seeds = ("data_seed", "init_seed")
    return store.canonical({k: v for k, v in row["config"].items() if k not in seeds})


def _here() -> dict[str, Any]:
    return {"device": processor()}


def _instructions(row: dict[str, Any]) -> tuple:
    """What decides which instructions a processor is given."""
    device = row["provenance"]["device"]
    names = ("architecture", "family", "model", "stepping", "features")
    return tuple(device.get(name) for name in names)


def _device(row: dict[str, Any]) -> str:
    device = row["provenance"]["device"]
    return (
        f"{device['name']} (family {device['family']}, model {device['model']}, "
        f"stepping {device['stepping']})"
    )


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
    if options.command == "collect":
        lines = options.record.read_bytes().splitlines()
        collect([_config(json.loads(line)) for line in lines], options.path)
        print(f"committed {len(load(options.path).rows)} runs: {options.path}")
        return 0
    paths = options.paths or sorted(FOLDER.glob("*.jsonl"))
    problems = verify(paths, options.sample, options.seed)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if not problems:
        print(f"verified: {', '.join(map(str, paths)) or 'nothing is committed'}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
