"""The Hessian in full, by automatic differentiation: slow, and a reference."""

from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from flatminima.models.losses import SQUARED, Loss
from flatminima.sharpness.objective import objective


def dense_trace(
    architecture: ModuleType,
    model: Any,
    w: Float[np.ndarray, "inputs width"],
    v: Float[np.ndarray, " width"],
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    loss: Loss = SQUARED,
) -> float:
    """Tr Hess L from the dense Hessian over (w, v), in float64.

    Memory and time grow with the square of the number of parameters.

    Args:
        architecture: module of the architecture, for its forward function.
        model: its constants.
        w, v: parameters.
        x, y: training set.
        loss: of one example.
    """
    import torch

    inputs = torch.as_tensor(architecture.inputs(model, x))
    labels = torch.as_tensor(y)

    def mean_loss(theta: torch.Tensor) -> torch.Tensor:
        first = theta[: w.size].reshape(w.shape)
        f = architecture.forward(model, first, theta[w.size :], inputs)
        return objective(loss, f, labels)

    theta = torch.as_tensor(np.concatenate([w.ravel(), v]))
    return float(torch.func.hessian(mean_loss)(theta).trace())
