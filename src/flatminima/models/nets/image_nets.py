"""The networks of images by name: those of the report, and three of other kinds."""

from typing import Literal, NamedTuple, cast

from torch import nn

from flatminima.models.nets import report, vision

NORMS = {
    **dict.fromkeys(report.STAGES, ("batch", "group", "none")),
    "resnet": ("batch", "group", "none"),
    "vit": ("layer",),
    "mixer": ("layer",),
}
"""Normalisations that a network can have."""


class Constants(NamedTuple):
    """Constants of a network of images.

    Attributes:
        net: a name of `NORMS`.
        width: channels of the first stage; tokens have `vision.TOKEN` times as many.
        norm: one of those that `NORMS` allows.
    """

    net: str
    width: int
    norm: str


def check(constants: Constants, shape: tuple[int, ...]) -> None:
    """Refuse what cannot be built.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    net, width, norm = constants
    if net not in NORMS:
        raise ValueError(f"net = {net!r}: must be one of {sorted(NORMS)}")
    if norm not in NORMS[net]:
        allowed = " or ".join(map(repr, NORMS[net]))
        raise ValueError(f"norm = {norm!r} with net = {net!r}: must be {allowed}")
    if norm == "group" and width % vision.GROUPS:
        raise ValueError(
            f"width = {width}: must be a multiple of {vision.GROUPS} for norm = 'group'"
        )
    if net in report.STAGES:
        report.check(net, shape)
    else:
        vision.patch(shape[-1])


def foldable(constants: Constants) -> bool:
    """Whether it is a row of layers, into which batch norm can be folded."""
    return constants.net in report.STAGES and constants.norm in ("batch", "none")


def build(constants: Constants, shape: tuple[int, ...], classes: int) -> nn.Sequential:
    """From images (n, channels, h, w) to outputs (n, classes); weights not drawn."""
    net, width, norm = constants
    if net in report.STAGES:
        return report.build(net, width, norm, shape, classes)
    if net == "resnet":
        return vision.build_resnet(width, norm, shape, classes)
    kind = cast(Literal["vit", "mixer"], net)
    return vision.build_of_tokens(kind, width, shape, classes)
