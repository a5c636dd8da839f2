"""Diagonal linear networks: f_i = <beta, x_i> with beta a product of two weights.

"squares" is beta = u^2 - v^2, the model of Woodworth et al. (2020), who write w+ and
w-, and of the open-problems talk. "product" is beta = u v, elementwise, the model of
Andriushchenko & Flammarion (2022). They are one model up to a rotation: with u = a + b
and v = a - b the product is a^2 - b^2.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from flatminima.models.gradients import derivatives_of

NAMES = ("u", "v")
"""Names of the arrays of theta, each of shape (d,)."""


class Model(NamedTuple):
    """Constants.

    Attributes:
        d: inputs.
        squares: whether beta = u^2 - v^2; else beta = u v.
    """

    d: int
    squares: bool

    @property
    def scratch(self) -> int:
        """Numbers that `gradient` and `curvature` need beside theta."""
        return 3 * self.d

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the arrays of theta."""
        return (self.d,), (self.d,)


def coefficients(model: Model, u, v):
    """beta, for numpy arrays and torch tensors of shape (..., d)."""
    return u * u - v * v if model.squares else u * v


def forward(model: Model, u, v, x):
    """f(x) of every row of x, shape (n, d), for numpy arrays and torch tensors."""
    return x @ coefficients(model, u, v)


def init(model: Model, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Where both sources start: beta = 0, whatever alpha is.

    u = v = alpha for squares (Woodworth et al.); u = alpha, v = 0 for the product
    (Andriushchenko & Flammarion).
    """
    u = np.full(model.d, float(alpha))
    return u, u.copy() if model.squares else np.zeros(model.d)


def entropy_scale(model: Model, alpha: float) -> float:
    """c of the hyperbolic entropy that gradient flow from `init` minimises.

    2 alpha^2 for squares; alpha^2 / 2 for the product.
    """
    return 2 * alpha**2 if model.squares else alpha**2 / 2


def laplacian(model: Model, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """tr Hess f_i of every example: 0, since +2 x and -2 x, or u v alone, cancel."""
    return np.zeros(len(x))


def squared_gradients(
    model: Model,
    u: Float[np.ndarray, " d"],
    v: Float[np.ndarray, " d"],
    x: Float[np.ndarray, "n d"],
) -> Float[np.ndarray, " n"]:
    """||grad f_i||^2 of every example."""
    return (4.0 if model.squares else 1.0) * (x**2 @ (u**2 + v**2))


def _gradient(model, theta, x, y, rows, weight, scratch, out):
    d = model.d
    u, v = theta[:d], theta[d : 2 * d]
    beta, slope = scratch[:d], scratch[d : 2 * d]
    if model.squares:
        for j in range(d):
            beta[j] = u[j] * u[j] - v[j] * v[j]
    else:
        for j in range(d):
            beta[j] = u[j] * v[j]
    for j in range(d):
        slope[j] = 0.0
    total = 0.0
    for k in range(rows.size):
        row = x[rows[k]]
        f = 0.0
        for j in range(d):
            f += beta[j] * row[j]
        residual = f - y[k]
        total += residual * residual
        step = weight * residual
        for j in range(d):
            slope[j] += step * row[j]
    du, dv = out[:d], out[d : 2 * d]
    if model.squares:
        for j in range(d):
            du[j] += 2.0 * u[j] * slope[j]
            dv[j] -= 2.0 * v[j] * slope[j]
    else:
        for j in range(d):
            du[j] += v[j] * slope[j]
            dv[j] += u[j] * slope[j]
    return total


def _curvature(model, theta, p, x, y, rows, weight, scratch, out):
    d = model.d
    beta, slope, bent = scratch[:d], scratch[d : 2 * d], scratch[2 * d : 3 * d]
    for j in range(d):
        slope[j] = 0.0
        bent[j] = 0.0
        if model.squares:
            beta[j] = theta[j] * theta[j] - theta[d + j] * theta[d + j]
        else:
            beta[j] = theta[j] * theta[d + j]
    for k in range(rows.size):
        row = x[rows[k]]
        f, along = 0.0, 0.0
        for j in range(d):
            f += beta[j] * row[j]
            if model.squares:
                along += 2.0 * (theta[j] * p[j] - theta[d + j] * p[d + j]) * row[j]
            else:
                along += (theta[d + j] * p[j] + theta[j] * p[d + j]) * row[j]
        for j in range(d):
            slope[j] += weight * (f - y[k]) * row[j]
            bent[j] += weight * along * row[j]
    for j in range(d):
        if model.squares:
            out[j] += 2.0 * (theta[j] * bent[j] + p[j] * slope[j])
            out[d + j] -= 2.0 * (theta[d + j] * bent[j] + p[d + j] * slope[j])
        else:
            out[j] += theta[d + j] * bent[j] + p[d + j] * slope[j]
            out[d + j] += theta[j] * bent[j] + p[j] * slope[j]


derivatives_of(Model, _gradient, _curvature)
