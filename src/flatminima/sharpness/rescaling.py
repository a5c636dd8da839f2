"""The layers of a sequential net that may be rescaled, batch norm folded in.

A layer is a linear or convolutional map with its bias. Between them stand maps that are
positively homogeneous, s(c z) = c s(z) for c > 0. Then multiplying layer l by alpha_l,
and its bias by alpha_1 ... alpha_l, multiplies the output by the product of all alpha:
where that is 1, the function is the same (Dinh et al. 2017, section 5.1, for two layers
without biases).
"""

import copy
from collections.abc import Sequence
from itertools import accumulate
from operator import mul

import numpy as np
import torch
from torch import Tensor, nn

from flatminima.models.nets.parts import Dropout

Layer = nn.Linear | nn.Conv1d | nn.Conv2d
LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d)
Norm = nn.BatchNorm1d | nn.BatchNorm2d

HOMOGENEOUS = (
    nn.ReLU,
    nn.LeakyReLU,
    nn.Identity,
    nn.Flatten,
    nn.Unflatten,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.AdaptiveMaxPool1d,
    nn.AdaptiveMaxPool2d,
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    Dropout,
)
"""Maps with s(c z) = c s(z), c > 0, in evaluation mode."""


def _parts(module: nn.Module) -> list[nn.Module]:
    if type(module) is nn.Sequential:  # one that inherits may compute anything
        return [part for child in module for part in _parts(child)]
    return [module]


def _fold(layer: Layer, norm: Norm) -> Layer:
    """The layer followed by batch norm in evaluation mode, as one layer."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("batch norm: must have running statistics to be folded")
    width = norm.num_features
    gain = torch.ones(width) if norm.weight is None else norm.weight.detach()
    shift = torch.zeros(width) if norm.bias is None else norm.bias.detach()
    gain = gain.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    folded = copy.deepcopy(layer).double()
    bias = torch.zeros(width) if layer.bias is None else layer.bias.detach().double()
    bias = (bias - norm.running_mean.double()) * gain + shift.double()
    columns = (-1,) + (1,) * (layer.weight.dim() - 1)
    folded.weight = nn.Parameter(folded.weight.detach() * gain.view(columns))
    folded.bias = nn.Parameter(bias)
    return folded


def folded(module: nn.Module) -> nn.Sequential:
    """The same function in evaluation mode, as a flat sequence without batch norm.

    Args:
        module: a sequence, possibly of sequences, of linear and convolutional layers,
            each followed by batch norm or not, and positively homogeneous maps.

    Returns:
        A copy in float64 and evaluation mode, whose parameters are the weights and
        biases of the layers, those that were frozen among them.

    Raises:
        ValueError: naming the part that is none of these, or is used twice.
    """
    parts: list[nn.Module] = []
    seen: set[int] = set()
    for place, part in enumerate(_parts(module)):
        if own := {id(parameter) for parameter in part.parameters()}:
            if own & seen:
                raise ValueError(
                    f"part {place}, {type(part).__name__}: has parameters that a part "
                    "before it has too, so that neither can be rescaled alone"
                )
            seen |= own
        if isinstance(part, Norm):
            if not parts or not isinstance(parts[-1], Layer):
                raise ValueError(
                    f"part {place}, {type(part).__name__}: batch norm must follow a "
                    "linear or convolutional layer to be folded into it"
                )
            parts[-1] = _fold(parts[-1], part)
        elif type(part) in (*LAYERS, *HOMOGENEOUS):
            parts.append(copy.deepcopy(part).double())
        else:
            raise ValueError(
                f"part {place}, {type(part).__name__}: must be a sequence, a linear "
                "or convolutional layer, batch norm after one, or a positively "
                f"homogeneous map: {', '.join(m.__name__ for m in HOMOGENEOUS)}"
            )
    net = nn.Sequential(*parts).eval().requires_grad_()
    if not layers(net):
        raise ValueError("module: has no linear or convolutional layer")
    return net


def layers(net: nn.Sequential) -> list[Layer]:
    """Linear and convolutional layers of a folded net, in their order."""
    return [part for part in net if isinstance(part, Layer)]


def rescale(
    net: nn.Sequential, alphas: Sequence[float] | np.ndarray | Tensor
) -> nn.Sequential:
    """Layer l times alpha_l, its bias times alpha_1 ... alpha_l: the output times all.

    Args:
        net: as `folded` makes it.
        alphas: one a layer, above 0; the function stays where their product is 1.

    Raises:
        ValueError: if there are not as many as layers, or one is not above 0.
    """
    net = copy.deepcopy(net)
    its_layers = layers(net)
    factors = [float(alpha) for alpha in alphas]
    if len(factors) != len(its_layers) or not all(alpha > 0 for alpha in factors):
        raise ValueError(
            f"alphas = {factors}: must be {len(its_layers)} numbers above 0"
        )
    with torch.no_grad():
        for layer, alpha, so_far in zip(
            its_layers, factors, accumulate(factors, mul), strict=True
        ):
            layer.weight *= alpha
            if layer.bias is not None:
                layer.bias *= so_far
    return net
