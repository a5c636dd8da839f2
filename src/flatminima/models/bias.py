"""2-MLP-Bias: f(x) = W2 relu(W1 x + b1) (Wen, Li & Ma 2023, scenario II)."""

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
    """Constants of the architecture.

    Attributes:
        bias_input: the constant input that the bias row multiplies; 1 in the source.
    """

    bias_input: float = 1.0


head = head_of(Model)(relu_head)
frozen_head = frozen_head_of(Model)(relu_frozen_head)


def inputs(model: Model, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n inputs"]:
    """x' = (x, bias_input)."""
    return np.column_stack([x, np.full(len(x), model.bias_input)])


def init(model: Model, d: int, width: int, rng: np.random.Generator):
    """(w, v) as in torch's default, w with a bias row."""
    return two_layer_init(d + 1, d, width, rng)


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
    """(1/n) sum_i l''_i 2 |f_i| ||x'_i||; attained by memorising (Theorem 4.1)."""
    return relu_lower_bound(input_sq, f, curvature)
