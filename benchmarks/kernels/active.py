"""Unit-major weights: project on every unit, update active units only."""

from benchmarks.kernels.common import aligned, coefficient, compiled, unit_major
from flatminima.kernels.serial import squared_norm

WHY = "one row a unit; all rows are read, only those of active units written"


def work(num_inputs, width, n, active, itemsize):
    """(multiplications with additions, bytes read and written) a step."""
    rows = width + active
    return num_inputs * rows, num_inputs * (rows + active) * itemsize


@compiled
def run(model, w, v, x, y, order, lr, rho):
    """Take one step for every entry of `order`, in place."""
    scratch = aligned(v, 5)
    z, u, g, z_up, v_up = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    units, rows = unit_major(w), unit_major(x.T)
    size = units.shape[1]
    for t in range(order.size):
        i = order[t]
        xi = rows[i]
        for j in range(v.size):
            total = v.dtype.type(0)
            for k in range(size):
                total += units[j, k] * xi[k]
            z[j] = total
        x_sq = squared_norm(xi)
        step = coefficient(model, z, v, u, g, z_up, v_up, x_sq, y[i], lr, rho)
        for j in range(v.size):
            c = step * g[j]
            if c != 0:
                for k in range(size):
                    units[j, k] += c * xi[k]
    w[:] = units[:, : w.shape[0]].T
