"""Greedy low-rank learning: what gradient flow from an infinitely small start does.

Li, Luo and Lyu (2021), here for factors U and V: from M = 0, a column is added
along the top singular pair of the negative gradient of the loss in M, tiny, and descent
on all columns goes on to the next stationary point, until one interpolates. No start
has a scale here, and no norm is mentioned.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from flatminima.kernels import descent
from flatminima.models.matrix import Model

SEED_SCALE = 1e-5
"""Length of a new column, over the square root of the largest |y|."""

PIECE = 500
"""Steps between looks at the gradient."""

FLAT = 1e-6
"""Norm of the gradient, over its largest so far in the phase, that ends a phase."""


@dataclass(frozen=True)
class Greedy:
    """The end of the procedure.

    Attributes:
        matrix: U V^T.
        loss: half the mean of squared residuals.
        columns: how many were added.
    """

    matrix: Float[np.ndarray, "d d"]
    loss: float
    columns: int


def greedy(
    a: Float[np.ndarray, "n d d"],
    y: Float[np.ndarray, " n"],
    *,
    lr: float,
    phase_steps: int,
    stop_loss: float,
) -> Greedy:
    """Run the procedure.

    Args:
        a: measurements.
        y: their values.
        lr: of descent on half the mean of squared residuals.
        phase_steps: at most, for each column.
        stop_loss: at which it ends.
    """
    n, d, _ = a.shape
    rows = a.reshape(n, -1)
    factors = np.zeros((2, d, 0))
    small = SEED_SCALE * np.sqrt(np.abs(y).max())
    loss = float(np.mean(y**2) / 2)
    while loss > stop_loss and factors.shape[2] < d:
        residual = rows @ (factors[0] @ factors[1].T).ravel() - y
        left, _, right = np.linalg.svd(-np.tensordot(residual, a, 1) / n)
        new = small * np.array([left[:, 0], right[0]])[:, :, None]
        factors = np.concatenate([factors, new], axis=2)
        factors = _settle(factors, rows, y, lr, phase_steps, stop_loss)
        missed = rows @ (factors[0] @ factors[1].T).ravel() - y
        loss = float(np.mean(missed**2) / 2)
        if not np.isfinite(loss):
            break
    return Greedy(factors[0] @ factors[1].T, loss, factors.shape[2])


def _settle(
    factors: np.ndarray,
    rows: np.ndarray,
    y: np.ndarray,
    lr: float,
    steps: int,
    stop_loss: float,
) -> np.ndarray:
    """Descend until the gradient has risen from the saddle and fallen again."""
    _, d, width = factors.shape
    model, theta = Model(d, width), factors.ravel().copy()
    largest = 0.0
    for _ in range(0, steps, PIECE):
        _, stopped = descent.run(
            model,
            theta,
            rows,
            y,
            np.empty((PIECE, 0), dtype=np.uint64),
            np.empty((PIECE, 0)),
            len(y),
            0.5,
            lr,
            0.0,
            True,
            1,
            False,
            False,
            0.0,
            stop_loss,
            len(y),
            np.empty(model.scratch),
        )
        u, v = theta.reshape(2, d, width)
        residual = rows @ (u @ v.T).ravel() - y
        slope = np.tensordot(residual, rows.reshape(-1, d, d), 1) / len(y)
        size = float(np.hypot(np.linalg.norm(slope @ v), np.linalg.norm(slope.T @ u)))
        largest = max(largest, size)
        if stopped or not np.isfinite(size) or size <= FLAT * largest:
            break
    return theta.reshape(2, d, width)
