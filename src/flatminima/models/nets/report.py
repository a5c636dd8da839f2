"""The convolutional networks of the minimum-sharpness report.

SimpleBatch, MiddleBatch and ComplexBatch: 4, 6 and 9 convolutions with ReLU, then two
linear layers (Bejan, Sanchez Ndoye & Vuckovic, figures 5-7). The report's text has no
widths. Here convolutions come in stages. Each stage has twice the channels of the one
before, and ends in a mean over squares of four pixels.
"""

from typing import NamedTuple

from torch import nn

from flatminima.models.nets.parts import linear

FLAT = False
STAGES = {"simple": (2, 2), "middle": (2, 2, 2), "complex": (3, 3, 3)}
"""Convolutions of every stage, by name."""

HIDDEN = 4
"""Units between the linear layers, for each channel of the first convolution."""


class Constants(NamedTuple):
    """Constants of a network of the report.

    Attributes:
        net: a name of `STAGES`.
        width: channels of the convolutions of the first stage.
        norm: "batch", before every activation of a convolution, or "none". Where batch
            norm follows, a convolution has no bias: the mean would take it away.
    """

    net: str
    width: int
    norm: str


def check(constants: Constants, shape: tuple[int, ...]) -> None:
    """Refuse what cannot be built.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    if constants.net not in STAGES:
        raise ValueError(f"net = {constants.net!r}: must be one of {sorted(STAGES)}")
    least = 2 ** len(STAGES[constants.net])
    if len(shape) != 3 or min(shape[1:]) < least:
        raise ValueError(
            f"size = {shape[-1]}: must be at least {least} for net = "
            f"{constants.net!r}, which halves it {len(STAGES[constants.net])} times"
        )


def build(constants: Constants, shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """From images (n, channels, h, w) to outputs (n, classes); weights not drawn."""
    channels, height, breadth = shape
    layers: list[nn.Module] = []
    for stage, count in enumerate(STAGES[constants.net]):
        width = constants.width * 2**stage
        for _ in range(count):
            layers += _convolution(channels, width, constants.norm)
            channels = width
        layers.append(nn.AvgPool2d(2))
        height, breadth = height // 2, breadth // 2
    hidden = HIDDEN * constants.width
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        linear(channels * height * breadth, hidden),
        nn.ReLU(),
        linear(hidden, classes),
    )


def _convolution(inputs: int, outputs: int, norm: str) -> list[nn.Module]:
    """A 3x3 convolution that keeps the size, batch norm or none, and ReLU."""
    bare = norm == "batch"
    conv = nn.utils.skip_init(nn.Conv2d, inputs, outputs, 3, padding=1, bias=not bare)
    return [conv, *([nn.BatchNorm2d(outputs)] if bare else []), nn.ReLU()]
