"""The runs of the chapter: a ResNet, a ViT and a Mixer, with and without SAM."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flatminima.runs.images.config import ImageConfig
from flatminima.sweeps.sweep import sweep_quietly


@dataclass(frozen=True)
class Tuned:
    """What an arm has at one scale.

    Attributes:
        width: of its network. At a scale, the widths of the three give about equally
            many weights.
        lr: the best learning rate without SAM; SAM has the same.
        rho: the best radius at that rate.
    """

    width: int
    lr: float
    rho: float


@dataclass(frozen=True)
class Arm:
    """An architecture with its optimiser.

    Attributes:
        net, norm, optimiser: as in `ImageConfig`.
        live: the width in the runs of every build.
        tuned: by the name of a scale.
    """

    net: str
    norm: str
    optimiser: str
    live: int
    tuned: Mapping[str, Tuned]


ARMS = {
    "ResNet, PHB": Arm(
        *("resnet", "group", "phb", 4),
        {"small": Tuned(8, 0.033, 0.02), "medium": Tuned(12, 0.1, 0.05)},
    ),
    "ResNet, Adam": Arm(
        *("resnet", "group", "adam", 4),
        {"small": Tuned(8, 9e-3, 0.02), "medium": Tuned(12, 3e-3, 0.05)},
    ),
    "ViT, Adam": Arm(
        *("vit", "layer", "adam", 3),
        {"small": Tuned(6, 1.5e-2, 0.02), "medium": Tuned(9, 1.5e-2, 0.15)},
    ),
    "Mixer, Adam": Arm(
        *("mixer", "layer", "adam", 3),
        {"small": Tuned(8, 5e-3, 0.15), "medium": Tuned(12, 1.5e-2, 0.15)},
    ),
}
"""Tuned on seeds below 100: the best of three or four rates, by factors of three, then
the best of three radii, by factors of three."""

DECAYS = {"small": (1e-3,), "medium": (1e-4, 1e-3)}
"""Weight decay of plain runs, as another regulariser."""

TARGET = 0.3
"""Training loss at which the rules are compared as well."""

NEVER = 1e-6
"""That of runs which are read at their ends alone: a look at the loss has its price."""

SEEDS = {"small": range(100, 105), "medium": range(100, 110)}

SHARED: dict[str, Any] = {
    **{"schedule": "cosine", "target_loss": NEVER, "to_the_end": True},
    **{"measured": "nothing"},
}

SCALES: dict[str, dict[str, Any]] = {
    "small": {
        **{"data": "fashion_mnist_subset", "n": 500, "test_n": 500, "size": 8},
        **{"batch": 50, "num_epochs": 20, "sharpness_n": 64},
    },
    "medium": {
        **{"data": "fashion_mnist", "n": 2000, "test_n": 10_000, "size": 16},
        **{"batch": 128, "num_epochs": 40, "sharpness_n": 500, "device": "cuda"},
    },
}
"""Fields of the runs by the name of a scale: for a CPU, and for a GPU."""

CIFAR = {"medium": {"data": "cifar10", "test_n": 1017}}
"""What CIFAR-10 changes in them; the small scale has none."""


def config(arm: Arm, scale: str, *, sam: bool, **fields: Any) -> ImageConfig:
    """One run of an arm.

    Args:
        arm: architecture and optimiser.
        scale: a name of `SCALES`, for what was tuned.
        sam: whether it has SAM's radius.
        **fields: of `ImageConfig`, in place of the arm's and of `SHARED`.

    Raises:
        ValueError: if a field is out of range.
    """
    tuned = arm.tuned[scale]
    own = {
        **{"net": arm.net, "norm": arm.norm, "width": tuned.width},
        **{"optimiser": arm.optimiser, "lr": tuned.lr, "rho": tuned.rho if sam else 0},
    }
    return ImageConfig(**(SHARED | own | fields))


def pairs(scale: str, *, around: bool, **fields: Any) -> list[ImageConfig]:
    """Every arm, plain and under SAM, to the end of training.

    Args:
        scale: a name of `SCALES`.
        around: whether networks with Adam are measured around their ends.
        **fields: of `ImageConfig`, in place of those of the scale.
    """
    cells = []
    for arm in ARMS.values():
        measured = "around" if around and arm in with_adam() else "nothing"
        given = SCALES[scale] | {"measured": measured} | fields
        cells += [config(arm, scale, sam=sam, **given) for sam in (False, True)]
    return cells


def with_adam() -> list[Arm]:
    """The arms that differ in nothing but the architecture."""
    return [arm for arm in ARMS.values() if arm.optimiser == "adam"]


def decayed(scale: str) -> list[ImageConfig]:
    """Plain runs with weight decay, of the arms with Adam."""
    return [
        config(arm, scale, sam=False, **SCALES[scale], weight_decay=decay)
        for arm in with_adam()
        for decay in DECAYS[scale]
    ]


def stopped(scale: str) -> list[ImageConfig]:
    """The arms with Adam until the target loss, and measured around it."""
    given = SCALES[scale] | {"measured": "around", "to_the_end": False}
    given |= {"target_loss": TARGET}
    return [
        config(arm, scale, sam=sam, **given)
        for arm in with_adam()
        for sam in (False, True)
    ]


def planned(
    scale: str = "medium", seeds: Sequence[int] | None = None
) -> list[ImageConfig]:
    """The runs to be committed, in the order in which they are wanted.

    To the end of training, until the target, plain with decay; each seed by seed. At
    the medium scale CIFAR-10 comes last.

    Args:
        scale: a name of `SCALES`.
        seeds: of data and initialisation; by default those of the scale.
    """
    parts = [pairs(scale, around=True), stopped(scale), decayed(scale)]
    if scale in CIFAR:
        parts.append(pairs(scale, around=False, **CIFAR[scale]))
    seeds = SEEDS[scale] if seeds is None else seeds
    return [
        cell.with_seeds(seed, seed) for part in parts for seed in seeds for cell in part
    ]


def live(seeds: Sequence[int], **fields: Any) -> pd.DataFrame:
    """Every arm at a small width, on the images that travel with the book.

    Args:
        seeds: of data and initialisation.
        **fields: of `ImageConfig`.
    """
    return sweep_quietly(small(**fields), seeds)


def small(**fields: Any) -> list[ImageConfig]:
    """The configs of `live`, without their seeds."""
    return [
        config(arm, "small", sam=sam, **({"width": arm.live} | fields))
        for arm in ARMS.values()
        for sam in (False, True)
    ]


def configs_of(table: pd.DataFrame) -> list[ImageConfig]:
    """The configs behind a table's last rows, in their order."""
    records = table[table["last"]][list(ImageConfig.model_fields)].to_dict("records")
    return [
        ImageConfig.model_validate(
            {str(k): None if pd.isna(v) else v for k, v in row.items()}
        )
        for row in records
    ]
