"""Seeds whose outcomes fall into two groups, of which one generalises.

The mean of two groups describes neither, and its interval says little of the next
seed. There the share of seeds that generalise is asked for instead.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from flatminima.statistics.intervals import of_count
from flatminima.statistics.thresholds import Thresholds

SMALLEST = 2
"""Seeds of a group; a single seed apart from all others makes none."""


class Generalising(NamedTuple):
    """The share of seeds that generalise, with its interval.

    Attributes:
        share: of all seeds.
        low, high: ends of the interval of Clopper and Pearson.
        seeds: those that generalise.
    """

    share: float
    low: float
    high: float
    seeds: int


def two_groups(
    values: Float[np.ndarray, "*batch seeds"], given: Thresholds
) -> Bool[np.ndarray, "*batch"]:
    """Whether the shares of some seeds fall into two groups, for every row of seeds.

    They do if the widest gap between neighbours is wider than what either side of it
    spans, if each side has two seeds or more, if all below the gap are low, and if
    some seed above it is high.

    Args:
        values: shares, one sample a row.
        given: `low`, at or below which a share is low, and `high`, from which on it
            is high.
    """
    ordered = np.sort(values, axis=-1)
    n = ordered.shape[-1]
    if n < 2 * SMALLEST:
        return np.zeros(ordered.shape[:-1], dtype=bool)
    gaps = np.diff(ordered, axis=-1)
    left = gaps.argmax(axis=-1)[..., None]
    gap, end, start = (
        np.take_along_axis(each, i, axis=-1)[..., 0]
        for each, i in ((gaps, left), (ordered, left), (ordered, left + 1))
    )
    spans = np.maximum(end - ordered[..., 0], ordered[..., -1] - start)
    large = (left[..., 0] + 1 >= SMALLEST) & (n - left[..., 0] - 1 >= SMALLEST)
    reach = (end <= given.low) & (ordered[..., -1] >= given.high)
    return (gap > spans) & large & reach


def generalising(
    values: Float[np.ndarray, " seeds"], given: Thresholds
) -> Generalising:
    """The share of seeds whose share is high.

    Args:
        values: one a seed, at least one.
        given: for the threshold `high` and the level.
    """
    count = int(np.sum(values >= given.high))
    low, high = of_count(count, len(values), given)
    return Generalising(count / len(values), low, high, count)
