"""The deep trace, Gram and pull-back equal those of autograd."""

import numpy as np
import pytest
import torch

from flatminima.models import deep
from flatminima.sharpness.deep import per_example_gradients, trace_hessian
from flatminima.sharpness.gauss_newton import retract
from tests.autograd import dense_hessian, jacobian

each_depth = pytest.mark.parametrize("depth", [2, 3, 4])


def network(rng, depth, n=7, d=4, width=6):
    x = deep.inputs(deep.Model(), rng.normal(size=(n, d)))
    parameters = deep.init(deep.Model(depth), d, width, rng)
    return x, rng.normal(size=n), tuple(2 * p for p in parameters)


def outputs(x):
    return lambda *parameters: deep.forward(deep.Model(), *parameters, x)


@each_depth
def test_trace_equals_dense_hessian_off_interpolation(depth, rng):
    x, y, parameters = network(rng, depth)
    at = per_example_gradients(*parameters, x)
    inputs, labels = torch.as_tensor(x), torch.as_tensor(y)

    def loss(*theta):
        return ((outputs(inputs)(*theta) - labels) ** 2).mean()

    hessian = dense_hessian(loss, parameters)
    shares = [parameters[0].size, *[36] * (depth - 2), parameters[2].size]
    diagonal = np.split(np.diag(hessian), np.cumsum(shares)[:-1])
    np.testing.assert_allclose(
        trace_hessian(at), [part.sum() for part in diagonal], rtol=1e-10
    )
    assert at.kink_distance > 1e-6


@each_depth
def test_trace_of_another_loss(depth, rng):
    x, y, parameters = network(rng, depth)
    at = per_example_gradients(*parameters, x)
    inputs, labels = torch.as_tensor(x), torch.as_tensor(np.sign(y))

    def loss(*theta):
        margin = labels * outputs(inputs)(*theta)
        return torch.nn.functional.softplus(-margin).mean()

    probability = 1 / (1 + np.exp(-at.f))
    trace = trace_hessian(at, probability * (1 - probability)).sum()
    assert trace == pytest.approx(np.trace(dense_hessian(loss, parameters)), rel=1e-10)


@each_depth
def test_gram_and_pull_back_equal_the_jacobian(depth, rng):
    x, y, parameters = network(rng, depth)
    at = per_example_gradients(*parameters, x)
    rows = jacobian(outputs(torch.as_tensor(x)), parameters)
    np.testing.assert_allclose(at.f, deep.forward(deep.Model(), *parameters, x))
    np.testing.assert_allclose(at.gram(), rows @ rows.T, atol=1e-12)
    pulled = np.concatenate([part.ravel() for part in at.pull_back(y)])
    np.testing.assert_allclose(pulled, y @ rows, atol=1e-12)
    norm_sq = at.layer_norm_sq.sum(axis=0)
    np.testing.assert_allclose(norm_sq, np.diag(rows @ rows.T))
    for part, p in zip(at.pull_back(y), parameters, strict=True):
        assert part.shape == p.shape


@each_depth
def test_bound_holds_at_random_networks(depth, rng):
    for _ in range(50):
        x, _, parameters = network(rng, depth, width=3)
        at = per_example_gradients(*parameters, x)
        bound = deep.lower_bound(deep.Model(depth), np.sum(x**2, axis=1), at.f)
        assert trace_hessian(at).sum() >= bound * (1 - 1e-12)


@each_depth
def test_retraction_interpolates_nearby(depth, rng):
    x, _, parameters = network(rng, depth, width=20)
    y = deep.forward(deep.Model(), *parameters, x) + 0.01 * rng.normal(size=len(x))
    moved = retract(lambda theta: per_example_gradients(*theta, x), parameters, y)
    assert moved.converged and moved.loss <= 1e-20
    np.testing.assert_allclose(
        deep.forward(deep.Model(), *moved.parameters, x), y, atol=1e-9
    )
    assert 0 < moved.distance < 0.1


def test_retraction_stays_at_an_interpolating_point(rng):
    x, _, parameters = network(rng, 3)
    y = per_example_gradients(*parameters, x).f
    moved = retract(lambda theta: per_example_gradients(*theta, x), parameters, y)
    assert moved.converged and moved.distance == 0


def test_retraction_says_when_it_fails(rng):
    x, y, parameters = network(rng, 3)
    dead = tuple(0 * p for p in parameters)
    moved = retract(lambda theta: per_example_gradients(*theta, x), dead, y)
    assert not moved.converged and moved.loss == pytest.approx(np.mean(y**2))


def test_bound_published_number():
    # Wen, Li & Ma 2023: depth 3 on the hypercube of d = 30.
    bound = deep.lower_bound(deep.Model(3), np.full(4, 31.0), np.array([1.0, -1, 1, 1]))
    assert bound == pytest.approx(18.8483, abs=1e-4)
    with pytest.raises(ValueError, match="depth = 1: allowed are depth >= 2"):
        deep.lower_bound(deep.Model(1), np.ones(1), np.ones(1))
