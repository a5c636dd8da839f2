"""Neighbourhoods in other coordinates."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flatminima.sharpness.ball import ball_sharpness, sam_sharpness
from flatminima.sharpness.coordinates import elementwise, rescaled, spanned
from flatminima.sharpness.landscape import landscape, surface
from tests.sharpness.homogeneous import build, cases, generator, rescale_units


def test_one_number_scales_all_alike():
    at = build(0, [3, 4, 2]).at
    wide = ball_sharpness(rescaled(at, 2.0), 0.1, generator())
    plain = ball_sharpness(at, 0.2, generator())
    assert wide.value == pytest.approx(plain.value, rel=1e-6)
    torch.testing.assert_close(rescaled(at, 2.0).loss(), at.loss())


def test_the_gradient_follows_the_chain_rule():
    at = build(0, [3, 4, 2]).at
    inside = elementwise(at, 0.1)
    torch.testing.assert_close(
        inside.gradient(), at.gradient() * (at.theta.abs() + 0.1)
    )
    basis = torch.randn(at.size, 3, generator=generator(), dtype=torch.float64)
    torch.testing.assert_close(spanned(at, basis).gradient(), basis.T @ at.gradient())


def test_asams_first_step():
    """rho T^2 g / ||T g|| (Kwon et al. 2021)."""
    at = build(1, [3, 4, 2]).at
    found = sam_sharpness(elementwise(at), 0.1)
    t, g = at.theta.abs(), at.gradient()
    d = 0.1 * t**2 * g / (t * g).norm()
    torch.testing.assert_close(t * found.displacement, d)
    assert found.value == pytest.approx(float(at.loss(at.theta + d) - at.loss()))


@settings(max_examples=30, deadline=None)
@given(cases(norm=False), st.integers(0, 10**6))
def test_adaptive_sharpness_is_blind_to_the_scales_of_units(case, seed):
    other = landscape(rescale_units(case.net, seed), case.x, case.y, case.loss)
    torch.testing.assert_close(other.outputs(), case.at.outputs())
    first = sam_sharpness(elementwise(case.at), 0.1).value
    second = sam_sharpness(elementwise(other), 0.1).value
    assert second == pytest.approx(first, rel=1e-8, abs=1e-12)


def test_so_is_its_worst_case_and_a_floor_or_a_ball_is_not():
    case = build(2, [3, 4, 2])
    other = landscape(rescale_units(case.net, 0), case.x, case.y, case.loss)

    def worst(at):
        return ball_sharpness(at, 0.05, generator()).value

    assert worst(elementwise(other)) == pytest.approx(worst(elementwise(case.at)), 1e-5)
    assert worst(other) != pytest.approx(worst(case.at), rel=1e-2)
    with_floor = worst(elementwise(other, 1.0)), worst(elementwise(case.at, 1.0))
    assert with_floor[0] != pytest.approx(with_floor[1], rel=1e-2)


def test_what_cannot_be_is_refused():
    at = surface(lambda t: t @ t, torch.ones(2))
    with pytest.raises(ValueError, match="scale: must be finite and at least 0"):
        rescaled(at, torch.tensor([1.0, -1.0]))
    with pytest.raises(ValueError, match="floor = -1: must be at least 0"):
        elementwise(at, -1)
    with pytest.raises(ValueError, match="basis: must have 2 rows"):
        spanned(at, torch.ones(3, 1))
