"""Crossings and exponents: closed forms, a second library, simulated coverage."""

import jaxtyping
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.optimize import isotonic_regression

from flatminima.statistics import growth as statistics_growth
from flatminima.statistics.growth import Estimate, Need

SIZES = np.array([10.0, 20.0, 40.0, 80.0])
ERRORS = st.floats(0, 2).map(lambda error: round(error, 3))


def curves(d: int, power: float, seeds: int = 10, method: str = "m") -> pd.DataFrame:
    """Errors exp(-n / (c d^power)) / 2 with c = 1 + seed / 10, and their doubles."""
    rows = [
        {
            "method": method,
            "d": d,
            "n": n,
            "seed": seed,
            "zero_one": np.exp(-n / ((1 + seed / 10) * d**power)) / 2,
            "mse": np.exp(-n / ((1 + seed / 10) * d**power)),
        }
        for n in np.unique(np.rint(d**power * np.geomspace(0.5, 8, 40)))
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


# --- crossings ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([1.0, 0.5, 0.0, 0.0], 20.0),
        ([1.0, 1.0, 0.0, 0.0], 20 * 2**0.5),
        ([1.0, 0.75, 0.25, 0.0], 20 * 2**0.5),
        ([1.0, 1.0, 1.0, 0.5], 80.0),
        ([1.0, 1.0, 1.0, 0.51], np.inf),
        ([0.5, 0.4, 0.3, 0.0], 0.0),
        ([0.51, 0.5, 0.3, 0.0], 20.0),
        # 0.2 and 0.8 become 0.5 twice
        ([1.0, 0.2, 0.8, 0.0], 20.0),
        ([1.0, 0.5, 0.9, 0.1], 40 * 2 ** (0.2 / 0.6)),
    ],
)
def test_crossing_of_level_one_half(errors, expected):
    assert statistics_growth.crossing(SIZES, np.array(errors), 0.5) == pytest.approx(
        expected
    )


def test_rows_cross_on_their_own():
    errors = np.array([[1.0, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.0] * 4])
    found = statistics_growth.crossing(SIZES, errors, 0.5)
    np.testing.assert_allclose(found, [20 * 2**0.5, np.inf, 0.0])


@given(arrays(float, (2, 6), elements=ERRORS))
def test_falling_is_isotonic_regression(errors):
    fitted = [isotonic_regression(row, increasing=False).x for row in errors]
    np.testing.assert_allclose(statistics_growth.falling(errors), fitted, atol=1e-12)


def test_what_falls_stays_to_the_bit(rng):
    errors = -np.sort(-rng.uniform(0, 1, (20, 7)))
    np.testing.assert_array_equal(statistics_growth.falling(errors), errors)


@given(arrays(float, (3, 4), elements=ERRORS), st.floats(0.1, 10))
def test_crossing_scales_with_n(errors, factor):
    found = statistics_growth.crossing(SIZES, errors, 0.25)
    scaled = statistics_growth.crossing(factor * SIZES, errors, 0.25)
    np.testing.assert_allclose(scaled, factor * found, rtol=1e-9)


@pytest.mark.parametrize("sizes", [[0.0, 1.0], [2.0, 1.0], [1.0, 1.0]])
def test_sizes_ascend_from_above_zero(sizes):
    with pytest.raises(ValueError, match="must ascend and be above 0"):
        statistics_growth.crossing(np.array(sizes), np.ones(2), 0.5)


def test_as_many_sizes_as_errors(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match="sizes = .*: must be 2, one for every error"):
        statistics_growth.crossing(SIZES, np.array([0.5, 0.05]), 0.1)


@pytest.mark.parametrize("level", [np.nan, 0.0, -1.0])
def test_a_level_is_above_zero(level):
    with pytest.raises(ValueError, match=f"level = {level}: must be above 0"):
        statistics_growth.crossing(SIZES, np.ones(4), level)


def test_nan_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        statistics_growth.crossing(SIZES, np.array([1.0, np.nan, 0.0, 0.0]), 0.5)


