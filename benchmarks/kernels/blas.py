"""Blocks as in the engine, but both products by BLAS, eight steps a block."""

import numpy as np

from benchmarks.kernels.common import aligned, coefficient, compiled
from flatminima.kernels.serial import dot

WHY = "eight steps a pass, both products by BLAS; the update goes through memory"
BLOCK = 8


def work(num_inputs, width, n, active, itemsize):
    """(multiplications with additions, bytes read and written) a step."""
    weights = num_inputs * width
    pending = (BLOCK - 1) / 2 * width
    # w is read by the first product; the update is written, read and added to w
    return 2 * weights + pending, 5 * weights * itemsize / BLOCK


@compiled
def run(model, w, v, x, y, order, lr, rho):
    """Take one step for every entry of `order`, in place."""
    scratch = aligned(v, 3)
    u, z_up, v_up = scratch[0], scratch[1], scratch[2]
    z, g = aligned(v, BLOCK), aligned(v, BLOCK)
    update = np.empty_like(w)
    for start in range(0, order.size, BLOCK):
        block = order[start : start + BLOCK]
        rows = x[block]
        coef = np.zeros(block.size, v.dtype)
        np.dot(rows, w, z[: block.size])
        for q in range(block.size):
            zq = z[q]
            for p in range(q):
                gp, c = g[p], coef[p] * dot(rows[p], rows[q])
                for j in range(v.size):
                    zq[j] += c * gp[j]
            x_sq, label = dot(rows[q], rows[q]), y[block[q]]
            coef[q] = coefficient(
                model, zq, v, u, g[q], z_up, v_up, x_sq, label, lr, rho
            )
        for q in range(block.size):
            rows[q] *= coef[q]
        np.dot(rows.T, g[: block.size], update)
        w += update
