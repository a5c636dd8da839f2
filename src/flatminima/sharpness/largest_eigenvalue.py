"""Largest eigenvalue of the Hessian of the training loss."""

from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, eigsh


def lambda_max(
    architecture: ModuleType,
    model: Any,
    w: Float[np.ndarray, "inputs width"],
    v: Float[np.ndarray, " width"],
    inputs: Float[np.ndarray, "n inputs"],
    y: Float[np.ndarray, " n"],
    *,
    tolerance: float = 1e-8,
) -> float:
    """lambda_max(Hess L) by Lanczos on Hessian-vector products, in float64.

    L = (1/n) sum (f_i - y_i)^2. The products are exact (autograd applied twice);
    the start vector is fixed, so the result is deterministic.

    Args:
        architecture: module of the architecture, for its forward function.
        model: its constants.
        w, v: parameters.
        inputs: rows x'.
        y: labels.
        tolerance: relative accuracy of the eigenvalue.

    Raises:
        scipy.sparse.linalg.ArpackNoConvergence: if Lanczos does not converge.
    """
    import torch

    theta = torch.as_tensor(np.concatenate([w.ravel(), v])).requires_grad_()
    x, labels = torch.as_tensor(inputs), torch.as_tensor(y)
    first = theta[: w.size].reshape(w.shape)
    f = architecture.forward(model, first, theta[w.size :], x)
    loss = ((f - labels) ** 2).mean()
    (gradient,) = torch.autograd.grad(loss, theta, create_graph=True)

    def hessian_product(p: np.ndarray) -> np.ndarray:
        direction = torch.as_tensor(p.ravel())
        (product,) = torch.autograd.grad(gradient, theta, direction, retain_graph=True)
        return product.numpy()

    size = theta.numel()
    operator = LinearOperator((size, size), matvec=hessian_product, dtype=np.float64)
    start = gradient.detach().numpy() + np.full(size, size**-0.5)
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
