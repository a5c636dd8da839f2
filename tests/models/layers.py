"""Networks written anew with torch's functions, fed the weights of a module in turn."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional


class Weights:
    """The parameters of a module in their order, each taken once."""

    def __init__(self, module: nn.Module):
        self.rest: Iterator[Tensor] = iter(module.parameters())

    def take(self, *shape: int) -> Tensor:
        """The next one, which has to have a shape."""
        found = next(self.rest)
        assert found.shape == shape
        return found

    def linear(self, x: Tensor, outputs: int) -> Tensor:
        """A linear layer with a bias."""
        weight = self.take(outputs, x.shape[-1])
        return functional.linear(x, weight, self.take(outputs))

    def convolution(
        self, x: Tensor, outputs: int, size: int = 3, stride: int = 1, bias: bool = True
    ) -> Tensor:
        """A convolution whose padding keeps the size at a stride of 1."""
        weight = self.take(outputs, x.shape[1], size, size)
        shift = self.take(outputs) if bias else None
        return functional.conv2d(x, weight, shift, stride, padding=size // 2)

    def norm(self, x: Tensor, name: str) -> Tensor:
        """Batch norm with the batch's statistics, or group norm of four groups."""
        if name == "none":
            return x
        scale, shift = self.take(x.shape[1]), self.take(x.shape[1])
        if name == "batch":
            return functional.batch_norm(x, None, None, scale, shift, training=True)
        return functional.group_norm(x, 4, scale, shift)

    def layer_norm(self, x: Tensor) -> Tensor:
        """Over the last axis."""
        size = x.shape[-1]
        return functional.layer_norm(x, (size,), self.take(size), self.take(size))

    def all_taken(self) -> bool:
        """Whether no parameter is left."""
        return next(self.rest, None) is None


def moved(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with all its parameters at random, in float64, none of them at 0."""
    rng, double = np.random.default_rng(seed), module.double()
    with torch.no_grad():
        for parameter in double.parameters():
            drawn = rng.normal(size=parameter.shape)
            fan_in = max(parameter[0].numel(), 1) if parameter.dim() > 1 else 1
            parameter.copy_(torch.from_numpy(drawn / fan_in**0.5))
    return double


def images(count: int, *shape: int, seed: int = 1) -> Tensor:
    """Inputs at random, in float64."""
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, *shape)))
