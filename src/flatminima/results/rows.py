"""One line of a file of results: its entries, and how two of them differ."""

import importlib
import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from flatminima.runs.kind import Run, RunConfig, engine_of
from flatminima.sweeps import store


class BadResult(ValueError):
    """A committed result that does not match its checksum, or a rerun."""


def summary(config: RunConfig, run: Run) -> dict[str, Any]:
    """What is kept of the final state: numbers, and lists of numbers, by name.

    Each kind of run says what; nothing, if it says nothing or if a run that diverged
    has left no arrays.
    """
    engine = engine_of(config)
    if not hasattr(engine, "summary") or not run.arrays:
        return {}
    return {name: plain(value) for name, value in engine.summary(config, run).items()}


def plain(value: Any) -> Any:
    """A number or a list as JSON has them, None for NaN."""
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and math.isnan(value) else value


def columns(table: Mapping[str, Iterable[float]] | pd.DataFrame) -> dict[str, list]:
    """The columns as lists, with None for NaN: JSON has no NaN."""
    return {
        str(name): plain(np.asarray(column).tolist()) for name, column in table.items()
    }


def config_of(row: dict[str, Any]) -> RunConfig:
    """The config of a run.

    A file is data, so it cannot have any module imported: those of this engine are,
    others have to be there already.

    Raises:
        BadResult: if its module is none of this engine, nor imported by the caller.
        ValueError: if a field is out of range.
    """
    module = row["module"]
    if isinstance(module, str) and module.startswith("flatminima.runs."):
        importlib.import_module(module)
    kind = getattr(sys.modules.get(str(module)), "Config", None)
    if kind is None or getattr(kind, "engine", None) != module:
        raise BadResult(f"module = {module!r}: not one of this engine")
    return kind(**row["config"])


def kept_history(history: pd.DataFrame) -> dict[str, list]:
    """The columns of a history as they are committed.

    A flow has a row an iteration, and most of them have its trace alone. Of those only
    the last is kept.
    """
    if "first_layer_norm" in history:
        whole = history["first_layer_norm"].notna()
        history = history[whole | (history.index == history.index[-1])]
    return columns(history)


def engine_now(row: dict[str, Any]) -> str:
    """Digest of the present engine for the config of a run."""
    return store.engine_digest(config_of(row))


def setting(row: dict[str, Any]) -> bytes:
    """What a run shares with the other seeds of its setting."""
    config = config_of(row).with_seeds(0, 0)
    return store.canonical([row["module"], config.model_dump(mode="json")])


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
