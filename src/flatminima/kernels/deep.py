"""SGD and SAM with batch size 1 for the deep ReLU MLP.

With one example the gradient of every layer has rank one, h_{l-1} g_l^T with
g_l = df/dz_l. So no perturbed matrix is formed: with s = +-rho / ||grad f||,

    z'_{l+1} = W_l^T h'_l + s (h_l . h'_l) g_{l+1},
    g'_l     = (W_l g'_{l+1} + s (g_{l+1} . g'_{l+1}) h_l) 1[z'_l > 0].

A square matrix of width m is the whole cost. Only rows of active units are read.
For the first square matrix a step reads them twice, in place of five times:

- `pull_and_push`: g_1 = W g_2 and W^T g_1, one row after the other. An inactive
  unit stays inactive under the perturbation, since its g_1 is 0, so h'_1 = h_1 +
  s ||x'||^2 g_1 but for the few units that it switches off, and W^T h'_1 follows.
- `descend`: g'_1 = W g'_2, the update of the row, and its share of the next
  example's z_2. The next z_1 of a unit needs no more than its own g'_1, because
  W1^T x of the next example was computed when the first layer was last updated.

With a and a' active units a step thus moves (2 a + 2 a') m numbers of that matrix,
and 5 products instead for every further one. Weight decay of the square matrices
is kept as one scalar factor and multiplied in now and then.
"""

import numpy as np

from flatminima.kernels._losses import slope
from flatminima.kernels.compile import compiled

SMALLEST_SCALE = 1e-3
"""The decay factor of the square matrices is multiplied in below it."""


@compiled
def dot(a, b):
    """a . b."""
    total = a.dtype.type(0)
    for j in range(a.size):
        total += a[j] * b[j]
    return total


@compiled
def rectify(z, h):
    """h = relu(z)."""
    zero = z.dtype.type(0)
    for j in range(z.size):
        h[j] = max(z[j], zero)


@compiled
def mask(z, g):
    """g = g 1[z > 0]."""
    zero = z.dtype.type(0)
    for j in range(z.size):
        g[j] = g[j] if z[j] > zero else zero


@compiled
def push(weights, h, scale, out):
    """out = scale weights^T h, over rows where h is not 0."""
    zero = h.dtype.type(0)
    out[:] = zero
    for i in range(weights.shape[0]):
        if h[i] != zero:
            hi = scale * h[i]
            row = weights[i]
            for j in range(out.size):
                out[j] += hi * row[j]


@compiled
def pull(weights, g, scale, z, out):
    """out = scale (weights g) 1[z > 0]."""
    zero = z.dtype.type(0)
    for i in range(weights.shape[0]):
        out[i] = scale * dot(weights[i], g) if z[i] > zero else zero


@compiled
def pull_and_push(weights, g, scale, z, out, pushed):
    """out = scale (weights g) 1[z > 0] and pushed = scale weights^T out, in one pass."""
    zero = z.dtype.type(0)
    pushed[:] = zero
    for i in range(weights.shape[0]):
        out[i] = zero
        if z[i] > zero:
            row = weights[i]
            gi = scale * dot(row, g)
            out[i] = gi
            gi *= scale
            for j in range(pushed.size):
                pushed[j] += gi * row[j]


@compiled
def descend(weights, g, scale, overlap, coefficient, h, z_up, h_up, out):
    """out = (scale weights g + overlap h) 1[z_up > 0], then the rank-one update.

    weights += coefficient h_up g^T, row by row in the same pass.
    """
    zero = g.dtype.type(0)
    for i in range(weights.shape[0]):
        out[i] = zero
        if z_up[i] > zero:
            row = weights[i]
            out[i] = scale * dot(row, g) + overlap * h[i]
            step = coefficient * h_up[i]
            for j in range(g.size):
                row[j] += step * g[j]


@compiled
def descend_and_push(
    weights,
    g,
    scale,
    overlap,
    coefficient,
    h,
    z_up,
    h_up,
    out,
    decay,
    inner,
    z_next,
    pushed,
):
    """`descend`, and the next example's first two pre-activations.

    z_next <- decay z_next + inner out, where z_next held the projection of the next
    input on the old first layer; pushed = decay scale weights^T relu(z_next) with
    the new weights.
    """
    zero = g.dtype.type(0)
    pushed[:] = zero
    for i in range(weights.shape[0]):
        gi = zero
        row = weights[i]
        if z_up[i] > zero:
            gi = scale * dot(row, g) + overlap * h[i]
            step = coefficient * h_up[i]
            for j in range(g.size):
                row[j] += step * g[j]
        out[i] = gi
        z_next[i] = decay * z_next[i] + inner * gi
        if z_next[i] > zero:
            hi = decay * scale * z_next[i]
            for j in range(g.size):
                pushed[j] += hi * row[j]


@compiled
def update_and_project(w, z, g, x_old, x_new, scale, step):
    """w <- scale w + step x_old g^T, then z <- x_new^T w, in one pass."""
    zero = z.dtype.type(0)
    z[:] = zero
    for c in range(w.shape[0]):
        row = w[c]
        old, new = step * x_old[c], x_new[c]
        for j in range(z.size):
            entry = scale * row[j] + old * g[j]
            row[j] = entry
            z[j] += new * entry


