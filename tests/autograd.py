"""Derivatives over a tuple of arrays by torch, in float64."""

from collections.abc import Callable

import numpy as np
import torch


def _unflatten(theta: torch.Tensor, parameters) -> list[torch.Tensor]:
    parts = theta.split([p.size for p in parameters])
    return [part.reshape(p.shape) for part, p in zip(parts, parameters, strict=True)]


def flat(parameters) -> np.ndarray:
    """All entries, one array after the other."""
    return np.concatenate([np.ravel(p) for p in parameters])


def dense_hessian(loss: Callable, parameters) -> np.ndarray:
    """Hessian of a scalar function of the parameters, shape (P, P)."""
    theta = torch.as_tensor(flat(parameters))
    hessian = torch.func.hessian(lambda t: loss(*_unflatten(t, parameters)))(theta)
    return hessian.numpy()


def jacobian(outputs: Callable, parameters) -> np.ndarray:
    """Jacobian of outputs of shape (n,), shape (n, P)."""
    theta = torch.as_tensor(flat(parameters))
    rows = torch.func.jacrev(lambda t: outputs(*_unflatten(t, parameters)))(theta)
    return rows.numpy()


def train(
    forward, per_example, parameters, y, order, lr, rho, weight_decay, bias_rate=1.0
):
    """SGD or 1-SAM with batch size 1, theta flat, the gradient by autograd.

    Args:
        forward: from parameters to the outputs of all examples.
        per_example: from (f_i, y_i) to the loss of one example.
        parameters: where to start.
        y: labels.
        order: example of every step.
        lr, rho, weight_decay, bias_rate: as in the kernels.
    """
    theta = torch.as_tensor(flat(parameters))
    rates = [np.ones_like(p) for p in parameters]
    rates[0][-1] = bias_rate
    rates = torch.as_tensor(flat(rates))

    def gradient(at, i):
        at = at.clone().requires_grad_()
        f = forward(*_unflatten(at, parameters))[i]
        return torch.autograd.grad(per_example(f, float(y[i])), at)[0]

    for i in order:
        step = gradient(theta, i)
        norm = torch.linalg.vector_norm(step)
        if rho > 0 and norm > 0:
            step = gradient(theta + rho * step / norm, i)
        theta = theta - lr * (rates * step + weight_decay * theta)
    return [part.numpy() for part in _unflatten(theta, parameters)]


def squared(f: torch.Tensor, y: float) -> torch.Tensor:
    """(f - y)^2."""
    return (f - y) ** 2


def smoothed_logistic(f: torch.Tensor, y: float) -> torch.Tensor:
    """Logistic loss with a fifth of the label given to the other class."""
    softplus = torch.nn.functional.softplus
    return 0.8 * softplus(-y * f) + 0.2 * softplus(y * f)
