"""The least trace over unit scales: a general solver, layers, invariance."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from flatminima.sharpness.landscape import landscape
from flatminima.sharpness.minimum import minimum_sharpness
from flatminima.sharpness.unit_minimum import (
    least_unit_trace,
    unit_minimum_sharpness,
)
from tests.sharpness.homogeneous import build, cases, convolutional, rescale_units


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 4))
def test_against_a_general_solver(seed, first, second):
    rng = np.random.default_rng(seed)
    shapes = [(first, 3), (second, first), (2, second)]
    weights = [np.exp(rng.normal(size=shape)) for shape in shapes]
    biases = [np.exp(rng.normal(size=len(matrix))) for matrix in weights]

    def value(u):
        logs = [np.zeros(3), u[:first], u[first:], np.zeros(2)]
        return sum(
            (w * np.exp(2 * (a[None] - b[:, None]))).sum() + (h / np.exp(2 * b)).sum()
            for w, h, a, b in zip(weights, biases, logs, logs[1:], strict=False)
        )

    start = np.zeros(first + second)
    other = minimize(value, start, method="BFGS", options={"gtol": 1e-6})
    found = least_unit_trace(weights, biases)
    assert found.value == pytest.approx(other.fun, rel=1e-8)
    assert found.trace == pytest.approx(value(start))
    at_scales = value(np.log(np.concatenate(found.scales)))
    assert at_scales == pytest.approx(found.value, rel=1e-10)


@settings(max_examples=30, deadline=None)
@given(cases(), st.integers(0, 10**6))
def test_it_is_below_layers_and_blind_to_units(case, seed):
    found = unit_minimum_sharpness(case.net, case.x, case.y, case.loss)
    by_layer = minimum_sharpness(case.net, case.x, case.y, case.loss)
    assert found.value <= by_layer.value * (1 + 1e-9) + 1e-12
    if not any(isinstance(part, torch.nn.BatchNorm1d) for part in case.net):
        other = rescale_units(case.net, seed)
        again = unit_minimum_sharpness(other, case.x, case.y, case.loss)
        assert again.value == pytest.approx(found.value, rel=1e-6, abs=1e-9)


def test_the_net_with_its_scales_has_that_trace():
    case = build(3, [3, 4, 4, 2])
    found = unit_minimum_sharpness(case.net, case.x, case.y, case.loss)
    layers = [part for part in case.net if isinstance(part, torch.nn.Linear)]
    scales = [torch.ones(3), *map(torch.tensor, found.scales), torch.ones(2)]
    expected = case.at.outputs()
    with torch.no_grad():
        for layer, below, above in zip(layers, scales, scales[1:], strict=False):
            layer.weight *= above[:, None] / below[None]
            layer.bias *= above
    at = landscape(case.net, case.x, case.y, case.loss)
    torch.testing.assert_close(at.outputs(), expected)
    trace = float(torch.func.hessian(at.loss)(at.theta).trace())
    assert trace == pytest.approx(found.value, rel=1e-8)


def test_channels_of_a_convolutional_net():
    case = convolutional(0)
    found = unit_minimum_sharpness(case.net, case.x, case.y, case.loss)
    assert [len(each) for each in found.scales] == [3, 4]
    assert 0 < found.value < found.trace


def test_groups_are_refused():
    net = torch.nn.Sequential(
        *(torch.nn.Conv2d(2, 2, 3, groups=2), torch.nn.ReLU()),
        *(torch.nn.Flatten(), torch.nn.Linear(2, 2)),
    )
    with pytest.raises(ValueError, match="layer 0: groups = 2: must be 1"):
        unit_minimum_sharpness(net, torch.ones(1, 2, 3, 3), torch.ones(1, 2), "squared")


def test_one_layer_has_no_scales():
    case = build(0, [3, 2])
    found = unit_minimum_sharpness(case.net, case.x, case.y, case.loss)
    assert found.scales == ()
    assert found.value == pytest.approx(found.trace)


def test_newton_needs_few_steps(monkeypatch):
    """Only exact second derivatives, between layers as well, make it so quick."""
    from flatminima.sharpness import unit_minimum

    taken = []
    original = unit_minimum.minimise

    def noted(oracle, start):
        found = original(oracle, start)
        taken.append(found.iterations)
        return found

    monkeypatch.setattr(unit_minimum, "minimise", noted)
    rng = np.random.default_rng(0)
    shapes = [(4, 3), (5, 4), (3, 5), (2, 3)]
    weights = [np.exp(rng.normal(size=shape)) for shape in shapes]
    biases = [np.exp(rng.normal(size=len(matrix))) for matrix in weights]
    found = least_unit_trace(weights, biases)
    assert found.decrement <= 1e-14
    assert taken[0] <= 8
