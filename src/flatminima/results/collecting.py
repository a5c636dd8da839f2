"""Runs of the store become a file of results."""

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from flatminima.paths import store_folder
from flatminima.results import devices
from flatminima.results.rows import (
    BadResult,
    columns,
    difference,
    kept_history,
    summary,
)
from flatminima.runs import loop
from flatminima.runs.kind import Run, RunConfig, engine_of
from flatminima.sweeps import store
from flatminima.sweeps.sweep import run_all

SAFETY = 1e3
CHAOTIC = 1e-4
"""Tolerance above which a comparison number by number would say nothing."""


def collect(configs: Sequence[RunConfig], path: Path) -> None:
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
    rows = []
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
            "history": kept_history(run.history),
            "summary": summary(config, run),
            "sensitivity": moved[setting] if math.isfinite(moved[setting]) else None,
            "tolerance": tolerance if tolerance <= CHAOTIC else None,
        }
        row["checksum"] = store.sha256(store.canonical(row))
        rows.append(row)
    lines = [
        json.dumps(devices.folded(row), separators=(",", ":"), allow_nan=False)
        for row in rows
    ]
    devices.keep((row["provenance"]["device"] for row in rows), path)
    draft = path.with_name(f"{path.name}.tmp")
    draft.write_text("\n".join(lines) + "\n")
    draft.replace(path)


def _after_one(turns: Iterator[int]) -> bool:
    """Whether this has been asked before."""
    return next(turns) > 0


def sensitivity(config: RunConfig, run: Run) -> float:
    """How far a change of the start in the last bit moves a history.

    The first of the arrays is changed.

    Returns:
        The largest relative difference over all columns and checkpoints, up to the
        first that makes the run a chaotic one; inf if one of the two diverges and
        the other does not, or if the start is made by another run, as that of a flow.
    """
    engine = engine_of(config)
    if not hasattr(engine, "start"):  # a kind that cannot be started elsewhere
        return math.inf
    start = dict(engine.start(config).arrays)
    first = next(iter(start))
    start[first] = np.nextafter(start[first], np.inf)
    twin = Run(pd.DataFrame(), start, 0, finished=False)
    whole, apart = columns(run.history), 0.0
    while not twin.finished and SAFETY * apart <= CHAOTIC:
        rows = len(twin.history)
        turns = itertools.count()
        twin = loop.proceed(config, twin, partial(_after_one, turns))
        if rows < len(twin.history) and not twin.finished:
            so_far = {key: values[: len(twin.history)] for key, values in whole.items()}
            apart = difference(so_far, columns(twin.history))
    return difference(whole, columns(twin.history)) if twin.finished else apart
