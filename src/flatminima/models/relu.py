"""What 2-MLP-No-Bias and 2-MLP-Bias share: f = v . relu(z)."""

import numpy as np
from jaxtyping import Float


def relu_head(model, z, v, u, g):
    """f = sum_j v_j relu(z_j), df/dv = relu(z), df/dz = v 1[z > 0]."""
    zero = v.dtype.type(0)
    f = zero
    for j in range(v.size):
        h = max(z[j], zero)
        u[j] = h
        g[j] = v[j] if z[j] > zero else zero
        f += v[j] * h
    return f


def relu_frozen_head(model, z, z_up, v, u, g):
    """The same with h = z_up 1[z > 0]: the pattern is that of z."""
    zero = v.dtype.type(0)
    f = zero
    for j in range(v.size):
        on = z[j] > zero
        h = z_up[j] if on else zero
        u[j] = h
        g[j] = v[j] if on else zero
        f += v[j] * h
    return f


def relu_forward(w, v, inputs):
    """f = relu(x' w) v, for numpy arrays and torch tensors alike.

    The derivative at a kink is 0, as in torch.
    """
    z = inputs @ w
    return (z * (z > 0)) @ v


def relu_lower_bound(
    input_sq: Float[np.ndarray, " n"],
    f: Float[np.ndarray, " n"],
    curvature: Float[np.ndarray, " n"] | float,
) -> float:
    """(1/n) sum_i l''_i 2 |f_i| ||x'_i|| <= (1/n) sum_i l''_i ||grad f_i||^2.

    Per example, ||grad f||^2 = ||h||^2 + ||v_active||^2 ||x'||^2, which is at
    least 2 ||h|| ||v_active|| ||x'|| >= 2 |f| ||x'|| (AM-GM, Cauchy-Schwarz).
    At an interpolating theta this is a bound on the trace of the Hessian.

    Args:
        input_sq: ||x'||^2.
        f: outputs.
        curvature: l''_i = d2l/df2 at the outputs, 2 for the squared loss.

    Source: Wen, Li & Ma 2023, proof of Theorem 4.1 with depth 2.
    """
    return float(np.mean(curvature * 2.0 * np.abs(f) * np.sqrt(input_sq)))
