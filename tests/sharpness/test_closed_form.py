"""The exact trace, against autograd, a second library and an unbiased estimator.

No Hessian here is diagonal: on a diagonal one a Rademacher probe is exact, and the
estimator would prove nothing.
"""

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from flatminima.models.losses import SQUARED, Logistic
from flatminima.sharpness.closed_form import per_example_gradients, trace_hessian
from tests.sharpness.dense import hessian, random_point, second_library

CASES = {
    "no_bias": ("no_bias", 1e-4),
    "bias": ("bias", 1e-4),
    "sim_ln": ("sim_ln", 1e-4),
    "sim_ln-floored": ("sim_ln", 100.0),
    "softplus": ("softplus", 1e-4),
}
each_case = pytest.mark.parametrize(
    ("architecture", "eps"), CASES.values(), ids=list(CASES)
)
each_loss = pytest.mark.parametrize("loss", [SQUARED, Logistic(0.2)], ids=str)
pytestmark = pytest.mark.uncompiled


def trace_of(point):
    gradients = per_example_gradients(*point.engine)
    return trace_hessian(point.module, point.model, gradients, point.y, point.loss)


def interpolating(point):
    """The same network, with its outputs as labels."""
    return point._replace(y=per_example_gradients(*point.engine).f)


@pytest.mark.parametrize("seed", range(5))
@each_loss
@each_case
def test_equals_dense_hessian(architecture, eps, loss, seed):
    point = random_point(architecture, seed, eps, loss)
    assert trace_of(point) == pytest.approx(np.trace(hessian(point)), rel=1e-11)


@pytest.mark.parametrize("seed", range(5))
@each_case
def test_equals_dense_hessian_at_interpolation(architecture, eps, seed):
    point = interpolating(random_point(architecture, seed, eps))
    assert trace_of(point) == pytest.approx(np.trace(hessian(point)), rel=1e-11)


@each_loss
@pytest.mark.parametrize("architecture", ["sim_ln", "softplus"])
def test_curved_networks_need_their_residual_term(architecture, loss):
    point = random_point(architecture, 0, loss=loss)
    gradients = per_example_gradients(*point.engine)
    without = np.mean(loss.curvature(gradients.f) * gradients.norm_sq)
    assert abs(without / np.trace(hessian(point)) - 1) > 1e-3


def test_sim_ln_with_a_dead_example():
    # h = 0 is below the floor; no division by it may show
    point = random_point("sim_ln", 0)
    w = point.w.copy()
    w[:, :] = 0.0
    w[-1] = -1.0
    dead = point._replace(w=w, net=point.net.set(w, point.v))
    assert trace_of(dead) == 0.0


def test_gradients_are_those_of_every_example():
    point = random_point("sim_ln", 1)
    gradients = per_example_gradients(*point.engine)
    parameters = list(point.net.parameters())
    for i, x in enumerate(point.x):
        f = point.net(x)
        parts = torch.autograd.grad(f, parameters)
        norm_sq = sum(float((part**2).sum()) for part in parts)
        assert gradients.f[i] == pytest.approx(f.item(), rel=1e-13)
        assert gradients.norm_sq[i] == pytest.approx(norm_sq, rel=1e-12)


@each_case
def test_equals_curvlinops(architecture, eps):
    point = random_point(architecture, 7, eps)
    operator = second_library(point)
    size = operator.shape[0]
    matrix = operator @ torch.eye(size, dtype=torch.float64)
    assert trace_of(point) == pytest.approx(float(matrix.trace()), rel=1e-10)


@each_case
def test_within_three_standard_errors_of_hutchinson(architecture, eps):
    point = random_point(architecture, 3, eps)
    matrix = hessian(point)
    off_diagonal = matrix - np.diag(np.diag(matrix))
    assert np.linalg.norm(off_diagonal) > 0.1 * np.linalg.norm(matrix)
    probes = np.random.default_rng(0).choice([-1.0, 1.0], (2000, len(matrix)))
    estimates = np.einsum("ij,jk,ik->i", probes, matrix, probes)
    error = estimates.std(ddof=1) / np.sqrt(len(estimates))
    assert abs(trace_of(point) - estimates.mean()) < 3 * error


def test_wrong_shapes_are_refused():
    model, w, v, inputs = random_point("bias", 0).engine
    with pytest.raises(TypeCheckError):
        per_example_gradients(model, w, v[:, None], inputs)
    with pytest.raises(TypeCheckError):
        per_example_gradients(model, w.T, v, inputs)
