"""As `active`, but units that cannot have woken up are not read either.

Let Delta be how far a unit's weights have moved since its pre-activations z0 were
computed for all examples. By Cauchy-Schwarz it sleeps on x' while z0 + ||Delta||
||x'|| < 0. ||Delta||^2 follows from the pre-activations at the unit's own updates. A
unit that moves further than it was allowed to has all lists made again.
"""

import numpy as np

from benchmarks.kernels.common import aligned, coefficient, compiled, unit_major
from flatminima.kernels.serial import squared_norm

WHY = "lists of the units that may be active on an example, certified by a bound"
EPOCHS = 8
"""Age that lists are meant to reach."""
SAFETY = 2
"""Allowed movement over the one that the last lists saw."""


def work(num_inputs, width, n, active, itemsize):
    """(multiplications with additions, bytes read and written) a step.

    The least that it could be: lists hold active units only and never age.
    """
    return 2 * num_inputs * active, 3 * num_inputs * active * itemsize


@compiled
def screen(units, rows, z0, allowed, slack, lists, counts):
    """List for every example the units that may become active on it."""
    np.dot(rows, units.T, z0)
    longest = units.dtype.type(0)
    for i in range(rows.shape[0]):
        longest = max(longest, np.sqrt(squared_norm(rows[i])))
    limit = np.empty_like(allowed)
    for j in range(limit.size):
        rounding = slack * np.sqrt(squared_norm(units[j]))
        limit[j] = -longest * (np.sqrt(allowed[j]) + rounding)
    for i in range(rows.shape[0]):
        count = 0
        for j in range(limit.size):
            lists[i, count] = j
            count += z0[i, j] > limit[j]
        counts[i] = count


@compiled
def run(model, w, v, x, y, order, lr, rho):
    """Take one step for every entry of `order`, in place."""
    n, width = y.size, v.size
    zero, two = v.dtype.type(0), v.dtype.type(2)
    scratch = aligned(v, 5)
    z, u, g, z_up, v_up = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    units, rows = unit_major(w), unit_major(x.T)
    size = units.shape[1]
    z0 = np.empty((n, width), v.dtype)
    lists, counts = np.empty((n, width + 1), np.uint32), np.empty(n, np.int64)
    moved = np.zeros(width, v.dtype)
    allowed = np.full(width, np.inf, v.dtype)
    slack = v.dtype.type(8 * EPOCHS * n * np.finfo(v.dtype).eps)
    screen(units, rows, z0, allowed, slack, lists, counts)
    last, life, stale = 0, n, False
    for t in range(order.size):
        if stale or t - last == life:
            life = EPOCHS * n
            factor = v.dtype.type((SAFETY * life / (t - last)) ** 2)
            floor = max(moved.mean(), zero)
            for j in range(width):
                allowed[j] = factor * max(moved[j], floor)
            moved[:] = zero
            screen(units, rows, z0, allowed, slack, lists, counts)
            last, stale = t, False
        i = order[t]
        xi, listed, count = rows[i], lists[i], counts[i]
        z[:] = -1
        for a in range(count):
            j = listed[a]
            total = zero
            for k in range(size):
                total += units[j, k] * xi[k]
            z[j] = total
        x_sq = squared_norm(xi)
        step = coefficient(model, z, v, u, g, z_up, v_up, x_sq, y[i], lr, rho)
        for a in range(count):
            j = listed[a]
            c = step * g[j]
            if c != 0:
                for k in range(size):
                    units[j, k] += c * xi[k]
                moved[j] += two * c * (z[j] - z0[i, j]) + c * c * x_sq
                stale |= moved[j] > allowed[j]
    w[:] = units[:, : w.shape[0]].T
