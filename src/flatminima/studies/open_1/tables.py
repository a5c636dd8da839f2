"""Recovery curves and shares of phase diagrams."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from flatminima.claims.register import load
from flatminima.sweeps.table import as_rows as rows_of

HALF = 0.5


def shares(table: pd.DataFrame, method: str) -> pd.DataFrame:
    """Share of seeds that a method recovers: rows sizes, columns numbers of examples.

    Args:
        table: from `sparse.diagram` or `sensing.diagram`.
        method: one of its methods.
    """
    rows = table[table["method"] == method]
    return rows.pivot_table("recovers", "size", "n", aggfunc="mean").astype(float)


def crossings(grid: pd.DataFrame) -> pd.Series:
    """Where on the axis of n each size passes one half, in cells.

    Cell j has the position j. The crossing is that after which the share stays at one
    half or more, by a straight line between two cells: minus one half where it is never
    less, the number of cells minus one half where it ends below.

    Args:
        grid: from `shares`.
    """
    found = {}
    for size, row in grid.iterrows():
        values = row.to_numpy(float)
        below = np.flatnonzero(values < HALF)
        if not len(below):
            found[size] = -0.5
        elif below[-1] == len(values) - 1:
            found[size] = len(values) - 0.5
        else:
            k = below[-1]
            found[size] = k + (HALF - values[k]) / (values[k + 1] - values[k])
    return pd.Series(found, name="crossing")


def cells_apart(table: pd.DataFrame, method: str, other: str) -> np.ndarray:
    """Distance of the 50 % curves of two methods in cells, one number a size."""
    first, second = (crossings(shares(table, each)) for each in (method, other))
    return np.abs(first.to_numpy() - second.to_numpy())


def in_cells(values: np.ndarray, ns: Sequence[int]) -> np.ndarray:
    """Numbers of examples as positions on the axis of cells, held to its ends."""
    inside = np.interp(values, ns, np.arange(len(ns)), left=-0.5)
    return np.asarray(np.where(values > ns[-1], len(ns) - 0.5, inside))


def from_geometry(
    table: pd.DataFrame, method: str, law: Callable[[float], float], d: int, total: int
) -> np.ndarray:
    """Distance in cells of a method's 50 % curve from the law of large dimensions.

    Args:
        table: as in `shares`.
        method: one of its methods.
        law: from `curves`.
        d: what sizes are shares of.
        total: what examples are shares of.
    """
    grid = shares(table, method)
    ns = [int(n) for n in grid.columns]
    wanted = in_cells(np.array([total * law(size / d) for size in grid.index]), ns)
    return np.asarray(np.abs(crossings(grid).to_numpy() - wanted))


def recovered(table: pd.DataFrame, method: str) -> pd.Series:
    """Share of all cells that a method recovers, by seed."""
    rows = table[table["method"] == method]
    return rows.groupby("seed")["recovers"].mean().astype(float)


def as_rows(values: pd.Series, claim: str, said: str) -> pd.DataFrame:
    """As `sweeps.table.as_rows`, under the metric of a claim."""
    return rows_of(values, load()[1][claim].rule.metric, said)
