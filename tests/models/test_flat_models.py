"""The gradients of models with one vector of parameters, against autograd.

Each is written anew in torch, so that no line is shared with the engine. The compiled
functions are called as plain Python.
"""

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from flatminima.models import cubic, diagonal, matrix, relu_1d, relu_flat
from flatminima.models.gradients import curvature, gradient

pytestmark = pytest.mark.uncompiled

N = 6


class Example(NamedTuple):
    """A model, where it is defined, the shapes of theta, and how long an input is."""

    module: ModuleType
    model: Any
    shapes: tuple[tuple[int, ...], ...]
    features: int

    @property
    def size(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def parts(self, theta):
        """The arrays of theta, for numpy and torch."""
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])
        starts = [0, *ends[:-1]]
        each = zip(starts, ends, self.shapes, strict=True)
        return [theta[a:b].reshape(shape) for a, b, shape in each]


EXAMPLES = {
    "cubic": Example(cubic, cubic.Model(4), ((4,),) * 3, 4),
    "relu": Example(relu_flat, relu_flat.Model(3, 5), ((5, 3), (5,)), 3),
    "squares": Example(diagonal, diagonal.Model(5, True), ((5,),) * 2, 5),
    "product": Example(diagonal, diagonal.Model(5, False), ((5,),) * 2, 5),
    "matrix": Example(matrix, matrix.Model(3, 2), ((3, 2),) * 2, 9),
    "line": Example(relu_1d, relu_1d.Model(7), ((7,),) * 3, 1),
}
WITH_TRACE = ["squares", "product", "matrix", "line"]
each_example = pytest.mark.parametrize("name", EXAMPLES)
those_with_a_trace = pytest.mark.parametrize("name", WITH_TRACE)


def outputs(name, theta, x):
    parts = EXAMPLES[name].parts(theta)
    if name == "cubic":
        u, v, w = parts
        return (x * u * v * w).sum(1)
    if name == "relu":
        first, second = parts
        return torch.relu(x @ first.T) @ second
    if name == "line":
        w, b, a = parts
        return torch.relu(x * w + b) @ a
    u, v = parts
    if name == "matrix":
        return torch.einsum("nij,ik,jk->n", x.reshape(-1, 3, 3), u, v)
    return (x * (u**2 - v**2 if name == "squares" else u * v)).sum(1)


def batch_loss(name, theta, x, y, rows):
    residual = outputs(name, theta, torch.from_numpy(x[rows])) - torch.from_numpy(y)
    return 0.5 * residual.square().mean()


def drawn(name, seed=3):
    """The model, inputs, theta and a direction."""
    given = EXAMPLES[name]
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, given.features))
    theta, p = rng.standard_normal((2, given.size))
    return given, x, theta, p


def derivatives(given, x, theta, p, y, rows, weight, scratch):
    """The sum of squares, and what both functions write where zeros were."""
    g, h = np.zeros(given.size), np.zeros(given.size)
    squares = gradient(given.model, theta, x, y, rows, weight, scratch, g)
    curvature(given.model, theta, p, x, y, rows, weight, scratch, h)
    return squares, g, h


@each_example
def test_gradient_and_curvature_are_those_of_autograd(name):
    given, x, theta, p = drawn(name)
    rows = np.array([4, 1, 1])
    y = np.random.default_rng(8).standard_normal(3)
    scratch = np.full(given.model.scratch, np.nan)  # what was there does not matter
    squares, g, h = derivatives(given, x, theta, p, y, rows, 1 / 3, scratch)

    def loss(at):
        return batch_loss(name, at, x, y, rows)

    at = torch.from_numpy(theta)
    expected = torch.func.grad(loss)(at)
    bent = torch.func.hessian(loss)(at) @ torch.from_numpy(p)
    assert all(expected != 0) or name in ("relu", "line")
    np.testing.assert_allclose(g, expected.numpy(), atol=1e-13)
    np.testing.assert_allclose(h, bent.numpy(), atol=1e-13)
    assert squares == pytest.approx(6 * float(loss(at)), rel=1e-12)
    assert not np.isnan(scratch).any()  # all of it is needed


@each_example
def test_they_add_to_what_is_there(name):
    given, x, theta, p = drawn(name, 4)
    rows, y, scratch = np.array([2]), np.zeros(1), np.empty(given.model.scratch)
    once, twice = np.zeros((2, 2, given.size))
    for times, out in ((1, once), (2, twice)):
        for _ in range(times):
            gradient(given.model, theta, x, y, rows, 1.0, scratch, out[0])
            curvature(given.model, theta, p, x, y, rows, 1.0, scratch, out[1])
    assert once.any(axis=1).all()
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-13)


@each_example
def test_forward_is_the_model(name):
    given, x, theta, _ = drawn(name, 5)
    at, inputs = torch.from_numpy(theta), torch.from_numpy(x)
    expected = outputs(name, at, inputs)
    for parts, rows in ((given.parts(theta), x), (given.parts(at), inputs)):
        found = given.module.forward(given.model, *parts, rows)
        np.testing.assert_allclose(found, expected.numpy(), atol=1e-13)


