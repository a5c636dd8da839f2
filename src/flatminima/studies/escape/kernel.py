"""Steps of SGD, label noise, a trace penalty and SAM on a tanh network, compiled."""

import numpy as np

from flatminima.kernels.compile import compiled


@compiled
def add_gradient(
    w: np.ndarray,
    v: np.ndarray,
    x: np.ndarray,
    lengths: np.ndarray,
    targets: np.ndarray,
    rows: np.ndarray,
    penalty: float,
    gw: np.ndarray,
    gv: np.ndarray,
) -> None:
    """Write the gradient of the batch loss plus penalty times its trace.

    The loss is (1/2b) sum (f - y)^2 over the batch, the trace (1/b) sum |grad f|^2.

    Args:
        w, v: first layer, shape (width, d), and second.
        x: inputs, one a row.
        lengths: |x_i|^2.
        targets: labels of the batch.
        rows: its examples.
        penalty: factor of the trace.
        gw, gv: what is written to.
    """
    width, d = w.shape
    size = rows.size
    h = np.empty(width)
    gw[:] = 0.0
    gv[:] = 0.0
    for k in range(size):
        i = rows[k]
        f = 0.0
        for j in range(width):
            t = 0.0
            for c in range(d):
                t += w[j, c] * x[i, c]
            h[j] = np.tanh(t)
            f += v[j] * h[j]
        left = (f - targets[k]) / size
        weight = 2.0 * penalty / size
        for j in range(width):
            slope = 1.0 - h[j] * h[j]
            gv[j] += left * h[j] + weight * lengths[i] * v[j] * slope * slope
            bend = 1.0 - 2.0 * lengths[i] * v[j] * v[j] * slope
            along = slope * (left * v[j] + weight * h[j] * bend)
            for c in range(d):
                gw[j, c] += along * x[i, c]


@compiled
def run(
    w: np.ndarray,
    v: np.ndarray,
    x: np.ndarray,
    lengths: np.ndarray,
    y: np.ndarray,
    batches: np.ndarray,
    signs: np.ndarray,
    lr: float,
    noise: float,
    penalty: float,
    rho: float,
) -> int:
    """Take steps in place; returns how many, fewer where the weights are lost.

    Args:
        w, v, x, lengths: as in `add_gradient`.
        y: labels, shape (n,).
        batches: examples of every step, shape (steps, b).
        signs: of the noise on their labels, of that shape.
        lr: learning rate.
        noise: by which labels are moved.
        penalty: factor of the trace.
        rho: radius of SAM's normalised ascent; 0 for none.
    """
    gw, gv = np.empty_like(w), np.empty_like(v)
    at_w, at_v = w.copy(), v.copy()
    targets = np.empty(batches.shape[1])
    for t in range(batches.shape[0]):
        rows = batches[t]
        for k in range(rows.size):
            targets[k] = y[rows[k]] + noise * signs[t, k]
        if rho > 0.0:
            add_gradient(w, v, x, lengths, targets, rows, 0.0, gw, gv)
            norm = np.sqrt(np.sum(gw * gw) + np.sum(gv * gv))
            climb = rho / norm if norm > 0.0 else 0.0
            at_w[:] = w + climb * gw
            at_v[:] = v + climb * gv
            add_gradient(at_w, at_v, x, lengths, targets, rows, penalty, gw, gv)
        else:
            add_gradient(w, v, x, lengths, targets, rows, penalty, gw, gv)
        w -= lr * gw
        v -= lr * gv
        if not np.isfinite(v.sum()):
            return t
    return batches.shape[0]
