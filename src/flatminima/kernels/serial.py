"""SGD and SAM with batch size 1, four steps to a pass over the weights.

With one example the gradient of the first layer is the rank-one matrix
x' (r g)^T, r = dl/df. Two things follow. The pre-activations at SAM's perturbed
point need no second matrix product: they are z + rho s ||x'||^2 g / ||grad f||,
with s the sign of r. And the steps p of a block, taken from the weights w at its
start, leave the pre-activations of the block's example q at

    z_q = scale w^T x'_q + sum_{p < q} coef_p (x'_p . x'_q) g_p.

So w is read and written once a block: one pass applies the update of rank `BLOCK`
of the last block and has w^T x' for the examples of the next. Step by step, the speed
of the cache would be the limit; now arithmetic is.
"""

import numpy as np

from flatminima.kernels.compile import compiled
from flatminima.kernels.vectors import (
    add_inner,
    add_outer,
    copy,
    grid,
    lanes,
    load,
    load_tile,
    store,
    store_tile,
    times,
    zeros,
)
from flatminima.models.ascent import ascended
from flatminima.models.base import head
from flatminima.models.losses import slope

BLOCK = 4
"""Steps from the start of `run` to each pass over w. Longer blocks spend more on
the sum above than they save."""

ONE, TWO, THREE, STEPS = (0,), (0,) * 2, (0,) * 3, (0,) * BLOCK
"""Heights of tiles with a row for each step that was taken, and for each of a block."""


@compiled
def squared_norm(a):
    """sum a_j^2."""
    total = a.dtype.type(0)
    for j in range(a.size):
        total += a[j] * a[j]
    return total


@compiled
def dot(a, b):
    """sum a_j b_j."""
    total = a.dtype.type(0)
    for j in range(a.size):
        total += a[j] * b[j]
    return total


@compiled
def gradient_norm(u, g, x_sq):
    """||grad f|| from df/dv, df/dz and ||x'||^2."""
    second, first = u.dtype.type(0), u.dtype.type(0)
    for j in range(u.size):
        second += u[j] * u[j]
        first += g[j] * g[j]
    return np.sqrt(second + x_sq * first)


@compiled
def gather(x, order, start, rows):
    """Fill rows with the inputs of one block.

    Beyond the end of `order`, the last example stands in: its pre-activations are
    computed and never used, and every block has the same shape.
    """
    for q in range(BLOCK):
        example = order[min(start + q, order.size - 1)]
        for k in range(x.shape[1]):
            rows[q, k] = x[example, k]


@compiled
def inner_products(rows, gram):
    """Fill the diagonal of gram, and what is above it, with x_p . x_q."""
    for q in range(BLOCK):
        for p in range(q + 1):
            gram[p, q] = dot(rows[p], rows[q])


@compiled
def slow_down(rows, bias_rate, gram):
    """Turn rows x into P x, and what lies above the diagonal of gram into x_p P x_q.

    P multiplies the last entry by bias_rate. The diagonal, which the ascent step
    needs, stays ||x||^2.
    """
    last, one = rows.shape[1] - 1, rows.dtype.type(1)
    for q in range(BLOCK):
        for p in range(q):
            gram[p, q] += (bias_rate - one) * rows[p, last] * rows[q, last]
    for q in range(BLOCK):
        rows[q, last] *= bias_rate


@compiled
def update_and_project(w, scale, terms, g, following, z):
    """w <- scale w + sum_p terms_p g_p^T, then z_q = w^T following_q, in one pass.

    Args:
        w: first layer, of `vectors.grid`, as `g` and `z` are.
        scale: of w; None leaves it, by code without the multiplication.
        terms: rows coef_p x'_p of the steps that were taken, shape (BLOCK, inputs).
        g: their gradients.
        following: rows x'_q of the next steps, shape (BLOCK, inputs).
        z: filled.
    """
    for j in range(0, w.shape[1], lanes(w)):
        pending, ahead = load_tile(STEPS, g, 0, j), zeros(STEPS, z)
        for i in range(w.shape[0]):
            column = load(w, i, j)
            if scale is not None:
                column = times(column, scale)
            column = add_inner(column, terms, 0, i, pending)
            store(w, i, j, column)
            ahead = add_outer(ahead, following, 0, i, column)
        store_tile(z, 0, j, ahead)


