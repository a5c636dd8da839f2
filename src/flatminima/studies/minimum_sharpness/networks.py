"""The three networks, drawn from the modules themselves."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import nn

from flatminima.plots.style import WIDTH
from flatminima.runs.images.config import ImageConfig
from flatminima.runs.images.problem import bare
from flatminima.studies.minimum_sharpness.plots import COLOURS, NET_NAMES

SHORT = {
    nn.BatchNorm2d: "batch norm",
    nn.ReLU: "ReLU",
    nn.AvgPool2d: "mean",
    nn.Flatten: "flatten",
}
SHADES = {nn.Conv2d: COLOURS[0], nn.Linear: COLOURS[1]}
"""By the kind of a layer with weights; the others are grey."""


@dataclass(frozen=True)
class Block:
    """A layer with weights and what follows it element by element, or another map.

    Attributes:
        words: what it does.
        shape: of what it writes for one image.
        kind: of its first module.
        parameters: how many numbers it has.
    """

    words: str
    shape: tuple[int, ...]
    kind: type[nn.Module]
    parameters: int


def blocks(net: nn.Sequential, shape: tuple[int, ...]) -> list[Block]:
    """The blocks of a network from inputs to outputs.

    Args:
        net: a flat sequence.
        shape: of an image.
    """
    found: list[Block] = []
    x = torch.empty(1, *shape, device="meta")
    for part in net.to("meta").eval():
        x = part(x)
        size = sum(p.numel() for p in part.parameters())
        if isinstance(part, nn.BatchNorm2d | nn.ReLU):
            last = found.pop()
            words, size = f"{last.words}, {_words(part)}", last.parameters + size
            found.append(Block(words, tuple(x.shape[1:]), last.kind, size))
        else:
            found.append(Block(_words(part), tuple(x.shape[1:]), type(part), size))
    return found


def _words(part: nn.Module) -> str:
    if isinstance(part, nn.Conv2d):
        return f"{part.kernel_size[0]}×{part.kernel_size[1]} convolution"
    if isinstance(part, nn.Linear):
        return "linear"
    if isinstance(part, nn.AvgPool2d):
        return f"mean over {part.kernel_size}×{part.kernel_size}"
    return SHORT.get(type(part), type(part).__name__)


def drawn(configs: list[ImageConfig]) -> Figure:
    """The networks side by side, as the report's figures 5 to 7: images on top.

    Args:
        configs: one a network.
    """
    columns = [blocks(bare(config), config.shape) for config in configs]
    rows = 1 + max(len(column) for column in columns)
    figure, axes = plt.subplots(
        1, len(configs), figsize=(WIDTH, 0.3 * rows + 0.6), squeeze=False
    )
    for panel, config, column in zip(axes[0], configs, columns, strict=True):
        _column(panel, config, column, rows)
    return figure


def _column(axes: Axes, config: ImageConfig, column: list[Block], rows: int) -> None:
    image = Block("image", config.shape, nn.Identity, 0)
    for place, block in enumerate([image, *column]):
        low = rows - 1 - place
        shade = SHADES.get(block.kind, (0.75, 0.75, 0.75))
        axes.add_patch(
            FancyBboxPatch(
                (0.03, low + 0.12),
                0.94,
                0.72,
                boxstyle="round,pad=0,rounding_size=.04",
                facecolor=(*shade[:3], 0.25),
                edgecolor=shade,
                mutation_aspect=8,
            )
        )
        axes.text(0.06, low + 0.46, block.words, va="center", fontsize=6.5)
        size = "×".join(map(str, block.shape))
        axes.text(0.94, low + 0.46, size, va="center", ha="right", fontsize=6.5)
    total = sum(block.parameters for block in column)
    axes.set(xlim=(0, 1), ylim=(0, rows), xticks=[], yticks=[], frame_on=False)
    axes.set_title(f"{NET_NAMES[config.net]}\n{total:,} parameters", fontsize=8)
