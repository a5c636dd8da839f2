"""Trace of the dense Hessian of the loss, by autograd on the plain PyTorch net.

Independent of the engine's formulas: no closed form, no Lemma 4.1.
"""

import numpy as np
import torch

from tests.reference import Net


def dense_trace(
    architecture: str,
    w: np.ndarray,
    v: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    eps: float = 1e-4,
) -> float:
    """Tr Hess of (1/n) sum (f - y)^2 over all parameters, small networks only."""
    net = Net(architecture, x.shape[1], len(v), eps).set(w, v)
    inputs, labels = torch.as_tensor(x), torch.as_tensor(y)
    names = [name for name, _ in net.named_parameters()]

    def loss(*values: torch.Tensor) -> torch.Tensor:
        parameters = dict(zip(names, values, strict=True))
        f = torch.func.functional_call(net, parameters, (inputs,))
        return ((f - labels) ** 2).mean()

    values = tuple(p.detach() for p in net.parameters())
    blocks = torch.autograd.functional.hessian(loss, values)
    return sum(
        float(blocks[k][k].reshape(p.numel(), p.numel()).trace())
        for k, p in enumerate(values)
    )