@compiled
def add_pending(steps, z, scale, coef, g):
    """z_q <- scale z_q + sum_{p < q} coef_p g_p, with as many `steps` as q."""
    q = len(steps)
    for j in range(0, z.shape[1], lanes(z)):
        pending = load_tile(steps, g, 0, j)
        store(z, q, j, add_inner(times(load(z, q, j), scale), coef, 0, 0, pending))


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
    """Take one step for every entry of `order`, in place.

    theta <- theta - lr (P grad L_i(theta + rho grad L_i / ||grad L_i||) +
    weight_decay theta) with L_i = l(f(x_i), y_i); no ascent where the gradient is
    zero. P multiplies the last row of w, the bias, by bias_rate and is 1 elsewhere.
    With radius > 0, every step ends with ||w|| = radius; bias_rate must then be 1.

    A run may be cut into calls after any multiple of `BLOCK` steps without a change
    of a bit. A cut elsewhere starts a block of its own and changes the rounding.

    Args:
        model: architecture.
        loss: of one example, such as `losses.Squared()`.
        ascent: what the second pass sees; see `models.ascent`.
        w: first layer, shape (inputs, width).
        v: second layer, shape (width,).
        x: rows x', shape (n, inputs).
        y: labels, shape (n,).
        order: example of every step.
        lr, rho, weight_decay, bias_rate, radius: scalars in the dtype of w.

    Returns:
        The number of steps done; less than len(order) if the output or the
        gradient is no longer finite.
    """
    one = v.dtype.type(1)
    two = v.dtype.type(2)
    zero = v.dtype.type(0)
    num_inputs, width = w.shape
    first = grid(v, num_inputs, width)
    copy(w, num_inputs, width, first)
    z, g = grid(v, BLOCK, width), grid(v, BLOCK, width)
    scratch = grid(v, 3, width)
    u, z_up, v_up = scratch[0][:width], scratch[1][:width], scratch[2][:width]
    following = np.empty((BLOCK, num_inputs), v.dtype)
    rows, terms = np.empty_like(following), np.zeros_like(following)
    gram, pending = np.empty((BLOCK, BLOCK), v.dtype), np.empty((BLOCK, 1), v.dtype)
    coef = np.empty(BLOCK, v.dtype)
    decay = one - lr * weight_decay
    done = order.size
    gather(x, order, 0, following)
    update_and_project(first, None, terms, g, following, z)
    for start in range(0, order.size, BLOCK):
        copy(following, BLOCK, num_inputs, rows)
        inner_products(rows, gram)
        if bias_rate != one:
            slow_down(rows, bias_rate, gram)
        coef[:] = zero
        w_scale = one
        w_sq = squared_norm(first.reshape(-1)) if radius > zero else zero
        for q in range(min(BLOCK, order.size - start)):
            label, x_sq = y[order[start + q]], gram[q, q]
            for p in range(q):
                pending[p, 0] = coef[p] * gram[p, q]
            if q == 1:
                add_pending(ONE, z, w_scale, pending, g)
            elif q == 2:
                add_pending(TWO, z, w_scale, pending, g)
            elif q == 3:
                add_pending(THREE, z, w_scale, pending, g)
            zq, gq = z[q][:width], g[q][:width]
            f = head(model, zq, v, u, gq)
            residual = v.dtype.type(slope(loss, f, label))
            if rho > zero:
                norm = gradient_norm(u, gq, x_sq)
                if norm > zero and residual != zero:
                    climb = np.copysign(rho / norm, residual)
                    rise = climb * x_sq
                    for j in range(width):
                        z_up[j] = zq[j] + rise * gq[j]
                        v_up[j] = v[j] + climb * u[j]
                    f = ascended(ascent, model, zq, z_up, v_up, u, gq)
                    residual = v.dtype.type(slope(loss, f, label))
            # the slope of the logistic loss is finite even where the output is not
            if not (np.isfinite(f) and np.isfinite(residual)):
                done = start + q
                break
            step = -lr * residual
            for j in range(width):
                v[j] = decay * v[j] + step * u[j]
            scale = decay
            if radius > zero:
                norm = np.sqrt(
                    scale * scale * w_sq
                    + two * scale * step * dot(gq, zq)
                    + step * step * x_sq * squared_norm(gq)
                )
                scale *= radius / norm
                step *= radius / norm
                w_sq = radius * radius
            w_scale *= scale
            for p in range(q):
                coef[p] *= scale
            coef[q] = step
        if done < order.size:
            break
        for p in range(BLOCK):
            for i in range(num_inputs):
                terms[p, i] = coef[p] * rows[p, i]
        gather(x, order, start + BLOCK, following)
        if w_scale == one:
            update_and_project(first, None, terms, g, following, z)
        else:
            update_and_project(first, w_scale, terms, g, following, z)
    copy(first, num_inputs, width, w)
    return done
