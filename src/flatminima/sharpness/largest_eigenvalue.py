"""Largest eigenvalue of the Hessian of the training loss."""

from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, eigsh

from flatminima.models.losses import SQUARED, Logistic, Squared
from flatminima.sharpness.objective import objective


def lambda_max(
    architecture: ModuleType,
    model: Any,
    params: tuple[Float[np.ndarray, "..."], ...],
    inputs: Float[np.ndarray, "n inputs"],
    y: Float[np.ndarray, " n"],
    loss: Squared | Logistic = SQUARED,
    *,
    tolerance: float = 1e-8,
) -> float:
    """lambda_max(Hess L) by Lanczos on Hessian-vector products, in float64.

    L = (1/n) sum l(f_i, y_i). The products are exact (autograd applied twice); the
    start vector is fixed, so the result is deterministic. Where no unit is active,
    the Hessian and its eigenvalue are 0.

    Args:
        architecture: module of the architecture, for its forward function.
        model: its constants.
        params: what the forward function takes between model and inputs.
        inputs: rows x'.
        y: labels.
        loss: of one example.
        tolerance: relative accuracy of the eigenvalue.

    Raises:
        scipy.sparse.linalg.ArpackNoConvergence: if Lanczos does not converge.
    """
    import torch

    flat = np.concatenate([p.ravel() for p in params])
    theta = torch.as_tensor(flat).requires_grad_()
    parts = theta.split([p.size for p in params])
    layers = [part.reshape(p.shape) for part, p in zip(parts, params, strict=True)]
    f = architecture.forward(model, *layers, torch.as_tensor(inputs))
    mean_loss = objective(loss, f, torch.as_tensor(y))
    (gradient,) = torch.autograd.grad(mean_loss, theta, create_graph=True)

    def hessian_product(p: np.ndarray) -> np.ndarray:
        direction = torch.as_tensor(p.ravel())
        (product,) = torch.autograd.grad(gradient, theta, direction, retain_graph=True)
        return product.numpy()

    size = theta.numel()
    operator = LinearOperator((size, size), matvec=hessian_product, dtype=np.float64)
    start = gradient.detach().numpy() + np.full(size, size**-0.5)
    if not hessian_product(start).any():
        start = np.random.default_rng(0).normal(size=size)
        if not hessian_product(start).any():  # a generic vector: the Hessian is 0
            return 0.0
    return float(
        eigsh(
            operator,
            k=1,
            which="LA",
            v0=start,
            tol=tolerance,
            return_eigenvectors=False,
        )[0]
    )
