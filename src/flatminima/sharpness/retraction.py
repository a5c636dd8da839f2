"""Retraction onto the interpolation manifold.

A bound on the trace that is valid at interpolation says nothing about an
iterate with a remaining training loss. Gauss-Newton steps of least norm move
such an iterate to f = y, with y the outputs that minimise the loss, through the
n x n Gram matrix of the gradients.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float

from flatminima.sharpness.closed_form import per_example_gradients


@dataclass(frozen=True)
class Retraction:
    """An interpolating point near a given one.

    Attributes:
        w, v: parameters.
        distance: Euclidean distance moved, over all parameters.
        loss: mean squared distance of the outputs to y that is left.
        converged: whether that loss is at most the tolerance asked for.
    """

    w: Float[np.ndarray, "inputs width"]
    v: Float[np.ndarray, " width"]
    distance: float
    loss: float
    converged: bool


def retract(
    model: Any,
    w: Float[np.ndarray, "inputs width"],
    v: Float[np.ndarray, " width"],
    inputs: Float[np.ndarray, "n inputs"],
    y: Float[np.ndarray, " n"],
    *,
    tolerance: float = 1e-20,
    max_steps: int = 60,
) -> Retraction:
    """Move (w, v) to f = y by Gauss-Newton steps delta = -J^T (J J^T)^+ (f - y).

    A step that does not lower the loss is halved, at most ten times: near a
    kink of the activation the linear model is poor.

    Args:
        model: constants of the architecture.
        w, v: parameters to start from.
        inputs: rows x'.
        y: outputs to reach, the labels for the squared loss.
        tolerance: mean squared distance at which to stop.
        max_steps: number of Gauss-Newton steps at most.

    Returns:
        The point reached; `converged` says whether it interpolates.
    """
    w0, v0 = w, v
    gradients = per_example_gradients(model, w, v, inputs)
    residual = gradients.f - y
    loss = float(np.mean(residual**2))
    for _ in range(max_steps):
        if loss <= tolerance:
            break
        gram = gradients.u @ gradients.u.T
        gram += (gradients.g @ gradients.g.T) * (inputs @ inputs.T)
        coefficients = scipy.linalg.lstsq(gram, residual, cond=1e-13)[0]
        dv = coefficients @ gradients.u
        dw = inputs.T @ (coefficients[:, None] * gradients.g)
        for halvings in range(11):
            shrink = 0.5**halvings
            w_new, v_new = w - shrink * dw, v - shrink * dv
            candidate = per_example_gradients(model, w_new, v_new, inputs)
            new_loss = float(np.mean((candidate.f - y) ** 2))
            if new_loss < loss:
                break
        else:
            break
        w, v, gradients, loss = w_new, v_new, candidate, new_loss
        residual = gradients.f - y
    distance = float(np.sqrt(np.sum((w - w0) ** 2) + np.sum((v - v0) ** 2)))
    return Retraction(w, v, distance, loss, loss <= tolerance)
