"""SGD and SAM with batch size 1 for 2-MLP-Sim-BN, statistics over all examples.

With a_j = v_j gamma_j / sigma_j, u_ij = h_ij / sigma_j and q_j = X^T h_j,

    df_i/dw_j = 1[z_ij > 0] a_j (x_i - u_ij q_j / (n sigma_j)),
    df_i/dgamma_j = v_j u_ij,    df_i/dv_j = gamma_j u_ij,

so a unit that is inactive on example i has no gradient at all, although its
statistics count that example. sigma and q of every unit are kept, and a step treats
only the units that are active on its example: they are gathered into columns next
to each other, and the statistics of the perturbed and then of the updated ones are
computed, which takes a product with X and one with X^T for each. What is kept lies in
pieces, a few weights of a unit side by side: so a gather moves registers and not
numbers.

In these products, columns of X are taken `GROUP` at a time. Few of the rows that a
group of columns makes differ by more than their sign where inputs take few values:
8 for inputs of +-1, however many examples there are. So X w is a sum over groups of one
number for each such row or minus that, looked up, and X^T h adds up the h of equal rows
and takes away those of opposite ones before it multiplies. That is a third of the work
of a product of matrices. Where no two rows are the same it is a quarter more than a
product's.
"""

import numpy as np

from flatminima.kernels.compile import compiled
from flatminima.kernels.vectors import (
    add_inner,
    add_outer,
    add_product,
    add_square,
    copy,
    gather_block,
    grid,
    lanes,
    load,
    load_tile,
    look_up,
    minus,
    piece,
    plus,
    rectified,
    scatter_block,
    store,
    store_tile,
    times,
    zero,
    zeros,
)
from flatminima.models.losses import slope

GROUP = 4
"""Columns of X that are treated together."""

COLUMNS = (0,) * GROUP
"""Height of a tile with a row for each of them."""


@compiled
def is_multiple(part, sign, row, start):
    """Whether a part is `sign` times what the row has from `start` on."""
    same = True
    for k in range(part.size):
        same &= part[k] == sign * row[start + k]
    return same


@compiled
def distinct_rows(x, groups):
    """The rows of every group of columns that differ by more than their sign.

    Args:
        x: shape (n, columns).
        groups: how many groups; x has as many columns as they, or more.

    Returns:
        book: these rows of all groups as columns, shape (GROUP, their number).
        first: where those of a group begin, shape (groups + 1,).
        code: 2 c where an example has column c of `book` in a group, 2 c + 1 where it
            has minus that; shape (n, groups).
        members: for every group, the examples in the order of their codes; shape
            (groups, n).
        begin: where in a row of `members` the examples of a code begin.
        end: where they end.
    """
    n = len(x)
    book = np.empty((n * groups, GROUP), x.dtype)
    first = np.zeros(groups + 1, np.int64)
    code = np.empty((n, groups), np.int32)
    members = np.empty((groups, n), np.int32)
    begin, end = np.zeros(2 * n * groups, np.int64), np.zeros(2 * n * groups, np.int64)
    plus_one = x.dtype.type(1)
    count = 0
    for s in range(groups):
        for i in range(n):
            c, negative = first[s], False
            while c < count and not is_multiple(book[c], plus_one, x[i], s * GROUP):
                if is_multiple(book[c], -plus_one, x[i], s * GROUP):
                    negative = True
                    break
                c += 1
            if c == count:
                for k in range(GROUP):
                    book[c, k] = x[i, s * GROUP + k]
                count += 1
            code[i, s] = 2 * c + negative
        first[s + 1] = count
        place = 0
        for c in range(2 * first[s], 2 * count):
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
        table, h: scratch of one row, a vector for each code and for each example.
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
                product = add_inner(zero(w), book, 0, c, some)
                store(table, 0, 2 * c * size, product)
                if begin[2 * c + 1] < end[2 * c + 1]:
                    store(table, 0, (2 * c + 1) * size, minus(zero(w), product))
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
                for k in range(begin[2 * c], end[2 * c]):
                    equal = plus(equal, look_up(h, members, s, k))
                for k in range(begin[2 * c + 1], end[2 * c + 1]):
                    equal = minus(equal, look_up(h, members, s, k))
                sums = add_outer(sums, book, 0, c, equal)
            store_tile(q, s * GROUP, j, sums)
    num = w.dtype.type(n)
    for k in range(count):
        sigma[0, k] = np.sqrt(sigma[0, k] / num)