@compiled
def run(model, loss, w, middle, v, x, y, order, lr, rho, weight_decay):
    """Take one step for every entry of `order`, in place.

    theta <- theta - lr (grad L_i(theta + rho grad L_i / ||grad L_i||) +
    weight_decay theta), theta = (w, middle, v). No ascent where the gradient is
    zero.

    Args:
        model: architecture.
        loss: whose `slope` gives the derivative of L_i in f(x_i).
        w: first layer, shape (inputs, width).
        middle: square layers, shape (depth - 2, width, width).
        v: last layer, shape (width,).
        x: rows x', shape (n, inputs).
        y: labels, shape (n,).
        order: example of every step.
        lr, rho, weight_decay: scalars in the dtype of w, lr weight_decay < 1.

    Returns:
        The number of steps done; less than len(order) if the slope of the loss is
        no longer finite.

    Raises:
        ValueError: if lr weight_decay is not below 1.
    """
    dtype = v.dtype.type
    zero, one = dtype(0), dtype(1)
    decay = one - lr * weight_decay
    if not decay > zero:
        raise ValueError("lr * weight_decay: allowed are products below 1")
    hidden = middle.shape[0] + 1
    last = hidden - 1
    z = np.zeros((hidden, v.size), w.dtype)
    h, g = np.zeros_like(z), np.zeros_like(z)
    z_up, h_up, g_up = np.zeros_like(z), np.zeros_like(z), np.zeros_like(z)
    v_up = np.zeros_like(v)
    pushed, ahead = np.zeros_like(v), np.zeros_like(v)
    final = order.size - 1
    scale = one
    done = order.size
    first, second = order[0], order[min(1, final)]
    update_and_project(w, z[0], v, x[first], x[first], one, zero)
    update_and_project(w, ahead, v, x[second], x[second], one, zero)
    if hidden > 1:
        rectify(z[0], h[0])
        push(middle[0], h[0], one, z[1])
    for t in range(order.size):
        i = order[t]
        x_sq = dot(x[i], x[i])
        for k in range(hidden):
            if k > 1:
                push(middle[k - 1], h[k - 1], scale, z[k])
            rectify(z[k], h[k])
        rate = dtype(slope(loss, dot(v, h[last]), y[i]))
        ascent = zero
        if rho > zero and rate != zero:
            g[last] = v
            mask(z[last], g[last])
            for k in range(last - 1, 0, -1):
                pull(middle[k], g[k + 1], scale, z[k], g[k])
            if hidden > 1:
                pull_and_push(middle[0], g[1], scale, z[0], g[0], pushed)
            square = x_sq * dot(g[0], g[0]) + dot(h[last], h[last])
            for k in range(1, hidden):
                square += dot(h[k - 1], h[k - 1]) * dot(g[k], g[k])
            if square > zero:
                ascent = np.copysign(rho / np.sqrt(square), rate)
        if ascent != zero:
            climb = ascent * x_sq
            for j in range(v.size):
                z_up[0, j] = z[0, j] + climb * g[0, j]
                v_up[j] = v[j] + ascent * h[last, j]
            rectify(z_up[0], h_up[0])
            for k in range(1, hidden):
                if k == 1:
                    for j in range(v.size):
                        z_up[1, j] = z[1, j] + climb * pushed[j]
                    for r in range(middle.shape[1]):
                        if h[0, r] > zero and not z_up[0, r] > zero:
                            for j in range(v.size):
                                z_up[1, j] -= scale * z_up[0, r] * middle[0, r, j]
                else:
                    push(middle[k - 1], h_up[k - 1], scale, z_up[k])
                rise = ascent * dot(h[k - 1], h_up[k - 1])
                for j in range(v.size):
                    z_up[k, j] += rise * g[k, j]
                rectify(z_up[k], h_up[k])
            rate = dtype(slope(loss, dot(v_up, h_up[last]), y[i]))
        else:
            z_up[:] = z
            h_up[:] = h
            v_up[:] = v
        if not np.isfinite(rate):
            done = t
            break
        step = -lr * rate
        upcoming = order[min(t + 1, final)]
        following = order[min(t + 2, final)]
        inner = step * dot(x[i], x[upcoming])
        g_up[last] = v_up
        mask(z_up[last], g_up[last])
        for j in range(v.size):
            v[j] = decay * v[j] + step * h_up[last, j]
        coefficient = step / (scale * decay)
        for k in range(last - 1, -1, -1):
            overlap = ascent * dot(g[k + 1], g_up[k + 1])
            if k > 0:
                descend(
                    middle[k],
                    g_up[k + 1],
                    scale,
                    overlap,
                    coefficient,
                    h[k],
                    z_up[k],
                    h_up[k],
                    g_up[k],
                )
            else:
                descend_and_push(
                    middle[0],
                    g_up[1],
                    scale,
                    overlap,
                    coefficient,
                    h[0],
                    z_up[0],
                    h_up[0],
                    g_up[0],
                    decay,
                    inner,
                    ahead,
                    z[1],
                )
        if hidden == 1:
            for j in range(v.size):
                ahead[j] = decay * ahead[j] + inner * g_up[0, j]
        z[0] = ahead
        update_and_project(w, ahead, g_up[0], x[i], x[following], decay, step)
        scale *= decay
        if scale < SMALLEST_SCALE:
            middle *= scale
            scale = one
    if scale != one:
        middle *= scale
    return done
