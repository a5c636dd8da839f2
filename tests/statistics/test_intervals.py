"""Intervals: scipy's where it has them, published values, invariances, corners."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import optimize, stats

from flatminima.statistics import intervals
from flatminima.statistics.thresholds import thresholds
from tests.tables import runs

LEVEL = 0.95
SAMPLES = arrays(float, (3, 8), elements=st.floats(-10, 10, width=16))


def student(values):
    return stats.ttest_1samp(values, 0).confidence_interval(LEVEL)


def test_a_mean_without_skewness_has_students_interval(rng):
    half = rng.normal(size=6)
    values = np.concatenate([half, -half]) + 3.0
    low, high = intervals.of_mean(values, thresholds())
    # Hall's transform of no skewness is the identity
    assert (low, high) == pytest.approx(tuple(student(values)), rel=1e-9)


def test_a_skewed_mean_is_widened_to_the_side_of_its_tail(rng):
    values = rng.exponential(size=10)
    low, high = intervals.of_mean(values, thresholds())
    plain = student(values)
    assert low == pytest.approx(plain.low, rel=1e-9)
    assert high > plain.high + 0.1 * (plain.high - plain.low)
    mirrored = intervals.of_mean(-values, thresholds())
    assert mirrored == pytest.approx((-high, -low), rel=1e-12)


@pytest.mark.parametrize("skewness", [-3.0, -0.7, 0.0, 1e-12, 0.2, 2.5])
@pytest.mark.parametrize("n", [3, 10, 20])
def test_halls_transform_is_undone(skewness, n):
    """Against a root of the transform as printed."""
    g = skewness / np.sqrt(n)
    for quantile in (-2.262, 2.262):
        found = intervals.untransformed(quantile, np.array(skewness), n)
        root = optimize.brentq(
            lambda t, q=quantile: t + g * t**2 / 3 + g**2 * t**3 / 27 + g / 6 - q,
            -1e4,
            1e4,
            xtol=1e-12,
        )
        assert float(found) == pytest.approx(root, rel=1e-6)


def test_skewness_is_scipys(rng):
    """The upper end of a sample skewed to the right is Hall's, by scipy's skewness."""
    values = rng.exponential(size=12)
    skewness = stats.skew(values, bias=False)
    quantile = stats.t.ppf(0.975, 11)
    error = values.std(ddof=1) / np.sqrt(12)
    end = values.mean() - error * intervals.untransformed(-quantile, skewness, 12)
    assert intervals.of_mean(values, thresholds())[1] == pytest.approx(float(end))


@given(SAMPLES, st.floats(0.125, 8), st.floats(-5, 5))
def test_an_interval_moves_with_its_values(values, scale, offset):
    low, high = intervals.mean_ends(values, LEVEL)
    moved = intervals.mean_ends(scale * values + offset, LEVEL)
    size = np.ptp(values, axis=1) + np.abs(values).max()
    for end, other in zip((low, high), moved, strict=True):
        assert np.all(np.abs(scale * end + offset - other) <= 1e-6 * (size * scale + 6))
    assert np.all(low <= values.mean(axis=1) + 1e-9)
    assert np.all(values.mean(axis=1) - 1e-9 <= high)


@given(SAMPLES)
def test_rows_are_samples_of_their_own(values):
    both = intervals.mean_ends(values, LEVEL)
    for k, row in enumerate(values):
        one = intervals.of_mean(row, thresholds())
        np.testing.assert_allclose([end[k] for end in both], one, rtol=1e-12)


def test_equal_values_are_a_point_and_one_value_is_nothing():
    assert intervals.of_mean(np.full(10, 0.1), thresholds()) == (0.1, 0.1)
    for values in ([0.25], []):
        assert np.isnan(intervals.of_mean(np.array(values), thresholds())).all()
    two = intervals.of_mean(np.array([0.0, 1.0]), thresholds())
    assert two == pytest.approx(tuple(student([0.0, 1.0])))


@pytest.mark.parametrize("n", [6, 9, 10, 20, 31])
def test_a_median_has_scipys_order_statistics(rng, n):
    values = rng.normal(size=n)
    found = intervals.of_median(values, thresholds())
    test = stats.quantile_test(values, p=0.5)
    assert found == tuple(test.confidence_interval(LEVEL))


@pytest.mark.parametrize("n", [0, 1, 3, 5])
def test_few_values_do_not_bound_their_median(n):
    assert np.isnan(intervals.of_median(np.arange(n), thresholds())).all()


def test_an_unknown_value_leaves_the_median_of_its_row_unbounded(rng):
    values = rng.normal(size=(3, 11))
    low, high = intervals.median_ends(values, LEVEL)
    values[1, 4] = np.nan
    for found, before in zip(
        intervals.median_ends(values, LEVEL), (low, high), strict=True
    ):
        np.testing.assert_array_equal(found[[0, 2]], before[[0, 2]])
        assert np.isnan(found[1])
    # a run that did not get there is known to be late
    values[1, 4] = np.inf
    assert np.isfinite(intervals.median_ends(values, LEVEL)).all()


@pytest.mark.parametrize("level", [95, 1.0, 0.0, -0.5, np.nan])
def test_a_level_out_of_range_is_refused(level):
    says = f"level = {level}: must be above 0 and below 1"
    for ends in (intervals.mean_ends, intervals.median_ends):
        for values in (np.arange(8.0), np.empty(0)):
            with pytest.raises(ValueError, match=says):
                ends(values, level)
    with pytest.raises(ValueError, match=says):
        intervals.stretch(10, level)


def test_a_count_has_the_interval_of_clopper_and_pearson():
    # from quantiles of beta laws
    low, high = intervals.of_count(7, 10, thresholds())
    assert low == pytest.approx(stats.beta.ppf(0.025, 7, 4))
    assert high == pytest.approx(stats.beta.ppf(0.975, 8, 3))
    assert intervals.of_count(10, 10, thresholds())[1] == 1.0


@pytest.mark.parametrize("n", [3, 5, 10, 20])
def test_stretched_means_have_students_interval(rng, n):
    """Not circular: the draws are resampled means, t is a formula."""
    values = rng.normal(size=n)
    values = np.concatenate([values, -values])  # no skewness, 2 n values
    draws = rng.choice(values, size=(200_000, 2 * n)).mean(axis=1)
    moved = intervals.stretched(0.0, draws, 2 * n, LEVEL)
    found = stats.norm.ppf(0.975) * moved.std()
    assert found == pytest.approx(student(values).high, rel=0.01)


def test_draws_that_are_not_finite_stay():
    draws = np.array([1.0, 3.0, np.inf, -np.inf, np.nan])
    moved = intervals.stretched(2.0, draws, 10, LEVEL)
    factor = intervals.stretch(10, LEVEL)
    np.testing.assert_allclose(moved, [2 - factor, 2 + factor, np.inf, -np.inf, np.nan])
    np.testing.assert_array_equal(intervals.stretched(np.inf, draws, 10, LEVEL), draws)
    for estimate in (2.0, np.inf):
        assert np.isnan(intervals.stretched(estimate, draws, 1, LEVEL)[:2]).all()


@pytest.mark.parametrize(("runs_of_a_seed", "points"), [(None, 10), (4, 40)])
def test_runs_that_all_went_as_predicted_are_pooled(runs_of_a_seed, points):
    table = runs(as_predicted=1.0)
    if runs_of_a_seed:
        table["predicted_runs"] = runs_of_a_seed
    mean, low, high = intervals.mean_interval(table, "as_predicted")
    z = stats.norm.ppf(0.975)
    assert (mean, high) == (1.0, pytest.approx(1.0))
    assert low == pytest.approx(points / (points + z**2))


def test_a_share_does_not_leave_its_limits():
    accuracy = [1.0] * 8 + [0.9, 0.8]
    mean, low, high = intervals.mean_interval(
        runs(test_accuracy=accuracy), "test_accuracy"
    )
    assert mean == pytest.approx(0.97)
    assert low < mean < high == 1.0
    rows = runs(test_accuracy=accuracy)
    found = intervals.centre(rows[rows["last"]], "test_accuracy")
    assert found == pytest.approx((mean, low, high))


def test_a_figure_draws_no_interval_that_does_not_exist():
    rows = runs(4, retracted_trace=[1.0, 2.0, 3.0, 5.0])
    middle, low, high = intervals.centre(rows[rows["last"]], "ratio")
    assert middle == 2.5
    assert np.isnan([low, high]).all()
    none = runs(retracted_trace=float("nan"))
    assert np.isnan(intervals.centre(none[none["last"]], "ratio")).all()


def test_a_difference_of_shares_is_not_clipped():
    table = pd.DataFrame(runs(change=[-1.0] * 9 + [-0.5]))
    _, low, _ = intervals.mean_interval(table, "change")
    assert low < -1.0