# --- intervals ------------------------------------------------------------------


def test_standard_error_agrees_with_scipy(rng):
    errors = np.clip(1 - np.log(SIZES / 10) / 2 + rng.normal(0, 0.1, (12, 4)), 0, 2)
    found = statistics_growth.needed(SIZES, errors, 0.5, rng)
    other = stats.bootstrap(
        (np.arange(12),),
        lambda seeds: np.log(
            statistics_growth.crossing(SIZES, errors[seeds].mean(axis=0), 0.5)
        ),
        vectorized=False,
        n_resamples=3000,
        rng=np.random.default_rng(1),
    ).standard_error
    reach = stats.t.ppf(0.975, 11) * other * (12 / 11) ** 0.5
    ends = found.value * np.exp([-reach, reach])
    assert found.interval() == pytest.approx(ends, rel=0.01)


def test_a_straight_line_has_the_t_interval_of_its_mean(rng):
    """Errors that move up and down together: log n is linear in their mean."""
    height = rng.normal(0, 0.1, 15)
    errors = 1 - np.log2(SIZES / 10) / 3 + height[:, None]
    found = statistics_growth.needed(SIZES, errors, 0.5, rng)
    log = np.log2(found.interval())
    mean = np.log2(10) + 3 * (
        0.5 + np.array(stats.ttest_1samp(height, 0).confidence_interval())
    )
    np.testing.assert_allclose(log, mean, atol=0.01)


def test_equal_seeds_give_a_point(rng):
    found = statistics_growth.needed(
        SIZES, np.tile([1.0, 0.75, 0.25, 0.0], (5, 1)), 0.5, rng
    )
    np.testing.assert_allclose([found.value, *found.interval()], 20 * 2**0.5)


def test_one_seed_gives_no_interval(rng):
    found = statistics_growth.needed(SIZES, np.array([[1.0, 0.5, 0.0, 0.0]]), 0.5, rng)
    assert found.summary == pytest.approx((20, 0, np.inf))


def test_no_seed_is_refused(rng):
    with pytest.raises(ValueError, match="no seed"):
        statistics_growth.needed(SIZES, np.ones((0, 4)), 0.5, rng)


def test_seeds_that_do_not_cross_open_the_interval(rng):
    crosses, stays = [1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]
    found = statistics_growth.needed(
        SIZES, np.array([crosses] * 6 + [stays] * 4), 0.5, rng
    )
    low, high = found.interval()
    assert not found.censored
    assert (np.isfinite(low), high) == (True, np.inf)


@pytest.mark.parametrize(
    ("lost", "low", "high"),
    [(np.nan, -np.inf, np.inf), (np.inf, 499 - 3, np.inf), (-np.inf, -np.inf, 499 + 3)],
)
def test_draws_off_the_grid_open_the_interval(lost, low, high):
    known = 499 + np.tile([-1.0, 1.0], 485)
    found = Estimate(499.0, np.append(known, np.full(30, lost)), 10).interval()
    assert found == pytest.approx((low, high), abs=1)
    few = Estimate(499.0, np.append(known, np.full(20, lost)), 10).interval()
    reach = stats.t.ppf(0.975, 9) * (10 / 9) ** 0.5
    assert few == pytest.approx((499 - reach, 499 + reach))


def test_arithmetic():
    a, b = Need(3.0, np.array([2.0, 4.0]), 5), Need(1.0, np.array([1.0, 0.5]), 3)
    assert (a.minus(b).value, a.minus(b).seeds) == (2, 3)
    np.testing.assert_array_equal(a.minus(b).draws, [1, 3.5])
    assert (a.minus(1.0).value, a.below(2.0).value) == (2, -1)
    np.testing.assert_array_equal(a.minus(1.0).draws, [1, 3])
    np.testing.assert_array_equal(a.below(2.0).draws, [0, -2])
    assert a.log_over(b).value == pytest.approx(np.log(3))
    np.testing.assert_allclose(np.exp(a.log_over(b).draws), [2, 8])


