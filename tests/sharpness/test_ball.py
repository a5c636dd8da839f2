"""The worst rise within a ball, against what certifies a maximum."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flatminima.sharpness.ball import ball_sharpness, quadratic_rise, sam_sharpness
from flatminima.sharpness.landscape import surface
from tests.sharpness.homogeneous import build, cases, generator

SEEDS = st.integers(0, 10**6)


def problem(seed: int, size: int, *, rank: int | None = None):
    """A gradient and a symmetric matrix, indefinite or of a given rank."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(size, size if rank is None else rank))
    h = (a + a.T) / 2 if rank is None else a @ a.T
    return rng.normal(size=size), h


def certifies(found, g, h, radius, tolerance=1e-8):
    """KKT with mu I - H >= 0: with that, no other point of the ball is higher."""
    d, mu = found.displacement, found.multiplier
    scale = np.linalg.norm(g) + np.abs(h).sum() * radius
    assert np.linalg.norm(d) <= radius * (1 + 1e-10)
    assert mu >= 0
    assert np.linalg.eigvalsh(mu * np.eye(len(g)) - h)[0] >= -1e-9 * scale / radius
    np.testing.assert_allclose(mu * d - h @ d, g, atol=tolerance * scale)
    if mu > 1e-12:
        assert np.linalg.norm(d) == pytest.approx(radius, rel=1e-8)
    assert found.value == pytest.approx(g @ d + d @ h @ d / 2, rel=1e-12, abs=1e-14)


@settings(max_examples=60)
@given(SEEDS, st.integers(1, 8), st.floats(1e-4, 1e3), st.booleans())
def test_a_quadratics_rise_is_certified(seed, size, radius, flat):
    g, h = problem(seed, size, rank=max(1, size - 2) if flat else None)
    certifies(quadratic_rise(g, h, radius), g, h, radius)


@settings(max_examples=30)
@given(SEEDS, st.integers(2, 7))
def test_the_hard_case(seed, size):
    """No gradient along the top eigenvector, and too short a step without it."""
    _, h = problem(seed, size)
    h = h + (1 - np.linalg.eigvalsh(h)[0]) * np.eye(size)
    values, q = np.linalg.eigh(h)
    g = q[:, :-1] @ np.random.default_rng(seed).normal(size=size - 1)
    within = np.linalg.norm((q.T @ g)[:-1] / (values[-1] - values[:-1]))
    found = quadratic_rise(g, h, 2 * within)
    assert found.hard
    certifies(found, g, h, 2 * within, 1e-6)
    assert found.value == pytest.approx(
        values[-1] * (2 * within) ** 2 / 2
        + ((q.T @ g)[:-1] ** 2 / (values[-1] - values[:-1])).sum() / 2,
        rel=1e-8,
    )
    assert not quadratic_rise(g, h, within / 2).hard


def test_known_quadratics():
    h = np.diag([1.0, 4.0])
    assert quadratic_rise(np.zeros(2), h, 0.5).value == pytest.approx(0.5)
    assert quadratic_rise(np.ones(2), 0 * h, 0.5).value == pytest.approx(0.5**0.5)
    inside = quadratic_rise(np.array([1.0, 2.0]), -h, 10.0)
    assert inside.value == pytest.approx(0.5 + 0.5)
    assert inside.multiplier == 0
    assert quadratic_rise(np.zeros(2), -h, 1.0).value == 0
    assert quadratic_rise(np.zeros(2), 0 * h, 1.0).value == 0


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 8), st.floats(1e-2, 10))
def test_ascent_reaches_the_rise_of_a_convex_quadratic(seed, size, radius):
    g, h = problem(seed, size, rank=size)
    first, matrix = torch.tensor(g), torch.tensor(h)
    at = surface(lambda t: first @ t + t @ matrix @ t / 2, torch.zeros(size))
    found = ball_sharpness(at, radius, generator(seed), num_steps=5000)
    assert found.settled
    assert found.value == pytest.approx(quadratic_rise(g, h, radius).value, rel=1e-7)
    assert float(found.displacement.norm()) == pytest.approx(radius)


@settings(max_examples=30, deadline=None)
@given(cases(), st.floats(1e-3, 1))
def test_it_is_between_a_rise_of_its_own_and_sams(case, radius):
    at = case.at
    found = ball_sharpness(at, radius, generator(), num_steps=20)
    its_own = float(at.loss(at.theta + found.displacement) - at.loss())
    assert found.value == pytest.approx(max(its_own, 0.0), abs=1e-14)
    assert float(found.displacement.norm()) <= radius * (1 + 1e-12)
    assert found.value >= sam_sharpness(at, radius).value - 1e-14
    assert found.value >= max(found.rises) - 1e-14
    assert found.restarts == 8
    assert found.spread == max(found.rises) - min(found.rises)


