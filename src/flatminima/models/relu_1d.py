"""A ReLU network on the line: f(x) = sum_j a_j max(w_j x + b_j, 0).

The network 1-100-1 of Blanc et al. (2020) and of Andriushchenko & Flammarion (2022),
without a bias at the output.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from flatminima.models.gradients import derivatives_of

NAMES = ("w", "b", "a")
"""Names of the arrays of theta, each of shape (width,)."""

INIT_W, INIT_B, INIT_A = 2.5, 2.5, 4.0
"""Scales of the start of Andriushchenko & Flammarion."""


class Model(NamedTuple):
    """Constants.

    Attributes:
        width: hidden units.
    """

    width: int

    @property
    def scratch(self) -> int:
        """Numbers that `gradient` and `curvature` need beside theta."""
        return 0

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Of the arrays of theta."""
        return (self.width,), (self.width,), (self.width,)


def forward(model: Model, w, b, a, x):
    """f of every row of x, shape (n, 1), for numpy arrays and torch tensors."""
    z = x * w + b
    return (z * (z > 0)) @ a


def init(
    model: Model, scale: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """w = +-2.5, b from 2.5 N(0, 1) and a from 4 N(0, 1), all times a scale."""
    signs = 2.0 * rng.integers(0, 2, model.width) - 1.0
    b, a = rng.standard_normal((2, model.width))
    return scale * INIT_W * signs, scale * INIT_B * b, scale * INIT_A * a


def laplacian(model: Model, x: Float[np.ndarray, "n 1"]) -> Float[np.ndarray, " n"]:
    """tr Hess f_i of every example: 0 off the kinks, where f is bilinear."""
    return np.zeros(len(x))


def squared_gradients(
    model: Model,
    w: Float[np.ndarray, " width"],
    b: Float[np.ndarray, " width"],
    a: Float[np.ndarray, " width"],
    x: Float[np.ndarray, "n 1"],
) -> Float[np.ndarray, " n"]:
    """||grad f_i||^2 = sum over active units of z^2 + a^2 (x^2 + 1)."""
    z = x * w + b
    active = z > 0
    return (active * (z**2 + a**2 * (x**2 + 1))).sum(axis=1)


def _gradient(model, theta, x, y, rows, weight, scratch, out):
    width = model.width
    w, b, a = theta[:width], theta[width : 2 * width], theta[2 * width : 3 * width]
    dw, db, da = out[:width], out[width : 2 * width], out[2 * width : 3 * width]
    total = 0.0
    for k in range(rows.size):
        point = x[rows[k], 0]
        f = 0.0
        for j in range(width):
            f += a[j] * max(w[j] * point + b[j], 0.0)
        residual = f - y[k]
        total += residual * residual
        step = weight * residual
        for j in range(width):
            z = w[j] * point + b[j]
            back = step * a[j] if z > 0.0 else 0.0
            dw[j] += back * point
            db[j] += back
            da[j] += step * max(z, 0.0)
    return total


def _curvature(model, theta, p, x, y, rows, weight, scratch, out):
    width = model.width
    for k in range(rows.size):
        point = x[rows[k], 0]
        f, along = 0.0, 0.0
        for j in range(width):
            z = theta[j] * point + theta[width + j]
            if z > 0.0:
                a, dz = theta[2 * width + j], p[j] * point + p[width + j]
                f += a * z
                along += p[2 * width + j] * z + a * dz
        residual = weight * (f - y[k])
        along *= weight
        for j in range(width):
            z = theta[j] * point + theta[width + j]
            if z > 0.0:
                back = along * theta[2 * width + j] + residual * p[2 * width + j]
                dz = p[j] * point + p[width + j]
                out[j] += back * point
                out[width + j] += back
                out[2 * width + j] += along * z + residual * dz


derivatives_of(Model, _gradient, _curvature)
