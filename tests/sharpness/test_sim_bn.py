"""Trace, Laplacian, Gram and pull-back of Sim-BN equal those of autograd."""

import numpy as np
import pytest
import torch

from flatminima.models import sim_bn
from flatminima.sharpness.gauss_newton import retract
from flatminima.sharpness.sim_bn import per_example_gradients, trace_hessian
from tests.autograd import dense_hessian, jacobian

MODEL = sim_bn.Model()


def network(rng, n=9, d=4, width=6):
    x = sim_bn.inputs(MODEL, rng.normal(size=(n, d)))
    w, _, v = sim_bn.init(MODEL, d, width, rng)
    w[:, 1] = 0.0
    w[-1, 1] = -1.0  # dead on every example
    return x, rng.normal(size=n), (w, rng.normal(size=width), 3 * v)


def outputs(x):
    return lambda *parameters: sim_bn.forward(MODEL, *parameters, x)


def test_laplacian_of_every_output(rng):
    x, _, parameters = network(rng)
    at = per_example_gradients(*parameters, x)
    inputs = torch.as_tensor(x)
    for i in range(len(x)):
        hessian = dense_hessian(lambda *p, i=i: outputs(inputs)(*p)[i], parameters)
        assert at.laplacian[i] == pytest.approx(np.trace(hessian), rel=1e-9)
    assert np.ptp(at.laplacian) > 0.1


def test_trace_equals_dense_hessian_off_interpolation(rng):
    x, y, parameters = network(rng)
    at = per_example_gradients(*parameters, x)
    inputs, labels = torch.as_tensor(x), torch.as_tensor(y)

    def loss(*theta):
        return ((outputs(inputs)(*theta) - labels) ** 2).mean()

    trace = np.trace(dense_hessian(loss, parameters))
    assert trace_hessian(at, 2 * (at.f - y)) == pytest.approx(trace, rel=1e-10)


def test_trace_of_another_loss(rng):
    x, y, parameters = network(rng)
    at = per_example_gradients(*parameters, x)
    inputs, labels = torch.as_tensor(x), torch.as_tensor(np.sign(y))

    def loss(*theta):
        margin = labels * outputs(inputs)(*theta)
        return torch.nn.functional.softplus(-margin).mean()

    share = 1 / (1 + np.exp(np.sign(y) * at.f))
    trace = trace_hessian(at, -np.sign(y) * share, share * (1 - share))
    assert trace == pytest.approx(np.trace(dense_hessian(loss, parameters)), rel=1e-9)


def test_gram_and_pull_back_equal_the_jacobian(rng):
    x, y, parameters = network(rng)
    at = per_example_gradients(*parameters, x)
    rows = jacobian(outputs(torch.as_tensor(x)), parameters)
    np.testing.assert_allclose(at.f, outputs(x)(*parameters))
    np.testing.assert_allclose(at.gram(), rows @ rows.T, atol=1e-12)
    np.testing.assert_allclose(at.norm_sq, np.diag(rows @ rows.T))
    pulled = np.concatenate([part.ravel() for part in at.pull_back(y)])
    np.testing.assert_allclose(pulled, y @ rows, atol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 10.0, 1000.0])
def test_bounds_and_free_scale_of_the_first_layer(scale, rng):
    x, _, (w, gamma, v) = network(rng)
    base = per_example_gradients(w, gamma, v, x)
    at = per_example_gradients(scale * w, gamma, v, x)
    np.testing.assert_allclose(at.f, base.f, atol=1e-12)
    trace = trace_hessian(at, 0 * at.f)
    first = trace_hessian(base, 0 * at.f) - base.second_layer_trace
    assert first > 0
    assert trace == pytest.approx(base.second_layer_trace + first / scale**2)
    bound = sim_bn.lower_bound(MODEL, np.ones(len(at.f)), at.f)
    assert trace >= at.second_layer_trace >= bound


def test_bound_is_the_infimum_for_separated_signs():
    # One unit a class, each equal on its own examples and silent on the others.
    x = sim_bn.inputs(MODEL, np.array([[2.0], [2.0], [-2.0]]))
    w = 1e6 * np.array([[1.0, -1.0], [-1.0, -1.0]])
    balance = np.array([2 / 3, 1 / 3]) ** 0.25
    gamma, v = balance, balance * np.array([1.0, -1.0])
    at = per_example_gradients(w, gamma, v, x)
    np.testing.assert_allclose(at.f, [1.0, 1.0, -1.0])
    bound = sim_bn.lower_bound(MODEL, np.ones(len(at.f)), at.f)
    assert bound == pytest.approx(4 * (np.sqrt(2 / 3) + np.sqrt(1 / 3)))
    assert trace_hessian(at, 0 * at.f) == pytest.approx(bound, rel=1e-9)


def test_retraction_interpolates_nearby(rng):
    x, _, parameters = network(rng, width=20)
    y = outputs(x)(*parameters) + 0.01 * rng.normal(size=len(x))
    moved = retract(lambda theta: per_example_gradients(*theta, x), parameters, y)
    assert moved.converged
    np.testing.assert_allclose(outputs(x)(*moved.parameters), y, atol=1e-9)
    assert 0 < moved.distance < 0.2


def test_all_units_dead(rng):
    x, _, (w, gamma, v) = network(rng)
    at = per_example_gradients(0 * w, gamma, v, x)
    assert not at.f.any() and not at.norm_sq.any() and not at.laplacian.any()
    assert at.second_layer_trace == 0