def test_random_points_of_the_ball_are_no_higher():
    at = build(3, [3, 4, 2]).at
    found = ball_sharpness(at, 0.3, generator())
    d = torch.randn(3000, at.size, generator=generator(1), dtype=torch.float64)
    d = 0.3 * d / d.norm(dim=1, keepdim=True)
    rises = torch.func.vmap(at.loss)(at.theta + d) - at.loss()
    assert float(rises.max()) < found.value


def test_a_larger_ball_is_no_lower():
    at = build(5, [3, 4, 2]).at
    values = [ball_sharpness(at, r, generator()).value for r in (0.01, 0.1, 0.5, 1.0)]
    assert values == sorted(values)


def test_restarts_leave_a_lower_hill():
    """SAM's step leads to the lower of two ends; a restart finds the other."""
    at = surface(lambda t: t[0] / 2 + 2 * t[0] ** 2 - t[0] ** 3, torch.zeros(2))
    one = ball_sharpness(at, 1.0, generator(), restarts=1)
    many = ball_sharpness(at, 1.0, generator(), restarts=8)
    assert one.value == pytest.approx(1.5)
    assert many.value == pytest.approx(2.5)
    assert many.spread == pytest.approx(1.0)


def test_at_a_peak_the_rise_is_none():
    at = surface(lambda t: -(t @ t), torch.zeros(3))
    found = ball_sharpness(at, 1.0, generator())
    assert found.value == 0
    assert float(found.displacement.norm()) == 0


def test_starts_of_ones_own():
    at = surface(lambda t: t[0] ** 2 - t[0] ** 3, torch.zeros(2))
    start = torch.tensor([[-1.0, 0.0]])
    found = ball_sharpness(at, 1.0, generator(), restarts=1, starts=start)
    assert found.restarts == 2
    assert found.value == pytest.approx(2.0)


def test_sam_is_one_step_along_the_gradient():
    at = surface(lambda t: (t**2).sum(), torch.tensor([3.0, 4.0]))
    assert sam_sharpness(at, 0.5).value == pytest.approx(5.5**2 - 25)
    assert sam_sharpness(at.at(torch.zeros(2)), 0.5).value == 0


@pytest.mark.parametrize("radius", [0.0, -1.0, float("nan")])
def test_a_radius_is_above_0(radius):
    at = build(0, [2, 2]).at
    with pytest.raises(ValueError, match="radius = .*: must be above 0"):
        ball_sharpness(at, radius, generator())
    with pytest.raises(ValueError, match="radius = .*: must be above 0"):
        quadratic_rise(np.ones(2), np.eye(2), radius)


def test_what_else_is_refused():
    at = build(0, [2, 2]).at
    with pytest.raises(ValueError, match="restarts = 0"):
        ball_sharpness(at, 1.0, generator(), restarts=0)
    with pytest.raises(ValueError, match="num_steps = 0"):
        ball_sharpness(at, 1.0, generator(), num_steps=0)


def test_a_loss_that_is_not_finite_is_told():
    at = surface(lambda t: -torch.log(1 - t[0]), torch.zeros(1))
    with pytest.raises(FloatingPointError, match="not finite"):
        ball_sharpness(at, 2.0, generator())


def test_sams_step_is_told_as_one_climb_that_has_ended():
    at = surface(lambda t: (t**2).sum(), torch.tensor([3.0, 4.0]))
    found = sam_sharpness(at, 0.5)
    assert (found.restarts, found.evaluations, found.settled) == (1, 2, True)
    assert found.rises == (found.value,)


def valley():
    """A curved ridge, along which ascent is slow."""

    def loss(t):
        return -100 * (t[0] - 1) ** 2 - 1000 * (t[1] - t[0] ** 2) ** 2

    return surface(loss, torch.tensor([-1.0, 1.0]))


def test_climbs_that_do_not_settle_end_after_200_steps():
    found = ball_sharpness(valley(), 3.0, generator())
    assert not found.settled
    assert found.evaluations == 8 * (200 + 1)
    few = ball_sharpness(valley(), 3.0, generator(), restarts=3, num_steps=7)
    assert not few.settled
    assert few.evaluations == 3 * (7 + 1)


def test_a_climb_that_is_at_its_end_tells_so():
    """From the highest point of a plane no step goes up, and 15 of them show it."""
    at = surface(lambda t: 2 * t[0], torch.zeros(2))
    found = ball_sharpness(at, 1.0, generator(), restarts=1)
    assert found.settled
    # steps of 1e3, 1e3 / 8, ... down to 1e-10, besides the look at the start
    assert found.evaluations == 1 + 15


def test_one_climb_of_one_step_is_enough():
    at = surface(lambda t: 2 * t[0], torch.zeros(2))
    found = ball_sharpness(at, 0.5, generator(), restarts=1, num_steps=1)
    assert found.value == pytest.approx(1.0)
    assert (found.restarts, found.evaluations) == (1, 2)
