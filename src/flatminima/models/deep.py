"""Deep ReLU MLP: f(x) = v . h_{D-1}, h_1 = relu(w^T x'), h_{l+1} = relu(W_l^T h_l).

Depth D counts the layers of weights; all hidden layers have `width` units and
only the first has a bias (Wen, Li & Ma 2023, proof of Theorem 4.1 and figure 11,
where D = 3). Parameters are theta = (w, middle, v): `w` of shape (inputs, width),
`middle` of shape (D - 2, width, width) and `v` of shape (width,), all input-major.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

FAMILY = "deep"
PARAMETERS = ("w", "middle", "v")
IDLE_AT_ZERO = True


class Model(NamedTuple):
    """Constants of the architecture.

    Attributes:
        depth: layers of weights, at least 2.
        bias_input: the constant input that the bias row multiplies; 0 means no bias.
    """

    depth: int = 3
    bias_input: float = 1.0


def inputs(model: Model, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n inputs"]:
    """x' = (x, bias_input), or x' = x without a bias."""
    if model.bias_input == 0:
        return x
    return np.column_stack([x, np.full(len(x), model.bias_input)])


def init(
    model: Model, d: int, width: int, rng: np.random.Generator
) -> tuple[
    Float[np.ndarray, "inputs width"],
    Float[np.ndarray, "middles width width"],
    Float[np.ndarray, " width"],
]:
    """(w, middle, v), every entry from U(+-1/sqrt(fan_in)); the bias as w.

    Args:
        model: constants of the architecture.
        d: input dimension, without the bias.
        width: units of every hidden layer.
        rng: generator of the draw.

    Raises:
        ValueError: if d or width is below 1, or depth below 2.
    """
    for name, value, least in (
        ("d", d, 1),
        ("width", width, 1),
        ("depth", model.depth, 2),
    ):
        if value < least:
            raise ValueError(f"{name} = {value}: allowed are {name} >= {least}")
    num_inputs = d + (model.bias_input != 0)
    bound = width**-0.5
    w = rng.uniform(-(d**-0.5), d**-0.5, (num_inputs, width))
    middle = rng.uniform(-bound, bound, (model.depth - 2, width, width))
    return w, middle, rng.uniform(-bound, bound, width)


def forward(model: Model, w, middle, v, x):
    """f(x) for a batch; `x` holds the rows x'. For numpy and torch alike.

    The derivative at a kink is 0, as in torch.
    """
    z = x @ w
    h = z * (z > 0)
    for weights in middle:
        z = h @ weights
        h = z * (z > 0)
    return h @ v


def lower_bound(
    model: Model,
    input_sq: Float[np.ndarray, " n"],
    f: Float[np.ndarray, " n"],
    curvature: Float[np.ndarray, " n"] | float = 2.0,
) -> float:
    """(1/n) sum_i l'' D |f_i|^(2 (D-1) / D) ||x'_i||^(2 / D).

    A lower bound on (1/n) sum_i l'' ||grad f_i||^2, with l'' the curvature of the
    loss, 2 for the squared one.

    Per example, the D layers' squared gradient norms are ||h_{l-1}||^2 ||g_l||^2
    with h_0 = x' and g_l = df/dz_l (g_D = 1). Their sum is at least D times their
    geometric mean, and ||h_l|| ||g_l|| >= |h_l . g_l| = |f| for 1 <= l < D, so the
    product of the norms is at least ||x'|| |f|^(D-1). Attained by memorising.

    The trace of the Hessian is what it bounds, wherever f is differentiable.

    Source: Wen, Li & Ma 2023, proof of Theorem 4.1.

    Raises:
        ValueError: if depth is below 2.
    """
    depth = model.depth
    if depth < 2:
        raise ValueError(f"depth = {depth}: allowed are depth >= 2")
    terms = np.abs(f) ** (2 - 2 / depth) * input_sq ** (1 / depth)
    return float(depth * np.mean(curvature * terms))
