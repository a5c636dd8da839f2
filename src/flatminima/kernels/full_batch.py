"""Gradient descent, mini-batch SGD and SAM: every step uses a batch of examples."""

import numpy as np

from flatminima.kernels.compile import compiled
from flatminima.models.base import head
from flatminima.models.losses import slope, value


@compiled
def gradient(model, loss, w, v, x, y, z, u, g, dw, dv):
    """Gradient of L = (1/n) sum l(f(x_i), y_i) into dw and dv; returns L.

    `z`, `u` and `g` are scratch, shapes (n, width), (width,) and (n, width). They
    must not overlap: the loops over units would no longer be vectorised.
    """
    n = y.size
    scalar = v.dtype.type
    total = scalar(0)
    np.dot(x, w, z)
    dv[:] = 0
    for i in range(n):
        f = head(model, z[i], v, u, g[i])
        total += scalar(value(loss, f, y[i]))
        weight = scalar(slope(loss, f, y[i])) / scalar(n)
        for j in range(v.size):
            dv[j] += weight * u[j]
            g[i, j] *= weight
    np.dot(x.T, g, dw)
    return total / scalar(n)


@compiled
def squared_norm(a):
    """Sum of squares of all entries."""
    total = a.dtype.type(0)
    for entry in a.flat:
        total += entry * entry
    return total


@compiled
def run(model, loss, w, v, x, y, order, lr, rho, weight_decay, radius):
    """Take one step for every row of `order`, in place; other arguments as in `serial`.

    theta <- theta - lr (grad L_B(theta + rho grad L_B / ||grad L_B||) + weight_decay
    theta), with L_B the mean loss over the examples that a row of `order`, of
    shape (steps, batch), names.

    Returns:
        The number of steps done; less if the loss is no longer finite.
    """
    one = v.dtype.type(1)
    zero = v.dtype.type(0)
    steps, batch = order.shape
    xb = np.empty((batch, x.shape[1]), x.dtype)
    yb = np.empty(batch, y.dtype)
    z = np.empty((batch, v.size), v.dtype)
    u = np.empty_like(v)
    g = np.empty_like(z)
    dw = np.empty_like(w)
    dv = np.empty_like(v)
    decay = one - lr * weight_decay
    for t in range(steps):
        for k in range(batch):
            xb[k] = x[order[t, k]]
            yb[k] = y[order[t, k]]
        mean = gradient(model, loss, w, v, xb, yb, z, u, g, dw, dv)
        if rho > zero:
            norm = np.sqrt(squared_norm(dw) + squared_norm(dv))
            if norm > zero:
                ascent = rho / norm
                w_up, v_up = w + ascent * dw, v + ascent * dv
                mean = gradient(model, loss, w_up, v_up, xb, yb, z, u, g, dw, dv)
        if not np.isfinite(mean):
            return t
        v[:] = decay * v - lr * dv
        w[:] = decay * w - lr * dw
        if radius > zero:
            w *= radius / np.sqrt(squared_norm(w))
    return steps
