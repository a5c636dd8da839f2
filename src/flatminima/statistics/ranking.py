"""How well one number ranks another over trained networks.

Kendall's tau over all networks, the mean over slices in which one hyper-parameter alone
varies (the granulated coefficient of Jiang et al. 2020), and the worst of these
(after Dziugaite et al. 2020). Every seed is a replicate of the whole design, with data
of its own, so a coefficient is computed for each seed and has the interval of a mean
over seeds.

Y. Jiang et al., "Fantastic generalization measures and where to find them", ICLR 2020;
G. K. Dziugaite et al., "In search of robust measures of generalization", NeurIPS 2020.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.statistics.intervals import mean_ends
from flatminima.sweeps.table import SEEDS

Interval = tuple[float, float, float]
"""A number and the ends of its interval, which for tau lies within -1 and 1."""


def tau(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    """Kendall's tau as Jiang et al. define it: the mean over pairs of sign times sign.

    A pair that is tied in either counts as 0, so a constant measure has 0. The variants
    of scipy divide by the pairs without ties.

    Args:
        x, y: finite numbers.

    Returns:
        Between -1 and 1; NaN for fewer than two entries.

    Raises:
        ValueError: if x and y differ in length.
    """
    n = len(x)
    if len(y) != n:
        raise ValueError(f"x, y: must be as long as each other, not {n}, {len(y)}")
    if n < 2:
        return np.nan
    signs = np.sign(np.subtract.outer(x, x)) * np.sign(np.subtract.outer(y, y))
    return float(signs.sum() / (n * (n - 1)))


def overall(
    rows: pd.DataFrame, measure: str, target: str, groups: Sequence[str]
) -> pd.DataFrame:
    """Tau over all networks of a group, for each seed.

    Args:
        rows: one a network, with the columns of `SEEDS`.
        measure, target: columns.
        groups: columns within which networks are compared, such as the data set.

    Returns:
        A row a seed, a column a group; NaN where a group has fewer than two networks.
    """
    series = _within(rows, measure, target, [*SEEDS, *groups])
    return series.unstack(list(groups)) if len(series) else pd.DataFrame(dtype=float)


def _within(
    rows: pd.DataFrame, measure: str, target: str, keys: Sequence[str]
) -> pd.Series:
    """`tau` of all rows that agree in some columns, for groups of one size at once."""
    rows = rows.dropna(subset=[measure, target])
    groups = rows.groupby(list(keys), sort=True)
    sizes = groups.size()
    order = np.argsort(groups.ngroup().to_numpy(), kind="stable")
    x, y = (rows[name].to_numpy(float)[order] for name in (measure, target))
    first = np.cumsum(sizes.to_numpy()) - sizes.to_numpy()
    found = np.full(len(sizes), np.nan)
    for size in np.unique(sizes[sizes > 1]):
        chosen = sizes.to_numpy() == size
        at = first[chosen][:, None] + np.arange(size)
        i, j = np.triu_indices(size, 1)
        signs = np.sign(x[at[:, i]] - x[at[:, j]]) * np.sign(y[at[:, i]] - y[at[:, j]])
        found[chosen] = signs.mean(axis=1)
    return pd.Series(found, index=sizes.index)


def slices(
    rows: pd.DataFrame,
    measure: str,
    target: str,
    axes: Sequence[str],
    groups: Sequence[str],
) -> pd.DataFrame:
    """Mean tau over the slices along every hyper-parameter, for each seed.

    A slice is the networks of a group and seed that agree in all hyper-parameters but
    one. Networks that are missing leave slices of fewer than two, which do not count.

    Args:
        rows, measure, target, groups: as in `overall`.
        axes: columns of the hyper-parameters.

    Returns:
        A row a seed, a column a group and axis; NaN where no slice is left.
    """
    parts = {}
    for axis in axes:
        others = [name for name in axes if name != axis]
        each = _within(rows, measure, target, [*SEEDS, *groups, *others])
        if each.empty:
            continue
        mean = each.groupby(level=[*SEEDS, *groups]).mean().unstack(list(groups))
        for key in mean.columns:
            name = key if isinstance(key, tuple) else (key,)
            parts[(*name, axis)] = mean[key]
    return pd.DataFrame(parts)


def mean_over_seeds(table: pd.DataFrame, level: float) -> Interval:
    """Mean over the columns of each seed, then over seeds, with its interval.

    Args:
        table: from `overall` or `slices`; a seed without any entry is left out.
        level: of confidence.
    """
    values = table.mean(axis=1).dropna().to_numpy(float)
    if not len(values):
        return np.nan, np.nan, np.nan
    low, high = np.clip(mean_ends(values, level), -1, 1)
    return float(values.mean()), float(low), float(high)


def worst(table: pd.DataFrame, level: float) -> Interval:
    """The smallest over the columns of the means over seeds, with its interval.

    The ends are the smallest lower and the smallest upper end of the intervals of all
    columns, each at the level that makes all of them hold at once (Bonferroni). So the
    interval covers the smallest true mean at least as often as the level says.

    Args:
        table: from `slices`.
        level: of confidence.
    """
    columns = [table[name].dropna().to_numpy(float) for name in table]
    columns = [values for values in columns if len(values)]
    if not columns:
        return np.nan, np.nan, np.nan
    each = 1 - (1 - level) / len(columns)
    ends = np.array([mean_ends(values, each) for values in columns], dtype=float)
    low, high = np.clip(ends.min(axis=0), -1, 1)  # NaN if an interval does not exist
    return float(min(values.mean() for values in columns)), float(low), float(high)


def effects(
    rows: pd.DataFrame,
    target: str,
    axes: Sequence[str],
    groups: Sequence[str],
    level: float,
) -> pd.DataFrame:
    """What going from the first to the last value of a hyper-parameter does.

    The mean over all networks that differ in it alone, for each seed, then over seeds.
    Its intervals hold at once, over all rows of the table (Bonferroni).

    Args:
        rows, target, axes, groups: as in `slices`.
        level: of confidence.

    Returns:
        A row a group and axis, with the columns of groups, axis, effect, low, high and
        pairs, the number of pairs of networks over all seeds.
    """
    found = []
    for axis in axes:
        others = [name for name in axes if name != axis]
        cells = rows.pivot_table(
            index=[*groups, *SEEDS, *others], columns=axis, values=target
        )
        if cells.shape[1] < 2:
            continue
        difference = (cells.iloc[:, -1] - cells.iloc[:, 0]).dropna()
        for key, part in difference.groupby(list(groups)):
            name = key if isinstance(key, tuple) else (key,)
            by_seed = part.groupby(SEEDS).mean().to_numpy(float)
            found.append((name, axis, by_seed, len(part)))
    table = []
    for name, axis, values, pairs in found:
        low, high = mean_ends(values, 1 - (1 - level) / len(found))
        ends = (float(values.mean()), float(low), float(high), pairs)
        table.append((*name, axis, *ends))
    names = [*groups, "axis", "effect", "low", "high", "pairs"]
    return pd.DataFrame(table, columns=names)
