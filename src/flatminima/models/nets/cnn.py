"""Small convolutional networks for small images."""

from typing import NamedTuple

from torch import nn

from flatminima.models.nets.parts import (
    ACTIVATIONS,
    Dropout,
    GroupNorm,
    Residual,
    convolution,
    linear,
)

FLAT = False
REUSE = 16
GROUPS = 4
"""Groups of channels, for group norm."""


class Constants(NamedTuple):
    """Constants of a CNN.

    Attributes:
        depth: layers of weights, at least 2: depth - 1 convolutions, 3x3 with
            padding, and a linear layer. Images are averaged over squares of four
            pixels after the first convolution.
        width: channels of every convolution.
        activation: a name of `parts.ACTIVATIONS`.
        norm: "none", "batch" or "group", before the activation.
        skip: whether convolutions from the second on are added to their input.
        dropout: rate after every activation.
    """

    depth: int
    width: int
    activation: str
    norm: str
    skip: bool
    dropout: float


def check(constants: Constants, shape: tuple[int, ...]) -> None:
    """Refuse what cannot be built, or what would change nothing.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    if len(shape) != 3:
        raise ValueError(f"net = 'cnn': must have images, not inputs of shape {shape}")
    if constants.depth < 2:
        raise ValueError(f"depth = {constants.depth}: must be >= 2 for net = 'cnn'")
    if constants.norm == "group" and constants.width % GROUPS:
        raise ValueError(
            f"width = {constants.width}: must be a multiple of {GROUPS} for norm = "
            "'group'"
        )
    if constants.skip and constants.depth < 3:
        raise ValueError(
            f"skip = True with depth = {constants.depth}: must have depth >= 3, since "
            "the first and the last layer are not skipped"
        )


def build(constants: Constants, shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """From images (n, channels, h, w) to outputs (n, classes); weights not drawn."""
    channels, height, breadth = shape
    width = constants.width
    layers: list[nn.Module] = []
    for number in range(constants.depth - 1):
        layer: list[nn.Module] = [convolution(width if number else channels, width)]
        if constants.norm == "batch":
            layer.append(nn.BatchNorm2d(width))
        if constants.norm == "group":
            layer.append(GroupNorm(GROUPS, width))
        layer.append(ACTIVATIONS[constants.activation]())
        if constants.dropout > 0:
            layer.append(Dropout(constants.dropout))
        if number == 0:
            layer.append(nn.AvgPool2d(2))
        if constants.skip and number > 0:
            layer = [Residual(nn.Sequential(*layer))]
        layers += layer
    pixels = (height // 2) * (breadth // 2)
    return nn.Sequential(*layers, nn.Flatten(), linear(width * pixels, classes))
