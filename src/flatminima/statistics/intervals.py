"""Intervals over seeds, at levels that `coverage` checks by simulation.

A mean has Student's t interval, widened to the side to which the values are skewed: an
end lies where t puts it, or where Hall's transformation does if that is farther out.
Accuracies near 1 need this, since t alone covers their mean too seldom. A median has
order statistics, and a count of seeds the interval of Clopper and Pearson.

P. Hall, "On the removal of skewness by transformation", J. R. Stat. Soc. B 54 (1992).
"""

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from flatminima.statistics.thresholds import Thresholds, thresholds
from flatminima.sweeps.table import per_seed

POOLED = ("test_accuracy", "single_active", "memorising", "injective")
"""Metrics that are shares of points, which can be pooled over seeds."""

SHARES = (*POOLED, "as_predicted", "rising_share")
"""Metrics that are shares of something, and lie between 0 and 1."""

COUNTS = {"test_accuracy": "test_points", "as_predicted": "predicted_runs"}
"""Columns that count what a share is of, where these are not training examples."""

LIMITS = dict.fromkeys(SHARES, (0.0, 1.0)) | {
    "alignment": (-1.0, 1.0),
    "test_r2": (-np.inf, 1.0),
}
"""Between which values a metric lies: no interval goes beyond them."""

STRAIGHT = 1e-9
"""Skewness below which Hall's transformation is the identity, but for rounding."""


