"""The dense trace, against the closed form and a dense Hessian of other code."""

import numpy as np
import pytest

from flatminima.models.base import load
from flatminima.models.losses import SQUARED, Logistic
from flatminima.sharpness.closed_form import per_example_gradients, trace_hessian
from flatminima.sharpness.dense import dense_trace
from flatminima.theory.constructions.generalising_networks import generalising_bias
from tests.sharpness.dense import hessian, random_point

each_architecture = pytest.mark.parametrize(
    ("architecture", "eps"),
    [
        ("no_bias", 1e-4),
        ("bias", 1e-4),
        ("sim_ln", 1e-4),
        ("sim_ln", 100.0),
        ("softplus", 1e-4),
    ],
)
each_loss = pytest.mark.parametrize("loss", [SQUARED, Logistic(0.2)], ids=str)


def of(point):
    return dense_trace(
        point.module,
        point.model,
        point.w,
        point.v,
        point.x.numpy(),
        point.y,
        point.loss,
    )


@each_loss
@each_architecture
def test_against_autograd_on_the_plain_network(architecture, eps, loss):
    point = random_point(architecture, 1, eps, loss)
    assert of(point) == pytest.approx(np.trace(hessian(point)), rel=1e-11)


@each_architecture
def test_against_the_closed_form(architecture, eps):
    for seed in range(3):
        point = random_point(architecture, seed, eps)
        gradients = per_example_gradients(*point.engine)
        closed = trace_hessian(point.module, point.model, gradients, point.y)
        assert of(point) == pytest.approx(closed, rel=1e-11)


def test_one_unit_by_hand():
    # L = (v relu(w x) - y)^2 at w = 3, v = 2, x = 5: d2/dw2 = 2 (v x)^2 = 200 and
    # d2/dv2 = 2 (w x)^2 = 450, whatever y
    module = load("no_bias")
    w, v, x = np.array([[3.0]]), np.array([2.0]), np.array([[5.0]])
    for y in (30.0, -1.0):
        found = dense_trace(module, module.Model(), w, v, x, np.array([y]))
        assert found == pytest.approx(650, rel=1e-14)


def test_a_construction_has_the_trace_of_its_theorem():
    module, x = load("bias"), np.array([[1.0, 1, 1], [-1, 1, -1]])
    w, v = generalising_bias(3)
    found = dense_trace(module, module.Model(), w, v, x, x[:, 0] * x[:, 1])
    assert found == pytest.approx(4 * np.sqrt(4), rel=1e-13)
