"""The convolutional networks of the minimum-sharpness report.

SimpleBatch, MiddleBatch and ComplexBatch: 4, 6 and 9 convolutions with ReLU, then two
linear layers (Bejan, Sanchez Ndoye & Vuckovic, figures 5-7). The report's text has no
widths. Here convolutions come in stages. Each stage has twice the channels of the one
before, and ends in a mean over squares of four pixels.
"""

from torch import nn

from flatminima.models.nets.parts import linear
from flatminima.models.nets.vision import convolution, normalisation

STAGES = {"simple": (2, 2), "middle": (2, 2, 2), "complex": (3, 3, 3)}
"""Convolutions of every stage, by name."""

HIDDEN = 4
"""Units between the linear layers, for each channel of the first convolution."""


def check(net: str, shape: tuple[int, ...]) -> None:
    """Refuse images that are too small.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    least = 2 ** len(STAGES[net])
    if len(shape) != 3 or min(shape[1:]) < least:
        raise ValueError(
            f"size = {shape[-1]}: must be at least {least} for net = {net!r}, which "
            f"halves it {len(STAGES[net])} times"
        )


def build(
    net: str, width: int, norm: str, shape: tuple[int, ...], classes: int
) -> nn.Sequential:
    """From images (n, channels, h, w) to outputs (n, classes); weights not drawn.

    Args:
        net: a name of `STAGES`.
        width: channels of the convolutions of the first stage.
        norm: "batch" or "group", before every activation of a convolution, or "none".
            Where there is one, a convolution has no bias.
        shape: of an image.
        classes: outputs.
    """
    channels, height, breadth = shape
    layers: list[nn.Module] = []
    for stage, count in enumerate(STAGES[net]):
        outputs = width * 2**stage
        for _ in range(count):
            layers += [
                convolution(channels, outputs, bias=norm == "none"),
                *normalisation(norm, outputs),
                nn.ReLU(),
            ]
            channels = outputs
        layers.append(nn.AvgPool2d(2))
        height, breadth = height // 2, breadth // 2
    hidden = HIDDEN * width
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        linear(channels * height * breadth, hidden),
        nn.ReLU(),
        linear(hidden, classes),
    )
