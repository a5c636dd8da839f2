"""2-MLP-No-Bias: f(x) = W2 relu(W1 x) (Wen, Li & Ma 2023, scenario I)."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from flatminima.models.ascent import frozen_head_of
from flatminima.models.base import head_of, two_layer_init
from flatminima.models.relu import (
    relu_forward,
    relu_frozen_head,
    relu_head,
    relu_lower_bound,
)

FAMILY = "two_layer"
PARAMETERS = ("w", "v")
IDLE_AT_ZERO = True


class Model(NamedTuple):
    """Constants of the architecture: none."""


head = head_of(Model)(relu_head)
frozen_head = frozen_head_of(Model)(relu_frozen_head)


def inputs(model: Model, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    """x' = x."""
    return x


def init(model: Model, d: int, width: int, rng: np.random.Generator):
    """(w, v) as in torch's default."""
    return two_layer_init(d, d, width, rng)


def forward(model: Model, w, v, x):
    """f(x) for a batch; `x` holds the rows x'."""
    return relu_forward(w, v, x)


def laplacian(
    model: Model,
    z: Float[np.ndarray, "n width"],
    g: Float[np.ndarray, "n width"],
    f: Float[np.ndarray, " n"],
    input_sq: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """Trace of the Hessian of f over (w, v): 0 wherever f is differentiable."""
    return np.zeros_like(f)


def lower_bound(
    model: Model,
    input_sq: Float[np.ndarray, " n"],
    f: Float[np.ndarray, " n"],
    curvature: Float[np.ndarray, " n"] | float = 2.0,
) -> float:
    """(1/n) sum_i l''_i 2 |f_i| ||x_i||; attained when n <= d, not beyond."""
    return relu_lower_bound(input_sq, f, curvature)
