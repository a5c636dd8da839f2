"""Gradient descent and n-SAM: every step uses all examples."""

import numpy as np

from flatminima.kernels.compile import compiled
from flatminima.models.base import head

BLOCK = 1
"""Steps from the start of `run` after which it may be cut; see `serial`."""


@compiled
def gradient(model, w, v, x, y, z, u, g, dw, dv):
    """Gradient of L = (1/n) sum (f(x_i) - y_i)^2 into dw and dv; returns L.

    `z`, `u` and `g` are scratch, shapes (n, width), (width,) and (n, width). They
    must not overlap: the loops over units would no longer be vectorised.
    """
    n = y.size
    two = v.dtype.type(2)
    loss = v.dtype.type(0)
    np.dot(x, w, z)
    dv[:] = 0
    for i in range(n):
        residual = head(model, z[i], v, u, g[i]) - y[i]
        loss += residual * residual
        slope = two * residual / v.dtype.type(n)
        for j in range(v.size):
            dv[j] += slope * u[j]
            g[i, j] *= slope
    np.dot(x.T, g, dw)
    return loss / v.dtype.type(n)


@compiled
def squared_norm(a):
    """Sum of squares of all entries."""
    total = a.dtype.type(0)
    for value in a.flat:
        total += value * value
    return total


@compiled
def run(model, w, v, x, y, order, lr, rho, weight_decay, radius):
    """Take len(order) full-batch steps, in place; arguments as in `serial.run`.

    theta <- theta - lr (grad L(theta + rho grad L / ||grad L||) + weight_decay
    theta). `order` only counts the steps.

    Returns:
        The number of steps done; less if the loss is no longer finite.
    """
    one = v.dtype.type(1)
    zero = v.dtype.type(0)
    z = np.empty((y.size, v.size), v.dtype)
    u = np.empty_like(v)
    g = np.empty_like(z)
    dw = np.empty_like(w)
    dv = np.empty_like(v)
    decay = one - lr * weight_decay
    for t in range(order.size):
        loss = gradient(model, w, v, x, y, z, u, g, dw, dv)
        if rho > zero:
            norm = np.sqrt(squared_norm(dw) + squared_norm(dv))
            if norm > zero:
                ascent = rho / norm
                loss = gradient(
                    model, w + ascent * dw, v + ascent * dv, x, y, z, u, g, dw, dv
                )
        if not np.isfinite(loss):
            return t
        v[:] = decay * v - lr * dv
        w[:] = decay * w - lr * dw
        if radius > zero:
            w *= radius / np.sqrt(squared_norm(w))
    return order.size
