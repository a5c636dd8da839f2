"""Complexity of a torch network by the size of its weights and by its margins.

For a sequence of linear or convolutional layers and maps between them that act on every
unit alone or take means, such as `sharpness.rescaling.folded` makes. Definitions are
those of Jiang et al. 2020, "Fantastic generalization measures and where to find them".
"""

import copy
import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

QUANTILE = 0.1


def _layers(net: nn.Module) -> list[nn.Linear | nn.Conv2d]:
    return [part for part in net.modules() if isinstance(part, nn.Linear | nn.Conv2d)]


def squared_norm(net: nn.Module) -> float:
    """sum of theta_i^2 over all parameters."""
    return float(sum(p.detach().square().sum() for p in net.parameters()))


def log_frobenius_product(net: nn.Module) -> float:
    """sum over layers of ln ||W||_F^2."""
    return sum(math.log(float(p.weight.detach().square().sum())) for p in _layers(net))


def log_spectral_product(net: nn.Module) -> float:
    """sum over layers of ln ||W||_2^2, a kernel taken as a matrix of its outputs."""
    return sum(
        2 * math.log(float(torch.linalg.matrix_norm(p.weight.detach().flatten(1), 2)))
        for p in _layers(net)
    )


def path_norm(net: nn.Module, shape: tuple[int, ...]) -> float:
    """Sum over all paths from inputs and biases to outputs of their squared weights.

    It is the sum of the outputs of the network with squared parameters at an input of
    ones (Neyshabur, Tomioka & Srebro 2015), and no rescaling of layers changes it.

    Args:
        net: whose maps leave non-negative numbers as they are, or take means of them.
        shape: of an input.
    """
    squares = copy.deepcopy(net).double()
    with torch.no_grad():
        for parameter in squares.parameters():
            parameter.square_()
        return float(squares(torch.ones(1, *shape, dtype=torch.float64)).sum())


def margin(f: Float[Tensor, "n k"], y: Int[Tensor, " n"]) -> float:
    """The 10th percentile over examples of f_y - max_(c != y) f_c.

    Args:
        f: outputs.
        y: classes.
    """
    own = f.gather(1, y[:, None])[:, 0]
    others = f.scatter(1, y[:, None], -torch.inf).amax(dim=1)
    return float(torch.quantile(own - others, QUANTILE))