@compiled
def gather(source, index, count, out):
    """Columns `index` of a matrix in pieces, next to each other.

    Args:
        source: the matrix in pieces: entry (P s + r, j) of it is source[s, P j + r],
            with P = `vectors.piece`.
        index: columns, and at least P - 1 more that exist.
        count: number of columns.
        out: filled, of `vectors.grid`.
    """
    for s in range(len(source)):
        for k in range(0, count, piece(source)):
            gather_block(source, s, index, k, out)


@compiled
def scatter(columns, index, count, out):
    """The reverse of `gather`."""
    for s in range(len(out)):
        for k in range(0, count, piece(out)):
            scatter_block(columns, s, index, k, out)


@compiled
def project(w, xi, everyone, pattern, sums, parts, z):
    """z = w^T x_i.

    Args:
        w: in pieces, see `gather`.
        xi: the example, one row.
        everyone: the index of all columns of w, for `gather`.
        pattern: scratch, a vector for every row of w.
        sums: scratch of one row, as long as those of w.
        parts: scratch, a row for each of a piece.
        z: filled, one row.
    """
    size = lanes(w)
    for s in range(len(w)):
        for k in range(size):
            pattern[s, k] = xi[0, s * piece(w) + k % piece(w)]
    for j in range(0, w.shape[1], size):
        total = zero(w)
        for s in range(len(w)):
            total = add_product(total, load(w, s, j), load(pattern, s, 0))
        store(sums, 0, j, total)
    gather(sums, everyone, z.shape[1], parts)
    for j in range(0, z.shape[1], size):
        total = zero(w)
        for r in range(len(parts)):
            total = plus(total, load(parts, r, j))
        store(z, 0, j, total)


@compiled
def squared_norm(a, b, xi, q, count, sums):
    """Sum of squares of dw_j = a_j x_i + b_j q_j over the first `count` units.

    Args:
        a, b: one row, of `vectors.grid`; zero behind `count`.
        xi: the example, one row.
        q: of `vectors.grid`, no NaN behind `count`.
        count: number of units.
        sums: scratch, a vector.
    """
    total = zero(q)
    size = lanes(q)
    for j in range(0, count, size):
        of_x, of_q = load(a, 0, j), load(b, 0, j)
        for c in range(len(q)):
            entry = add_product(times(of_x, xi[0, c]), of_q, load(q, c, j))
            total = add_square(total, entry)
    store(sums, 0, 0, total)
    square = q.dtype.type(0)
    for k in range(size):
        square += sums[0, k]
    return square


