"""A small residual network, a vision transformer and an MLP-Mixer, for small images.

The residual network has a convolution and three residual blocks of two (He et al.
2016). The other two cut an image into patches and see it as a row of tokens, with
blocks that normalise first: attention and a network over channels (Dosovitskiy et al.
2021), or networks over tokens and over channels (Tolstikhin et al. 2021). All take the
mean over places at the end.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from flatminima.models.nets.parts import GroupNorm, Residual, linear

GROUPS = 4
"""Groups of channels, for group norm."""

STAGES = 3
"""Residual blocks; each has twice the channels of the one before."""

TOKEN = 4
"""Numbers of a token, for each channel of `width`."""

DEPTH = 4
HEADS = 4
EXPANSION = 2
"""Hidden units of a block's network over channels, for each number of a token."""

PATCHES = (4, 2, 1)
LEAST = 4
"""Patches along an image's side at least."""


def normalisation(norm: str, channels: int) -> list[nn.Module]:
    """Batch norm, group norm, or none, as a list of layers."""
    if norm == "batch":
        return [nn.BatchNorm2d(channels)]
    return [GroupNorm(GROUPS, channels)] if norm == "group" else []


def convolution(
    inputs: int, outputs: int, size: int = 3, *, stride: int = 1, bias: bool = True
) -> nn.Conv2d:
    """A square convolution whose padding keeps the size; its weights are not drawn."""
    padding = size // 2
    return nn.utils.skip_init(
        nn.Conv2d, inputs, outputs, size, stride=stride, padding=padding, bias=bias
    )


class Shortcut(nn.Module):
    """side(x) + block(x)."""

    def __init__(self, block: nn.Module, side: nn.Module):
        super().__init__()
        self.block = block
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        return self.side(x) + self.block(x)


class Means(nn.Module):
    """The mean over pixels or tokens."""

    def __init__(self, over: tuple[int, ...]):
        super().__init__()
        self.over = over

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=self.over)


class Tokens(nn.Module):
    """Images (n, c, h, w) as rows of tokens (n, t, d), each with its place's own shift.

    The shifts start at 0.
    """

    def __init__(self, channels: int, dim: int, patch: int, count: int):
        super().__init__()
        self.patches = nn.utils.skip_init(nn.Conv2d, channels, dim, patch, stride=patch)
        self.places = nn.Parameter(torch.zeros(1, count, dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.patches(x).flatten(2).transpose(1, 2) + self.places


class Attention(nn.Module):
    """Softmax attention of several heads, of plain operations.

    torch's fused ones have no second derivative.
    """

    def __init__(self, dim: int, heads: int):
        super().__init__()
        self.heads = heads
        self.mixed = linear(dim, 3 * dim)
        self.out = linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.mixed(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        scores = query @ key.transpose(2, 3) / query.shape[-1] ** 0.5
        seen = scores.softmax(dim=3) @ value
        return self.out(seen.transpose(1, 2).flatten(2))


class OverTokens(nn.Module):
    """A network over tokens, the same for every channel."""

    def __init__(self, count: int, hidden: int):
        super().__init__()
        self.network = _two_layers(count, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.transpose(1, 2)).transpose(1, 2)


def patch(size: int) -> int:
    """Side of a patch: the largest of `PATCHES` that leaves `LEAST` a side.

    Raises:
        ValueError: if the image is smaller than that.
    """
    for side in PATCHES:
        if size % side == 0 and size // side >= LEAST:
            return side
    raise ValueError(f"size = {size}: must be at least {LEAST}")


def build_resnet(
    width: int, norm: str, shape: tuple[int, ...], classes: int
) -> nn.Sequential:
    """The residual network; weights not drawn."""
    bare = norm != "none"
    layers: list[nn.Module] = [
        convolution(shape[0], width, bias=not bare),
        *normalisation(norm, width),
        nn.ReLU(),
    ]
    channels = width
    for stage in range(STAGES):
        outputs, stride = width * 2**stage, 2 if stage else 1
        block = nn.Sequential(
            convolution(channels, outputs, stride=stride, bias=not bare),
            *normalisation(norm, outputs),
            nn.ReLU(),
            convolution(outputs, outputs, bias=not bare),
            *normalisation(norm, outputs),
        )
        side: nn.Module = nn.Identity()
        if stage:
            side = convolution(channels, outputs, 1, stride=stride, bias=False)
        layers += [Shortcut(block, side), nn.ReLU()]
        channels = outputs
    return nn.Sequential(*layers, Means((2, 3)), linear(channels, classes))


def build_of_tokens(
    kind: Literal["vit", "mixer"], width: int, shape: tuple[int, ...], classes: int
) -> nn.Sequential:
    """The transformer or the mixer; weights not drawn."""
    dim, side = TOKEN * width, patch(shape[-1])
    count = (shape[-1] // side) ** 2
    layers: list[nn.Module] = [Tokens(shape[0], dim, side, count)]
    for _ in range(DEPTH):
        mixing = Attention(dim, HEADS) if kind == "vit" else OverTokens(count, dim)
        for part in (mixing, _two_layers(dim, EXPANSION * dim)):
            layers.append(Residual(nn.Sequential(nn.LayerNorm(dim), part)))
    return nn.Sequential(*layers, nn.LayerNorm(dim), Means((1,)), linear(dim, classes))


def _two_layers(size: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(linear(size, hidden), nn.GELU(), linear(hidden, size))
