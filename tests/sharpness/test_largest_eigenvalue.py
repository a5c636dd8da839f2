"""lambda_max against a dense eigensolver, a second library and a closed form."""

import numpy as np
import pytest
import scipy.sparse.linalg
import torch

from flatminima.sharpness.closed_form import per_example_gradients
from flatminima.sharpness.largest_eigenvalue import lambda_max
from tests.sharpness.dense import hessian, random_point, second_library
from tests.sharpness.test_closed_form import each_case, each_loss


def lambda_of(point):
    return lambda_max(
        point.module,
        point.model,
        (point.w, point.v),
        point.inputs,
        point.y,
        point.loss,
    )


@pytest.mark.parametrize("seed", range(5))
@each_loss
@each_case
def test_equals_dense_eigenvalue(architecture, eps, loss, seed):
    point = random_point(architecture, seed, eps, loss)
    expected = np.linalg.eigvalsh(hessian(point))[-1]
    assert lambda_of(point) == pytest.approx(expected, rel=1e-7)


@each_case
def test_equals_curvlinops(architecture, eps):
    point = random_point(architecture, 7, eps)
    operator = second_library(point)

    def product(p):
        return (operator @ torch.as_tensor(p.ravel())).numpy()

    linear = scipy.sparse.linalg.LinearOperator(operator.shape, product, dtype=float)
    (expected,) = scipy.sparse.linalg.eigsh(
        linear, k=1, which="LA", return_eigenvectors=False, v0=np.ones(linear.shape[0])
    )
    assert lambda_of(point) == pytest.approx(expected, rel=1e-7)


def test_closed_form_of_one_interpolated_example():
    # L = (f - y)^2 at f = y has the Hessian 2 grad f grad f^T
    point = random_point("bias", 2)
    one = point._replace(inputs=point.inputs[:1], x=point.x[:1])
    gradients = per_example_gradients(*one.engine)
    one = one._replace(y=gradients.f)
    assert lambda_of(one) == pytest.approx(2 * gradients.norm_sq[0], rel=1e-10)


def test_same_bits_twice():
    point = random_point("sim_ln", 0)
    assert lambda_of(point) == lambda_of(point)


def test_a_dead_network_has_none():
    point = random_point("bias", 0)
    dead = -np.abs(point.w)
    inputs = np.abs(point.inputs)
    found = lambda_max(
        point.module, point.model, (dead, point.v), inputs, point.y, point.loss
    )
    assert found == 0
