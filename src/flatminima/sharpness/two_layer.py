"""What a checkpoint of a two-layer network tells about its sharpness."""

from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from flatminima.models.losses import Loss
from flatminima.sharpness import columns as shared
from flatminima.sharpness.closed_form import Gradients, linearised, trace_hessian


def columns(
    architecture: ModuleType,
    model: Any,
    loss: Loss,
    params: tuple[np.ndarray, ...],
    inputs: Float[np.ndarray, "n inputs"],
    y: Float[np.ndarray, " n"],
    *,
    interpolates: bool,
) -> dict[str, float]:
    """Sharpness and shape of a two-layer network; see `columns.columns`.

    Args:
        architecture: module of the architecture.
        model: its constants.
        loss: of one example.
        params: (w, v).
        inputs: rows x'.
        y: labels.
        interpolates: whether they are near enough to be retracted.
    """
    input_sq = np.einsum("ij,ij->i", inputs, inputs)

    def trace(at: Gradients) -> float:
        return trace_hessian(architecture, model, at, y, loss)

    def bound(f: np.ndarray, curvature: np.ndarray) -> float:
        return architecture.lower_bound(model, input_sq, f, curvature)

    return shared.columns(
        linearised(model, inputs),
        trace,
        bound,
        lambda at: at.h,
        loss,
        params,
        y,
        interpolates=interpolates,
    )
