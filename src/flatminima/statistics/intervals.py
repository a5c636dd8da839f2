"""Intervals over seeds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from flatminima.statistics.thresholds import Thresholds, thresholds
from flatminima.sweeps.table import per_seed

POOLED = ("test_accuracy", "single_active", "memorising", "injective")
"""Metrics that are shares of points, which can be pooled over seeds."""


def mean_interval(table: pd.DataFrame, metric: str) -> tuple[float, float, float]:
    """Mean of a metric over seeds at the last checkpoint, with its interval.

    A percentile bootstrap over seeds; where all seeds agree on a share of points, the
    Wilson interval of the pooled points. A diverged seed counts as 0.

    Args:
        table: rows of one setting from `sweep`.
        metric: column without gaps; of `POOLED` if it is a share of points.

    Returns:
        (mean, low, high); NaN if the metric is for a seed.
    """
    values = per_seed(table, metric, diverged=0.0).to_numpy(dtype=float)
    if np.isnan(values).any():  # the test set has no point
        return np.nan, np.nan, np.nan
    if metric in POOLED:
        points = _num_points(table, metric)
        low, high = _share_interval(values, points, thresholds())
    else:
        low, high = bootstrap(values, thresholds())
    return float(values.mean()), low, high


def bootstrap(
    values: Float[np.ndarray, " seeds"],
    given: Thresholds,
    statistic: Any = np.mean,
) -> tuple[float, float]:
    """Percentile bootstrap interval over seeds; a point if all values agree.

    NaN if there are no values.
    """
    if not len(values):
        return np.nan, np.nan
    if len(values) < 2 or np.ptp(values) == 0:
        point = float(statistic(values))
        return point, point
    interval = stats.bootstrap(
        (values,),
        statistic,
        confidence_level=given.level,
        n_resamples=given.resamples,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _share_interval(
    values: np.ndarray, points: int, given: Thresholds
) -> tuple[float, float]:
    if len(values) > 1 and np.ptp(values) > 0:
        return bootstrap(values, given)
    total = points * len(values)
    interval = stats.binomtest(round(values.mean() * total), total).proportion_ci(
        given.level, method="wilson"
    )
    return float(interval.low), float(interval.high)


def _num_points(table: pd.DataFrame, metric: str) -> int:
    """Points of one seed that a share is of: test points, else training examples."""
    column = "test_points" if metric == "test_accuracy" else "n"
    return max(int(table[column].iloc[0]), 1)


def centre(rows: pd.DataFrame, metric: str) -> tuple[float, float, float]:
    """Middle, low and high of a metric over the seeds of one setting, for a figure.

    NaN if there is no value.

    Args:
        rows: one a seed.
        metric: "test_accuracy", with its mean, in which a run that diverged counts as
            0; or "ratio", with the median of trace over bound after retraction.
    """
    if metric == "ratio":
        values = (rows["retracted_trace"] / rows["bound"])[~rows["diverged"]].dropna()
    else:
        values = per_seed(rows, metric, diverged=0.0).dropna()
    if values.empty:
        return np.nan, np.nan, np.nan
    statistic: Callable[..., Any] = np.median if metric == "ratio" else np.mean
    low, high = bootstrap(values.to_numpy(), thresholds(), statistic)
    return float(statistic(values)), low, high
