"""The talk's line and Foret's theorem, against their formulas and what they rest on."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from flatminima.theory.pac_bayes.numbers import isotropic_kl
from flatminima.theory.pac_bayes.published import (
    displayed_line,
    foret,
    foret_complexity,
    foret_sigma,
)

RATIOS = st.floats(0, 1e3)
COUNTS = st.integers(1, 10**6)
EXAMPLES = st.integers(2, 10**6)
DELTAS = st.floats(1e-6, 0.999)


def test_the_line_as_printed():
    sharpness = 0.4 - 0.1
    assert displayed_line(0.4, 0.1, 3.0, 0.5, 200) == pytest.approx(
        sharpness + (3.0 / (2 * 0.5)) / math.sqrt(400)
    )


@given(st.floats(0, 1e3), st.floats(1e-3, 1e3), COUNTS)
def test_the_line_has_half_of_the_divergence(norm, sigma, m):
    root = math.sqrt(isotropic_kl(norm, sigma) / (2 * m))
    assert displayed_line(0.0, 0.0, norm, sigma, m) == pytest.approx(
        root / math.sqrt(2), rel=1e-9
    )


def proof_before_rounding(ratio: float, k: int, n: int, delta: float) -> float:
    """What stands two lines earlier in the proof, without the loss."""
    inside = k / 4 * math.log(1 + (ratio * (1 + math.sqrt(math.log(n) / k))) ** 2)
    inside += 1 / 4 + math.log(n / delta) + 2 * math.log(6 * n + 3 * k)
    return 1 / math.sqrt(n) + math.sqrt(inside / (n - 1))


@given(RATIOS, COUNTS, EXAMPLES, DELTAS)
def test_forets_last_step(ratio, k, n, delta):
    assert proof_before_rounding(ratio, k, n, delta) <= foret_complexity(
        ratio, k, n, delta
    )


@given(RATIOS, COUNTS, EXAMPLES, DELTAS)
def test_forets_h_rises_and_is_capped_by_the_norm(ratio, k, n, delta):
    value = foret_complexity(ratio, k, n, delta)
    assert foret_complexity(ratio * 1.01 + 0.01, k, n, delta) > value
    assert foret_complexity(ratio, k + 1, n, delta) >= value


@pytest.mark.parametrize("k", [1, 10, 1000])
@pytest.mark.parametrize("n", [2, 100, 10_000])
def test_forets_noise_stays_in_the_ball(k, n):
    sigma = foret_sigma(2.0, k, n)
    assert chi2.sf((2.0 / sigma) ** 2, k) <= 1 / math.sqrt(n)


def test_forets_bound_as_printed():
    k, n, delta = 50, 1000, 0.1
    stretch = (3.0 / 0.5) ** 2 * (1 + math.sqrt(math.log(n) / k)) ** 2
    inside = k * math.log(1 + stretch) + 4 * math.log(n / delta)
    inside += 8 * math.log(6 * n + 3 * k)
    expected = 0.2 + math.sqrt(inside / (n - 1))
    assert foret(0.2, 3.0, 0.5, k, n, delta) == pytest.approx(expected)


def test_noise_of_the_proof_is_far_below_that_of_the_statement():
    sizes = np.array([foret_sigma(0.05, k, 1000) for k in (10, 1000, 100_000)])
    assert (np.diff(sizes) < 0).all()
    assert sizes[-1] < 0.05 / 300


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: displayed_line(0.1, 0.1, -1.0, 1.0, 10), "norm = -1.0"),
        (lambda: displayed_line(0.1, 0.1, 1.0, 0.0, 10), "sigma = 0.0"),
        (lambda: displayed_line(0.1, 0.1, 1.0, 1.0, 0), "m = 0"),
        (lambda: foret(1.5, 1.0, 1.0, 1, 10, 0.1), "worst_loss = 1.5"),
        (lambda: foret(0.5, 1.0, 0.0, 1, 10, 0.1), "rho = 0.0"),
        (lambda: foret(0.5, 1.0, 1.0, 0, 10, 0.1), "num_parameters = 0"),
        (lambda: foret(0.5, 1.0, 1.0, 1, 1, 0.1), "n = 1"),
        (lambda: foret(0.5, -1.0, 1.0, 1, 10, 0.1), "norm_over_rho = -1.0"),
        (lambda: foret(0.5, 1.0, 1.0, 1, 10, 0.0), "delta = 0.0"),
        (lambda: foret_sigma(0.0, 1, 10), "rho = 0.0"),
    ],
)
def test_refusals(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def test_what_is_at_the_end_of_a_range_is_allowed():
    inside = 4 * math.log(2 / 0.5) + 8 * math.log(6 * 2 + 3)
    assert foret_complexity(0.0, 1, 2, 0.5) == pytest.approx(math.sqrt(inside))
    assert foret(0.0, 0.0, 1.0, 1, 2, 0.5) == pytest.approx(math.sqrt(inside))
    assert foret(1.0, 0.0, 1.0, 1, 2, 0.5) == pytest.approx(1 + math.sqrt(inside))
    assert foret_sigma(3.0, 4, 2) == pytest.approx(3 / (2 + math.sqrt(math.log(2))))
    assert displayed_line(0.25, 0.5, 0.0, 1.0, 1) == -0.25


@pytest.mark.parametrize("n", [1, 0, -5])
def test_fewer_than_two_examples_are_refused(n):
    with pytest.raises(ValueError, match="n = .*: must be at least 2"):
        foret_sigma(1.0, 1, n)
