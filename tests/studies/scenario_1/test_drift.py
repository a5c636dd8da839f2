"""1-SAM's drift: the engine's own step, and the gradient of the trace."""

import numpy as np
import pytest

from flatminima.kernels import serial
from flatminima.models import softplus
from flatminima.models.ascent import Usual
from flatminima.models.losses import Squared
from flatminima.sharpness.closed_form import per_example_gradients, trace_hessian
from flatminima.studies.scenario_1 import drift

RADII = [0.1, 0.01, 0.001]


@pytest.fixture(scope="module")
def at():
    return drift.interpolating(5, 8, 12, seed=3)


def test_the_point_interpolates(at):
    f = softplus.forward(softplus.Model(), at.w, at.v, at.inputs)
    np.testing.assert_allclose(f, at.y, atol=1e-12)
    assert sorted(set(at.y)) == [-1, 1]


def test_the_drift_is_minus_half_rho_squared_times_the_gradient(at):
    """Twice or half the constant, or a plus for the minus, would be far off."""
    table = drift.against_prediction(at, RADII)
    assert table["drift / prediction"][0.001] == pytest.approx(1, abs=1e-3)
    # relative to rho^2 the next order is rho
    error = table["relative error"].to_numpy()
    np.testing.assert_allclose(error / RADII, error[-1] / RADII[-1], rtol=0.1)
    assert error[-1] < 1e-3
    # the step itself is of first order, and normal to the set
    share = table["tangent share"].to_numpy()
    np.testing.assert_allclose(share / RADII, share[-1] / RADII[-1], rtol=0.2)


def test_the_next_order_is_odd_in_the_sign(at):
    signs = np.resize([1.0, -1.0, -1.0], len(at.y))
    downhill = drift.tangent(at, *drift.trace_gradient(at))

    def error(rho, *ways):
        mean = sum(drift.tangent(at, *drift.step(at, rho, way)) for way in ways)
        return np.linalg.norm(mean / len(ways) + rho**2 / 2 * downhill) / rho**2

    one = error(0.02, signs) / error(0.01, signs)
    both = error(0.02, signs, -signs) / error(0.01, signs, -signs)
    assert one == pytest.approx(2, rel=0.05)
    assert both == pytest.approx(4, rel=0.05)


def test_the_step_is_that_of_the_kernel(at):
    """From labels that are off by next to nothing, one example at a time."""
    signs, n = np.resize([1.0, -1.0, -1.0], len(at.y)), len(at.y)
    y = at.y - 1e-11 * signs
    dw, dv = np.zeros_like(at.w), np.zeros_like(at.v)
    for i in range(n):
        w, v = at.w.copy(), at.v.copy()
        numbers = (1.0, 0.05, 0.0, 1.0, 0.0)  # learning rate, radius, and nothing else
        order = np.array([i])
        data = (at.inputs, y, order)
        done = serial.run(softplus.Model(), Squared(), Usual(), w, v, *data, *numbers)
        assert done == 1
        dw, dv = dw + (w - at.w) / n, dv + (v - at.v) / n
    ours = drift.step(at, 0.05, signs)
    np.testing.assert_allclose(ours[0], dw, atol=1e-9)
    np.testing.assert_allclose(ours[1], dv, atol=1e-9)
    assert np.abs(dv).max() > 1e-3


def test_the_gradient_is_that_of_the_closed_form(at):
    """By differences of the trace along the set, where no residual is left."""
    rng = np.random.default_rng(0)
    along = drift.tangent(at, rng.normal(size=at.w.shape), rng.normal(size=at.v.shape))
    split = at.w.size

    def trace(t):
        w = at.w + t * along[:split].reshape(at.w.shape)
        v = at.v + t * along[split:]
        here = per_example_gradients(softplus.Model(), w, v, at.inputs)
        return trace_hessian(softplus, softplus.Model(), here, at.y)

    slope = (trace(1e-5) - trace(-1e-5)) / 2e-5
    gradient = drift.tangent(at, *drift.trace_gradient(at))
    assert along @ gradient == pytest.approx(slope, rel=1e-5)


def test_a_tangent_moves_no_output_to_first_order(at):
    rng = np.random.default_rng(1)
    part = drift.tangent(at, rng.normal(size=at.w.shape), rng.normal(size=at.v.shape))
    w = at.w + 1e-4 * part[: at.w.size].reshape(at.w.shape)
    v = at.v + 1e-4 * part[at.w.size :]
    moved = softplus.forward(softplus.Model(), w, v, at.inputs) - at.y
    assert np.abs(moved).max() < 1e-6
    assert np.linalg.norm(part) > 1


def test_a_network_that_cannot_interpolate_is_refused():
    with pytest.raises(ArithmeticError, match=r"the loss is .*, after the last step"):
        drift.interpolating(4, 16, 1, seed=0)