def test_a_censored_quotient():
    sure = Need(2.0, np.ones(3), 3)
    above = Need(np.inf, np.array([1, 2, np.inf]), 3)
    assert above.log_over(sure).summary == (np.inf, 0.0, np.inf)
    assert np.isnan(above.log_over(above).value)


# --- coverage -------------------------------------------------------------------


GRID = 10 * 1.2 ** np.arange(12)


def together(rng: np.random.Generator, seeds: int) -> np.ndarray:
    """Curves that fall at an n of their own, with noise."""
    middle = np.log(25) + rng.normal(0, 0.15, (seeds, 1))
    falls = 0.5 / (1 + np.exp(5 * (np.log(GRID) - middle)))
    return falls + rng.normal(0, 0.02, falls.shape)


def apart(rng: np.random.Generator, seeds: int) -> np.ndarray:
    """Two groups at every n: what has learnt, ever more often, and what has not."""
    chance = 1 / (1 + np.exp(4 * (np.log(GRID) - np.log(20))))
    return np.where(rng.random((seeds, len(GRID))) < chance, 0.5, 0.02)


@pytest.mark.filterwarnings("ignore:invalid value")  # of quantiles between inf and inf
@pytest.mark.parametrize("draw", [together, apart])
@pytest.mark.parametrize("seeds", [10, 20])
def test_coverage(draw, seeds, monkeypatch):
    """At least .94 of intervals hold the truth, up to two standard errors.

    Of n at one d, and of an exponent over two. Percentiles of the same draws of n fall
    short.
    """
    rng, sims = np.random.default_rng(seeds), 400
    few = statistics_growth.thresholds().model_copy(update={"resamples": 200})
    monkeypatch.setattr(statistics_growth, "thresholds", lambda: few)
    mean = np.mean([draw(rng, 1000).mean(axis=0) for _ in range(100)], axis=0)
    truth = statistics_growth.crossing(GRID, mean, 0.1)
    covered = {"n": 0, "exponent": 0, "percentiles": 0}
    for _ in range(sims):
        needs = {
            d: statistics_growth.needed(d * GRID, draw(rng, seeds), 0.1, rng)
            for d in (1, 2)
        }
        low, high = needs[1].interval()
        covered["n"] += low <= truth <= high
        low, high = statistics_growth.exponent(needs).interval()
        covered["exponent"] += low <= 1 <= high
        low, high = np.quantile(needs[1].draws, [0.025, 0.975])
        covered["percentiles"] += low <= truth <= high
    enough = 0.94 - 2 * (0.94 * 0.06 / sims) ** 0.5
    assert covered["n"] / sims >= enough
    assert covered["exponent"] / sims >= enough
    assert covered["percentiles"] / sims < enough


def test_methods_on_the_same_seeds_are_paired():
    """Curves that differ by a factor in n: the seeds cancel in their quotient."""
    errors = curves(30, 1)
    doubled = errors.assign(n=2 * errors["n"], method="twice")
    needs = statistics_growth.needs(pd.concat([errors, doubled]))
    ratio = needs["twice", "mse"][30].log_over(needs["m", "mse"][30])
    np.testing.assert_allclose(ratio.summary, np.log(2))
    low, high = needs["m", "mse"][30].interval()
    assert high / low > 1.05


# --- exponents ------------------------------------------------------------------


@pytest.mark.parametrize("power", [1.0, 1.7])
def test_a_power_law_is_recovered(power):
    errors = pd.concat([curves(d, power) for d in (30, 60, 120, 240)])
    needs = statistics_growth.needs(errors)
    for metric, level in statistics_growth.LEVELS.items():
        by_d = needs["m", metric]
        # the mean over seeds of exp(-n / (c d^p)) falls to the level at n = k d^p
        share = by_d[240].value / 240**power
        factor = 1 + np.arange(10) / 10
        top = 1.0 if metric == "mse" else 0.5
        assert top * np.mean(np.exp(-share / factor)) == pytest.approx(level, rel=0.01)
        growth = statistics_growth.exponent(by_d)
        low, high = growth.interval()
        assert growth.value == pytest.approx(power, abs=0.01)
        assert low < power < high < low + 0.5


