"""SGD with one example a step on diagonal linear networks, and nothing else.

The gradient of one example is a product with its input, so a step multiplies the
weights: u <- (1 - s x) u and v <- (1 + s x) v for beta = u^2 - v^2, with s = 4 lr c
(f - y). No gradient is stored. `descent.run` takes the same steps up to rounding, and
takes several times as long; what it can do beside them this loop cannot.
"""

import numpy as np

from flatminima.kernels.compile import compiled


@compiled
def run(squares, u, v, x, y, bits, c, lr, noise):
    """Take a step for every entry of `bits`, in place.

    Args:
        squares: whether beta = u^2 - v^2; else beta = u v.
        u, v: weights, shape (d,).
        x: inputs, shape (n, d).
        y: targets, shape (n,).
        bits: a random 64-bit number for every step: the example is its upper half,
            scaled to 0, ..., n - 1, and the sign of the noise its lowest bit.
        c: factor of the loss c (f - y)^2.
        lr: learning rate.
        noise: by which the label is moved up or down.

    Returns:
        The steps done; fewer than asked for if the output is no longer finite.
    """
    n, d = x.shape
    for t in range(bits.size):
        i = (np.int64(bits[t] >> np.uint64(32)) * n) >> 32
        f = 0.0
        if squares:
            for j in range(d):
                f += (u[j] * u[j] - v[j] * v[j]) * x[i, j]
        else:
            for j in range(d):
                f += u[j] * v[j] * x[i, j]
        residual = f - y[i] + (-noise if bits[t] & np.uint64(1) else noise)
        # np.isfinite subtracts the number from itself, which reassociation makes 0
        if not abs(residual) < np.inf:
            return t
        if squares:
            step = 4.0 * c * lr * residual
            for j in range(d):
                u[j] -= step * x[i, j] * u[j]
                v[j] += step * x[i, j] * v[j]
        else:
            step = 2.0 * c * lr * residual
            for j in range(d):
                moved = step * x[i, j]
                old = u[j]
                u[j] -= moved * v[j]
                v[j] -= moved * old
    return bits.size
