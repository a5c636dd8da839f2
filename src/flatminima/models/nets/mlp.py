"""Fully connected networks of equal width."""

import math
from typing import NamedTuple

from torch import nn

from flatminima.models.nets.parts import ACTIVATIONS, Dropout, Residual, linear

FLAT = True
REUSE = 1


class Constants(NamedTuple):
    """Constants of an MLP.

    Attributes:
        depth: layers of weights, at least 1; 1 is a linear model.
        width: units of every hidden layer.
        activation: a name of `parts.ACTIVATIONS`.
        norm: "none" or "batch", before the activation.
        skip: whether hidden layers from the second on are added to their input.
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
    if constants.norm not in ("none", "batch"):
        raise ValueError(
            f"norm = {constants.norm!r}: must be 'none' or 'batch' for net = 'mlp'"
        )
    if constants.skip and constants.depth < 3:
        raise ValueError(
            f"skip = True with depth = {constants.depth}: must have depth >= 3, since "
            "the first and the last layer are not skipped"
        )


def build(constants: Constants, shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """From inputs (n, d) to outputs (n, classes); weights are not drawn."""
    width, inputs = constants.width, math.prod(shape)
    layers: list[nn.Module] = []
    for number in range(constants.depth - 1):
        layer: list[nn.Module] = [linear(inputs if number == 0 else width, width)]
        if constants.norm == "batch":
            layer.append(nn.BatchNorm1d(width))
        layer.append(ACTIVATIONS[constants.activation]())
        if constants.dropout > 0:
            layer.append(Dropout(constants.dropout))
        if constants.skip and number > 0:
            layer = [Residual(nn.Sequential(*layer))]
        layers += layer
    return nn.Sequential(
        *layers, linear(width if constants.depth > 1 else inputs, classes)
    )
