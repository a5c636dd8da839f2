"""SGD and SAM with batch size 1 for 2-MLP-Sim-BN, statistics over all examples.

With a_j = v_j gamma_j / sigma_j, u_ij = h_ij / sigma_j and q_j = X^T h_j,

    df_i/dw_j = 1[z_ij > 0] a_j (x_i - u_ij q_j / (n sigma_j)),
    df_i/dgamma_j = v_j u_ij,    df_i/dv_j = gamma_j u_ij,

so a unit that is inactive on example i has no gradient at all, although its
statistics count that example. h and q of every unit are kept, and only units that
are active on the example are treated: their rows are gathered, the perturbed and
then the updated ones are multiplied by X^T and their activations by X, four
products of (units, inputs, n) a step. These are dense and bound by
floating-point operations. A unit whose perturbed or updated row equals the old
one in every bit keeps h and q, so units of vanishing v_j gamma_j cost nothing.
"""

import numpy as np

from flatminima.kernels.compile import compiled
from flatminima.models.losses import slope

LANES = 16
"""Numbers of float32 in the longest vector; rows are padded to a multiple."""


@compiled
def normalise(rows, x, xt, h, sigma, q):
    """h = relu(rows xt), sigma_j = rms of h_j, q = h x, for some units; xt = x^T."""
    zero = rows.dtype.type(0)
    n = rows.dtype.type(x.shape[0])
    np.dot(rows, xt, h)
    for j in range(h.shape[0]):
        hj = h[j]
        square = zero
        for i in range(hj.size):
            # NaN is kept, so that a run that diverges stops.
            positive = zero if hj[i] <= zero else hj[i]
            hj[i] = positive
            square += positive * positive
        sigma[j] = np.sqrt(square / n)
    np.dot(h, x, q)


# The next three take arrays and an index: a view of a row costs more than its 32
# numbers.


@compiled
def unit_gradient(a, u, sigma, n, xi, q, j, out, k):
    """out[k] = df_i/dw_j of an active unit; returns its squared norm."""
    b = a * u / (n * sigma)
    total = out.dtype.type(0)
    for c in range(xi.size):
        entry = a * xi[c] - b * q[j, c]
        out[k, c] = entry
        total += entry * entry
    return total


@compiled
def moved(rows, j, direction, k, step, out, m):
    """out[m] = rows[j] + step direction[k]; returns whether any entry changed."""
    changes = 0
    for c in range(rows.shape[1]):
        entry = rows[j, c] + step * direction[k, c]
        out[m, c] = entry
        changes += entry != rows[j, c]
    return changes > 0


@compiled
def copy_row(source, m, target, j):
    """target[j] = source[m]."""
    for c in range(source.shape[1]):
        target[j, c] = source[m, c]


