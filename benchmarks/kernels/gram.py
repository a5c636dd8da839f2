"""Gram form: keep the pre-activations of all examples, never touch w.

A step adds coef g_j (X x'_i) to the pre-activations of unit j, so only active units
change. w is had at the end, from the sums of the coefficients.
"""

import numpy as np

from benchmarks.kernels.common import aligned, coefficient, compiled

WHY = "pre-activations of all n examples instead of w, active units only"


def work(num_inputs, width, n, active, itemsize):
    """(multiplications with additions, bytes read and written) a step."""
    # a column of width entries is gathered, one cache line each
    return n * active, 2 * n * active * itemsize + 64 * width


@compiled
def run(model, w, v, x, y, order, lr, rho):
    """Take one step for every entry of `order`, in place."""
    n, width = y.size, v.size
    scratch = aligned(v, 5)
    z, u, g, z_up, v_up = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    lanes = 64 // v.itemsize
    padded = np.zeros((-(-n // lanes) * lanes, x.shape[1]), v.dtype)
    padded[:n] = x
    gram = aligned(padded[:, 0].copy(), n)
    gram[:] = np.dot(x, padded.T)
    pre = aligned(padded[:, 0].copy(), width)
    pre[:] = np.dot(padded, w).T
    sums = np.zeros((n, width), v.dtype)
    for t in range(order.size):
        i = order[t]
        for j in range(width):
            z[j] = pre[j, i]
        step = coefficient(model, z, v, u, g, z_up, v_up, gram[i, i], y[i], lr, rho)
        for j in range(width):
            c = step * g[j]
            if c != 0:
                sums[i, j] += c
                for k in range(gram.shape[1]):
                    pre[j, k] += c * gram[i, k]
    w += np.dot(x.T, sums)
