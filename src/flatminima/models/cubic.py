"""Diagonal linear networks of depth three: f_i = <u v w, x_i>, entry by entry.

A deep factorisation whose flattest interpolator can be certified: see
`theory.certificates.power_norm`.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from flatminima.models.gradients import derivatives_of

NAMES = ("u", "v", "w")
"""Names of the arrays of theta, each of shape (d,)."""


class Model(NamedTuple):
    """Constants.

    Attributes:
        d: inputs.
    """

    d: int

    @property
    def scratch(self) -> int:
        """Numbers that `gradient` and `curvature` need beside theta."""
        return 2 * self.d


def forward(model: Model, u, v, w, x: Float[np.ndarray, "n d"]):
    """f(x) of every row of x, for numpy arrays and torch tensors."""
    return x @ (u * v * w)


def _gradient(model, theta, x, y, rows, weight, scratch, out):
    d = model.d
    u, v, w = theta[:d], theta[d : 2 * d], theta[2 * d : 3 * d]
    slope = scratch[:d]
    for j in range(d):
        slope[j] = 0.0
    total = 0.0
    for k in range(rows.size):
        row = x[rows[k]]
        f = 0.0
        for j in range(d):
            f += u[j] * v[j] * w[j] * row[j]
        residual = f - y[k]
        total += residual * residual
        step = weight * residual
        for j in range(d):
            slope[j] += step * row[j]
    for j in range(d):
        out[j] += slope[j] * v[j] * w[j]
        out[d + j] += slope[j] * u[j] * w[j]
        out[2 * d + j] += slope[j] * u[j] * v[j]
    return total


def _curvature(model, theta, p, x, y, rows, weight, scratch, out):
    d = model.d
    u, v, w = theta[:d], theta[d : 2 * d], theta[2 * d : 3 * d]
    pu, pv, pw = p[:d], p[d : 2 * d], p[2 * d : 3 * d]
    slope, bent = scratch[:d], scratch[d : 2 * d]
    for j in range(d):
        slope[j] = 0.0
        bent[j] = 0.0
    for k in range(rows.size):
        row = x[rows[k]]
        f, along = 0.0, 0.0
        for j in range(d):
            f += u[j] * v[j] * w[j] * row[j]
            moved = pu[j] * v[j] * w[j] + u[j] * pv[j] * w[j] + u[j] * v[j] * pw[j]
            along += moved * row[j]
        for j in range(d):
            slope[j] += weight * (f - y[k]) * row[j]
            bent[j] += weight * along * row[j]
    for j in range(d):
        out[j] += bent[j] * v[j] * w[j] + slope[j] * (pv[j] * w[j] + v[j] * pw[j])
        out[d + j] += bent[j] * u[j] * w[j] + slope[j] * (pu[j] * w[j] + u[j] * pw[j])
        out[2 * d + j] += bent[j] * u[j] * v[j] + slope[j] * (
            pu[j] * v[j] + u[j] * pv[j]
        )


derivatives_of(Model, _gradient, _curvature)
