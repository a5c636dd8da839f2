"""Descent and SAM on models whose gradient is written down, one loop for all.

A step takes a batch B, cut into groups of m examples. Each group climbs by itself,
and the gradients there are averaged:

    theta <- theta - lr (1 / groups) sum_g grad L_g(theta + delta_g).

m = |B| is n-SAM or the usual SAM of a batch, m = 1 climbs for every example (the m-SAM
of Foret et al. 2021). Nothing else passes from one step to the next, so a run may be
cut anywhere without a change of a bit.
"""

import numpy as np

from flatminima.kernels.compile import compiled
from flatminima.models.gradients import curvature, gradient


@compiled
def norm_of(a):
    """Euclidean norm."""
    total = 0.0
    for j in range(a.size):
        total += a[j] * a[j]
    return np.sqrt(total)


@compiled
def dot(a, b):
    """sum a_j b_j."""
    total = 0.0
    for j in range(a.size):
        total += a[j] * b[j]
    return total


@compiled
def draw(bits, step, n, noise, y, rows, targets):
    """Fill a batch: examples with replacement, and labels moved up or down.

    An example is the upper half of its 64 bits, scaled to 0, ..., n - 1, and the sign
    of its noise the lowest bit. If `bits` has no columns, the batch is what it was.
    """
    batch = bits.shape[1]
    if rows.size < n:
        for k in range(batch):
            high = np.int64(bits[step, k] >> np.uint64(32))
            rows[k] = (high * n) >> 32
    for k in range(batch):
        sign = 1.0 if bits[step, k] & np.uint64(1) else -1.0
        targets[k] = y[rows[k]] + sign * noise


@compiled
def run(
    model,
    theta,
    x,
    y,
    bits,
    directions,
    group,
    c,
    lr,
    rho,
    normalised,
    ascent_steps,
    quadratic,
    through,
    noise,
    stop_loss,
    batch,
    scratch,
):
    """Take steps in place.

    Args:
        model: NamedTuple of the model; see `models.gradients`.
        theta: parameters, flat.
        x: inputs, shape (n, features).
        y: targets, shape (n,).
        bits: a random 64-bit number for every draw, shape (steps, batch) where
            something is drawn, and (steps, 0) where nothing is.
        directions: unit vectors along which theta is moved in place of the gradient,
            shape (steps, size of theta); no columns for the gradient.
        group: examples m that climb together; divides the batch.
        c: factor of the loss, the mean over a batch of c times squared residuals.
        lr: learning rate.
        rho: length of the ascent, or its factor where it is not normalised; below 0
            it descends; 0 for none.
        normalised: whether the ascent has length rho.
        ascent_steps: parts in which it is made, each of 1/ascent_steps of rho.
        quadratic: whether delta is the fixed point of delta = rho (g + H delta) / ||g +
            H delta||, after `ascent_steps` iterations from rho g / ||g||: where it is
            stationary for the loss to second order in the ball of radius rho.
        through: whether the gradient is taken through the ascent, made in one part:
            that of L(theta + rho ghat) is g' + rho J^T g', with g' the gradient at the
            perturbed point, J = H for ghat = g and (I - ghat ghat^T) H / ||g|| for
            ghat = g / ||g||. So it takes one product with the Hessian at theta.
        noise: by which labels are moved up or down, afresh in every draw.
        stop_loss: the loss of a full batch at which a run stops; below 0 for never.
        batch: examples a step; n for all.
        scratch: as many numbers as the model needs beside theta.

    Returns:
        The steps done, and whether the run stopped at `stop_loss`. Without that, fewer
        steps than asked for mean that the loss is no longer finite.
    """
    n, size = x.shape[0], theta.size
    rows = np.arange(batch)
    targets = y[:batch].copy()
    g, up, at = np.empty(size), np.empty(size), np.empty(size)
    total = np.empty(size)
    weight, small = 2.0 * c / batch, 2.0 * c / group
    random, drawn = directions.shape[1] > 0, bits.shape[1] > 0
    for t in range(bits.shape[0]):
        if drawn:
            draw(bits, t, n, noise, y, rows, targets)
        for j in range(size):
            total[j] = 0.0
        squares = 0.0
        for start in range(0, batch, group):
            its, label = rows[start : start + group], targets[start : start + group]
            if rho == 0.0:
                squares += gradient(model, theta, x, label, its, weight, scratch, total)
                continue
            for j in range(size):
                at[j] = theta[j]
            if random:
                for j in range(size):
                    at[j] += rho * directions[t, j]
                squares += gradient(model, at, x, label, its, weight, scratch, total)
                continue
            climb, norm = 0.0, 0.0
            for part in range(1 if quadratic else ascent_steps):
                for j in range(size):
                    g[j] = 0.0
                error = gradient(model, at, x, label, its, small, scratch, g)
                if part == 0:
                    squares += error
                climb = rho if quadratic else rho / ascent_steps
                if normalised:
                    norm = norm_of(g)
                    climb = climb / norm if norm > 0.0 else 0.0
                for j in range(size):
                    at[j] += climb * g[j]
            if quadratic:
                for _ in range(ascent_steps):
                    for j in range(size):
                        at[j] -= theta[j]
                        up[j] = g[j]
                    curvature(model, theta, at, x, label, its, small, scratch, up)
                    norm = norm_of(up)
                    climb = rho / norm if norm > 0.0 else 0.0
                    for j in range(size):
                        at[j] = theta[j] + climb * up[j]
            if not through:
                gradient(model, at, x, label, its, weight, scratch, total)
                continue
            for j in range(size):
                up[j] = 0.0
            gradient(model, at, x, label, its, weight, scratch, up)
            for j in range(size):
                total[j] += up[j]
            if normalised and norm > 0.0:
                along = dot(g, up) / (norm * norm)
                for j in range(size):
                    up[j] -= along * g[j]
            for j in range(size):
                up[j] *= climb
            curvature(model, theta, up, x, label, its, small, scratch, total)
        if not squares < np.inf:
            return t, False
        if c * squares <= stop_loss * batch:
            return t, True
        for j in range(size):
            theta[j] -= lr * total[j]
    return bits.shape[0], False
