"""Random small networks of positively homogeneous layers, their data, rescalings."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from flatminima.sharpness.landscape import Landscape, landscape


@dataclass(frozen=True)
class Case:
    """A network and its data."""

    net: nn.Sequential
    x: Tensor
    y: Tensor
    loss: str

    @property
    def at(self) -> Landscape:
        return landscape(self.net, self.x, self.y, self.loss)


def _labels(loss: str, n: int, k: int, g: torch.Generator) -> Tensor:
    if loss == "cross_entropy":
        return torch.randint(k, (n,), generator=g)
    return torch.randn(n, k, generator=g, dtype=torch.float64)


def build(
    seed: int,
    widths: Sequence[int],
    *,
    loss: str = "cross_entropy",
    bias: bool = True,
    norm: bool = False,
    n: int = 12,
) -> Case:
    """Linear layers with ReLU between them, torch's default start."""
    g = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        parts: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            parts += [nn.Linear(inputs, outputs, bias=bias).double()]
            if outputs != widths[-1] or len(parts) < len(widths):
                parts += [nn.BatchNorm1d(outputs).double()] if norm else []
            parts += [nn.ReLU()]
        parts = parts[:-1]
        if norm and isinstance(parts[-1], nn.BatchNorm1d):
            parts = parts[:-1]
    net = nn.Sequential(*parts)
    x = torch.randn(n, widths[0], generator=g, dtype=torch.float64)
    if norm:
        for _ in range(20):  # statistics that differ from those at the start
            net(x * 1.5 + 0.3)
    return Case(net.eval(), x, _labels(loss, n, widths[-1], g), loss)


def convolutional(seed: int, *, norm: bool = False) -> Case:
    """Two convolutions, pooling and a linear layer, on 6 x 6 images."""
    g = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        middle = [nn.BatchNorm2d(3).double()] if norm else []
        net = nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1).double(),
            *middle,
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(3, 4, 3).double(),
            nn.LeakyReLU(0.1),
            nn.Flatten(),
            nn.Linear(4, 3).double(),
        )
    x = torch.randn(10, 1, 6, 6, generator=g, dtype=torch.float64)
    if norm:
        for _ in range(20):
            net(x * 1.5 + 0.3)
    return Case(net.eval(), x, torch.randint(3, (10,), generator=g), "cross_entropy")


@st.composite
def cases(draw, *, norm: bool | None = None, bias: bool | None = None) -> Case:
    """One to three layers of one to five units."""
    depth = draw(st.integers(1, 3))
    widths = draw(st.lists(st.integers(1, 5), min_size=depth + 1, max_size=depth + 1))
    return build(
        draw(st.integers(0, 10**6)),
        widths,
        loss=draw(st.sampled_from(["cross_entropy", "squared"])),
        bias=draw(st.booleans()) if bias is None else bias,
        norm=draw(st.booleans()) if norm is None else norm,
    )


def rescale_units(net: nn.Sequential, seed: int) -> nn.Sequential:
    """Every hidden unit times a factor of its own, undone in the layer after it."""
    g = torch.Generator().manual_seed(seed)
    net = copy.deepcopy(net)
    layers = [part for part in net if isinstance(part, nn.Linear)]
    with torch.no_grad():
        for before, after in pairwise(layers):
            size = before.out_features
            factor = torch.exp(torch.randn(size, generator=g, dtype=torch.float64))
            before.weight *= factor[:, None]
            if before.bias is not None:
                before.bias *= factor
            after.weight /= factor
    return net


def permute_units(net: nn.Sequential, seed: int) -> nn.Sequential:
    """Hidden units in another order."""
    g = torch.Generator().manual_seed(seed)
    net = copy.deepcopy(net)
    layers = [part for part in net if isinstance(part, nn.Linear)]
    with torch.no_grad():
        for before, after in pairwise(layers):
            order = torch.randperm(before.out_features, generator=g)
            before.weight.copy_(before.weight[order].clone())
            if before.bias is not None:
                before.bias.copy_(before.bias[order].clone())
            after.weight.copy_(after.weight[:, order].clone())
    return net


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
