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

from flatminima.kernels.compile import compiled
from flatminima.models.losses import slope

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
    """h = relu(z); NaN is kept, so that a run that diverges stops."""
    zero = z.dtype.type(0)
    for j in range(z.size):
        h[j] = zero if z[j] <= zero else z[j]


@compiled
def mask(z, g):
    """g = g 1[z > 0]."""
    zero = z.dtype.type(0)
    for j in range(z.size):
        g[j] = g[j] if z[j] > zero else zero


@compiled
def positive(z, index):
    """Fill `index` with the j of z_j > 0 or NaN, ascending; returns their number."""
    count = 0
    zero = z.dtype.type(0)
    for j in range(z.size):
        index[count] = j
        count += not z[j] <= zero
    return count


@compiled
def push(weights, h, scale, index, out):
    """out += scale weights^T h for h >= 0; `index` is scratch.

    Four rows at a time, here and below: `out` is then loaded and stored a quarter
    as often.
    """
    count = positive(h, index)
    a = 0
    while a + 4 <= count:
        i0, i1, i2, i3 = index[a], index[a + 1], index[a + 2], index[a + 3]
        w0, w1, w2, w3 = weights[i0], weights[i1], weights[i2], weights[i3]
        h0, h1, h2, h3 = scale * h[i0], scale * h[i1], scale * h[i2], scale * h[i3]
        for j in range(out.size):
            out[j] += h0 * w0[j] + h1 * w1[j] + h2 * w2[j] + h3 * w3[j]
        a += 4
    while a < count:
        row, hi = weights[index[a]], scale * h[index[a]]
        for j in range(out.size):
            out[j] += hi * row[j]
        a += 1


@compiled
def pull(weights, g, scale, z, out):
    """out = scale (weights g) 1[z > 0]."""
    zero = z.dtype.type(0)
    for i in range(weights.shape[0]):
        out[i] = scale * dot(weights[i], g) if z[i] > zero else zero


