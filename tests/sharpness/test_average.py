"""The mean rise under noise, and its standard error."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from flatminima.sharpness.average import average_sharpness, sigma_at
from flatminima.sharpness.coordinates import elementwise
from flatminima.sharpness.landscape import landscape, surface
from tests.sharpness.homogeneous import build, generator, rescale_units

MATRIX = torch.tensor([[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 3.0]]).double()
"""Off the diagonal, since noise along axes would see a diagonal one without error."""


def quadratic():
    slope = torch.tensor([1.0, -2.0, 0.5]).double()
    return surface(lambda t: slope @ t + t @ MATRIX @ t / 2, torch.ones(3))


def quartic():
    """E (v_1^2 + v_2^2)^2 = 8: for it sigma has a closed form."""
    return surface(lambda t: (t @ t) ** 2 + t[0], torch.zeros(2))


def within_binomial_limits(hits: int, share: float, repeats: int) -> bool:
    low, high = stats.binom.interval(0.999, repeats, share)
    return low <= hits <= high


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.floats(1e-3, 10))
def test_of_a_quadratic_it_is_half_the_trace(seed, sigma):
    found = average_sharpness(quadratic(), sigma, generator(seed), pairs=200)
    exact = sigma**2 * float(MATRIX.trace()) / 2
    # 30 seeds, each within 4 standard errors: one in 500 by chance
    assert abs(found.value - exact) < 4 * found.standard_error
    assert found.draws == 200


def test_within_three_standard_errors_of_another_way():
    at = build(2, [3, 4, 2]).at
    found = average_sharpness(at, 0.3, generator(0), pairs=400)
    rng = np.random.default_rng(7)
    v = torch.tensor(rng.normal(size=(20_000, at.size)))
    plain = (torch.func.vmap(at.loss)(at.theta + 0.3 * v) - at.loss()).numpy()
    error = math.hypot(found.standard_error, plain.std() / math.sqrt(len(plain)))
    assert abs(found.value - plain.mean()) < 3 * error


def test_the_error_bars_are_right():
    exact = 0.01 * float(MATRIX.trace()) / 2
    found = [average_sharpness(quadratic(), 0.1, generator(s)) for s in range(200)]
    reach = stats.t.ppf(0.95, 99)
    hits = sum(abs(e.value - exact) < reach * e.standard_error for e in found)
    assert within_binomial_limits(hits, 0.9, 200)
    spread = np.std([e.value for e in found], ddof=1)
    mean = np.mean([e.standard_error for e in found])
    assert spread == pytest.approx(mean, rel=0.2)


def test_the_error_bars_of_sigma_are_right():
    exact = (1 / 8) ** 0.25
    found = [
        sigma_at(quartic(), 1.0, generator(s), pairs=100, smallest=0.2)
        for s in range(200)
    ]
    reach = stats.norm.ppf(0.95)
    hits = sum(abs(e.value - exact) < reach * e.standard_error for e in found)
    assert within_binomial_limits(hits, 0.9, 200)


def test_pairs_cancel_the_gradient():
    slope = torch.tensor([100.0, -50.0]).double()
    at = surface(lambda t: slope @ t, torch.ones(2))
    found = average_sharpness(at, 0.5, generator(), pairs=5)
    assert abs(found.value) < 1e-12
    assert found.standard_error < 1e-12


def test_the_rise_at_sigma_is_the_target():
    at = build(4, [3, 4, 2]).at
    sigma = sigma_at(at, 0.2, generator(9), pairs=50)
    again = average_sharpness(at, sigma.value, generator(9), pairs=50)
    assert again.value == pytest.approx(0.2, rel=1e-8)


def test_a_flat_loss_has_no_sigma():
    at = surface(lambda t: t.sum() * 0 + 1, torch.zeros(2))
    found = sigma_at(at, 0.1, generator())
    assert found.value == math.inf
    assert math.isnan(found.standard_error)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_sigma_is_found_up_to_the_largest(share):
    """The last doubling goes past the largest, and the answer may lie before it."""
    at = build(4, [3, 4, 2]).at
    answer = sigma_at(at, 0.2, generator(9), pairs=50).value
    found = sigma_at(at, 0.2, generator(9), pairs=50, largest=answer / share)
    assert found.value == pytest.approx(answer, rel=1e-8)
    short = sigma_at(at, 0.2, generator(9), pairs=50, largest=answer * share)
    assert short.value == math.inf


def test_noise_under_which_the_loss_is_no_number_is_no_noise_that_is_borne():
    at = surface(lambda t: torch.sqrt(t.sum() - 1), torch.ones(2))
    with pytest.raises(ValueError, match="no number under noise of sigma = "):
        sigma_at(at, 10.0, generator(), pairs=10)


def test_in_proportion_to_the_weights_no_rescaling_changes_it():
    case = build(6, [3, 4, 4, 2])
    scaled = rescale_units(case.net, 1)
    other = landscape(scaled, case.x, case.y, case.loss)
    for measure in (
        lambda at: average_sharpness(at, 0.2, generator(3)).value,
        lambda at: sigma_at(at, 0.1, generator(3)).value,
    ):
        assert measure(elementwise(other)) == pytest.approx(
            measure(elementwise(case.at)), rel=1e-8
        )
        assert measure(other) != pytest.approx(measure(case.at), rel=1e-2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda at, g: average_sharpness(at, 0.0, g), "sigma = 0.0: must be above 0"),
        (lambda at, g: average_sharpness(at, 0.1, g, pairs=1), "pairs = 1"),
        (lambda at, g: sigma_at(at, 0.0, g), "target = 0.0: must be above 0"),
        (lambda at, g: sigma_at(at, 1e-9, g, smallest=1.0), "smallest = 1.0"),
        (
            lambda at, g: sigma_at(at, 1.0, g, smallest=2.0, largest=1.0),
            "smallest = 2.0: must be above 0 and below largest = 1.0",
        ),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(quadratic(), generator())


def test_a_hundred_pairs_are_drawn_unless_told():
    assert average_sharpness(quadratic(), 0.1, generator()).draws == 100
    assert sigma_at(quadratic(), 0.1, generator()).draws == 100


def test_sigma_is_sought_from_a_millionth_to_a_thousand():
    flat = surface(lambda t: 1e-6 * t @ t, torch.zeros(2))
    # the mean rise is 2e-6 sigma^2 up to chance
    assert sigma_at(flat, 0.2, generator()).value == pytest.approx(1e5**0.5, rel=0.3)
    assert sigma_at(flat, 10.0, generator()).value == math.inf
    steep = surface(lambda t: 1e12 * t @ t, torch.zeros(2))
    assert 1e-6 < sigma_at(steep, 10.0, generator()).value < 1e-5
    with pytest.raises(ValueError, match="smallest = 1e-06: the rise is above 1"):
        sigma_at(steep, 1.0, generator())


def test_the_error_of_sigma_is_that_of_the_rise_over_its_slope():
    """Of a loss of fourth order the rise is target (sigma / found)^4."""
    at = surface(lambda t: (t @ t) ** 2, torch.zeros(2))
    found = sigma_at(at, 2.0, generator(5), pairs=30)
    rise = average_sharpness(at, found.value, generator(5), pairs=30)
    assert rise.value == pytest.approx(2.0, rel=1e-8)
    expected = found.value * rise.standard_error / (4 * 2.0)
    assert found.standard_error == pytest.approx(expected, rel=1e-6)


def test_two_pairs_are_enough():
    assert average_sharpness(quadratic(), 0.1, generator(), pairs=2).draws == 2
    assert sigma_at(quadratic(), 0.1, generator(), pairs=2).draws == 2
