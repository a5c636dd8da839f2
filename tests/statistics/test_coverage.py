"""The promise of the intervals: a coverage of .94 at a level of .95."""

import numpy as np
import pytest

from flatminima.statistics import coverage
from flatminima.statistics.thresholds import thresholds

LEAST = 0.94
REPEATS = 10_000


@pytest.fixture(scope="module")
def found():
    return coverage.table(repeats=REPEATS, others=1_000)


@pytest.mark.parametrize(
    ("kind", "seeds", "cases"),
    [("normal", (3, 5, 10, 20), 1), ("skewed", (10, 20), 5), ("groups", (10, 20), 1)],
)
def test_intervals_cover_what_they_claim(found, kind, seeds, cases):
    missed = coverage.missed(found, kind, seeds)
    assert len(missed) == cases * len(seeds)
    assert 1 - missed.max() >= LEAST


def test_the_percentile_bootstrap_does_not(found):
    rows = found[found["interval"] == "percentile bootstrap"]
    assert rows[[3, 5, 10, 20]].to_numpy().max() < LEAST


def test_students_interval_is_exact_for_normal_outcomes(found):
    row = found[(found["kind"] == "normal") & (found["interval"] == "Student's t")]
    error = 3 * np.sqrt(0.95 * 0.05 / 1_000)
    np.testing.assert_allclose(row[[3, 5, 10, 20]].iloc[0].tolist(), 0.95, atol=error)


def test_a_rare_failure_is_not_seen_by_few_seeds(found):
    """Ten seeds hold none of one in ten with probability .9^10, 35 %."""
    row = found[(found["kind"] == "rare") & (found["interval"] == "this book")]
    assert row[10].item() == pytest.approx(1 - 0.9**10, abs=0.03)
    # nobody fails among n with probability 2.5 % at the bound
    assert (1 - coverage.unseen(10)) ** 10 == pytest.approx(0.025)


def test_medians_are_covered_wherever_they_have_an_interval():
    table = coverage.medians(repeats=4_000)
    assert table[["3", "5"]].isna().all(axis=None)
    assert table[["10", "20"]].to_numpy().min() >= LEAST


def test_populations_have_the_means_that_they_claim():
    rng = np.random.default_rng(7)
    for case in coverage.CASES:
        values = case.population.draw(rng, (40_000,))
        error = 4 * values.std() / 200
        assert abs(values.mean() - case.population.mean) < error
        if case.population.high is not None:
            share = np.mean(values >= thresholds().high)
            assert abs(share - case.population.high) < 4 * 0.5 / 200


@pytest.mark.parametrize(
    "given", [{"seeds": [1]}, {"others": 0}, {"repeats": 10, "others": 11}]
)
def test_too_few_are_refused(given):
    with pytest.raises(ValueError, match="must be|at least"):
        coverage.table(**given)