@compiled
def move(old, decay, a, b, xi, steps, q, count, new):
    """new_jc = decay old_jc + steps_c (a_j x_ic + b_j q_jc), the first `count` units.

    Args:
        old: first layer, of `vectors.grid`, as a, b and q in `squared_norm`.
        decay: a number.
        a, b, xi, q, count: as there.
        steps: shape (inputs,).
        new: filled; may be q.
    """
    for j in range(0, count, lanes(old)):
        of_x, of_q = load(a, 0, j), load(b, 0, j)
        for c in range(len(old)):
            entry = add_product(times(of_x, xi[0, c]), of_q, load(q, c, j))
            rest = times(load(old, c, j), decay)
            store(new, c, j, plus(rest, times(entry, steps[c])))


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
    n, num, size = y.size, dtype(y.size), lanes(v)
    groups, pieces = -(-num_inputs // GROUP), -(-num_inputs // piece(v))
    padded = pieces * piece(v)
    xs = np.zeros((n, padded), w.dtype)
    copy(x, n, num_inputs, xs)
    distinct = distinct_rows(xs, groups)
    table = grid(v, 1, 2 * distinct[0].shape[1] * size)
    h = grid(v, 1, n * size)

    # of every unit, in pieces
    z, sigma = grid(v, 1, width), grid(v, 1, width)
    most = z.shape[1]
    length = piece(v) * (most + 1)
    first, q = grid(v, pieces, length), grid(v, pieces, length)
    pattern, sums, parts = (
        grid(v, pieces, size),
        grid(v, 1, length),
        grid(v, piece(v), most),
    )
    everyone = np.arange(most)
    # of the k-th unit that is active on the example; blocks are filled up with a unit
    # that is none
    nobody = most
    index = np.empty(most + piece(v), np.int64)
    old, new = grid(v, padded, width), grid(v, padded, width)
    q_old, q_new = grid(v, padded, width), grid(v, padded, width)
    hi, sigma_new = grid(v, 1, width), grid(v, 1, width)
    a, b, steps = grid(v, 1, width), grid(v, 1, width), np.empty(padded, v.dtype)
    dgamma, dv = np.empty_like(v), np.empty_like(v)

    copy(w, num_inputs, width, new)
    normalise(distinct, width, new, 0, table, h, hi, sigma, q_new)
    scatter(new, everyone, width, first)
    scatter(q_new, everyone, width, q)
    decay = one - lr * weight_decay
    done = order.size
    for t in range(order.size):
        i = order[t]
        xi = xs[i : i + 1]
        project(first, xi, everyone, pattern, sums, parts, z)
        count = 0
        for j in range(width):
            index[count] = j
            count += not (z[0, j] <= nothing or sigma[0, j] == nothing)
        for k in range(count, count + piece(v)):
            index[k] = nobody
        gather(first, index, count, old)
        gather(q, index, count, q_old)
        for k in range(count, min(count + size, a.shape[1])):
            a[0, k] = b[0, k] = nothing
        f, square = nothing, nothing
        for k in range(count):
            j = index[k]
            s = sigma[0, j]
            u = z[0, j] / s
            a[0, k] = gamma[j] * v[j] / s
            b[0, k] = -a[0, k] * u / (num * s)
            dgamma[k] = v[j] * u
            dv[k] = gamma[j] * u
            f += gamma[j] * v[j] * u
            square += dgamma[k] * dgamma[k] + dv[k] * dv[k]
        square += squared_norm(a, b, xi, q_old, count, pattern)
        rate = dtype(slope(loss, f, y[i]))
        q_at = q_old
        if rho > nothing and square > nothing and rate != nothing:
            ascent = np.copysign(rho / np.sqrt(square), rate)
            steps[:] = ascent
            move(old, one, a, b, xi, steps, q_old, count, new)
            normalise(distinct, count, new, i, table, h, hi, sigma_new, q_new)
            q_at = q_new
            f = nothing
            for k in range(count):
                j = index[k]
                s, active = sigma_new[0, k], hi[0, k]
                gamma_up = gamma[j] + ascent * dgamma[k]
                v_up = v[j] + ascent * dv[k]
                if active <= nothing or s == nothing:
                    active, gamma_up, s = nothing, nothing, one
                u = active / s
                a[0, k] = gamma_up * v_up / s
                b[0, k] = -a[0, k] * u / (num * s)
                dgamma[k] = v_up * u
                dv[k] = gamma_up * u
                f += gamma_up * v_up * u
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
        steps[:] = step
        steps[num_inputs - 1] *= bias_rate
        move(old, decay, a, b, xi, steps, q_at, count, new)
        normalise(distinct, count, new, i, table, h, hi, sigma_new, q_new)
        scatter(new, index, count, first)
        scatter(q_new, index, count, q)
        for k in range(count):
            sigma[0, index[k]] = sigma_new[0, k]
    gather(first, everyone, width, old)
    copy(old, num_inputs, width, w)
    return done
