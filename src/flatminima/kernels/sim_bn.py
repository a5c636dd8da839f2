"""SGD and SAM with batch size 1 for 2-MLP-Sim-BN, statistics over all examples.

With a_j = v_j gamma_j / sigma_j, u_ij = h_ij / sigma_j and q_j = X^T h_j,

    df_i/dw_j = 1[z_ij > 0] a_j (x_i - u_ij q_j / (n sigma_j)),
    df_i/dgamma_j = v_j u_ij,    df_i/dv_j = gamma_j u_ij,

so a unit that is inactive on example i has no gradient at all, although its
statistics count that example. sigma and q of every unit are kept, and a step treats
only the units that are active on its example: they are gathered into columns next
to each other, and the statistics of the perturbed and then of the updated ones are
computed, which takes a product with X and one with X^T for each.

In these products, columns of X are taken `GROUP` at a time. Few of the rows that a
group of columns makes are distinct where inputs take few values: 16 for inputs of
+-1, however many examples there are. So X w is a sum over groups of one number for
each distinct row, looked up, and X^T h adds up the h of equal rows before it
multiplies. That is two fifths of the work of a product of matrices. Where no two rows
are the same it is a quarter more than a product's.
"""

import numpy as np

from flatminima.kernels.compile import compiled
from flatminima.kernels.vectors import (
    add_inner,
    add_outer,
    add_square,
    copy,
    grid,
    lanes,
    load,
    load_tile,
    look_up,
    plus,
    rectified,
    store,
    store_tile,
    zero,
    zeros,
)
from flatminima.models.losses import slope

GROUP = 4
"""Columns of X that are treated together."""

COLUMNS = (0,) * GROUP
"""Height of a tile with a row for each of them."""


@compiled
def differs(part, row, start):
    """Whether a part is not what the row has from `start` on."""
    different = False
    for k in range(part.size):
        different |= part[k] != row[start + k]
    return different


@compiled
def distinct_rows(x):
    """The distinct rows of every group of columns.

    Args:
        x: shape (n, a multiple of `GROUP`).

    Returns:
        book: distinct rows of all groups as columns, shape (GROUP, their number).
        first: where those of a group begin, shape (groups + 1,).
        code: column of `book` that an example is in each group, shape (n, groups).
        members: for every group, the examples in the order of their codes; shape
            (groups, n).
        begin: where in a row of `members` the examples of a column of `book` begin.
        end: where they end.
    """
    n, groups = x.shape[0], x.shape[1] // GROUP
    book = np.empty((n * groups, GROUP), x.dtype)
    first = np.zeros(groups + 1, np.int64)
    code = np.empty((n, groups), np.int32)
    members = np.empty((groups, n), np.int32)
    begin, end = np.empty(n * groups, np.int64), np.empty(n * groups, np.int64)
    count = 0
    for s in range(groups):
        for i in range(n):
            c = first[s]
            while c < count and differs(book[c], x[i], s * GROUP):
                c += 1
            if c == count:
                for k in range(GROUP):
                    book[c, k] = x[i, s * GROUP + k]
                count += 1
            code[i, s] = c
        first[s + 1] = count
        place = 0
        for c in range(first[s], count):
            begin[c] = place
            for i in range(n):
                if code[i, s] == c:
                    members[s, place] = i
                    place += 1
            end[c] = place
    return np.ascontiguousarray(book[:count].T), first, code, members, begin, end


@compiled
def normalise(rows, count, w, i, table, h, active, sigma, q):
    """Statistics of the first `count` columns of w.

    Args:
        rows: from `distinct_rows` of x.
        count: number of units.
        w: first layer, of `vectors.grid`, as are all that follow.
        i: example.
        table, h: scratch of one row, a vector for each column of the book and for
            each example.
        active: filled with h_ij = relu(x_i . w_j) of the example, one row.
        sigma: filled with rms of h_j over all examples, one row.
        q: filled with X^T h.
    """
    book, first, code, members, begin, end = rows
    n, groups = code.shape
    size = lanes(w)
    for j in range(0, count, size):
        for s in range(groups):
            some = load_tile(COLUMNS, w, s * GROUP, j)
            for c in range(first[s], first[s + 1]):
                store(table, 0, c * size, add_inner(zero(w), book, 0, c, some))
        square = zero(w)
        for k in range(n):
            z = zero(w)
            for s in range(groups):
                z = plus(z, look_up(table, code, k, s))
            z = rectified(z)
            store(h, 0, k * size, z)
            square = add_square(square, z)
        store(active, 0, j, load(h, 0, i * size))
        store(sigma, 0, j, square)
        for s in range(groups):
            sums = zeros(COLUMNS, w)
            for c in range(first[s], first[s + 1]):
                equal = zero(w)
                for k in range(begin[c], end[c]):
                    equal = plus(equal, look_up(h, members, s, k))
                sums = add_outer(sums, book, 0, c, equal)
            store_tile(q, s * GROUP, j, sums)
    num = w.dtype.type(n)
    for k in range(count):
        sigma[0, k] = np.sqrt(sigma[0, k] / num)


@compiled
def project(w, xi, z):
    """z = w^T x_i."""
    for j in range(0, w.shape[1], lanes(w)):
        total = zeros((0,), w)
        for c in range(xi.shape[1]):
            total = add_outer(total, xi, 0, c, load(w, c, j))
        store_tile(z, 0, j, total)


@compiled
def gather(source, index, count, out):
    """Columns `index` of the source, next to each other."""
    for c in range(source.shape[0]):
        for k in range(count):
            out[c, k] = source[c, index[k]]