@compiled
def run(model, loss, w, gamma, v, x, y, order, lr, rho, weight_decay):
    """Take one step for every entry of `order`, in place.

    theta <- theta - lr (grad L_i(theta + rho grad L_i / ||grad L_i||) +
    weight_decay theta), theta = (w, gamma, v); the statistics are those of the
    perturbed first layer. No ascent where the gradient is zero.

    Args:
        model: architecture.
        loss: whose `slope` gives the derivative of L_i in f(x_i).
        w: first layer, shape (inputs, width).
        gamma, v: scales and second layer, shape (width,).
        x: rows x', shape (n, inputs).
        y: labels, shape (n,).
        order: example of every step.
        lr, rho, weight_decay: scalars in the dtype of w.

    Returns:
        The number of steps done; less than len(order) if the slope of the loss is
        no longer finite.
    """
    dtype = v.dtype.type
    zero, one = dtype(0), dtype(1)
    num_inputs, width = w.shape
    n, num = y.size, dtype(y.size)
    padded = -(-num_inputs // LANES) * LANES
    rows = np.zeros((width, padded), w.dtype)
    rows[:, :num_inputs] = w.T
    xs = np.zeros((n, padded), w.dtype)
    xs[:, :num_inputs] = x
    h = np.empty((width, n), w.dtype)
    q = np.empty_like(rows)
    sigma = np.empty_like(v)
    xt = np.ascontiguousarray(xs.T)
    normalise(rows, xs, xt, h, sigma, q)

    # Of the k-th active unit: its index and its gradients.
    active = np.empty(width, np.int64)
    dw = np.empty_like(rows)
    dgamma, dv = np.empty_like(v), np.empty_like(v)
    # Of the k-th unit whose row has moved: its index among the active ones.
    source = np.empty(width, np.int64)
    rows_new = np.empty_like(rows)
    h_new = np.empty_like(h)
    q_new = np.empty_like(q)
    sigma_new = np.empty_like(v)

    decay = one - lr * weight_decay
    done = order.size
    for t in range(order.size):
        i = order[t]
        xi = xs[i]
        count = 0
        f, square = zero, zero
        for j in range(width):
            if not (h[j, i] <= zero or sigma[j] == zero):
                u = h[j, i] / sigma[j]
                a = gamma[j] * v[j] / sigma[j]
                active[count] = j
                dgamma[count] = v[j] * u
                dv[count] = gamma[j] * u
                f += gamma[j] * v[j] * u
                square += dgamma[count] ** 2 + dv[count] ** 2
                square += unit_gradient(a, u, sigma[j], num, xi, q, j, dw, count)
                count += 1
        rate = dtype(slope(loss, f, y[i]))
        if rho > zero and square > zero and rate != zero:
            ascent = np.copysign(rho / np.sqrt(square), rate)
            num_moved = 0
            for k in range(count):
                if moved(rows, active[k], dw, k, ascent, rows_new, num_moved):
                    source[num_moved] = k
                    num_moved += 1
            normalise(
                rows_new[:num_moved],
                xs,
                xt,
                h_new[:num_moved],
                sigma_new[:num_moved],
                q_new[:num_moved],
            )
            f = zero
            m = 0
            for k in range(count):
                j = active[k]
                has_moved = m < num_moved and source[m] == k
                if has_moved:
                    hij, s = h_new[m, i], sigma_new[m]
                else:
                    hij, s = h[j, i], sigma[j]
                gamma_up = gamma[j] + ascent * dgamma[k]
                v_up = v[j] + ascent * dv[k]
                if hij <= zero or s == zero:
                    hij, gamma_up, s = zero, zero, one
                u = hij / s
                a = gamma_up * v_up / s
                dgamma[k] = v_up * u
                dv[k] = gamma_up * u
                f += gamma_up * v_up * u
                if has_moved:
                    unit_gradient(a, u, s, num, xi, q_new, m, dw, k)
                    m += 1
                else:
                    unit_gradient(a, u, s, num, xi, q, j, dw, k)
            rate = dtype(slope(loss, f, y[i]))
        if not np.isfinite(rate):
            done = t
            break
        if decay != one:
            # Normalised activations do not see the scale of the first layer.
            rows *= decay
            h *= decay
            q *= decay
            sigma *= decay
            gamma *= decay
            v *= decay
        step = -lr * rate
        num_moved = 0
        for k in range(count):
            j = active[k]
            gamma[j] += step * dgamma[k]
            v[j] += step * dv[k]
            if moved(rows, j, dw, k, step, rows_new, num_moved):
                source[num_moved] = k
                num_moved += 1
        normalise(
            rows_new[:num_moved],
            xs,
            xt,
            h_new[:num_moved],
            sigma_new[:num_moved],
            q_new[:num_moved],
        )
        for m in range(num_moved):
            j = active[source[m]]
            copy_row(rows_new, m, rows, j)
            copy_row(h_new, m, h, j)
            copy_row(q_new, m, q, j)
            sigma[j] = sigma_new[m]
    w[:] = rows[:, :num_inputs].T
    return done
