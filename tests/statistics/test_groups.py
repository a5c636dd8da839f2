"""Two groups of seeds: by hand, at each of the conditions and beside it."""

import numpy as np
import pytest
from scipy import stats

from flatminima.statistics.groups import generalising, two_groups
from flatminima.statistics.thresholds import thresholds


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.6, 0.6, 1.0, 1.0], True),
        ([0.6, 0.62, 0.96, 0.99, 1.0], True),
        ([0.6, 0.95, 0.96, 0.99, 1.0], False),  # a single seed apart
        ([0.6, 0.6, 0.6, 0.6, 1.0], False),
        ([0.6, 1.0, 1.0], False),  # too few for two groups of two
        ([0.6, 0.7, 0.85, 1.0], False),  # spread, not apart
        ([0.5, 0.625, 0.875, 1.0], True),
        ([0.5, 0.625, 0.75, 1.0], False),  # the gap is no wider than a side
        ([0.89, 0.90, 0.99, 1.0], True),
        ([0.89, 0.91, 0.99, 1.0], False),  # the lower ones are not low
        ([0.6, 0.6, 0.95, 0.95], True),
        ([0.6, 0.6, 0.94, 0.94], False),  # none is high
        ([1.0] * 10, False),
        ([], False),
    ],
)
def test_by_hand(values, expected):
    assert bool(two_groups(np.array(values), thresholds())) is expected


def test_rows_are_judged_on_their_own_and_in_any_order(rng):
    rows = np.array([[1.0, 0.6, 1.0, 0.6], [1.0, 1.0, 0.99, 1.0]])
    assert two_groups(rows, thresholds()).tolist() == [True, False]
    for _ in range(5):
        assert two_groups(rng.permutation(rows, axis=1), thresholds()).tolist() == [
            True,
            False,
        ]


def test_seeds_that_generalise_are_counted():
    found = generalising(np.array([0.95, 1.0, 0.94, 0.6]), thresholds())
    assert (found.share, found.seeds) == (0.5, 2)
    assert found.low == pytest.approx(stats.beta.ppf(0.025, 2, 3))
    assert found.high == pytest.approx(stats.beta.ppf(0.975, 3, 2))
