"""Where a mean curve over a grid first falls below a level, with an interval.

A curve that never falls below the level crosses at +inf, one that never reaches it
at -inf. An interval with such an end is censored: the grid does not say how far the
crossing lies.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from flatminima.statistics.intervals import stretched


class Interval(NamedTuple):
    """An estimate over seeds.

    Attributes:
        estimate: of all seeds; infinite where it is censored.
        low, high: ends of the interval, infinite where they are censored.
    """

    estimate: float
    low: float
    high: float

    @property
    def closed(self) -> bool:
        """Whether nothing is censored."""
        return bool(np.isfinite(self).all())


def first_crossing(
    grid: Float[np.ndarray, " k"], curve: Float[np.ndarray, "*batch k"], level: float
) -> Float[np.ndarray, "*batch"]:
    """Where a curve, linear between grid points, first falls below a level.

    A curve that starts below, rises and falls again crosses where it falls. It need
    not be monotone.

    Args:
        grid: at least one ascending position.
        curve: values there, one curve a row.
        level: reached by a value equal to it.

    Returns:
        The position; +inf if the curve ends at or above the level without having
        fallen, -inf if it is below everywhere, NaN if a value is NaN.

    Raises:
        ValueError: if the grid does not ascend or does not fit the curves, or the level
            is NaN.
    """
    if len(grid) != curve.shape[-1] or not np.all(np.diff(grid) > 0):
        raise ValueError(
            f"grid = {grid}: must ascend and have {curve.shape[-1]} positions"
        )
    if np.isnan(level):
        raise ValueError(f"level = {level}: must be a number")
    above = curve >= level
    falls = above[..., :-1] & ~above[..., 1:]
    position = np.where(above.any(axis=-1), np.inf, -np.inf)
    if len(grid) > 1:
        left = falls.argmax(axis=-1)
        before, after = (
            np.take_along_axis(curve, i[..., None], axis=-1)[..., 0]
            for i in (left, left + 1)
        )
        drop = np.where(before > after, before - after, 1.0)
        inside = grid[left] + np.diff(grid)[left] * (before - level) / drop
        position = np.where(falls.any(axis=-1), inside, position)
    return np.where(np.isnan(curve).any(axis=-1), np.nan, position)


def crossing(
    grid: Float[np.ndarray, " k"],
    curves: Float[np.ndarray, "seeds k"],
    level: float,
    *,
    confidence: float = 0.95,
    resamples: int = 9999,
) -> Interval:
    """Where the mean curve over seeds first falls below a level.

    Seeds are resampled whole: a seed brings its values at all positions. The interval
    is that of the percentiles of `stretched` draws. One that leaves the grid when it
    is stretched is censored there.

    Args:
        grid: ascending positions.
        curves: one a seed.
        level: as in `first_crossing`.
        confidence: of the interval.
        resamples: of the bootstrap.

    Raises:
        ValueError: as `first_crossing`, or if there is no seed.
    """
    means = resampled_means(curves, resamples)
    estimate = float(first_crossing(grid, curves.mean(axis=0), level))
    draws = first_crossing(grid, means, level)
    draws = stretched(estimate, draws, len(curves), confidence)
    draws = np.where(draws > grid[-1], np.inf, draws)
    draws = np.where(draws < grid[0], -np.inf, draws)
    return _percentiles(estimate, draws, confidence)


def shift(
    grid: Float[np.ndarray, " k"],
    before: Float[np.ndarray, "seeds k"],
    after: Float[np.ndarray, "seeds k"],
    level: float,
    *,
    confidence: float = 0.95,
    resamples: int = 9999,
) -> Interval:
    """How far the crossing moved between two sets of curves, paired by seeds.

    Where neither has a crossing the shift is unknown: such a resample counts as
    anything from -inf to inf.

    Args:
        grid: ascending positions.
        before, after: one curve a seed, the same seeds in the same order.
        level: as in `first_crossing`.
        confidence: of the interval, as in `crossing`.
        resamples: of the bootstrap.

    Raises:
        ValueError: as `crossing`, or if the shapes of the curves differ.
    """
    if before.shape != after.shape:
        raise ValueError(f"curves of shapes {before.shape} and {after.shape}: no pairs")

    def moved(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return first_crossing(grid, second, level) - first_crossing(
                grid, first, level
            )

    estimate = float(moved(before.mean(axis=0), after.mean(axis=0)))
    both = resampled_means(np.stack([before, after], axis=1), resamples)
    draws = moved(both[:, 0], both[:, 1])
    draws = stretched(estimate, draws, len(before), confidence)
    return _percentiles(estimate, draws, confidence)


def resampled_means(
    values: Float[np.ndarray, "seeds *shape"], resamples: int
) -> Float[np.ndarray, "resamples *shape"]:
    """Means over as many seeds drawn with replacement, the same draws for all shapes.

    Unlike an interval of scipy's, they lead on to crossings, which can be infinite.

    Raises:
        ValueError: if there is no seed.
    """
    count = len(values)
    if count == 0:
        raise ValueError("0 seeds: at least 1 is needed")
    rng = np.random.default_rng(0)
    draws = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
    return np.tensordot(draws / count, values, axes=1)


def _percentiles(
    estimate: float, draws: Float[np.ndarray, " draws"], confidence: float
) -> Interval:
    """The middle share of the draws; an unknown one counts against either end."""
    tail = (1 - confidence) / 2
    low = np.quantile(np.where(np.isnan(draws), -np.inf, draws), tail, method="lower")
    high = np.where(np.isnan(draws), np.inf, draws)
    high = np.quantile(high, 1 - tail, method="higher")
    return Interval(estimate, float(low), float(high))