def test_exponent_is_the_least_squares_slope(rng):
    ds = [6, 8, 11, 15]
    draws = rng.uniform(10, 100, (4, 7))
    needs = {d: Need(row[0], row, 9) for d, row in zip(ds, draws, strict=True)}
    found = statistics_growth.exponent(needs)
    slopes = np.polyfit(np.log(ds), np.log(draws), 1)[0]
    np.testing.assert_allclose(found.draws, slopes)
    assert found.value == pytest.approx(slopes[0])


@pytest.mark.parametrize("value", [0.0, np.inf])
def test_a_censored_need_gives_no_exponent(value):
    sure = Need(10.0, np.full(5, 10.0), 10)
    needs = {10: sure, 20: Need(value, np.full(5, value), 10)}
    found = statistics_growth.exponent(needs)
    assert np.isnan(found.value)
    end = -np.inf if value == 0 else np.inf
    assert found.interval() == (end, end)


def test_a_censored_draw_opens_the_interval_of_the_exponent():
    draws = np.concatenate([np.full(50, 20.0), np.full(50, np.inf)])
    needs = {10: Need(10.0, np.full(100, 10.0), 9), 20: Need(20.0, draws, 9)}
    found = statistics_growth.exponent(needs)
    assert found.summary == pytest.approx((1.0, 1.0, np.inf))


def test_almost_linear():
    slope = np.log(22 * np.log(22) / (6 * np.log(6))) / np.log(22 / 6)
    assert statistics_growth.almost_linear([6, 22]) == pytest.approx(slope)
    assert 1 < statistics_growth.almost_linear([10**8, 10**9]) < 1.06


@pytest.mark.parametrize("ds", [[6], [6, 6], [1, 2]])
def test_dimensions_without_a_slope_are_refused(ds):
    with pytest.raises(ValueError, match="ds = "):
        statistics_growth.almost_linear(ds)


# --- tables ---------------------------------------------------------------------


def test_tables():
    slow = pd.concat([curves(d, 1, method="a") for d in (30, 60)])
    short = curves(60, 2, method="b")
    short = short[short["n"] < 1.2 * 60**2]
    lost = pd.concat([curves(30, 2, method="b"), short])
    needs = statistics_growth.needs(pd.concat([slow, lost]))
    table = statistics_growth.need_table(needs)
    assert list(table["d"]) == [30, 60] * 4
    assert list(table["censored"]) == [""] * 5 + [
        "above the grid",
        "",
        "above the grid",
    ]
    np.testing.assert_allclose(table["n / d"], table["n"] / table["d"])
    growth = statistics_growth.exponent_table(needs)
    assert list(growth["method"]) == ["a", "a", "b", "b"]
    assert list(growth["allows d"]) == ["yes", "yes", "censored", "censored"]
    assert list(growth["allows d²"]) == ["no", "no", "censored", "censored"]
    assert growth["exponent"].isna().tolist() == [False, False, True, True]


def test_a_single_dimension_has_no_exponent():
    needs = statistics_growth.needs(curves(30, 1))
    assert statistics_growth.exponent_table(needs).empty
    assert len(statistics_growth.need_table(needs)) == 2


def test_the_same_errors_give_the_same_interval():
    errors = pd.concat([curves(d, 1) for d in (30, 60)])
    first, second = (
        statistics_growth.need_table(statistics_growth.needs(errors)) for _ in "ab"
    )
    pd.testing.assert_frame_equal(first, second)


def test_a_gap_is_refused():
    with pytest.raises(ValueError, match="m, d = 30: a seed lacks an n"):
        statistics_growth.needs(curves(30, 1).iloc[:-1])
