"""Diagonal of the Gauss-Newton matrix, exactly.

G = (1/n) sum_i J_i' A_i J_i, J_i the Jacobian of the outputs and A_i the Hessian of the
loss in them. With A_i = S_i S_i',

    G_pp = (1/n) sum_i sum_c (sum_o S_i[o, c] J_i[o, p])^2.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import grad, hessian, vmap

from flatminima.sharpness.landscape import Landscape

CHUNK = 32
"""Examples whose gradients are held together."""


def output_factors(at: Landscape) -> Float[Tensor, "n k k"]:
    """S_i with S_i S_i' the Hessian of the loss in the outputs of example i."""

    def one(f: Tensor, y: Tensor) -> Tensor:
        return at.criterion(f[None], y[None])[0]

    curvature = vmap(hessian(one))(at.outputs(), at.y)
    values, vectors = torch.linalg.eigh(curvature)
    return vectors * values.clamp(min=0).sqrt()[:, None, :]


def gauss_newton_diagonal(at: Landscape) -> Float[Tensor, " D"]:
    """d2/dtheta_p2 of the loss with the network linearised, for every parameter p.

    Where the outputs are linear in every single parameter, as in ReLU nets away from
    kinks, it is the diagonal of the Hessian. It takes one backward pass an output and
    example; `CHUNK` of them are held at a time.
    """
    factors = output_factors(at)

    def square(x: Tensor, factor: Tensor) -> Tensor:
        def weighed(theta: Tensor, column: Tensor) -> Tensor:
            return at.network(theta, x[None])[0] @ column

        columns = vmap(grad(weighed), in_dims=(None, 1))(at.theta, factor)
        return (columns**2).sum(dim=0)

    total = torch.zeros_like(at.theta)
    for x, factor in zip(at.x.split(CHUNK), factors.split(CHUNK), strict=True):
        total += vmap(square)(x, factor).sum(dim=0)
    return total / at.n
