"""Noisy descent on three smooth models, one example at a time, and their own flow.

A model is an integer and arrays, so that one compiled loop serves all:

    SQUARES  f = sum_j m_j (u_j^2 - v_j^2) z_j,      theta = (u, v),
    TANH     f = sum_k m_k v_k tanh(w_k . x),        theta = (W by rows, v),
    MATRIX   f = sum_k m_k u_k^T A v_k, A square,    theta = (U, V), each by rows,

with a factor m_k for every unit: 1, or what dropout makes of it. The loss of a batch is
(1/2b) sum (f - y - noise)^2. The order of the parameters is that of `flows.diagonal`,
`flows.two_layer` and `flows.factorisation`.
"""

import numpy as np

from flatminima.kernels.compile import compiled

SQUARES, TANH, MATRIX = 0, 1, 2
"""The models."""

PLAIN, ASCENT, ADAM = 0, 1, 2
"""The rules: a step of SGD, one after a normalised ascent (SAM), one of Adam."""


@compiled
def row(model, theta, x, i, mask, out):
    """Output for one example, and its gradient.

    Args:
        model: one of the three above.
        theta: parameters, flat.
        x: inputs, one a row; measurements by rows.
        i: the example.
        mask: factor of every unit, shape (units,).
        out: where the gradient is written, of the size of theta.
    """
    units = mask.size
    f = 0.0
    if model == SQUARES:
        for j in range(units):
            by_u = mask[j] * theta[j] * x[i, j]
            by_v = mask[j] * theta[units + j] * x[i, j]
            f += by_u * theta[j] - by_v * theta[units + j]
            out[j] = 2.0 * by_u
            out[units + j] = -2.0 * by_v
    elif model == TANH:
        d = x.shape[1]
        for k in range(units):
            t = 0.0
            for c in range(d):
                t += theta[k * d + c] * x[i, c]
            h = np.tanh(t)
            v = theta[units * d + k]
            f += mask[k] * v * h
            out[units * d + k] = mask[k] * h
            along = mask[k] * v * (1.0 - h * h)
            for c in range(d):
                out[k * d + c] = along * x[i, c]
    else:
        side = theta.size // (2 * units)
        half = side * units
        for j in range(theta.size):
            out[j] = 0.0
        for a in range(side):
            for b in range(side):
                entry = x[i, a * side + b]
                for k in range(units):
                    u, v = theta[a * units + k], theta[half + b * units + k]
                    f += mask[k] * entry * u * v
                    out[a * units + k] += mask[k] * entry * v
                    out[half + b * units + k] += mask[k] * entry * u
    return f


@compiled
def add_batch(model, theta, x, y, rows, moved, mask, each, total):
    """Write the gradient of a batch's loss to `total`.

    Args:
        model, theta, x, mask: as in `row`.
        y: labels.
        rows: examples of the batch.
        moved: by how much each label is moved.
        each: as many numbers as theta has, for scratch.
        total: where it is written.
    """
    total[:] = 0.0
    for k in range(rows.size):
        i = rows[k]
        f = row(model, theta, x, i, mask, each)
        left = (f - y[i] - moved[k]) / rows.size
        for j in range(theta.size):
            total[j] += left * each[j]


@compiled
def run(
    model,
    theta,
    memory,
    x,
    y,
    rows,
    moved,
    masks,
    kicks,
    rule,
    lr,
    rho,
    decay,
    floor,
    first,
):
    """Take steps in place; returns how many, fewer where the weights are lost.

    Args:
        model, theta, x: as in `row`.
        memory: Adam's means of gradients and of their squares, shape (2, size).
        y: labels, shape (n,).
        rows: examples of every step, shape (steps, b).
        moved: by how much their labels are moved, of that shape.
        masks: factors of the units in every step, shape (steps, units), or one row of
            factors for all steps.
        kicks: added to the gradient of every step, shape (steps, size); one row adds
            the same to all steps.
        rule: `PLAIN`, `ASCENT` or `ADAM`.
        lr: learning rate.
        rho: length of the ascent.
        decay: Adam's two factors, of the mean and of that of squares.
        floor: what Adam adds to the root of the latter.
        first: steps taken before, which Adam's correction of its start needs.
    """
    size = theta.size
    each, total, at = np.empty(size), np.empty(size), theta.copy()
    for t in range(rows.shape[0]):
        mask = masks[t] if masks.shape[0] > 1 else masks[0]
        kick = kicks[t] if kicks.shape[0] > 1 else kicks[0]
        add_batch(model, theta, x, y, rows[t], moved[t], mask, each, total)
        if rule == ASCENT:
            norm = np.sqrt(np.sum(total * total))
            climb = rho / norm if norm > 0.0 else 0.0
            for j in range(size):
                at[j] = theta[j] + climb * total[j]
            add_batch(model, at, x, y, rows[t], moved[t], mask, each, total)
        largest = 0.0
        if rule == ADAM:
            late = first + t + 1.0
            start_one = 1.0 - decay[0] ** late
            start_two = 1.0 - decay[1] ** late
            for j in range(size):
                g = total[j] + kick[j]
                memory[0, j] = decay[0] * memory[0, j] + (1.0 - decay[0]) * g
                memory[1, j] = decay[1] * memory[1, j] + (1.0 - decay[1]) * g * g
                root = np.sqrt(memory[1, j] / start_two) + floor
                theta[j] -= lr * memory[0, j] / start_one / root
                largest = max(largest, abs(theta[j]))
        else:
            for j in range(size):
                theta[j] -= lr * (total[j] + kick[j])
                largest = max(largest, abs(theta[j]))
        # a NaN is never the larger of two numbers, but it stays in a sum
        if not (largest < 1e6 and abs(np.sum(theta)) < np.inf):
            return t
    return rows.shape[0]


@compiled
def slope(model, theta, x, y, mask, each, total):
    """Write -grad L to `total`; returns L and Tr = (1/n) sum |grad f_i|^2."""
    n = y.size
    total[:] = 0.0
    loss, trace = 0.0, 0.0
    for i in range(n):
        f = row(model, theta, x, i, mask, each)
        left = (y[i] - f) / n
        loss += 0.5 * n * left * left
        for j in range(theta.size):
            trace += each[j] * each[j] / n
            total[j] += left * each[j]
    return loss, trace


@compiled
def descend(model, theta, x, y, mask, share, below, max_steps):
    """Follow gradient flow in place, by steps of `share` / Tr, to a loss below `below`.

    No eigenvalue of the Hessian exceeds Tr at interpolation, so at a share of 1/2 the
    classical Runge-Kutta method of order 4 is stable and errs by 3e-4 a step at most
    in its fastest direction.

    Returns:
        The loss where it ends, and the steps taken.
    """
    size = theta.size
    each, at = np.empty(size), np.empty(size)
    slopes = np.empty((4, size))
    loss = np.inf
    for step in range(max_steps):
        loss, trace = slope(model, theta, x, y, mask, each, slopes[0])
        if loss <= below or not loss < np.inf or trace <= 0.0:
            return loss, step
        h = share / trace
        for stage in range(1, 4):
            part = h if stage == 3 else 0.5 * h
            for j in range(size):
                at[j] = theta[j] + part * slopes[stage - 1, j]
            slope(model, at, x, y, mask, each, slopes[stage])
        for j in range(size):
            middle = slopes[1, j] + slopes[2, j]
            theta[j] += h / 6.0 * (slopes[0, j] + 2.0 * middle + slopes[3, j])
    return loss, max_steps
