"""Gradient descent, mini-batch SGD and SAM: every step uses a batch of examples."""

import numpy as np

from flatminima.kernels.compile import compiled
from flatminima.kernels.products import product
from flatminima.kernels.vectors import copy, grid
from flatminima.models.ascent import Usual, ascended, holds_pattern
from flatminima.models.losses import slope, value

USUAL = Usual()

CHUNK = 48
"""Examples at most whose activations are held at a time, so that they stay in cache."""


@compiled
def gradient(ascent, model, loss, w_before, w, v, x, y, before, z, u, g, dw, dv):
    """Gradient of L = (1/n) sum l(f(x_i), y_i) into dw and dv; returns L.

    `w_before` is the first layer that fixes the pattern of a frozen ascent. `w`, `dw`
    and the scratch `before` and `z`, of at least min(n, CHUNK) rows, are of
    `vectors.grid`; `u` and `g` are scratch of the shape of v.
    """
    n, width = y.size, v.size
    scalar = v.dtype.type
    total = scalar(0)
    dv[:] = 0
    chunks = -(-n // CHUNK)
    for chunk in range(chunks):
        start, stop = chunk * n // chunks, (chunk + 1) * n // chunks
        rows = x[start:stop]
        product(rows, w, z, False)
        if holds_pattern(ascent):
            product(rows, w_before, before, False)
        for i in range(stop - start):
            zi = z[i][:width]
            f = ascended(ascent, model, before[i][:width], zi, v, u, g)
            label = y[start + i]
            total += scalar(value(loss, f, label))
            weight = scalar(slope(loss, f, label)) / scalar(n)
            for j in range(width):
                dv[j] += weight * u[j]
                zi[j] = weight * g[j]
        product(rows.T, z, dw, chunk > 0)
    return total / scalar(n)


@compiled
def squared_norm(a):
    """Sum of squares of all entries of a vector."""
    total = a.dtype.type(0)
    for j in range(a.size):
        total += a[j] * a[j]
    return total


@compiled
def climb_from(x, step, y, out):
    """out = x + step y, for vectors x and y."""
    for j in range(out.size):
        out[j] = x[j] + step * y[j]


@compiled
def descend(x, decay, step, y):
    """x <- decay x - step y, for vectors x and y."""
    for j in range(x.size):
        x[j] = decay * x[j] - step * y[j]


@compiled
def run(
    model,
    loss,
    ascent,
    w,
    v,
    x,
    y,
    order,
    lr,
    rho,
    weight_decay,
    bias_rate,
    radius,
):
    """Take one step for every row of `order`, in place; other arguments as in `serial`.

    theta <- theta - lr (P grad L_B(theta + rho grad L_B / ||grad L_B||) + weight_decay
    theta), with L_B the mean loss over the examples that a row of `order`, of
    shape (steps, batch), names.

    Returns:
        The number of steps done; less if the loss is no longer finite.
    """
    one = v.dtype.type(1)
    zero = v.dtype.type(0)
    steps, batch = order.shape
    num_inputs, width = w.shape
    xb = np.empty((batch, num_inputs), x.dtype)
    yb = np.empty(batch, y.dtype)
    held = min(batch, CHUNK)
    z, before = grid(v, held, width), grid(v, held, width)
    scratch = grid(v, 4, width)
    u, g = scratch[0][:width], scratch[1][:width]
    dv, v_up = scratch[2][:width], scratch[3][:width]
    first = grid(v, num_inputs, width)
    copy(w, num_inputs, width, first)
    dw, first_up = grid(v, num_inputs, width), grid(v, num_inputs, width)
    flat, flat_up, dflat = first.reshape(-1), first_up.reshape(-1), dw.reshape(-1)
    decay = one - lr * weight_decay
    done = steps
    for t in range(steps):
        for k in range(batch):
            xb[k] = x[order[t, k]]
            yb[k] = y[order[t, k]]
        mean = gradient(
            USUAL, model, loss, first, first, v, xb, yb, before, z, u, g, dw, dv
        )
        if rho > zero:
            norm = np.sqrt(squared_norm(dflat) + squared_norm(dv))
            if norm > zero:
                climb = rho / norm
                climb_from(flat, climb, dflat, flat_up)
                climb_from(v, climb, dv, v_up)
                mean = gradient(
                    ascent,
                    model,
                    loss,
                    first,
                    first_up,
                    v_up,
                    xb,
                    yb,
                    before,
                    z,
                    u,
                    g,
                    dw,
                    dv,
                )
        if not np.isfinite(mean):
            done = t
            break
        if bias_rate != one:
            dw[-1] *= bias_rate
        descend(v, decay, lr, dv)
        descend(flat, decay, lr, dflat)
        if radius > zero:
            flat *= radius / np.sqrt(squared_norm(flat))
    copy(first, num_inputs, width, w)
    return done
