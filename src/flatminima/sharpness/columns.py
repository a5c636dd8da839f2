"""What a checkpoint tells about the sharpness and the shape of a network."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from flatminima.measures.memorisation import memorisation
from flatminima.models.losses import Loss
from flatminima.sharpness.gauss_newton import Parameters, retract


def columns(
    linearise: Callable[[Parameters], Any],
    trace: Callable[[Any], float],
    bound: Callable[[np.ndarray, np.ndarray], float],
    hidden: Callable[[Any], np.ndarray],
    loss: Loss,
    params: Parameters,
    y: Float[np.ndarray, " n"],
    *,
    interpolates: bool,
) -> dict[str, float]:
    """The columns of a family of networks, from the family's own formulas.

    Args:
        linearise: the network around given parameters, over its training set; see
            `gauss_newton.Linearised`.
        trace: Tr Hess L of a linearised network, exact.
        bound: certified lower bound on it, from outputs and the curvature of the
            loss at them.
        hidden: activations of a linearised network, shape (n, width), for
            Definition 2.2.
        loss: of one example.
        params: where the network stands.
        y: labels.
        interpolates: whether it is near enough to its targets to be retracted.

    Returns:
        trace (Tr Hess L); bound (certified lower bound at interpolation, NaN if none
        is known); bound_outputs (the same at the current outputs); retracted_trace,
        retracted_distance and retracted_loss (after retraction, NaN without; the
        loss is the mean squared distance to the targets, and the trace is NaN also
        if the retraction does not reach them); single_active and injective
        (Definition 2.2; a unit is active where its pre-activation is above 0).
    """
    targets = loss.target(y)
    at = linearise(params)
    one_hot = memorisation(hidden(at))
    row = {
        "trace": trace(at),
        "bound": bound(targets, loss.curvature(targets)),
        "bound_outputs": bound(at.f, loss.curvature(at.f)),
        "retracted_trace": np.nan,
        "retracted_distance": np.nan,
        "retracted_loss": np.nan,
        "single_active": one_hot.single,
        "injective": float(one_hot.injective),
    }
    if interpolates:
        flat = retract(linearise, params, targets)
        row["retracted_distance"] = flat.distance
        row["retracted_loss"] = flat.loss
        if flat.converged:
            row["retracted_trace"] = trace(linearise(flat.parameters))
    return row
