"""The gradients of models with one vector of parameters, against autograd.

Each is written anew in torch, so that no line is shared with the engine. The compiled
functions are called as plain Python.
"""

import numpy as np
import pytest
import torch

from flatminima.models import cubic, relu_flat
from flatminima.models.gradients import curvature, gradient

N = 6


def examples():
    rng = np.random.default_rng(7)
    return {
        "cubic": (cubic.Model(4), rng.standard_normal((N, 4)), 12),
        "relu": (relu_flat.Model(3, 5), rng.standard_normal((N, 3)), 20),
    }


EXAMPLES = examples()


def outputs(name, theta, x):
    if name == "cubic":
        u, v, w = theta.reshape(3, -1)
        return x @ (u * v * w)
    first, second = theta[:15].reshape(5, 3), theta[15:]
    return torch.relu(x @ first.T) @ second


def batch_loss(name, theta, x, y, rows):
    residual = outputs(name, theta, torch.from_numpy(x[rows])) - torch.from_numpy(y)
    return 0.5 * residual.square().mean()


@pytest.mark.parametrize("name", EXAMPLES)
def test_gradient_and_curvature_are_those_of_autograd(name):
    model, x, size = EXAMPLES[name]
    rng = np.random.default_rng(3)
    theta, p = rng.standard_normal((2, size))
    rows = np.array([4, 1, 1])
    y = rng.standard_normal(3)
    scratch, g, h = np.empty(model.scratch), np.zeros(size), np.zeros(size)
    squares = gradient(model, theta, x, y, rows, 1 / 3, scratch, g)
    curvature(model, theta, p, x, y, rows, 1 / 3, scratch, h)

    def loss(at):
        return batch_loss(name, at, x, y, rows)

    at = torch.from_numpy(theta)
    expected = torch.func.grad(loss)(at)
    bent = torch.func.hessian(loss)(at) @ torch.from_numpy(p)
    np.testing.assert_allclose(g, expected.numpy(), atol=1e-13)
    np.testing.assert_allclose(h, bent.numpy(), atol=1e-13)
    assert squares == pytest.approx(6 * float(loss(at)), rel=1e-12)


@pytest.mark.parametrize("name", EXAMPLES)
def test_they_add_to_what_is_there(name):
    model, x, size = EXAMPLES[name]
    theta = np.random.default_rng(4).standard_normal(size)
    rows, y, scratch = np.array([2]), np.zeros(1), np.empty(model.scratch)
    once, twice = np.zeros(size), np.zeros(size)
    gradient(model, theta, x, y, rows, 1.0, scratch, once)
    for _ in range(2):
        gradient(model, theta, x, y, rows, 1.0, scratch, twice)
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-14)


@pytest.mark.parametrize("name", EXAMPLES)
def test_forward_is_the_model(name):
    model, x, size = EXAMPLES[name]
    theta = np.random.default_rng(5).standard_normal(size)
    parts = np.split(theta, 3) if name == "cubic" else [theta[:15], theta[15:]]
    module = cubic if name == "cubic" else relu_flat
    if name == "relu":
        parts[0] = parts[0].reshape(5, 3)
    expected = outputs(name, torch.from_numpy(theta), torch.from_numpy(x))
    np.testing.assert_allclose(
        module.forward(model, *parts, x), expected.numpy(), atol=1e-13
    )
