"""2-MLP-Sim-LN: f(x) = W2 h / max(||h||, eps), h = relu(W1 x + b1).

Simplified layer normalisation (Wen, Li & Ma 2023, scenario III).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from flatminima.models.ascent import frozen_head_of
from flatminima.models.base import head_of, two_layer_init

FAMILY = "two_layer"
PARAMETERS = ("w", "v")
IDLE_AT_ZERO = True


class Model(NamedTuple):
    """Constants of the architecture.

    Attributes:
        eps: floor of the norm; the source asks only that it be small.
        bias_input: the constant input that the bias row multiplies; 1 in the source.
    """

    eps: float = 1e-4
    bias_input: float = 1.0


@head_of(Model)
def head(model, z, v, u, g):
    """f = v . h / m with m = max(||h||, eps).

    df/dv = h / m. df/dz = (v - f h / m) / m on active units where the norm is
    above eps, and v / eps on active units below it.
    """
    zero = v.dtype.type(0)
    square = zero
    f = zero
    for j in range(v.size):
        h = max(z[j], zero)
        square += h * h
        f += v[j] * h
    norm = np.sqrt(square)
    eps = v.dtype.type(model.eps)
    scale = v.dtype.type(1) / max(norm, eps)
    f *= scale
    tangent = f if norm > eps else zero
    for j in range(v.size):
        u[j] = max(z[j], zero) * scale
        g[j] = (v[j] - tangent * u[j]) * scale if z[j] > zero else zero
    return f


@frozen_head_of(Model)
def frozen_head(model, z, z_up, v, u, g):
    """The same with h = z_up 1[z > 0]: the pattern is that of z."""
    zero = v.dtype.type(0)
    square = zero
    f = zero
    for j in range(v.size):
        h = z_up[j] if z[j] > zero else zero
        square += h * h
        f += v[j] * h
    norm = np.sqrt(square)
    eps = v.dtype.type(model.eps)
    scale = v.dtype.type(1) / max(norm, eps)
    f *= scale
    tangent = f if norm > eps else zero
    for j in range(v.size):
        on = z[j] > zero
        u[j] = z_up[j] * scale if on else zero
        g[j] = (v[j] - tangent * u[j]) * scale if on else zero
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
    h = z * (z > 0)
    norm = (h * h).sum(-1).clip(min=model.eps**2) ** 0.5
    return (h @ v) / norm


def laplacian(
    model: Model,
    z: Float[np.ndarray, "n width"],
    g: Float[np.ndarray, "n width"],
    f: Float[np.ndarray, " n"],
    input_sq: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """Trace of the Hessian of f over (w, v).

    With k active units and ||h|| > eps, f is a linear function of h over
    ||h||, so tr Hess f = -(k - 1) f ||x'||^2 / ||h||^2; at or below eps it is 0.
    """
    h = np.maximum(z, 0.0)
    square = np.einsum("ij,ij->i", h, h)
    above = square > model.eps**2
    active = np.count_nonzero(h > 0, axis=1)
    curvature = -(active - 1.0) * f * input_sq / np.where(above, square, 1.0)
    return np.where(above, curvature, 0.0)


def lower_bound(
    model: Model,
    input_sq: Float[np.ndarray, " n"],
    f: Float[np.ndarray, " n"],
    curvature: Float[np.ndarray, " n"] | float = 2.0,
) -> float:
    """(1/n) sum_i l''_i min(1, (2/eps) ||x'_i|| |f_i|), at interpolation only.

    Where ||h|| > eps the second-layer part of ||grad f||^2 is already 1, and the
    first-layer part vanishes as the first layer grows; at or below eps the bound
    of the plain network applies with v / eps in place of v (Theorem 5.1).
    `curvature` is l''_i = d2l/df2, 2 for the squared loss.
    """
    gradient = np.minimum(1.0, 2.0 / model.eps * np.sqrt(input_sq) * np.abs(f))
    return float(np.mean(curvature * gradient))
