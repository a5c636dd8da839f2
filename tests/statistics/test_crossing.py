"""Crossings: closed forms, then a plain loop, then invariances and coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from flatminima.statistics.crossing import (
    Interval,
    crossing,
    first_crossing,
    resampled_means,
    shift,
)

GRID = np.array([0.0, 1.0, 2.0, 4.0])


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        ([1.0, 0.8, 0.6, 0.4], 0.5),
        ([1.0, 1.0, 0.95, 0.75], 2.5),
        ([1.0, 0.9, 0.8, 0.7], 1.0),  # reached counts as above
        ([0.9, 0.5, 0.5, 0.5], 0.0),
        ([1.0, 0.8, 1.0, 0.8], 0.5),  # the first of two
        ([0.5, 1.0, 0.8, 0.8], 1.5),  # rises first
        ([1.0, 1.0, 1.0, 0.9], np.inf),
        ([0.5, 0.6, 0.7, 1.0], np.inf),
        ([0.8, 0.8, 0.8, 0.8], -np.inf),
        ([1.0, np.nan, 0.5, 0.5], np.nan),
    ],
)
def test_first_crossing_by_hand(curve, expected):
    found = first_crossing(GRID, np.array(curve), 0.9)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_one_position_has_no_crossing():
    one = np.array([0.3])
    assert first_crossing(one, np.array([1.0]), 0.9) == np.inf
    assert first_crossing(one, np.array([0.0]), 0.9) == -np.inf


unit = st.floats(0, 1, width=32)
many = arrays(float, (5, 4), elements=unit)


@given(many)
def test_first_crossing_is_that_of_a_plain_loop(curves):
    def plain(curve):
        if np.all(curve < 0.5):
            return -np.inf
        for k in range(3):
            if curve[k] >= 0.5 > curve[k + 1]:
                return np.interp(0.5, [curve[k + 1], curve[k]], [GRID[k + 1], GRID[k]])
        return np.inf

    expected = [plain(curve) for curve in curves]
    found = first_crossing(GRID, curves, 0.5)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@given(many, st.floats(0.1, 10), st.floats(-5, 5))
def test_a_crossing_moves_with_its_grid(curves, scale, offset):
    found = first_crossing(GRID, curves, 0.5)
    moved = first_crossing(scale * GRID + offset, curves, 0.5)
    np.testing.assert_allclose(moved, scale * found + offset, atol=1e-6)


@pytest.mark.parametrize("grid", [GRID[::-1], GRID[:3], np.zeros(4)])
def test_a_grid_that_does_not_fit_is_refused(grid):
    with pytest.raises(ValueError, match="must ascend and have 4 positions"):
        first_crossing(grid, np.ones(4), 0.9)


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="level = nan: must be a number"):
        crossing(GRID, np.ones((3, 4)), np.nan)


def test_means_are_of_seeds_drawn_whole():
    values = np.array([[0.0, 0.0], [1.0, 10.0], [2.0, 20.0]])
    means = resampled_means(values, 2000)
    assert means.shape == (2000, 2)
    np.testing.assert_allclose(means[:, 1], 10 * means[:, 0], atol=1e-12)
    assert set(np.round(3 * means[:, 0])) == {0, 1, 2, 3, 4, 5, 6}
    error = 3 * np.sqrt(2 / 3 / 3 / 2000)
    assert abs(means[:, 0].mean() - 1.0) < error
    with pytest.raises(ValueError, match="0 seeds: at least 1"):
        resampled_means(values[:0], 10)


def noisy(rng, position, seeds=12, noise=0.05):
    """Curves 0.9 - 0.1 (x - position), each seed moved by its own noise."""
    offset = noise * rng.standard_normal((seeds, 1))
    return 0.9 - 0.1 * (GRID - position) + offset


def test_seeds_that_agree_give_a_point(rng):
    found = crossing(GRID, noisy(rng, 1.3, noise=0.0), 0.9)
    np.testing.assert_allclose(found, 1.3)
    assert found.closed


def test_interval_covers_the_crossing_about_as_often_as_it_says(rng):
    hits = 0
    for _ in range(200):
        found = crossing(GRID, noisy(rng, 2.0), 0.9, resamples=500)
        hits += found.low <= 2.0 <= found.high
    # three standard deviations of a count with a mean of 190
    assert 181 <= hits <= 199


@pytest.mark.parametrize("seeds", [3, 5])
def test_few_seeds_are_covered_too(rng, seeds):
    wide = np.array([-40.0, 40.0])
    hits = 0
    for _ in range(300):
        offset = 0.05 * rng.standard_normal((seeds, 1))
        found = crossing(wide, 0.9 - 0.1 * wide + offset, 0.9, resamples=300)
        hits += found.low <= 0.0 <= found.high
    assert hits >= 270  # unstretched, 225 to 250


def test_a_stretched_interval_that_leaves_the_grid_is_censored():
    where = np.array([[3.0], [3.3], [3.6], [3.9]])
    curves = 0.9 - 0.1 * (GRID - where)
    draws = first_crossing(GRID, resampled_means(curves, 9999), 0.9)
    assert np.quantile(draws, 0.975) < GRID[-1]
    found = crossing(GRID, curves, 0.9)
    assert found.high == np.inf
    assert (found.estimate, found.low) == (
        pytest.approx(3.45),
        pytest.approx(2.8, abs=0.1),
    )
    assert crossing(GRID, 0.9 - 0.1 * (GRID - where + 2.9), 0.9).low == -np.inf


def test_interval_of_a_line_is_students(rng):
    """A line crosses where its mean does, so its interval is that of a mean."""
    from scipy import stats

    curves = noisy(rng, 2.0, noise=0.02)
    where = 2.0 + 10 * (curves[:, 0] - 0.9 - 0.2)
    found = crossing(GRID, curves, 0.9)
    other = stats.ttest_1samp(where, 0).confidence_interval(0.95)
    width = np.ptp(other)
    np.testing.assert_allclose(found.estimate, where.mean(), atol=1e-9)
    np.testing.assert_allclose([found.low, found.high], other, atol=0.05 * width)


def test_censored_crossings():
    high, low = np.ones((4, 4)), np.zeros((4, 4))
    assert crossing(GRID, high, 0.9) == (np.inf, np.inf, np.inf)
    assert crossing(GRID, low, 0.9) == (-np.inf, -np.inf, -np.inf)
    falls = np.array([[1.0, 1.0, 1.0, 0.5]] + [[1.0, 1.0, 1.0, 0.95]] * 3)
    found = crossing(GRID, falls, 0.9)
    assert np.isfinite(found.estimate) and found.high == np.inf
    assert not found.closed
    missing = np.full((4, 4), np.nan)
    found = crossing(GRID, missing, 0.9)
    assert np.isnan(found.estimate) and found[1:] == (-np.inf, np.inf)


def test_shift_is_paired(rng):
    before = noisy(rng, 1.0, noise=0.1)
    found = shift(GRID, before, before - 0.05, 0.9)
    np.testing.assert_allclose(found, -0.5, atol=1e-9)


def test_shift_of_two_missing_crossings_is_unknown():
    high, falls = np.ones((4, 4)), np.tile([1.0, 0.8, 0.8, 0.8], (4, 1))
    found = shift(GRID, high, high, 0.9)
    assert np.isnan(found.estimate) and found[1:] == (-np.inf, np.inf)
    assert shift(GRID, high, falls, 0.9) == Interval(-np.inf, -np.inf, -np.inf)
    with pytest.raises(ValueError, match="no pairs"):
        shift(GRID, high, falls[:3], 0.9)
