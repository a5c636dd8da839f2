"""One pass over w a step: apply its update, project on the next example."""

from benchmarks.kernels.common import aligned, coefficient, compiled
from flatminima.kernels.serial import squared_norm

WHY = "one fused pass a step; reads and writes w for every example"


def work(num_inputs, width, n, active, itemsize):
    """(multiplications with additions, bytes read and written) a step."""
    return 2 * num_inputs * width, 2 * num_inputs * width * itemsize


@compiled
def update_and_project(w, z, g, x_old, x_new, step):
    """w <- w + step x_old g^T, then z <- x_new^T w; four rows at a time."""
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
            t0 = w0[j] + s0 * gj
            t1 = w1[j] + s1 * gj
            t2 = w2[j] + s2 * gj
            t3 = w3[j] + s3 * gj
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
            t = wi[j] + si * g[j]
            wi[j] = t
            z[j] += t * xi
        i += 1


@compiled
def run(model, w, v, x, y, order, lr, rho):
    """Take one step for every entry of `order`, in place."""
    z, g, u = aligned(v, 1)[0], aligned(v, 1)[0], aligned(v, 1)[0]
    z_up, v_up = aligned(v, 1)[0], aligned(v, 1)[0]
    first = x[order[0]]
    update_and_project(w, z, g, first, first, v.dtype.type(0))
    for t in range(order.size):
        xi, label = x[order[t]], y[order[t]]
        x_sq = squared_norm(xi)
        step = coefficient(model, z, v, u, g, z_up, v_up, x_sq, label, lr, rho)
        following = x[order[min(t + 1, order.size - 1)]]
        update_and_project(w, z, g, xi, following, step)
