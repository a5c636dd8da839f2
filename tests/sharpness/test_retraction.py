"""Retraction reaches f = y, by the shortest way to first order, or says it did not."""

import numpy as np
import pytest
import torch

from flatminima.sharpness import gauss_newton
from flatminima.sharpness.closed_form import linearised, per_example_gradients
from tests.sharpness.dense import random_point

ARCHITECTURES = ["no_bias", "bias", "sim_ln", "softplus"]


def retract(model, w, v, inputs, y, **how):
    """The retraction of a two-layer network."""
    return gauss_newton.retract(linearised(model, inputs), (w, v), y, **how)


each_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def near_interpolation(architecture, seed, residual):
    """A random network whose labels are its outputs, moved by `residual`."""
    point = random_point(architecture, seed)
    # distinct inputs, so that small moves of the labels can be followed
    _, first = np.unique(point.inputs, axis=0, return_index=True)
    inputs = point.inputs[np.sort(first)]
    f = per_example_gradients(point.model, point.w, point.v, inputs).f
    move = np.random.default_rng(seed).choice([-residual, residual], len(f))
    return point._replace(
        inputs=inputs, x=point.x[np.sort(first)], y=np.where(f != 0, f + move, 0.0)
    )


@pytest.mark.parametrize("seed", range(5))
@each_architecture
def test_converges_from_nearby(architecture, seed):
    point = near_interpolation(architecture, seed, 1e-2)
    flat = retract(*point.engine, point.y)
    assert flat.converged
    assert flat.loss <= 1e-20
    f = point.module.forward(
        point.model, flat.parameters[0], flat.parameters[1], point.inputs
    )
    np.testing.assert_allclose(f, point.y, atol=1e-9)
    moved = np.sqrt(
        np.sum((flat.parameters[0] - point.w) ** 2)
        + np.sum((flat.parameters[1] - point.v) ** 2)
    )
    assert flat.distance == pytest.approx(moved)


@pytest.mark.parametrize("seed", range(5))
@each_architecture
def test_shortest_way_to_first_order(architecture, seed):
    # the linearised constraint J delta = y - f has a least-norm solution in closed form
    point = near_interpolation(architecture, seed, 1e-5)
    parameters = list(point.net.parameters())
    rows = [
        torch.cat([p.flatten() for p in torch.autograd.grad(f, parameters)]).numpy()
        for f in (point.net(x) for x in point.x)
    ]
    residual = point.y - point.net(point.x).detach().numpy()
    shortest = np.linalg.norm(np.linalg.pinv(np.stack(rows)) @ residual)
    flat = retract(*point.engine, point.y)
    assert flat.distance == pytest.approx(shortest, rel=1e-2)


def test_stays_where_it_interpolates():
    point = near_interpolation("bias", 0, 0.0)
    flat = retract(*point.engine, point.y)
    assert flat.distance == 0.0
    assert flat.converged
    np.testing.assert_array_equal(flat.parameters[0], point.w)


@pytest.mark.parametrize("architecture", ["no_bias", "bias", "sim_ln"])
def test_dead_network_is_reported(architecture):
    point = random_point(architecture, 0)
    w = np.zeros_like(point.w)
    flat = retract(point.model, w, point.v, point.inputs, point.y)
    assert not flat.converged
    assert flat.loss == pytest.approx(np.mean(point.y**2))
    assert flat.distance == 0.0


def test_contradicting_labels_are_reported():
    point = random_point("bias", 0)
    inputs = np.repeat(point.inputs[:1], 2, axis=0)
    flat = retract(point.model, point.w, point.v, inputs, np.array([1.0, -1.0]))
    assert not flat.converged
    # the least-squares answer is 0 for both
    assert flat.loss == pytest.approx(1.0, rel=1e-6)


def test_too_few_steps_are_reported():
    point = near_interpolation("sim_ln", 1, 0.5)
    flat = retract(*point.engine, point.y, max_steps=1)
    assert not flat.converged
    assert flat.loss > 1e-20


def test_input_is_unchanged():
    point = near_interpolation("bias", 0, 1e-2)
    w, v = point.w.copy(), point.v.copy()
    retract(*point.engine, point.y)
    np.testing.assert_array_equal(point.w, w)
    np.testing.assert_array_equal(point.v, v)


class Square:
    """The network f = p^2 of one parameter, around a point."""

    def __init__(self, parameters):
        (self.p,) = parameters
        self.f = self.p**2

    def gram(self):
        return 4 * self.p[:, None] ** 2

    def pull_back(self, c):
        return (2 * self.p * c,)


def test_it_stops_after_sixty_steps():
    """To reach p^2 = 0, a step of Gauss and Newton halves p."""
    flat = gauss_newton.retract(Square, (np.ones(1),), np.zeros(1), tolerance=0)
    assert flat.parameters[0] == 0.5**60
    assert flat.distance == 1 - 0.5**60
    assert not flat.converged


def test_it_stops_at_a_loss_of_1e_20():
    """The loss p^4 falls by 16 in every step, from 1 to 16^-17 = 3.4e-21."""
    flat = gauss_newton.retract(Square, (np.ones(1),), np.zeros(1))
    assert flat.converged
    assert flat.loss == 0.5**68


class Overshooting(Square):
    """The same, but the gradient it tells is too small, so that steps are too long."""

    factor = 2.0**9

    def pull_back(self, c):
        return (2 * self.p * c * self.factor,)


@pytest.mark.parametrize(("factor", "moves"), [(2.0**11, True), (2.0**12, False)])
def test_a_step_is_halved_ten_times_at_most(factor, moves, monkeypatch):
    """A step to p (1 - factor / 2) lowers p^4 if it is halved until factor < 4."""
    monkeypatch.setattr(Overshooting, "factor", factor)
    flat = gauss_newton.retract(Overshooting, (np.ones(1),), np.zeros(1), max_steps=1)
    assert (flat.distance > 0) == moves


@pytest.mark.parametrize("apart", [0.0, 3e-16])
def test_equal_examples_share_their_coefficient(apart):
    """Least norm also where rounding lets the factor of Cholesky exist."""
    gram = np.array([[1.0, 1.0], [1.0, 1.0 + apart]])
    np.testing.assert_allclose(gauss_newton.least_norm(gram, np.ones(2)), 0.5)


def test_examples_that_rounding_can_tell_apart_have_their_own():
    gram = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-10]])
    found = gauss_newton.least_norm(gram, np.array([1.0, 1.0 + 1e-10]))
    np.testing.assert_allclose(found, [0.0, 1.0], atol=1e-5)
