"""The written-out gradient and Hessian products, against autograd."""

import numpy as np
import pytest
import torch

from flatminima.studies.stability import perceptrons
from flatminima.studies.stability.perceptrons import ACTIVATIONS, Shape

GENERATOR = np.random.default_rng(0)
X = GENERATOR.standard_normal((3, 6, 2))
Y = GENERATOR.standard_normal((3, 6))
W = GENERATOR.uniform(0, 2, (3, 6))


def shaped(activation: str) -> tuple[Shape, np.ndarray]:
    shape = Shape((2, 4, 3, 1), activation)
    return shape, np.random.default_rng(1).standard_normal((3, shape.dim))


def loss(shape: Shape, row: int, weights: np.ndarray):
    x, y, w = (torch.tensor(a[row]) for a in (X, Y, weights))
    return lambda t: (w * (perceptrons.outputs(shape, t, x) - y) ** 2).mean()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient(activation, weighted):
    shape, theta = shaped(activation)
    weights = W if weighted else np.ones_like(W)
    slopes, values = perceptrons.gradient(shape, theta, X, Y, W if weighted else None)
    for row in range(3):
        at, f = torch.tensor(theta[row]), loss(shape, row, weights)
        np.testing.assert_allclose(slopes[row], torch.func.grad(f)(at), atol=1e-12)
        assert values[row] == pytest.approx(float(f(at)), rel=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_jacobian_and_predictions(activation):
    shape, theta = shaped(activation)
    x = torch.tensor(X[0])
    found = perceptrons.jacobian(shape, theta[0], X[0])
    one = torch.tensor(theta[0])
    expected = torch.func.jacrev(lambda t: perceptrons.outputs(shape, t, x))(one)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    f = perceptrons.predictions(shape, theta, X)
    np.testing.assert_allclose(f[0], perceptrons.outputs(shape, one, x), atol=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_hessian_products_and_sharpness(activation):
    shape, theta = shaped(activation)
    v = np.random.default_rng(2).standard_normal(shape.dim)
    hessian = torch.func.hessian(loss(shape, 1, np.ones_like(W)))(
        torch.tensor(theta[1])
    ).numpy()
    found = perceptrons.hessian_product(shape, theta[1], v, X[1], Y[1])
    np.testing.assert_allclose(found, hessian @ v, atol=1e-11)
    largest = perceptrons.sharpness(shape, theta, X, Y)[1]
    assert largest == pytest.approx(np.linalg.eigvalsh(hessian)[-1], rel=1e-6)


def test_sharpness_of_what_is_not_finite_is_nan():
    shape, theta = shaped("tanh")
    theta[0] = np.nan
    theta[2] = 1e300
    found = perceptrons.sharpness(shape, theta, X, Y)
    assert np.isnan(found[[0, 2]]).all() and np.isfinite(found[1])


def test_starts_are_those_of_their_seed():
    shape = Shape((2, 50, 1))
    start = shape.init(3)
    np.testing.assert_array_equal(start, shape.init(3))
    w, b = shape.parts(start[None])[1]
    assert w.std() == pytest.approx(1 / np.sqrt(50), rel=0.4)
    assert not b.any()


def test_refuses_an_unknown_activation():
    with pytest.raises(ValueError, match="activation = 'sine'"):
        Shape((1, 2, 1), "sine")
