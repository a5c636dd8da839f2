"""SGD and SAM with batch size 1.

With one example the gradient of the first layer is the rank-one matrix
x' (r g)^T, r = dl/df, so the pre-activations at the perturbed point follow
without a second matrix product: z + rho s ||x'||^2 g / ||grad f||, with s the
sign of r. One pass over `w` then applies the update of a step and computes the
pre-activations of the next, so every step reads and writes `w` once.
"""

import numpy as np

from flatminima.kernels.compile import compiled
from flatminima.kernels.losses import slope
from flatminima.models.base import head


@compiled
def update_and_project(w, z, g, x_old, x_new, scale, step):
    """w <- scale w + step x_old g^T, then z <- x_new^T w, in one pass.

    Four rows at a time: the pass is bound by stores, and z and g are then
    loaded and stored a quarter as often.
    """
    num_inputs, width = w.shape
    z[:] = 0
    i = 0
    while i + 4 <= num_inputs:
        w0, w1, w2, w3 = w[i], w[i + 1], w[i + 2], w[i + 3]
        s0, s1 = step * x_old[i], step * x_old[i + 1]
        s2, s3 = step * x_old[i + 2], step * x_old[i + 3]
        x0, x1, x2, x3 = x_new[i], x_new[i + 1], x_new[i + 2], x_new[i + 3]
        for j in range(width):
            gj = g[j]
            t0 = scale * w0[j] + s0 * gj
            t1 = scale * w1[j] + s1 * gj
            t2 = scale * w2[j] + s2 * gj
            t3 = scale * w3[j] + s3 * gj
            w0[j] = t0
            w1[j] = t1
            w2[j] = t2
            w3[j] = t3
            z[j] += t0 * x0 + t1 * x1 + t2 * x2 + t3 * x3
        i += 4
    while i < num_inputs:
        wi = w[i]
        si = step * x_old[i]
        xi = x_new[i]
        for j in range(width):
            t = scale * wi[j] + si * g[j]
            wi[j] = t
            z[j] += t * xi
        i += 1


@compiled
def squared_norm(a):
    """sum a_j^2."""
    total = a.dtype.type(0)
    for j in range(a.size):
        total += a[j] * a[j]
    return total


@compiled
def run(model, loss, w, v, x, y, order, lr, rho, weight_decay, radius):
    """Take one step for every entry of `order`, in place.

    theta <- theta - lr (grad L_i(theta + rho grad L_i / ||grad L_i||) +
    weight_decay theta) with L_i = l(f(x_i), y_i); no ascent where the gradient is
    zero. With radius > 0, every step ends with ||w|| = radius.

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
    z = np.empty_like(v)
    u = np.empty_like(v)
    g = np.zeros_like(v)
    z_up = np.empty_like(v)
    v_up = np.empty_like(v)
    decay = one - lr * weight_decay
    first = order[0]
    update_and_project(w, z, g, x[first], x[first], one, zero)
    for t in range(order.size):
        i = order[t]
        x_sq = squared_norm(x[i])
        f = head(model, z, v, u, g)
        residual = v.dtype.type(slope(loss, f, y[i]))
        if rho > zero:
            norm = np.sqrt(squared_norm(u) + x_sq * squared_norm(g))
            if norm > zero and residual != zero:
                ascent = np.copysign(rho / norm, residual)
                for j in range(v.size):
                    z_up[j] = z[j] + ascent * x_sq * g[j]
                    v_up[j] = v[j] + ascent * u[j]
                f = head(model, z_up, v_up, u, g)
                residual = v.dtype.type(slope(loss, f, y[i]))
        # the slope of the logistic loss is finite even where the output is not
        if not (np.isfinite(f) and np.isfinite(residual)):
            return t
        step = -lr * residual
        for j in range(v.size):
            v[j] = decay * v[j] + step * u[j]
        scale = decay
        if radius > zero:
            overlap = zero
            for j in range(v.size):
                overlap += g[j] * z[j]
            norm = np.sqrt(
                scale * scale * squared_norm(w.reshape(-1))
                + two * scale * step * overlap
                + step * step * x_sq * squared_norm(g)
            )
            scale *= radius / norm
            step *= radius / norm
        upcoming = order[min(t + 1, order.size - 1)]
        update_and_project(w, z, g, x[i], x[upcoming], scale, step)
    return order.size
