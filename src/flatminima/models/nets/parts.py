"""What networks are made of, and how their weights are drawn."""

import math

import numpy as np
import torch
from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
    "gelu": nn.GELU,
}
"""By name; all are elementwise."""

GAINS = {"relu": 2.0, "tanh": 1.0, "softplus": 2.0, "gelu": 2.0}
"""Variance of a hidden weight times its fan-in (He et al. 2015 for ReLU)."""


class Residual(nn.Module):
    """x + block(x)."""

    def __init__(self, block: nn.Module):
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class Dropout(nn.Module):
    """Dropout whose masks come from a generator of its own; off in evaluation mode.

    Attributes:
        rate: share of the activations that are set to 0; the others are scaled up.
        generator: draws the masks; torch's own, where nothing is set.
    """

    def __init__(self, rate: float):
        super().__init__()
        self.rate = rate
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        keep = 1 - self.rate
        mask = torch.empty_like(x).bernoulli_(keep, generator=self.generator)
        return x * mask.div_(keep)


class GroupNorm(nn.Module):
    """Group norm (Wu & He 2018), of plain operations.

    torch's own fails where many products with a Hessian are vectorised.

    Attributes:
        groups: of channels, each normalised over its channels and pixels.
    """

    EPS = 1e-5

    def __init__(self, groups: int, channels: int):
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        grouped = x.unflatten(1, (self.groups, -1))
        within = tuple(range(2, grouped.dim()))
        centred = grouped - grouped.mean(dim=within, keepdim=True)
        variance = centred.square().mean(dim=within, keepdim=True)
        normal = (centred * (variance + self.EPS).rsqrt()).flatten(1, 2)
        each = (-1, *[1] * (x.dim() - 2))
        return normal * self.weight.view(each) + self.bias.view(each)


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer whose weights are not drawn."""
    return nn.utils.skip_init(nn.Linear, inputs, outputs)


def convolution(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size; its weights are not drawn."""
    return nn.utils.skip_init(nn.Conv2d, inputs, outputs, 3, padding=1)


def initialise(module: nn.Module, activation: str, rng: np.random.Generator) -> None:
    """Draw the weights of linear layers and convolutions, in their order.

    w ~ N(0, gain / fan-in), the gain of `GAINS` for hidden layers and 1 for the last;
    biases start at 0. Normalisations start at scale 1 and shift 0.

    Args:
        module: with layers from `linear` and `convolution`; changed in place.
        activation: a name of `ACTIVATIONS`.
        rng: draws in float64, whatever the module's precision.
    """
    layers = [m for m in module.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    with torch.no_grad():
        for layer in layers:
            gain = 1.0 if layer is layers[-1] else GAINS[activation]
            shape = tuple(layer.weight.shape)
            std = math.sqrt(gain / math.prod(shape[1:]))
            layer.weight.copy_(torch.from_numpy(std * rng.normal(size=shape)))
            if layer.bias is not None:
                layer.bias.zero_()
