"""A 2-MLP-Bias whose first layer's bias sees another constant than 1."""

import numpy as np
from jaxtyping import Float


def with_bias_input(
    w: Float[np.ndarray, "inputs width"],
    v: Float[np.ndarray, " width"],
    x: Float[np.ndarray, "n d"],
    bias_input: float,
) -> tuple[Float[np.ndarray, "inputs width"], Float[np.ndarray, " width"]]:
    """The same function of x for the constant c = bias_input, balanced anew.

    The bias row is divided by c. Unit j then adds sum_i h_ij^2 + v_j^2 sum_i
    1[h_ij > 0] (||x_i||^2 + c^2) to sum_i ||grad f(x_i)||^2. Multiplying w_j and
    dividing v_j by s_j leaves f alone; the sum is least where its two terms are equal,
    at s_j^4 = second / first. A network that attains the bound for c = 1 then
    attains 4 mean |y_i| sqrt(||x_i||^2 + c^2) if each unit's active points have one
    norm, as on the hypercube. Units that are active nowhere keep their scale.

    Args:
        w, v: network for the constant 1, bias last.
        x: training points.
        bias_input: the constant c, above 0: at 0 a bias has no effect.

    Raises:
        ValueError: if `bias_input` is not a finite number above 0.
    """
    if not 0 < bias_input < np.inf:
        raise ValueError(
            f"bias_input = {bias_input}: allowed are finite values above 0"
        )
    w = np.vstack([w[:-1], w[-1:] / bias_input])
    inputs = np.column_stack([x, np.full(len(x), bias_input)])
    h = np.maximum(inputs @ w, 0.0)
    first = np.sum(h**2, axis=0)
    second = v**2 * (np.sum(inputs**2, axis=1) @ (h > 0))
    live = (first > 0) & (second > 0)
    scale = np.where(live, second / np.where(live, first, 1.0), 1.0) ** 0.25
    return w * scale, v / scale
