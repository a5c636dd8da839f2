"""SGD and SAM with batch size 1, four steps to a pass over the weights.

With one example the gradient of the first layer is the rank-one matrix
x' (r g)^T, r = dl/df. Two things follow. The pre-activations at SAM's perturbed
point need no second matrix product: they are z + rho s ||x'||^2 g / ||grad f||,
with s the sign of r. And the steps p of a block, taken from the weights w at its
start, leave the pre-activations of the block's example q at

    z_q = scale w^T x'_q + sum_{p < q} coef_p (x'_p . x'_q) g_p.

So one product gives w^T x' for the whole block, and one update of rank `BLOCK` ends
it. Step by step, w would be read and written for every example, and the speed of
the cache would be the limit; now arithmetic is.
"""

import numpy as np

from flatminima.kernels.compile import compiled
from flatminima.models.base import head
from flatminima.models.losses import slope

BLOCK = 4
"""Steps from the start of `run` to each pass over w. Longer blocks spend more on
the sum above than they save."""

CACHE_LINE = 64
PAGE = 4096
"""Bytes."""


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
def placed(like, rows, address, period):
    """Zeros of shape (rows, like.size) that start at `address` modulo `period`."""
    flat = np.zeros(rows * like.size + period // like.itemsize, like.dtype)
    start = (address - flat.ctypes.data) % period // like.itemsize
    return flat[start : start + rows * like.size].reshape(rows, like.size)


@compiled
def aligned(like, rows):
    """Zeros of shape (rows, like.size) that start on a cache line.

    Loops over them are up to 1.5 times faster than where every vector straddles two.
    """
    return placed(like, rows, 0, CACHE_LINE)


@compiled
def gather(x, order, start, rows, gram):
    """Fill rows with the inputs of one block and gram with their inner products.

    Beyond the end of `order`, the last example stands in: its pre-activations are
    computed and never used, and every block has the same shape.
    """
    for q in range(BLOCK):
        example = order[min(start + q, order.size - 1)]
        for k in range(x.shape[1]):
            rows[q, k] = x[example, k]
        for p in range(q + 1):
            gram[p, q] = dot(rows[p], rows[q])


@compiled
def apply_pending(w, coef, rows, g):
    """w <- w + sum_p coef_p rows_p g_p^T, all `BLOCK` terms in one pass.

    Two rows of w at a time, so that a load of g serves two multiplications.
    """
    num_inputs, width = w.shape
    g0, g1, g2, g3 = g[0], g[1], g[2], g[3]
    c0, c1, c2, c3 = coef[0], coef[1], coef[2], coef[3]
    r0, r1, r2, r3 = rows[0], rows[1], rows[2], rows[3]
    for i in range(0, num_inputs - 1, 2):
        k = i + 1
        wi, wk = w[i], w[k]
        a0, a1, a2, a3 = c0 * r0[i], c1 * r1[i], c2 * r2[i], c3 * r3[i]
        b0, b1, b2, b3 = c0 * r0[k], c1 * r1[k], c2 * r2[k], c3 * r3[k]
        for j in range(width):
            h0, h1, h2, h3 = g0[j], g1[j], g2[j], g3[j]
            wi[j] += a0 * h0 + a1 * h1 + a2 * h2 + a3 * h3
            wk[j] += b0 * h0 + b1 * h1 + b2 * h2 + b3 * h3
    if num_inputs % 2 == 1:
        i = num_inputs - 1
        wi = w[i]
        a0, a1, a2, a3 = c0 * r0[i], c1 * r1[i], c2 * r2[i], c3 * r3[i]
        for j in range(width):
            wi[j] += a0 * g0[j] + a1 * g1[j] + a2 * g2[j] + a3 * g3[j]


@compiled
def run(model, loss, w, v, x, y, order, lr, rho, weight_decay, radius):
    """Take one step for every entry of `order`, in place.

    theta <- theta - lr (grad L_i(theta + rho grad L_i / ||grad L_i||) +
    weight_decay theta) with L_i = l(f(x_i), y_i); no ascent where the gradient is
    zero. With radius > 0, every step ends with ||w|| = radius.

    A run may be cut into calls after any multiple of `BLOCK` steps without a change
    of a bit. A cut elsewhere starts a block of its own and changes the rounding.

    Args:
        model: architecture.
        loss: of one example, such as `losses.Squared()`.
        w: first layer, shape (inputs, width).
        v: second layer, shape (width,).
        x: rows x', shape (n, inputs).
        y: labels, shape (n,).
        order: example of every step.
        lr, rho, weight_decay, radius: scalars in the dtype of w.

    Returns:
        The number of steps done; less than len(order) if the output or the
        gradient is no longer finite.
    """
    one = v.dtype.type(1)
    two = v.dtype.type(2)
    zero = v.dtype.type(0)
    z = aligned(v, BLOCK)
    # A load waits for an older store at about the same place of another page.
    g = placed(v, BLOCK, w.ctypes.data + PAGE // 2, PAGE)
    rows = np.empty((BLOCK, x.shape[1]), v.dtype)
    gram = np.empty((BLOCK, BLOCK), v.dtype)
    coef = np.empty(BLOCK, v.dtype)
    u, z_up, v_up = aligned(v, 1)[0], aligned(v, 1)[0], aligned(v, 1)[0]
    decay = one - lr * weight_decay
    for start in range(0, order.size, BLOCK):
        gather(x, order, start, rows, gram)
        np.dot(rows, w, z)
        coef[:] = zero
        w_scale = one
        w_sq = squared_norm(w.reshape(-1)) if radius > zero else zero
        for q in range(min(BLOCK, order.size - start)):
            label, x_sq = y[order[start + q]], gram[q, q]
            zq, gq = z[q], g[q]
            if w_scale != one:
                for j in range(v.size):
                    zq[j] *= w_scale
            for p in range(q):
                gp, c = g[p], coef[p] * gram[p, q]
                for j in range(v.size):
                    zq[j] += c * gp[j]
            f = head(model, zq, v, u, gq)
            residual = v.dtype.type(slope(loss, f, label))
            if rho > zero:
                norm = np.sqrt(squared_norm(u) + x_sq * squared_norm(gq))
                if norm > zero and residual != zero:
                    ascent = np.copysign(rho / norm, residual)
                    for j in range(v.size):
                        z_up[j] = zq[j] + ascent * x_sq * gq[j]
                        v_up[j] = v[j] + ascent * u[j]
                    f = head(model, z_up, v_up, u, gq)
                    residual = v.dtype.type(slope(loss, f, label))
            # the slope of the logistic loss is finite even where the output is not
            if not (np.isfinite(f) and np.isfinite(residual)):
                return start + q
            step = -lr * residual
            for j in range(v.size):
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
        if w_scale != one:
            w *= w_scale
        apply_pending(w, coef, rows, g)
    return order.size
