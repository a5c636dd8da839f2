"""Whether sharpness ranks networks by their test error, one number a seed."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from flatminima.runs.images.around import RADII
from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.m_sharpness.runs import FRESH, Methods
from flatminima.studies.m_sharpness.tables import of
from flatminima.sweeps.table import SEEDS

SOURCE_M = "128"
"""Batch of the m-sharpness that the source looks at."""

SIZES = ("16", SOURCE_M, "all")
RISES = tuple(f"rise_{m}_{radius}" for m in SIZES for radius in RADII)
MEASURES = (*RISES, *(f"random_{radius}" for radius in RADII), "largest_eigenvalue")
METHOD = ["batch", "sam"]

Pair = tuple[Any, Any]
"""Two methods, each a batch size and whether it is SAM."""


def compared(rows: pd.DataFrame, methods: Methods) -> pd.DataFrame:
    """Test error and all measures of sharpness, a row a method, batch size and seed.

    Args:
        rows: of committed runs.
        methods: by batch size and whether it is SAM.

    Returns:
        The last rows of the seeds of which every method has a run that did not
        diverge, with the columns `sam` and `error`.
    """
    parts = []
    for (_, sam), config in methods.items():
        found = of(rows, config)
        if not found.empty:
            parts.append(found[found["last"] & ~found["diverged"]].assign(sam=sam))
    empty = [*METHOD, *SEEDS, "error", "train_loss", *MEASURES]
    if not parts:
        return pd.DataFrame(columns=empty, dtype=float)
    table = pd.concat(parts, ignore_index=True)
    table = table[table["data_seed"] >= FRESH]
    whole = table.groupby(SEEDS)["step"].transform("size") == len(methods)
    return table[whole].assign(error=lambda t: 1 - t["test_accuracy"])


def _wide(table: pd.DataFrame, column: str) -> pd.DataFrame:
    """A row a seed, a column a method."""
    return table.pivot_table(column, SEEDS, METHOD, sort=False).astype(float)


def clear_pairs(table: pd.DataFrame) -> list[Pair]:
    """Pairs of methods whose test errors differ clearly, the better one first.

    Clearly: the interval of the mean difference over seeds excludes 0.

    Args:
        table: from `compared`.
    """
    if table.empty:
        return []
    errors, found = _wide(table, "error"), []
    for a, b in combinations(errors.columns, 2):
        low, high = of_mean((errors[b] - errors[a]).to_numpy(), thresholds())
        if low > 0:
            found.append((a, b))
        elif high < 0:
            found.append((b, a))
    return found


def wrong(table: pd.DataFrame, measure: str) -> Float[np.ndarray, " seeds"]:
    """Share of the clear pairs that a measure puts in the wrong order, by seed.

    Args:
        table: from `compared`.
        measure: column; smaller is flatter, and should be better.
    """
    pairs = clear_pairs(table)
    if not pairs:
        return np.array([])
    values = _wide(table, measure)
    off = [(values[better] >= values[worse]).astype(float) for better, worse in pairs]
    return np.mean(off, axis=0)


def wrong_at_best(table: pd.DataFrame) -> Float[np.ndarray, " seeds"]:
    """The same of the m-sharpness that orders them best, over all seeds together."""
    each = [values for name in RISES if len(values := wrong(table, name))]
    return min(each, key=np.mean) if each else np.array([])


def same_batch(
    table: pd.DataFrame, measures: Sequence[str]
) -> Float[np.ndarray, " seeds"]:
    """Share of batch sizes and measures that order plain training and SAM right.

    Args:
        table: from `compared`.
        measures: columns.

    Returns:
        One a seed. Equal test errors have no order and do not count.
    """
    pairs = [((batch, False), (batch, True)) for batch in table["batch"].unique()]
    return _right(table, measures, pairs)


def any_pair(
    table: pd.DataFrame, measures: Sequence[str]
) -> Float[np.ndarray, " seeds"]:
    """The same over all pairs of methods, of whatever batch sizes."""
    if table.empty:
        return np.array([])
    pairs = list(combinations(_wide(table, "error").columns, 2))
    return _right(table, measures, pairs)


def _right(
    table: pd.DataFrame, measures: Sequence[str], pairs: Sequence[Pair]
) -> Float[np.ndarray, " seeds"]:
    if table.empty:
        return np.array([])
    errors = _wide(table, "error")
    found = []
    for measure in measures:
        values = _wide(table, measure)
        for a, b in pairs:
            error, rise = errors[b] - errors[a], values[b] - values[a]
            right = (error * rise > 0).astype(float)
            found.append(right.where(error != 0))
    return pd.concat(found, axis=1).mean(axis=1).dropna().to_numpy(float)


def source_rises() -> list[str]:
    """The columns of the source's m-sharpness, one a radius."""
    return [f"rise_{SOURCE_M}_{radius}" for radius in RADII]


def overview(table: pd.DataFrame) -> pd.DataFrame:
    """A row a measure: how well it orders the networks, means over seeds.

    Args:
        table: from `compared`.
    """
    if table.empty:
        return pd.DataFrame()
    errors, lines = _wide(table, "error"), []
    for measure in MEASURES:
        values, off = _wide(table, measure), wrong(table, measure)
        tau = [
            stats.kendalltau(values.loc[seed], errors.loc[seed]).statistic
            for seed in errors.index
        ]
        lines.append(
            {
                "measure": called(measure),
                "tau with test error": pd.Series(tau).mean(),
                "clear pairs in the wrong order": off.mean() if len(off) else np.nan,
                "right at the same batch": same_batch(table, [measure]).mean(),
            }
        )
    return pd.DataFrame(lines).set_index("measure").round(2)


def called(measure: str) -> str:
    """What tables call a column of `MEASURES`.

    >>> called("rise_16_0.03"), called("rise_all_0.1"), called("random_0.3")
    ('16-sharpness at 0.03', 'n-sharpness at 0.1', 'rise at random, 0.3')
    """
    kind, *size, radius = measure.split("_")
    if kind == "rise":
        return f"{size[0].replace('all', 'n')}-sharpness at {radius}"
    return f"rise at random, {radius}" if kind == "random" else "largest eigenvalue"


def method_summary(table: pd.DataFrame) -> pd.DataFrame:
    """A row a batch size and method: means over seeds of losses, error and measures."""
    if table.empty:
        return pd.DataFrame()
    columns = {
        "error": "test error",
        "train_loss": "training loss",
    }
    shown = (*(f"rise_{SOURCE_M}_{radius}" for radius in RADII[1:3]), MEASURES[-1])
    columns |= {name: called(name) for name in shown}
    named = table.assign(sam=table["sam"].map({True: "SAM", False: "without SAM"}))
    means = named.groupby(METHOD, sort=False)[list(columns)].mean()
    return means.rename(columns=columns).rename_axis(["batch", "rule"]).round(4)
