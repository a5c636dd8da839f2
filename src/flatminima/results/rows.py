"""One line of a file of results: its entries, and how two of them differ."""

import importlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from flatminima.measures import alignment
from flatminima.runs.kind import Run
from flatminima.runs.mlp.config import Config
from flatminima.sweeps import store


class BadResult(ValueError):
    """A committed result that does not match its checksum, or a rerun."""


def weights(run: Run) -> dict[str, list]:
    """The first layer at the end: `alignment.summary` and `alignment.unit_table`.

    A run that kept no parameters, as a flow that diverged, has no units, and None for
    all that the summary says.
    """
    if not run.params:
        units = alignment.unit_table(np.empty((alignment.RELEVANT, 0)))
        return columns({name: [np.nan] for name in alignment.SUMMARY} | units)
    w = run.params[0].astype(float)
    table = {name: [value] for name, value in alignment.summary(w).items()}
    return columns(table | alignment.unit_table(w))


def columns(table: Mapping[str, Iterable[float]] | pd.DataFrame) -> dict[str, list]:
    """The columns as lists, with None for NaN: JSON has no NaN."""
    return {
        str(name): [
            None if isinstance(x, float) and math.isnan(x) else x
            for x in np.asarray(column).tolist()
        ]
        for name, column in table.items()
    }


def config_of(row: dict[str, Any]) -> Config:
    """The config of a run.

    Raises:
        BadResult: if its module is none of this engine.
        ValueError: if a field is out of range.
    """
    module = row["module"]
    if not (isinstance(module, str) and module.startswith("flatminima.")):
        raise BadResult(f"module = {module!r}: not one of this engine")
    return importlib.import_module(module).Config(**row["config"])


def engine_now(row: dict[str, Any]) -> str:
    """Digest of the present engine for the config of a run."""
    return store.engine_digest(config_of(row))


def setting(row: dict[str, Any]) -> bytes:
    """What a run shares with the other seeds of its setting."""
    return store.canonical(_without_seeds(row["config"]))


def _without_seeds(value: Any) -> Any:
    """A config without its seeds, nor those of the run that a flow starts from."""
    if not isinstance(value, dict):
        return value
    seeds = ("data_seed", "init_seed")
    return {k: _without_seeds(v) for k, v in value.items() if k not in seeds}


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