@compiled
def pull_and_push(weights, g, scale, z, index, out, pushed):
    """`pull`, and pushed = scale weights^T out, in one pass."""
    zero = z.dtype.type(0)
    out[:] = zero
    pushed[:] = zero
    count = positive(z, index)
    a = 0
    while a + 4 <= count:
        i0, i1, i2, i3 = index[a], index[a + 1], index[a + 2], index[a + 3]
        w0, w1, w2, w3 = weights[i0], weights[i1], weights[i2], weights[i3]
        s0, s1, s2, s3 = zero, zero, zero, zero
        for j in range(g.size):
            s0 += w0[j] * g[j]
            s1 += w1[j] * g[j]
            s2 += w2[j] * g[j]
            s3 += w3[j] * g[j]
        out[i0], out[i1], out[i2], out[i3] = (
            scale * s0,
            scale * s1,
            scale * s2,
            scale * s3,
        )
        c0, c1, c2, c3 = (
            scale * out[i0],
            scale * out[i1],
            scale * out[i2],
            scale * out[i3],
        )
        for j in range(g.size):
            pushed[j] += c0 * w0[j] + c1 * w1[j] + c2 * w2[j] + c3 * w3[j]
        a += 4
    while a < count:
        i = index[a]
        row = weights[i]
        out[i] = scale * dot(row, g)
        c0 = scale * out[i]
        for j in range(g.size):
            pushed[j] += c0 * row[j]
        a += 1


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
    z_next,
    next_scale,
    inner,
    index,
    rest,
    pushed,
):
    """`descend`, and the next example's first two pre-activations.

    z_next <- z_next + inner out, and pushed = next_scale weights^T relu(z_next) with
    the new weights. `index` and `rest` are scratch. Rows that are updated come
    first, then those that are active on the next example only.
    """
    zero = g.dtype.type(0)
    pushed[:] = zero
    out[:] = zero
    count = positive(z_up, index)
    rectify(z_next, rest)
    a = 0
    while a + 4 <= count:
        i0, i1, i2, i3 = index[a], index[a + 1], index[a + 2], index[a + 3]
        w0, w1, w2, w3 = weights[i0], weights[i1], weights[i2], weights[i3]
        s0, s1, s2, s3 = zero, zero, zero, zero
        for j in range(g.size):
            s0 += w0[j] * g[j]
            s1 += w1[j] * g[j]
            s2 += w2[j] * g[j]
            s3 += w3[j] * g[j]
        out[i0], out[i1] = scale * s0 + overlap * h[i0], scale * s1 + overlap * h[i1]
        out[i2], out[i3] = scale * s2 + overlap * h[i2], scale * s3 + overlap * h[i3]
        for b in range(a, a + 4):
            z_next[index[b]] += inner * out[index[b]]
            rest[index[b]] = zero
        u0, u1 = coefficient * h_up[i0], coefficient * h_up[i1]
        u2, u3 = coefficient * h_up[i2], coefficient * h_up[i3]
        h0, h1 = next_scale * max(z_next[i0], zero), next_scale * max(z_next[i1], zero)
        h2, h3 = next_scale * max(z_next[i2], zero), next_scale * max(z_next[i3], zero)
        for j in range(g.size):
            gj = g[j]
            t0, t1 = w0[j] + u0 * gj, w1[j] + u1 * gj
            t2, t3 = w2[j] + u2 * gj, w3[j] + u3 * gj
            w0[j], w1[j], w2[j], w3[j] = t0, t1, t2, t3
            pushed[j] += h0 * t0 + h1 * t1 + h2 * t2 + h3 * t3
        a += 4
    while a < count:
        i = index[a]
        row = weights[i]
        out[i] = scale * dot(row, g) + overlap * h[i]
        z_next[i] += inner * out[i]
        rest[i] = zero
        u0, h0 = coefficient * h_up[i], next_scale * max(z_next[i], zero)
        for j in range(g.size):
            t0 = row[j] + u0 * g[j]
            row[j] = t0
            pushed[j] += h0 * t0
        a += 1
    push(weights, rest, next_scale, index, pushed)


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
    rest, index = np.zeros_like(v), np.empty(v.size + 1, np.int64)
    final = order.size - 1
    scale = one
    done = order.size
    first, second = order[0], order[min(1, final)]
    update_and_project(w, z[0], v, x[first], x[first], one, zero)
    update_and_project(w, ahead, v, x[second], x[second], one, zero)
    if hidden > 1:
        rectify(z[0], h[0])
        push(middle[0], h[0], one, index, z[1])
    for t in range(order.size):
        i = order[t]
        x_sq = dot(x[i], x[i])
        for k in range(hidden):
            if k > 1:
                z[k] = zero
                push(middle[k - 1], h[k - 1], scale, index, z[k])
            rectify(z[k], h[k])
        rate = dtype(slope(loss, dot(v, h[last]), y[i]))
        ascent = zero
        if rho > zero and rate != zero:
            g[last] = v
            mask(z[last], g[last])
            for k in range(last - 1, 0, -1):
                pull(middle[k], g[k + 1], scale, z[k], g[k])
            if hidden > 1:
                pull_and_push(middle[0], g[1], scale, z[0], index, g[0], pushed)
            square = x_sq * dot(g[0], g[0]) + dot(h[last], h[last])
            for k in range(1, hidden):
                square += dot(h[k - 1], h[k - 1]) * dot(g[k], g[k])
            if not square <= zero:
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
                    z_up[k] = zero
                    push(middle[k - 1], h_up[k - 1], scale, index, z_up[k])
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
        for j in range(v.size):
            ahead[j] *= decay
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
                    ahead,
                    decay * scale,
                    inner,
                    index,
                    rest,
                    z[1],
                )
        if hidden == 1:
            for j in range(v.size):
                ahead[j] += inner * g_up[0, j]
        z[0] = ahead
        update_and_project(w, ahead, g_up[0], x[i], x[following], decay, step)
        scale *= decay
        if scale < SMALLEST_SCALE:
            middle *= scale
            scale = one
    if scale != one:
        middle *= scale
    return done