def mean_ends(
    values: Float[np.ndarray, "*batch seeds"], level: float
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Ends of the interval of a mean, for every row of seeds.

    Args:
        values: one sample a row.
        level: of confidence, such as 0.95.

    Returns:
        Low and high: a point where all values of a row agree, NaN where a row has
        fewer than two, which say nothing of their spread.

    Raises:
        ValueError: as `check_level`.
    """
    check_level(level)
    n = values.shape[-1]
    if n < 2:
        nothing = np.full(values.shape[:-1], np.nan)
        return nothing, nothing.copy()
    mean = values.mean(axis=-1)
    spread = np.where(np.ptp(values, axis=-1) > 0, values.std(axis=-1, ddof=1), 0.0)
    scale = np.where(spread > 0, spread, 1.0)[..., None]
    cubes = (((values - mean[..., None]) / scale) ** 3).sum(axis=-1)
    skewness = cubes * n / ((n - 1) * (n - 2)) if n > 2 else np.zeros_like(mean)
    quantile = float(stats.t.ppf((1 + level) / 2, n - 1))
    below = np.maximum(quantile, untransformed(quantile, skewness, n))
    above = np.maximum(quantile, -untransformed(-quantile, skewness, n))
    error = spread / np.sqrt(n)
    return mean - below * error, mean + above * error


def untransformed(
    quantile: float, skewness: Float[np.ndarray, "*batch"], n: int
) -> Float[np.ndarray, "*batch"]:
    """The t statistic whose transform, free of skewness, is a quantile.

    Hall's transform of t is t + g t²/3 + g² t³/27 + g/6 with g = skewness / sqrt(n).

    Args:
        quantile: of Student's distribution.
        skewness: of the sample.
        n: number of values.
    """
    g = skewness / np.sqrt(n)
    safe = np.where(np.abs(g) > STRAIGHT, g, 1.0)
    bent = 3 / safe * (np.cbrt(1 + safe * (quantile - safe / 6)) - 1)
    return np.where(np.abs(g) > STRAIGHT, bent, quantile)


def median_ends(
    values: Float[np.ndarray, "*batch seeds"], level: float
) -> tuple[Float[np.ndarray, "*batch"], Float[np.ndarray, "*batch"]]:
    """Ends of the interval of a median, for every row of seeds: two order statistics.

    Args:
        values: one sample a row.
        level: of confidence.

    Returns:
        Low and high; NaN where even the least and the largest value reach the level
        too seldom, as those of five do at 0.95, and where a row has a NaN.

    Raises:
        ValueError: as `check_level`.
    """
    check_level(level)
    n = values.shape[-1]
    rank = int(stats.binom.ppf((1 - level) / 2, n, 0.5)) if n else 0
    if rank < 1:
        nothing = np.full(values.shape[:-1], np.nan)
        return nothing, nothing.copy()
    ordered = np.sort(values, axis=-1)
    unknown = np.isnan(ordered[..., -1])  # where a NaN is sorted to
    low, high = ordered[..., rank - 1], ordered[..., n - rank]
    return np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)


def check_level(level: float) -> None:
    """Refuse a level of confidence that is none, such as one in per cent.

    Raises:
        ValueError: if the level is not above 0 and below 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level = {level}: must be above 0 and below 1")


def of_mean(
    values: Float[np.ndarray, " seeds"], given: Thresholds
) -> tuple[float, float]:
    """`mean_ends` of one sample, at the level of all claims."""
    low, high = mean_ends(np.asarray(values, dtype=float), given.level)
    return float(low), float(high)


def of_median(
    values: Float[np.ndarray, " seeds"], given: Thresholds
) -> tuple[float, float]:
    """`median_ends` of one sample, at the level of all claims."""
    low, high = median_ends(np.asarray(values, dtype=float), given.level)
    return float(low), float(high)


def of_count(count: int, total: int, given: Thresholds) -> tuple[float, float]:
    """The interval of Clopper and Pearson of a share, such as that of seeds.

    Args:
        count: how many have it.
        total: of how many, above 0.
        given: for the level.
    """
    interval = stats.binomtest(count, total).proportion_ci(given.level, "exact")
    return float(interval.low), float(interval.high)


def stretch(n: int, level: float) -> float:
    """By how much the draws of a bootstrap over n seeds fall short.

    Resampled means spread less than means do, by sqrt((n - 1) / n), and a normal
    quantile stands in for one of Student's. `stretched` makes up for both.

    Raises:
        ValueError: as `check_level`.

    >>> round(stretch(10, 0.95), 3), round(stretch(1000, 0.95), 3)
    (1.217, 1.002)
    """
    check_level(level)
    if n < 2:
        return np.nan
    wide, narrow = stats.t.ppf((1 + level) / 2, n - 1), stats.norm.ppf((1 + level) / 2)
    return float(wide / narrow * np.sqrt(n / (n - 1)))


def stretched(
    estimate: float, draws: Float[np.ndarray, " draws"], n: int, level: float
) -> Float[np.ndarray, " draws"]:
    """Draws of a bootstrap over seeds, moved away from the estimate by `stretch`.

    The percentiles of what comes back are an interval of about the level, for any
    number that is nearly linear in the means over seeds.

    Args:
        estimate: from all seeds; infinite ones leave the draws as they are.
        draws: from the resamples; those that are not finite stay.
        n: number of seeds. One seed alone makes every draw NaN.
        level: at which the percentiles will be read.

    Raises:
        ValueError: as `check_level`.
    """
    check_level(level)
    if not np.isfinite(estimate):
        return np.where(n > 1, draws, np.nan)
    factor = stretch(n, level)
    with np.errstate(invalid="ignore"):
        moved = estimate + factor * (draws - estimate)
    return np.where(np.isfinite(draws) | (n < 2), moved, draws)


def mean_interval(table: pd.DataFrame, metric: str) -> tuple[float, float, float]:
    """Mean of a metric over seeds at the last checkpoint, with its interval.

    That of `mean_ends`, within the `LIMITS` of the metric; where all seeds agree on a
    share, the Wilson interval of what it is a share of, pooled over seeds. A diverged
    seed counts as 0.

    Args:
        table: rows of one setting from `sweep`.
        metric: column without gaps; of `SHARES` if it is a share.

    Returns:
        (mean, low, high); NaN if the metric is for a seed. An interval that does not
        exist, as that of one seed, is NaN.
    """
    values = per_seed(table, metric, diverged=0.0).to_numpy(dtype=float)
    if np.isnan(values).any():  # the test set has no point
        return np.nan, np.nan, np.nan
    if metric in SHARES and np.ptp(values) == 0:
        low, high = _pooled(values, _num_points(table, metric), thresholds())
    else:
        ends = of_mean(values, thresholds())
        low, high = np.clip(ends, *LIMITS.get(metric, (-np.inf, np.inf)))
    return float(values.mean()), float(low), float(high)


def _pooled(values: np.ndarray, points: int, given: Thresholds) -> tuple[float, float]:
    total = points * len(values)
    interval = stats.binomtest(round(values.mean() * total), total).proportion_ci(
        given.level, method="wilson"
    )
    return float(interval.low), float(interval.high)


def _num_points(table: pd.DataFrame, metric: str) -> int:
    """What one seed's share is of: test points, training examples or runs.

    Of a share of something else, which no column counts, a seed is one point.
    """
    column = COUNTS.get(metric, "n" if metric in POOLED else "")
    return max(int(table[column].min()), 1) if column in table else 1


def centre(rows: pd.DataFrame, metric: str) -> tuple[float, float, float]:
    """Middle, low and high of a metric over the seeds of one setting, for a figure.

    NaN if there is no value, or no interval.

    Args:
        rows: one a seed.
        metric: "test_accuracy", with its mean, in which a run that diverged counts as
            0; or "ratio", with the median of trace over bound after retraction.
    """
    if metric == "ratio":
        values = (rows["retracted_trace"] / rows["bound"])[~rows["diverged"]].dropna()
        return float(values.median()), *of_median(values.to_numpy(), thresholds())
    values = per_seed(rows, metric, diverged=0.0).dropna()
    if values.empty:
        return np.nan, np.nan, np.nan
    limits = LIMITS.get(metric, (-np.inf, np.inf))
    low, high = np.clip(of_mean(values.to_numpy(), thresholds()), *limits)
    return float(values.mean()), float(low), float(high)
