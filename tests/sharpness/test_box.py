"""Keskar's box: corners, factors, subspaces."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flatminima.sharpness.box import box_sharpness
from flatminima.sharpness.landscape import surface
from tests.sharpness.homogeneous import build, generator
from tests.sharpness.test_ball import valley


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_a_convex_loss_is_highest_at_a_corner(seed, size):
    g = generator(seed)
    a = torch.randn(size, size, generator=g, dtype=torch.float64)
    b = torch.randn(size, generator=g, dtype=torch.float64)
    theta = torch.randn(size, generator=g, dtype=torch.float64)
    at = surface(lambda t: ((a @ t) ** 2).sum() + b @ t + 50, theta)
    widths = 0.3 * (theta.abs() + 1)
    corners = torch.tensor(list(itertools.product([-1.0, 1.0], repeat=size))).double()
    rises = torch.func.vmap(at.loss)(theta + widths * corners) - at.loss()
    expected = 100 * float(rises.max()) / (1 + float(at.loss()))
    found = box_sharpness(at, 0.3, g, restarts=64)
    assert found.value == pytest.approx(expected, rel=1e-10)
    torch.testing.assert_close(found.displacement.abs(), widths)


def test_of_a_linear_loss_it_is_a_formula():
    theta = torch.tensor([1.0, -2.0, 0.0], dtype=torch.float64)
    g = torch.tensor([3.0, -1.0, 2.0], dtype=torch.float64)
    at = surface(lambda t: g @ t + 1, theta)
    found = box_sharpness(at, 0.01, generator())
    rise = 0.01 * (2 * 3 + 3 * 1 + 1 * 2)
    assert found.value == pytest.approx(100 * rise / (1 + 6))
    assert found.spread == pytest.approx(0, abs=1e-12)


def test_a_subspace_is_no_higher_than_the_whole_and_within_its_span():
    at = build(1, [3, 4, 2]).at
    some = box_sharpness(at, 1e-2, generator(), dim=5)
    assert 0 < some.value < box_sharpness(at, 1e-2, generator()).value
    g = generator()
    basis = torch.randn(at.size, 5, generator=g, dtype=torch.float64)
    basis = basis / basis.norm(dim=0)
    z = torch.linalg.lstsq(basis, some.displacement).solution
    torch.testing.assert_close(basis @ z, some.displacement)
    centre = torch.linalg.lstsq(basis, at.theta).solution
    assert bool((z.abs() <= 1e-2 * (centre.abs() + 1) * (1 + 1e-9)).all())


def test_all_of_the_space_as_a_subspace():
    theta = torch.tensor([1.0, -2.0], dtype=torch.float64)
    at = surface(lambda t: (t**2).sum(), theta)
    found = box_sharpness(at, 0.1, generator(), dim=2)
    assert found.value > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"eps": 0.0}, "eps = 0.0: must be above 0"),
        ({"dim": 0}, "dim = 0: must be an integer"),
        ({"dim": 999}, "dim = 999: must be at most"),
        ({"restarts": 0}, "restarts = 0"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    at = build(0, [2, 2]).at
    eps = arguments.pop("eps", 0.1)
    with pytest.raises(ValueError, match=message):
        box_sharpness(at, eps, generator(), **arguments)


def test_climbs_that_do_not_settle_end_after_200_steps():
    found = box_sharpness(valley(), 1.5, generator())
    assert not found.settled
    assert found.evaluations == 8 * (200 + 1)
