"""P values against scipy's tests, Holm's procedure against its definition."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from flatminima.claims.model import Rule
from flatminima.claims.multiplicity import holm, p_value, threshold
from flatminima.claims.report import Verdict
from flatminima.statistics.thresholds import thresholds

T = thresholds()
BEATS, SHARE = Rule(kind="beats"), Rule(kind="share")
FAILING = Rule(kind="share", says=False)


def verdict(word, effect, low, high, n=10) -> Verdict:
    about = ("a", "c", "000: Fig. 2", "source", "It is so.", "rule", word)
    return Verdict(*about, effect, low, high, n, "quick", None, "", "before")


def test_the_p_value_of_a_difference_is_that_of_the_t_test(rng):
    values = rng.normal(0.5, 1, size=12)
    test = stats.ttest_1samp(values, 0)
    low, high = test.confidence_interval(0.95)
    mean = float(values.mean())
    held = verdict("holds", mean, low, high, 12)
    assert p_value(BEATS, held, T) == pytest.approx(test.pvalue)
    failed = verdict("fails", -mean, -high, -low, 12)
    assert p_value(BEATS, failed, T) == pytest.approx(test.pvalue)


def test_an_end_on_its_threshold_is_just_decided():
    for word, low, high, effect in (
        ("holds", 0.95, 0.99, 0.97),
        ("partly", 0.90, 0.98, 0.94),
        ("fails", 0.80, 0.90, 0.85),
    ):
        found = p_value(SHARE, verdict(word, effect, low, high), T)
        assert found == pytest.approx(0.05)
    assert p_value(FAILING, verdict("holds", 0.8, 0.7, 0.9), T) == pytest.approx(0.05)
    assert p_value(FAILING, verdict("fails", 0.95, 0.9, 1.0), T) == pytest.approx(0.05)


def test_two_groups_have_the_binomial_law():
    held = verdict("fails", 0.3, 0.07, 0.65)
    found = p_value(SHARE, held, T, (3, 10))
    assert found == pytest.approx(2 * stats.binom.cdf(3, 10, 0.9))
    lower = stats.binomtest(3, 10, 0.9, alternative="less").pvalue
    assert found == pytest.approx(2 * lower)
    most = p_value(SHARE, verdict("holds", 0.99, 0.95, 1.0), T, (198, 200))
    higher = stats.binomtest(198, 200, 0.95, alternative="greater").pvalue
    assert most == pytest.approx(2 * higher)


def test_what_no_interval_decided_has_no_p_value():
    open_end = verdict("undecided", 0.5, 0.1, 0.9)
    assert p_value(BEATS, open_end, T) is None
    exact = Rule(kind="exact", words="worst error")
    assert p_value(exact, verdict("holds", 0.0, None, None), T) is None
    attains = Rule(kind="attains")
    assert threshold(attains, verdict("holds", 1.0, 0.9, 1.1), T) is None
    one_sided = verdict("holds", 0.5, None, 0.9)
    assert p_value(BEATS, one_sided, T) is None


@pytest.mark.parametrize(
    ("rule", "word", "found"),
    [
        (BEATS, "holds", (0.0, True)),
        (BEATS, "fails", (0.0, False)),
        (Rule(kind="estimated", words="slope"), "fails", (0.0, False)),
        (SHARE, "holds", (0.95, True)),
        (SHARE, "partly", (0.90, True)),
        (SHARE, "fails", (0.90, False)),
        (FAILING, "holds", (0.90, False)),
        (FAILING, "fails", (0.90, True)),
        (SHARE, "undecided", None),
        (Rule(kind="equals", tolerance=0.1), "holds", None),
    ],
)
def test_what_an_interval_is_held_against(rule, word, found):
    assert threshold(rule, verdict(word, 0.5, 0.4, 0.6), T) == found
    assert threshold(rule, verdict(word, 0.5, None, None), T) is None
    one_end = verdict(word, 0.5, 0.4, None)
    assert threshold(rule, one_end, T) == found


def test_a_p_value_is_at_most_one():
    half = verdict("holds", 0.5, 0.3, 0.7)
    assert p_value(SHARE, half, T, (10, 20)) == 1.0


def test_one_seed_counts_as_two():
    """No interval of Student's has fewer than one degree of freedom."""
    few = [p_value(BEATS, verdict("holds", 0.5, 0.1, 0.9, n), T) for n in (1, 2, 3)]
    assert few[0] == few[1] != few[2]
    assert few[1] == pytest.approx(2 * stats.t(1).sf(stats.t(1).ppf(0.975) * 1.25))


def test_a_point_is_as_sure_as_can_be():
    point = verdict("holds", 0.5, 0.5, 0.5)
    assert p_value(BEATS, point, T) == 0.0
    assert p_value(SHARE, replace(point, effect=0.95, low=0.95), T) == 1.0


def test_holm_by_hand():
    # Holm (1979): .01 <= .05 / 4, .013 <= .05 / 3, .04 > .05 / 2, so the rest fall
    found = holm([0.013, 0.04, 0.01, 0.045], 0.95)
    assert found.tolist() == [True, False, True, False]
    assert holm([], 0.95).tolist() == []
    assert holm([0.05], 0.95).tolist() == [True]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_the_closure_of_bonferroni(p):
    """A verdict stands if Bonferroni rejects every set of claims that it is in."""
    found = holm(p, 0.95)
    for k in range(len(p)):
        # of sets of one size, the one with the largest others is hardest
        others = sorted((p[j] for j in range(len(p)) if j != k), reverse=True)
        sets = [[p[k], *others[:size]] for size in range(len(p))]
        stands = all(min(s) <= (1 - 0.95) / len(s) for s in sets)
        assert bool(found[k]) == stands


def test_holm_keeps_no_more_than_the_level_says(rng):
    """Where nothing is true, any verdict stands in about 5 of 100 families."""
    families = rng.random((4000, 20))
    wrong = np.mean([holm(p, 0.95).any() for p in families])
    assert wrong == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 4000))
