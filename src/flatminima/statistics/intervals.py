"""Intervals over seeds."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from flatminima.claims.register import load
from flatminima.data.streams import NUM_TEST_POINTS
from flatminima.data.xor import ENUMERABLE_DIM
from flatminima.statistics.thresholds import Thresholds
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
    thresholds, _ = load()
    values = per_seed(table, metric, diverged=0.0).to_numpy(dtype=float)
    if np.isnan(values).any():  # the test set has no point
        return np.nan, np.nan, np.nan
    if metric in POOLED:
        points = _num_points(table, metric)
        low, high = _share_interval(values, points, thresholds)
    else:
        low, high = bootstrap(values, thresholds)
    return float(values.mean()), low, high


def bootstrap(
    values: Float[np.ndarray, " seeds"],
    thresholds: Thresholds,
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
        confidence_level=thresholds.level,
        n_resamples=thresholds.resamples,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _share_interval(
    values: np.ndarray, points: int, thresholds: Thresholds
) -> tuple[float, float]:
    if len(values) > 1 and np.ptp(values) > 0:
        return bootstrap(values, thresholds)
    total = points * len(values)
    interval = stats.binomtest(round(values.mean() * total), total).proportion_ci(
        thresholds.level, method="wilson"
    )
    return float(interval.low), float(interval.high)


def _num_points(table: pd.DataFrame, metric: str) -> int:
    """Points of one seed that a share is of: test points, else training examples."""
    d, n = int(table["d"].iloc[0]), int(table["n"].iloc[0])
    if metric != "test_accuracy":
        return n
    return max(2**d - n, 1) if d <= ENUMERABLE_DIM else NUM_TEST_POINTS
