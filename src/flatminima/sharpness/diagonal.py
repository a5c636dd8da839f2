"""Diagonal of the Gauss-Newton matrix, exactly.

G = (1/n) sum_i J_i' H_i J_i, J_i the Jacobian of the outputs and H_i the Hessian of the
loss over them. With H_i = S_i diag(signs_i) S_i',

    G_pp = (1/n) sum_i sum_c sign_ic (J_i' s_ic)_p^2.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from flatminima.checks import at_least
from flatminima.sharpness.landscape import Landscape
from flatminima.sharpness.per_example import gradients
from flatminima.sharpness.products import output_factor, parts


def gauss_newton_diagonal(
    at: Landscape, *, examples: int | None = None
) -> Float[Tensor, " D"]:
    """d2/dtheta_p2 of the loss with the network linearised, for every parameter p.

    Where the outputs are linear in every single parameter, as in ReLU nets away from
    kinks, it is the diagonal of the Hessian. Only its sums over parameters are needed
    for a trace, and `gauss_newton_trace` has them without the gradients.

    Args:
        at: model, data and point.
        examples: whose gradients are held together; as many as fit in about 2^25
            numbers without it.

    Raises:
        ValueError: if an output depends on more than its own example.
    """
    if examples is None:
        examples = max(1, 2**25 // (at.size * at.outputs().shape[1]))
    at_least("examples", examples, 1)
    total = torch.zeros_like(at.theta)
    for part in parts(at, examples):
        factor, signs = output_factor(part.criterion, part.outputs(), part.y)
        rows = gradients(part, factor.transpose(1, 2))
        total += torch.einsum("ncp,nc->p", rows**2, signs)
    return total / at.n
