"""2-MLP-Bias with a smooth activation: f(x) = W2 softplus(W1 x + b1).

Wen, Li & Ma 2023, figure 5. softplus(z) = log(1 + e^z), sigmoid its derivative.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from flatminima.models.base import head_of, two_layer_init
from flatminima.models.exponential import exp_negative, log1p_unit

FAMILY = "two_layer"
PARAMETERS = ("w", "v")
IDLE_AT_ZERO = False


class Model(NamedTuple):
    """Constants of the architecture.

    Attributes:
        bias_input: the constant input that the bias row multiplies; 1 in the source.
    """

    bias_input: float = 1.0


@head_of(Model)
def head(model, z, v, u, g):
    """f = v . softplus(z), df/dv = softplus(z), df/dz = v sigmoid(z).

    Both come from one a = e^-|z|, which never overflows: softplus(z) = max(z, 0) +
    log(1 + a), and sigmoid(z) = 1 / (1 + a) if z > 0, else a / (1 + a).
    """
    zero = v.dtype.type(0)
    one = v.dtype.type(1)
    f = zero
    for j in range(v.size):
        a = exp_negative(-abs(z[j]))
        u[j] = (z[j] if z[j] > zero else zero) + log1p_unit(a)
        g[j] = v[j] * ((one if z[j] > zero else a) / (one + a))
        f += v[j] * u[j]
    return f


def inputs(model: Model, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n inputs"]:
    """x' = (x, bias_input)."""
    return np.column_stack([x, np.full(len(x), model.bias_input)])


def init(model: Model, d: int, width: int, rng: np.random.Generator):
    """(w, v) as in torch's default, w with a bias row."""
    return two_layer_init(d + 1, d, width, rng)


def forward(model: Model, w, v, x):
    """f(x) for a batch; `x` holds the rows x'. For numpy and torch alike."""
    z = x @ w
    if isinstance(z, np.ndarray):
        # np.logaddexp calls the library for every number
        return (np.maximum(z, 0.0) + np.log1p(np.exp(-np.abs(z)))) @ v
    import torch

    return torch.logaddexp(torch.zeros_like(z), z) @ v


def laplacian(
    model: Model,
    z: Float[np.ndarray, "n width"],
    g: Float[np.ndarray, "n width"],
    f: Float[np.ndarray, " n"],
    input_sq: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """tr Hess f = sum_j v_j sigmoid'(z_j) ||x'||^2.

    f is linear in v, and the mixed derivatives in w and v are off the diagonal.
    With g = v sigmoid(z), v sigmoid'(z) = g sigmoid(-z).
    """
    return np.sum(g * np.exp(-np.logaddexp(0.0, z)), axis=1) * input_sq


def lower_bound(
    model: Model,
    input_sq: Float[np.ndarray, " n"],
    f: Float[np.ndarray, " n"],
    curvature: Float[np.ndarray, " n"] | float = 2.0,
) -> float:
    """NaN: none is known to us, nor does the source state one."""
    return float("nan")
