"""Retraction onto the interpolation manifold for any tuple of parameters.

Needed is only a network's linearisation at a point: outputs, the n x n Gram
matrix J J^T of their gradients, and J^T c as a tuple like the parameters.
Nothing of the size (n, parameters) is formed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.linalg
from jaxtyping import Float

SINGULAR = 1e-13
"""Relative size below which a direction of the Gram matrix counts as null."""

Parameters = tuple[np.ndarray, ...]


class Linearised(Protocol):
    """A network around a point, over its training set."""

    @property
    def f(self) -> np.ndarray:
        """Outputs, shape (n,)."""

    def gram(self) -> np.ndarray:
        """grad f_i . grad f_k, shape (n, n)."""

    def pull_back(self, c: np.ndarray) -> Parameters:
        """sum_i c_i grad f_i, one array a parameter."""


@dataclass(frozen=True)
class Retracted:
    """An interpolating point near a given one.

    Attributes:
        parameters: the point.
        distance: Euclidean distance moved, over all parameters.
        loss: mean squared error that is left.
        converged: whether that loss is at most the tolerance asked for.
    """

    parameters: Parameters
    distance: float
    loss: float
    converged: bool


def least_norm(
    gram: Float[np.ndarray, "n n"], right: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """Least-norm solution of gram c = right, by Cholesky's factor where that is safe.

    Args:
        gram: symmetric, positive semidefinite.
        right: the right-hand side.
    """
    try:
        factor = scipy.linalg.cho_factor(gram, lower=True)
        pivots = np.diag(factor[0]) ** 2
        if pivots.min() > SINGULAR * pivots.max():
            return scipy.linalg.cho_solve(factor, right)
    except scipy.linalg.LinAlgError:
        pass
    return scipy.linalg.lstsq(gram, right, cond=SINGULAR)[0]


def retract(
    linearise: Callable[[Parameters], Linearised],
    parameters: Parameters,
    y: Float[np.ndarray, " n"],
    *,
    tolerance: float = 1e-20,
    max_steps: int = 60,
) -> Retracted:
    """Move to f = y by Gauss-Newton steps of least norm, -J^T (J J^T)^+ (f - y).

    A step that does not lower the loss is halved, at most ten times: near a kink
    of the activation the linear model is poor.

    Args:
        linearise: the network's linearisation at given parameters.
        parameters: where to start.
        y: labels.
        tolerance: mean squared error at which to stop.
        max_steps: number of Gauss-Newton steps at most.

    Returns:
        The point reached; `converged` says whether it interpolates.
    """
    start, at = parameters, linearise(parameters)
    loss = float(np.mean((at.f - y) ** 2))
    for _ in range(max_steps):
        if loss <= tolerance:
            break
        coefficients = least_norm(at.gram(), at.f - y)
        direction = at.pull_back(coefficients)
        for halvings in range(11):
            shrink = 0.5**halvings
            candidate = tuple(
                p - shrink * step for p, step in zip(parameters, direction, strict=True)
            )
            there = linearise(candidate)
            new_loss = float(np.mean((there.f - y) ** 2))
            if new_loss < loss:
                break
        else:
            break
        parameters, at, loss = candidate, there, new_loss
    square = sum(np.sum((a - b) ** 2) for a, b in zip(parameters, start, strict=True))
    return Retracted(parameters, float(np.sqrt(square)), loss, loss <= tolerance)
