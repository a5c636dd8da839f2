"""Settings that are chosen on some seeds and compared on others."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from flatminima.sweeps.table import SEEDS

NOT_RUN = "scaled-down: not run yet"


def of_seeds(table: pd.DataFrame, seeds: Iterable[int]) -> pd.DataFrame:
    """The rows of some data seeds."""
    return table[table["data_seed"].isin(list(seeds))]


def without_seeds(table: pd.DataFrame, seeds: Iterable[int]) -> pd.DataFrame:
    """The rows of all other data seeds."""
    return table[~table["data_seed"].isin(list(seeds))]


def best(
    rows: pd.DataFrame, along: Sequence[str], metric: str = "test_accuracy"
) -> tuple[float, ...]:
    """The values of some columns at which a metric has the largest mean.

    Only seeds count that have every value of the first column, so that a grid of which
    a part is missing favours none. A diverged run counts as 0, also at rows that it did
    not come to.

    Args:
        rows: of the seeds that choose, a row a run and value.
        along: columns to choose from. Of equally good values the smaller ones win, the
            first column first.
        metric: column.

    Returns:
        One value a column; NaN where there is no row.
    """
    along = list(along)
    values = rows.groupby(SEEDS)[along[0]].transform("nunique")
    rows = rows[values == rows[along[0]].nunique()]
    if rows.empty:
        return (np.nan,) * len(along)
    kept = rows[metric].astype(float).where(~rows["diverged"].astype(bool), 0.0)
    wide = rows.assign(kept=kept).pivot_table("kept", SEEDS, along).fillna(0.0)
    top = wide.mean().idxmax()
    return tuple(map(float, top if isinstance(top, tuple) else (top,)))


def ends_of(rows: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Rows as `claims.decide` takes the ends of one setting.

    Args:
        rows: one a seed; none becomes one seed without a value, so that it decides
            nothing.
        metrics: columns that count.
    """
    if len(rows):
        return rows.assign(last=True)
    nothing = {name: [np.nan] for name in metrics} | {name: [0] for name in SEEDS}
    return pd.DataFrame(nothing).assign(
        last=True, diverged=False, scale=NOT_RUN, test_points=1
    )


def mean_of(
    settings: Sequence[pd.DataFrame], metric: str = "test_accuracy"
) -> pd.DataFrame:
    """One row a seed: the mean of a metric over settings that all have that seed.

    Args:
        settings: rows as `ends_of` returns them.
        metric: column. A run that diverged makes its seed a diverged one.
    """
    each = [rows.set_index(SEEDS) for rows in settings]
    values = pd.concat([rows[metric] for rows in each], axis=1, join="inner")
    lost = pd.concat([rows["diverged"] for rows in each], axis=1, join="inner")
    keep = each[0].loc[values.index]
    keep = keep.assign(
        **{metric: values.mean(axis=1, skipna=False)}, diverged=lost.any(axis=1)
    )
    return ends_of(keep.reset_index(), [metric])