@pytest.mark.parametrize("name", ["relu", "line"])
def test_a_unit_on_its_kink_has_no_derivative(name):
    # its second layer and its share of the direction are not 0
    given, x, theta, p = drawn(name)
    first = given.parts(theta)[0]
    first[2] = 0.0
    if name == "line":
        given.parts(theta)[1][2] = 0.0
    rows, scratch = np.arange(N), np.empty(given.model.scratch)
    for found in derivatives(given, x, theta, p, np.ones(N), rows, 1.0, scratch)[1:]:
        for part in given.parts(found):
            assert not part[2].any() and part.any()
    at = torch.from_numpy(theta).requires_grad_()
    f = given.module.forward(given.model, *given.parts(at), torch.from_numpy(x))
    (slope,) = torch.autograd.grad(f.sum(), at)
    for part in given.parts(slope):
        assert not part[2].any() and part.any()


@those_with_a_trace
def test_squared_gradients_and_laplacian_are_those_of_autograd(name):
    given, x, theta, _ = drawn(name, 6)
    at = torch.from_numpy(theta)

    def every(at):
        return outputs(name, at, torch.from_numpy(x))

    rows = torch.func.jacrev(every)(at)
    traces = torch.func.hessian(every)(at).diagonal(dim1=1, dim2=2).sum(1)
    squares = given.module.squared_gradients(given.model, *given.parts(theta), x)
    assert squares == pytest.approx(rows.square().sum(1).numpy(), rel=1e-12)
    found = given.module.laplacian(given.model, x)
    np.testing.assert_allclose(found, traces.numpy(), atol=1e-13)


@those_with_a_trace
def test_shapes_are_those_of_theta(name):
    given = EXAMPLES[name]
    assert given.model.shapes == given.shapes
    assert len(given.module.NAMES) == len(given.shapes)


def test_diagonal_networks_start_at_zero_wherever_alpha_is():
    # Woodworth et al. (2020) for squares, Andriushchenko & Flammarion (2022) else
    for squares, second in ((True, 0.3), (False, 0.0)):
        model = diagonal.Model(4, squares)
        u, v = diagonal.init(model, 0.3)
        np.testing.assert_array_equal((u, v), ([0.3] * 4, [second] * 4))
        u[0] = 5.0  # they share no memory
        assert v[0] == second
    for squares in (True, False):
        model = diagonal.Model(4, squares)
        start = diagonal.init(model, 0.3)
        np.testing.assert_array_equal(diagonal.coefficients(model, *start), 0.0)


@pytest.mark.parametrize("squares", [True, False])
def test_the_entropys_scale_is_that_of_the_flows_end(squares):
    # with one example, gradient flow from alpha ends where arcsinh(beta / c) is a
    # multiple of the input: the optimality of the hyperbolic entropy
    model, alpha = diagonal.Model(3, squares), 0.4
    x, y = np.array([[1.0, -2.0, 0.5]]), np.array([1.5])
    theta = np.concatenate(diagonal.init(model, alpha))
    row, scratch = np.array([0]), np.empty(model.scratch)
    for _ in range(6000):
        slope = np.zeros(6)
        gradient(model, theta, x, y, row, 1.0, scratch, slope)
        theta -= 2e-4 * slope
    beta = diagonal.coefficients(model, *theta.reshape(2, 3))
    slopes = np.arcsinh(beta / diagonal.entropy_scale(model, alpha)) / x[0]
    assert np.ptp(slopes) < 1e-3 * slopes[0]
    wrong = np.arcsinh(beta / (1.1 * diagonal.entropy_scale(model, alpha))) / x[0]
    assert np.ptp(wrong) > 1e-2 * wrong[0]


def test_factors_of_a_matrix_start_as_normal_numbers_over_the_root_of_the_width(rng):
    model = matrix.Model(40, 25)
    for factor in matrix.init(model, 0.3, rng):
        assert factor.shape == (40, 25)
        assert factor.mean() == pytest.approx(0.0, abs=3 * 0.06 / np.sqrt(1000))
        assert factor.std() == pytest.approx(0.06, rel=3 / np.sqrt(2000))
    u, v = matrix.init(model, 0.3, rng)
    assert not np.allclose(u, v)


def test_a_network_on_the_line_starts_at_the_published_scales(rng):
    # Andriushchenko & Flammarion (2022): 2.5, 2.5 and 4
    w, b, a = relu_1d.init(relu_1d.Model(2000), 0.5, rng)
    assert set(w) == {-1.25, 1.25}
    assert w.mean() == pytest.approx(0.0, abs=3 * 1.25 / np.sqrt(2000))
    for part, scale in ((b, 1.25), (a, 2.0)):
        assert part.shape == (2000,)
        assert part.mean() == pytest.approx(0.0, abs=3 * scale / np.sqrt(2000))
        assert part.std() == pytest.approx(scale, rel=3 / np.sqrt(4000))
    assert abs(np.corrcoef(a, b)[0, 1]) < 3 / np.sqrt(2000)
