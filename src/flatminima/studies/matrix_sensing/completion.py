"""Completion of a matrix of two rows, where the nuclear norm grows without bound.

Razin and Cohen (2020): of a 2 x 2 matrix the entries off the diagonal are
1 and one on it is 0. The last one, w, is free. Every solution has determinant -1, so
the least nuclear norm is 2, at w = 0. But the flow of balanced factors keeps the sign
of the determinant. Where it is positive, w times the other diagonal entry exceeds the
product of the two ones, and as the loss goes to 0, w goes to infinity.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.kernels import descent
from flatminima.models.matrix import Model

OBSERVED = ((0, 1), (1, 0), (1, 1))
VALUES = np.array([1.0, 1.0, 0.0])
LEAST = 2.0
"""The least nuclear norm of a solution."""


def measured() -> Float[np.ndarray, "3 4"]:
    """The measurements: single entries, flat."""
    rows = np.zeros((3, 2, 2))
    for k, (i, j) in enumerate(OBSERVED):
        rows[k, i, j] = 1.0
    return rows.reshape(3, 4)


def balanced(
    alpha: float, angle: float, sign: int
) -> tuple[Float[np.ndarray, "2 2"], Float[np.ndarray, "2 2"]]:
    """U and V with U^T U = V^T V = alpha^2 I and det(U V^T) of a given sign.

    Args:
        alpha: scale.
        angle: of the rotation that V is, or of the reflection.
        sign: 1 or -1.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])
    return alpha * np.eye(2), alpha * turn @ np.diag([1.0, float(sign)])


def floor(loss: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
    """What the nuclear norm cannot be below, at a loss and a positive determinant.

    The loss is half the sum of the squared residuals, e^2 / 2. The observed diagonal
    entry is at most e and the product of the others at least (1 - e)^2, so the free
    entry is at least (1 - e)^2 / e, and no entry exceeds the nuclear norm.

    Args:
        loss: below 1/2; 0 comes back elsewhere.
    """
    error = np.sqrt(2 * loss)
    with np.errstate(divide="ignore"):
        return np.where(error < 1, (1 - error) ** 2 / error, 0.0)


def paths(
    seeds: Sequence[int], *, alpha: float, lr: float, num_steps: int, points: int = 24
) -> pd.DataFrame:
    """Gradient descent from balanced starts of both signs of the determinant.

    Args:
        seeds: draw the angle between the factors, up to a right one to either side.
        alpha: scale of the start.
        lr: on half the sum of squared residuals.
        num_steps: updates.
        points: at which a path is seen, evenly in the logarithm of the step.

    Returns:
        A row a point: seed, sign, step, loss, nuclear (norm), free (entry) and
        determinant. A path ends where it is no longer finite.
    """
    steps = np.unique(np.geomspace(1, num_steps, points).astype(int))
    rows = []
    for seed in seeds:
        angle = np.random.default_rng([seed, 13]).uniform(-1.0, 1.0)
        for sign in (1, -1):
            start = balanced(alpha, angle, sign)
            theta, done = np.concatenate([f.ravel() for f in start]), 0
            for step in steps:
                _run(theta, lr, int(step) - done)
                done = int(step)
                if not np.isfinite(theta).all():
                    break
                rows.append({"seed": seed, "sign": sign, "step": done, **_look(theta)})
    return pd.DataFrame(rows)


def _run(theta: np.ndarray, lr: float, steps: int) -> None:
    model = Model(2, 2)
    descent.run(
        model,
        theta,
        measured(),
        VALUES,
        np.empty((steps, 0), dtype=np.uint64),
        np.empty((steps, 0)),
        len(VALUES),
        len(VALUES) / 2,
        lr,
        0.0,
        True,
        1,
        False,
        False,
        0.0,
        -1.0,
        len(VALUES),
        np.empty(model.scratch),
    )


def _look(theta: np.ndarray) -> dict[str, float]:
    u, v = theta.reshape(2, 2, 2)
    matrix = u @ v.T
    residual = measured() @ matrix.ravel() - VALUES
    return {
        "loss": float(residual @ residual / 2),
        "nuclear": float(np.linalg.norm(matrix, "nuc")),
        "free": float(matrix[0, 0]),
        "determinant": float(np.linalg.det(matrix)),
    }


def shortfall(table: pd.DataFrame) -> Float[np.ndarray, " rows"]:
    """By how much the norm is below its floor, where the determinant is positive."""
    rows = table[table["determinant"] > 0]
    below = floor(rows["loss"].to_numpy()) - rows["nuclear"].to_numpy()
    return np.maximum(below, 0.0) if len(below) else np.array([np.inf])


def last(table: pd.DataFrame, sign: int, column: str) -> Float[np.ndarray, " seeds"]:
    """A column at the ends of the paths from one sign."""
    rows = table[table["sign"] == sign].groupby("seed").tail(1)
    return rows[column].to_numpy()
