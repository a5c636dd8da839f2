"""Minimum sharpness: closed form, a general solver, descent, and invariance."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from torch import nn

from flatminima.sharpness.landscape import landscape
from flatminima.sharpness.minimum import (
    Shares,
    least_trace,
    minimum_sharpness,
    shares,
)
from flatminima.sharpness.rescaling import folded, layers, rescale
from tests.sharpness.homogeneous import build, cases, convolutional

POSITIVE = st.floats(1e-6, 1e6)


def dense_trace(net, case):
    at = landscape(net, case.x, case.y, case.loss)
    return float(torch.func.hessian(at.loss)(at.theta).trace())


@settings(max_examples=30, deadline=None)
@given(cases(), st.lists(st.floats(0.2, 5), min_size=2, max_size=2))
def test_the_curve_is_the_trace_of_the_rescaled_net(case, factors):
    """T(alpha) from the shares against the dense Hessian of the rescaled net."""
    net = folded(case.net)
    free = np.array(factors[: len(layers(net)) - 1])
    alphas = np.append(free, 1 / free.prod())
    curve = shares(case.net, case.x, case.y, case.loss).at(alphas)
    dense = dense_trace(rescale(net, alphas), case)
    assert curve == pytest.approx(dense, rel=1e-8, abs=1e-10)


@given(st.lists(POSITIVE, min_size=1, max_size=6))
def test_without_biases_it_is_the_mean_of_layers(weights):
    w = np.array(weights)
    found = least_trace(Shares(w, np.zeros(len(w))))
    closed = len(w) * np.exp(np.log(w).mean())
    assert found.value == pytest.approx(closed, rel=1e-8)
    assert found.alphas.prod() == pytest.approx(1)
    np.testing.assert_allclose(w / found.alphas**2, closed / len(w), rtol=1e-5)


@settings(max_examples=30, deadline=None)
@given(cases(bias=False, norm=False))
def test_the_closed_form_on_nets(case):
    found = minimum_sharpness(case.net, case.x, case.y, case.loss)
    closed = len(found.alphas) * np.prod(found.shares.weights) ** (
        1 / len(found.alphas)
    )
    assert found.value == pytest.approx(closed, rel=1e-8, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5))
def test_with_biases_against_a_general_solver(seed, depth):
    w, b = np.exp(2 * np.random.default_rng(seed).normal(size=(2, depth)))
    given_shares = Shares(w, b)
    found = least_trace(given_shares)

    def value(u):
        return np.log(given_shares.at(np.exp(np.append(u, -u.sum()))))

    other = minimize(value, np.zeros(depth - 1), method="BFGS", options={"gtol": 1e-8})
    assert found.value == pytest.approx(np.exp(other.fun), rel=1e-8)
    assert given_shares.at(found.alphas) == pytest.approx(found.value, rel=1e-10)
    assert found.iterations < 50


def test_against_descent_on_the_factors():
    """What the report runs: gradient descent in alpha."""
    case = build(0, [3, 5, 4, 2])
    given_shares = shares(case.net, case.x, case.y, case.loss)
    w, b = map(torch.tensor, (given_shares.weights, given_shares.biases))
    alpha = torch.ones(2, dtype=torch.float64, requires_grad=True)
    for _ in range(500):
        every = torch.cat([alpha, 1 / alpha.prod()[None]])
        value = (w / every**2 + b / every.cumprod(0) ** 2).sum()
        (gradient,) = torch.autograd.grad(value, alpha)
        with torch.no_grad():
            alpha -= 0.05 * gradient
    assert least_trace(given_shares).value == pytest.approx(value.item(), rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(cases(), st.lists(st.floats(0.01, 100), min_size=2, max_size=2))
def test_it_does_not_change_as_layers_are_rescaled(case, factors):
    net = folded(case.net)
    free = np.array(factors[: len(layers(net)) - 1])
    other = rescale(net, np.append(free, 1 / free.prod()))
    first = minimum_sharpness(case.net, case.x, case.y, case.loss)
    second = minimum_sharpness(other, case.x, case.y, case.loss)
    assert second.value == pytest.approx(first.value, rel=1e-6, abs=1e-9)


def test_the_scale_that_batch_norm_hides_changes_nothing():
    """A convolution before batch norm, and the statistics after it, times 7."""
    case = convolutional(1, norm=True)
    found = minimum_sharpness(case.net, case.x, case.y, case.loss)
    raw = dense_trace(case.net, case)
    with torch.no_grad():
        case.net[0].weight *= 7
        case.net[0].bias *= 7
        case.net[1].running_mean *= 7
        # eps is part of the function: it has to scale as well
        case.net[1].running_var.add_(case.net[1].eps).mul_(49).sub_(case.net[1].eps)
    again = minimum_sharpness(case.net, case.x, case.y, case.loss)
    assert again.value == pytest.approx(found.value, rel=1e-6)
    assert dense_trace(case.net, case) != pytest.approx(raw, rel=1e-2)


def test_it_is_no_more_than_the_trace():
    case = convolutional(2)
    found = minimum_sharpness(case.net, case.x, case.y, case.loss)
    assert found.value < dense_trace(case.net, case)
    assert float(found) == found.value


def test_a_layer_that_does_not_matter_lets_it_fall_to_0():
    assert least_trace(Shares(np.array([0.0, 2.0]), np.zeros(2))).value < 1e-10


def test_what_cannot_be_is_refused():
    case = build(0, [2, 2])
    net = nn.Sequential(*case.net, nn.Softplus())
    with pytest.raises(ValueError, match="Softplus"):
        minimum_sharpness(net, case.x, case.y, case.loss)
    with pytest.raises(ValueError, match="must be finite and at least 0"):
        least_trace(Shares(np.array([-1.0]), np.zeros(1)))
