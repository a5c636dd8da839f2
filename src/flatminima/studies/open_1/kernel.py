"""Gradient descent on a product of square matrices under linear measurements."""

import numpy as np

from flatminima.kernels.compile import compiled


@compiled
def multiply(left: np.ndarray, right: np.ndarray, out: np.ndarray) -> None:
    """out = left @ right, for small square matrices."""
    d = len(left)
    for i in range(d):
        for j in range(d):
            out[i, j] = 0.0
        for k in range(d):
            for j in range(d):
                out[i, j] += left[i, k] * right[k, j]


@compiled
def descend(
    w: np.ndarray,
    a: np.ndarray,
    y: np.ndarray,
    lr: float,
    num_steps: int,
    stop_loss: float,
) -> float:
    """Train in place on (1/2n) sum_i (<A_i, W_1 ... W_L> - y_i)^2.

    Args:
        w: factors, shape (L, d, d).
        a: measurements, shape (n, d * d), row by row.
        y: their values, shape (n,).
        lr: learning rate.
        num_steps: updates at most.
        stop_loss: loss at which to stop.

    Returns:
        The loss at the end; one that is not below 1e6 stops too.
    """
    depth, d, _ = w.shape
    n = len(y)
    before = np.zeros((depth + 1, d, d))
    after = np.zeros((depth + 1, d, d))
    part = np.empty((d, d))
    step = np.empty((d, d))
    for i in range(d):
        before[0, i, i] = 1.0
        after[depth, i, i] = 1.0
    loss = np.inf
    for t in range(num_steps + 1):
        for k in range(depth):
            multiply(before[k], w[k], before[k + 1])
        left = np.dot(a, before[depth].copy().reshape(d * d)) - y
        loss = np.dot(left, left) / (2 * n)
        if t == num_steps or loss <= stop_loss or not loss < 1e6:
            break
        slope = (np.dot(left, a) / n).reshape(d, d)
        for k in range(depth - 1, 0, -1):
            multiply(w[k], after[k + 1], after[k])
        for k in range(depth):
            # the gradient in W_k is before^T slope after^T
            multiply(before[k].T, slope, part)
            multiply(part, after[k + 1].T, step)
            for i in range(d):
                for j in range(d):
                    w[k, i, j] -= lr * step[i, j]
    return loss
