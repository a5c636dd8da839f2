"""What a checkpoint of a two-layer network tells about its sharpness."""

from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from flatminima.measures.memorisation import memorisation
from flatminima.models.losses import Logistic, Squared
from flatminima.sharpness.closed_form import per_example_gradients, trace_hessian
from flatminima.sharpness.retraction import retract


def columns(
    architecture: ModuleType,
    model: Any,
    loss: Squared | Logistic,
    params: tuple[np.ndarray, ...],
    inputs: Float[np.ndarray, "n inputs"],
    y: Float[np.ndarray, " n"],
    *,
    interpolates: bool,
) -> dict[str, float]:
    """Sharpness and shape of a two-layer network.

    Args:
        architecture: module of the architecture.
        model: its constants.
        loss: of one example.
        params: (w, v).
        inputs: rows x'.
        y: labels.
        interpolates: whether they are near enough to be retracted.

    Returns:
        trace (Tr Hess L); bound (certified lower bound at interpolation, NaN if none
        is known); bound_outputs (the same at the current outputs); retracted_trace,
        retracted_distance and retracted_loss (after retraction, NaN without; the
        loss is the mean squared distance to the targets, and the trace is NaN also
        if the retraction does not reach them); single_active and injective
        (Definition 2.2; a unit is active where its pre-activation is above 0).
    """
    w, v = params
    targets = loss.target(y)
    gradients = per_example_gradients(model, w, v, inputs)
    one_hot = memorisation(gradients.h)

    def bound(f: Float[np.ndarray, " n"]) -> float:
        curvature = loss.curvature(f)
        return architecture.lower_bound(model, gradients.input_sq, f, curvature)

    row = {
        "trace": trace_hessian(architecture, model, gradients, y, loss),
        "bound": bound(targets),
        "bound_outputs": bound(gradients.f),
        "retracted_trace": np.nan,
        "retracted_distance": np.nan,
        "retracted_loss": np.nan,
        "single_active": one_hot.single,
        "injective": float(one_hot.injective),
    }
    if interpolates:
        flat = retract(model, w, v, inputs, targets)
        row["retracted_distance"] = flat.distance
        row["retracted_loss"] = flat.loss
        if flat.converged:
            at_flat = per_example_gradients(model, flat.w, flat.v, inputs)
            row["retracted_trace"] = trace_hessian(
                architecture, model, at_flat, y, loss
            )
    return row
