"""What a checkpoint tells, of every family of networks, against its parts."""

import numpy as np
import pytest
import torch

from flatminima.models import bias, deep, no_bias, sim_bn, sim_ln
from flatminima.models.losses import SQUARED, Logistic
from flatminima.sharpness import deep as of_deep
from flatminima.sharpness import sim_bn as of_sim_bn
from flatminima.sharpness import two_layer
from tests.autograd import dense_hessian

FAMILIES = {
    "no_bias": (no_bias, no_bias.Model(), two_layer),
    "bias": (bias, bias.Model(), two_layer),
    "sim_ln": (sim_ln, sim_ln.Model(eps=0.1), two_layer),
    "sim_bn": (sim_bn, sim_bn.Model(), of_sim_bn),
    "deep": (deep, deep.Model(depth=3), of_deep),
}


def problem(name):
    """Rows x' of several norms, labels, and random parameters of both layers."""
    architecture, model, _ = FAMILIES[name]
    rng = np.random.default_rng(3)
    inputs = architecture.inputs(model, rng.normal(size=(5, 4)))
    params = architecture.init(model, 4, 20, rng)
    params = tuple(2 * each + 0.1 * rng.normal(size=each.shape) for each in params)
    return inputs, rng.choice([-1.0, 1.0], 5), params


def columns(name, params, inputs, y, loss=SQUARED, *, interpolates):
    architecture, model, family = FAMILIES[name]
    return family.columns(
        architecture, model, loss, params, inputs, y, interpolates=interpolates
    )


def dense_trace(name, params, inputs, y):
    architecture, model, _ = FAMILIES[name]
    rows, labels = torch.as_tensor(inputs), torch.as_tensor(y)

    def loss(*theta):
        return ((architecture.forward(model, *theta, rows) - labels) ** 2).mean()

    return np.trace(dense_hessian(loss, params))


@pytest.mark.parametrize("name", FAMILIES)
def test_trace_and_bounds_of_every_family(name):
    architecture, model, _ = FAMILIES[name]
    inputs, y, params = problem(name)
    found = columns(name, params, inputs, y, interpolates=False)
    expected = dense_trace(name, params, inputs, y)
    assert found["trace"] == pytest.approx(expected, rel=1e-9)
    squares = np.linalg.norm(inputs, axis=1) ** 2
    f = architecture.forward(model, *params, inputs)
    for column, outputs in (("bound", y), ("bound_outputs", f)):
        assert found[column] == pytest.approx(
            architecture.lower_bound(model, squares, outputs)
        )
    assert all(np.isnan(found[f"retracted_{c}"]) for c in ("trace", "distance", "loss"))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_that_nearly_fits_is_retracted(name):
    architecture, model, _ = FAMILIES[name]
    inputs, _, params = problem(name)
    y = architecture.forward(model, *params, inputs)
    there = columns(name, params, inputs, y, interpolates=True)
    assert there["retracted_distance"] == 0
    assert there["retracted_loss"] < 1e-30
    assert there["retracted_trace"] == pytest.approx(there["trace"])
    near = columns(name, params, inputs, y + 1e-4, interpolates=True)
    assert 0 < near["retracted_distance"] < 1e-2
    assert near["retracted_loss"] <= 1e-20
    assert near["retracted_trace"] != near["trace"]
    assert near["retracted_trace"] == pytest.approx(near["trace"], rel=1e-2)


def test_targets_that_cannot_be_reached_leave_no_trace_of_a_retraction():
    inputs, y, params = problem("bias")
    dead = (-np.abs(params[0]), params[1])
    found = columns("bias", dead, np.abs(inputs), y, interpolates=True)
    assert np.isnan(found["retracted_trace"])
    assert found["retracted_distance"] == 0
    assert found["retracted_loss"] == pytest.approx(1)


@pytest.mark.parametrize("name", ["bias", "sim_bn", "deep"])
def test_units_that_fire_on_one_example_alone_are_counted(name):
    """No unit fires on one example alone where all read the same positive numbers."""
    inputs, y, params = problem(name)
    same = tuple(np.abs(each) for each in params)
    found = columns(name, same, np.abs(inputs), y, interpolates=False)
    assert found["single_active"] == 0


def test_of_the_logistic_loss_outputs_and_targets_have_curvatures_of_their_own():
    inputs, y, params = problem("bias")
    loss = Logistic(smoothing=0.1)
    found = columns("bias", params, inputs, y, loss, interpolates=False)
    squares = np.linalg.norm(inputs, axis=1) ** 2
    f = bias.forward(bias.Model(), *params, inputs)
    for column, outputs in (("bound", loss.target(y)), ("bound_outputs", f)):
        assert found[column] == pytest.approx(
            bias.lower_bound(bias.Model(), squares, outputs, loss.curvature(outputs))
        )
