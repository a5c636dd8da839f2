"""Two-layer ReLU networks f = <v, relu(W x)> with all parameters in one vector.

theta is W, of shape (width, inputs), by rows, and then v. A column of ones at the end
of x makes it 2-MLP-Bias. The derivative at a kink is 0, as in torch.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from flatminima.models.gradients import derivatives_of

NAMES = ("W", "v")
"""Names of the arrays of theta, of shapes (width, inputs) and (width,)."""


class Model(NamedTuple):
    """Constants.

    Attributes:
        inputs: of the first layer, a constant one included.
        width: hidden units.
    """

    inputs: int
    width: int

    @property
    def scratch(self) -> int:
        """Numbers that `gradient` and `curvature` need beside theta."""
        return 2 * self.width


def forward(model: Model, w, v, x: Float[np.ndarray, "n inputs"]):
    """f(x) of every row of x, for numpy arrays and torch tensors."""
    z = x @ w.T
    return (z * (z > 0)) @ v


def _gradient(model, theta, x, y, rows, weight, scratch, out):
    inputs, width = model.inputs, model.width
    end = inputs * width
    w, dw = theta[:end].reshape(width, inputs), out[:end].reshape(width, inputs)
    v, dv = theta[end : end + width], out[end : end + width]
    z = scratch[:width]
    total = 0.0
    for k in range(rows.size):
        row = x[rows[k]]
        f = 0.0
        for j in range(width):
            value = 0.0
            for i in range(inputs):
                value += w[j, i] * row[i]
            z[j] = value
            f += v[j] * max(value, 0.0)
        residual = f - y[k]
        total += residual * residual
        step = weight * residual
        for j in range(width):
            if z[j] > 0.0:
                dv[j] += step * z[j]
                back = step * v[j]
                for i in range(inputs):
                    dw[j, i] += back * row[i]
    return total


def _curvature(model, theta, p, x, y, rows, weight, scratch, out):
    inputs, width = model.inputs, model.width
    end = inputs * width
    w, dw = theta[:end].reshape(width, inputs), out[:end].reshape(width, inputs)
    pw = p[:end].reshape(width, inputs)
    v, dv, pv = theta[end:], out[end:], p[end:]
    z, moved = scratch[:width], scratch[width : 2 * width]
    for k in range(rows.size):
        row = x[rows[k]]
        f, along = 0.0, 0.0
        for j in range(width):
            value, change = 0.0, 0.0
            for i in range(inputs):
                value += w[j, i] * row[i]
                change += pw[j, i] * row[i]
            z[j], moved[j] = value, change
            if value > 0.0:
                f += v[j] * value
                along += pv[j] * value + v[j] * change
        residual = weight * (f - y[k])
        along *= weight
        for j in range(width):
            if z[j] > 0.0:
                dv[j] += along * z[j] + residual * moved[j]
                back = along * v[j] + residual * pv[j]
                for i in range(inputs):
                    dw[j, i] += back * row[i]


derivatives_of(Model, _gradient, _curvature)
