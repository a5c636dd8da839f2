"""Settings that are chosen on some seeds and compared on others."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from flatminima.sweeps.table import SEEDS


def of_seeds(table: pd.DataFrame, seeds: Iterable[int]) -> pd.DataFrame:
    """The rows of some data seeds."""
    return table[table["data_seed"].isin(list(seeds))]


def best(rows: pd.DataFrame, along: str, metric: str = "test_accuracy") -> float:
    """The value of a column at which a metric has the largest mean.

    Args:
        rows: of the seeds that choose, a row a run and value. A diverged run counts as
            0.
        along: column to choose from; the smaller of two equally good values wins.
        metric: column.

    Returns:
        NaN if no value has a mean.
    """
    values = rows[metric].where(~rows["diverged"].astype(bool), 0.0)
    means = values.groupby(rows[along]).mean().dropna()
    return float(means.idxmax()) if len(means) else np.nan


def as_runs(values: pd.Series, metric: str, scale: str) -> pd.DataFrame:
    """One number a seed as ends of runs, which `claims.decide` takes.

    Args:
        values: indexed by data and initialisation seed; an empty one becomes one seed
            without a value, so that it decides nothing.
        metric: column that holds them.
        scale: for the scorecard.
    """
    if values.empty:
        index = pd.MultiIndex.from_tuples([(0, 0)], names=SEEDS)
        values = pd.Series(np.nan, index=index)
    table = values.rename(metric).rename_axis(SEEDS).reset_index()
    return table.assign(last=True, diverged=False, scale=scale, test_points=1)
