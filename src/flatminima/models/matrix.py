"""Matrix sensing by a factorisation: f_i = <U V^T, A_i>.

The model of Gunasekar et al. (2017) without their symmetry: U and V are free, of any
number of columns. An input x_i is A_i, row by row.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from flatminima.models.gradients import derivatives_of

NAMES = ("U", "V")
"""Names of the arrays of theta, each of shape (d, width)."""


class Model(NamedTuple):
    """Constants.

    Attributes:
        d: rows and columns of the matrix.
        width: columns of U and V.
    """

    d: int
    width: int

    @property
    def scratch(self) -> int:
        """Numbers that `gradient` and `curvature` need beside theta."""
        return 4 * self.d * self.d

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the arrays of theta."""
        return (self.d, self.width), (self.d, self.width)


def forward(model: Model, u, v, x):
    """f(A) of every row of x, shape (n, d d), for numpy arrays and torch tensors."""
    return x @ (u @ v.T).reshape(-1)


def init(
    model: Model, alpha: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """U and V of independent N(0, alpha^2 / width)."""
    shape = (2, model.d, model.width)
    u, v = alpha / np.sqrt(model.width) * rng.standard_normal(shape)
    return u, v


def laplacian(model: Model, x: Float[np.ndarray, "n dd"]) -> Float[np.ndarray, " n"]:
    """tr Hess f_i of every example: 0, since f is linear in U and in V."""
    return np.zeros(len(x))


def squared_gradients(
    model: Model,
    u: Float[np.ndarray, "d width"],
    v: Float[np.ndarray, "d width"],
    x: Float[np.ndarray, "n dd"],
) -> Float[np.ndarray, " n"]:
    """||grad f_i||^2 = ||A_i V||^2 + ||A_i^T U||^2 of every example."""
    a = x.reshape(len(x), model.d, model.d)
    left, right = a @ v, np.swapaxes(a, 1, 2) @ u
    return (left**2).sum(axis=(1, 2)) + (right**2).sum(axis=(1, 2))


def _gradient(model, theta, x, y, rows, weight, scratch, out):
    d, width = model.d, model.width
    size = d * width
    u, v = theta[:size].reshape(d, width), theta[size : 2 * size].reshape(d, width)
    du, dv = out[:size].reshape(d, width), out[size : 2 * size].reshape(d, width)
    product, slope = scratch[: d * d], scratch[d * d : 2 * d * d]
    for i in range(d):
        for j in range(d):
            total = 0.0
            for k in range(width):
                total += u[i, k] * v[j, k]
            product[i * d + j] = total
            slope[i * d + j] = 0.0
    squares = 0.0
    for k in range(rows.size):
        row = x[rows[k]]
        f = 0.0
        for j in range(d * d):
            f += product[j] * row[j]
        residual = f - y[k]
        squares += residual * residual
        step = weight * residual
        for j in range(d * d):
            slope[j] += step * row[j]
    for i in range(d):
        for j in range(d):
            g = slope[i * d + j]
            for k in range(width):
                du[i, k] += g * v[j, k]
                dv[j, k] += g * u[i, k]
    return squares


def _curvature(model, theta, p, x, y, rows, weight, scratch, out):
    d, width = model.d, model.width
    size, square = d * width, d * d
    u, v = theta[:size].reshape(d, width), theta[size : 2 * size].reshape(d, width)
    pu, pv = p[:size].reshape(d, width), p[size : 2 * size].reshape(d, width)
    du, dv = out[:size].reshape(d, width), out[size : 2 * size].reshape(d, width)
    product, slope = scratch[:square], scratch[square : 2 * square]
    moved, bent = scratch[2 * square : 3 * square], scratch[3 * square : 4 * square]
    for i in range(d):
        for j in range(d):
            total, along = 0.0, 0.0
            for k in range(width):
                total += u[i, k] * v[j, k]
                along += pu[i, k] * v[j, k] + u[i, k] * pv[j, k]
            at = i * d + j
            product[at], moved[at], slope[at], bent[at] = total, along, 0.0, 0.0
    for k in range(rows.size):
        row = x[rows[k]]
        f, along = 0.0, 0.0
        for j in range(square):
            f += product[j] * row[j]
            along += moved[j] * row[j]
        for j in range(square):
            slope[j] += weight * (f - y[k]) * row[j]
            bent[j] += weight * along * row[j]
    for i in range(d):
        for j in range(d):
            g, h = slope[i * d + j], bent[i * d + j]
            for k in range(width):
                du[i, k] += h * v[j, k] + g * pv[j, k]
                dv[j, k] += h * u[i, k] + g * pu[i, k]


derivatives_of(Model, _gradient, _curvature)