@compiled
def scatter(columns, index, count, out):
    """The reverse of `gather`."""
    for c in range(columns.shape[0]):
        for k in range(count):
            out[c, index[k]] = columns[c, k]


@compiled
def gradient(a, b, xi, q, count, dw):
    """dw_j = a_j x_i - b_j q_j for the first `count` units.

    Returns:
        Its squared norm.
    """
    total = a.dtype.type(0)
    for c in range(q.shape[0]):
        row, from_q, x = dw[c], q[c], xi[0, c]
        for k in range(count):
            entry = a[k] * x - b[k] * from_q[k]
            row[k] = entry
            total += entry * entry
    return total


@compiled
def move(w, decay, step, dw, count, out):
    """out = decay w + step dw for the first `count` units."""
    for c in range(w.shape[0]):
        old, direction, new = w[c], dw[c], out[c]
        for k in range(count):
            new[k] = decay * old[k] + step * direction[k]


@compiled
def run(model, loss, w, gamma, v, x, y, order, lr, rho, weight_decay, bias_rate):
    """Take one step for every entry of `order`, in place.

    theta <- theta - lr (P grad L_i(theta + rho grad L_i / ||grad L_i||) +
    weight_decay theta), theta = (w, gamma, v); the statistics are those of the
    perturbed first layer. No ascent where the gradient is zero. P multiplies the last
    row of w, the bias, by bias_rate.

    Args:
        model: architecture.
        loss: whose `slope` gives the derivative of L_i in f(x_i).
        w: first layer, shape (inputs, width).
        gamma, v: scales and second layer, shape (width,).
        x: rows x', shape (n, inputs).
        y: labels, shape (n,).
        order: example of every step.
        lr, rho, weight_decay, bias_rate: scalars in the dtype of w.

    Returns:
        The number of steps done; less than len(order) if the slope of the loss is
        no longer finite.
    """
    dtype = v.dtype.type
    nothing, one = dtype(0), dtype(1)
    num_inputs, width = w.shape
    n, num = y.size, dtype(y.size)
    padded = -(-num_inputs // GROUP) * GROUP
    xs = np.zeros((n, padded), w.dtype)
    copy(x, n, num_inputs, xs)
    distinct = distinct_rows(xs)
    table, h = grid(v, 1, distinct[0].shape[1] * lanes(v)), grid(v, 1, n * lanes(v))

    # of every unit
    first, q = grid(v, padded, width), grid(v, padded, width)
    copy(w, num_inputs, width, first)
    z, sigma = grid(v, 1, width), grid(v, 1, width)
    normalise(distinct, width, first, 0, table, h, z, sigma, q)
    # of the k-th unit that is active on the example
    index = np.empty(width + 1, np.int64)
    old, new = grid(v, padded, width), grid(v, padded, width)
    q_old, q_new, dw = (
        grid(v, padded, width),
        grid(v, padded, width),
        grid(v, padded, width),
    )
    hi, sigma_new = grid(v, 1, width), grid(v, 1, width)
    a, b = np.empty_like(v), np.empty_like(v)
    dgamma, dv = np.empty_like(v), np.empty_like(v)

    decay = one - lr * weight_decay
    done = order.size
    for t in range(order.size):
        i = order[t]
        xi = xs[i : i + 1]
        project(first, xi, z)
        count = 0
        for j in range(width):
            index[count] = j
            count += not (z[0, j] <= nothing or sigma[0, j] == nothing)
        gather(first, index, count, old)
        gather(q, index, count, q_old)
        f, square = nothing, nothing
        for k in range(count):
            j = index[k]
            s = sigma[0, j]
            u = z[0, j] / s
            a[k] = gamma[j] * v[j] / s
            b[k] = a[k] * u / (num * s)
            dgamma[k] = v[j] * u
            dv[k] = gamma[j] * u
            f += gamma[j] * v[j] * u
            square += dgamma[k] * dgamma[k] + dv[k] * dv[k]
        square += gradient(a, b, xi, q_old, count, dw)
        rate = dtype(slope(loss, f, y[i]))
        if rho > nothing and square > nothing and rate != nothing:
            ascent = np.copysign(rho / np.sqrt(square), rate)
            move(old, one, ascent, dw, count, new)
            normalise(distinct, count, new, i, table, h, hi, sigma_new, q_new)
            f = nothing
            for k in range(count):
                j = index[k]
                s, active = sigma_new[0, k], hi[0, k]
                gamma_up = gamma[j] + ascent * dgamma[k]
                v_up = v[j] + ascent * dv[k]
                if active <= nothing or s == nothing:
                    active, gamma_up, s = nothing, nothing, one
                u = active / s
                a[k] = gamma_up * v_up / s
                b[k] = a[k] * u / (num * s)
                dgamma[k] = v_up * u
                dv[k] = gamma_up * u
                f += gamma_up * v_up * u
            gradient(a, b, xi, q_new, count, dw)
            rate = dtype(slope(loss, f, y[i]))
        if not np.isfinite(rate):
            done = t
            break
        if decay != one:
            # Normalised activations do not see the scale of the first layer.
            first *= decay
            q *= decay
            sigma *= decay
            gamma *= decay
            v *= decay
        step = -lr * rate
        for k in range(count):
            j = index[k]
            gamma[j] += step * dgamma[k]
            v[j] += step * dv[k]
        if bias_rate != one:
            dw[num_inputs - 1] *= bias_rate
        move(old, decay, step, dw, count, new)
        normalise(distinct, count, new, i, table, h, hi, sigma_new, q_new)
        scatter(new, index, count, first)
        scatter(q_new, index, count, q)
        scatter(sigma_new, index, count, sigma)
    copy(first, num_inputs, width, w)
    return done
