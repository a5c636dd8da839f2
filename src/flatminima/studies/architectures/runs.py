"""The runs of the chapter: a ResNet, a ViT and a Mixer, with and without SAM."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flatminima.runs.images.config import ImageConfig
from flatminima.sweeps.sweep import sweep_quietly


@dataclass(frozen=True)
class Arm:
    """An architecture with its optimiser, and what was tuned for the two.

    Attributes:
        net, norm, width, optimiser: as in `ImageConfig`. The widths give the three
            networks about equally many weights.
        small: the width in the runs of every build.
        lr: the best learning rate without SAM; SAM has the same.
        rho: the best radius at that rate.
    """

    net: str
    norm: str
    width: int
    small: int
    optimiser: str
    lr: float
    rho: float


ARMS = {
    "ResNet, PHB": Arm("resnet", "group", 12, 4, "phb", 0.1, 0.05),
    "ResNet, Adam": Arm("resnet", "group", 12, 4, "adam", 3e-3, 0.05),
    "ViT, Adam": Arm("vit", "layer", 9, 3, "adam", 1.5e-2, 0.15),
    "Mixer, Adam": Arm("mixer", "layer", 12, 3, "adam", 1.5e-2, 0.15),
}
"""Tuned on seed 0: the best of three or four rates, by factors of three, in runs of 10
epochs; then the best radius of .05, .15 and, where that was the better, .5, in runs of
20."""

DECAYS = (1e-4, 1e-3)
"""Weight decay of plain runs, as another regulariser."""

TARGET = 0.3
"""Training loss at which the rules are compared as well."""

SEEDS = range(100, 110)

SHARED: dict[str, Any] = {
    **{"schedule": "cosine", "target_loss": TARGET, "to_the_end": True},
    **{"measured": "nothing"},
}

MEDIUM: dict[str, Any] = {
    **{"n": 2000, "size": 16, "batch": 128, "num_epochs": 40, "sharpness_n": 500},
    **{"device": "cuda"},
}
DATA: dict[str, dict[str, Any]] = {
    "fashion_mnist": {"data": "fashion_mnist", "test_n": 10_000},
    "cifar10": {"data": "cifar10", "test_n": 1017},
}


def config(arm: Arm, *, sam: bool, **fields: Any) -> ImageConfig:
    """One run of an arm.

    Args:
        arm: architecture and optimiser.
        sam: whether it has SAM's radius.
        **fields: of `ImageConfig`, in place of the arm's and of `SHARED`.

    Raises:
        ValueError: if a field is out of range.
    """
    own = {
        **{"net": arm.net, "norm": arm.norm, "width": arm.width},
        **{"optimiser": arm.optimiser, "lr": arm.lr, "rho": arm.rho if sam else 0.0},
    }
    return ImageConfig(**(SHARED | own | fields))


def pairs(**fields: Any) -> list[ImageConfig]:
    """Every arm, plain and under SAM."""
    return [
        config(arm, sam=sam, **fields) for arm in ARMS.values() for sam in (False, True)
    ]


def grid(data: str, **fields: Any) -> list[ImageConfig]:
    """The runs on one data set.

    To the end of training and, on Fashion-MNIST, also until the target loss, measured
    around both; there also plain runs with weight decay.

    Args:
        data: a name of `DATA`.
        **fields: in place of those of `MEDIUM`.

    Raises:
        ValueError: if there is no such data set.
    """
    if data not in DATA:
        raise ValueError(f"data = {data!r}: must be one of {', '.join(DATA)}")
    base = MEDIUM | DATA[data] | fields
    if data != "fashion_mnist":
        return pairs(**base)
    around = base | {"measured": "around"}
    decayed = [
        config(arm, sam=False, **base, weight_decay=decay)
        for arm in ARMS.values()
        for decay in DECAYS
    ]
    return [*pairs(**around), *pairs(**around | {"to_the_end": False}), *decayed]


def planned(seeds: Iterable[int] = SEEDS, **fields: Any) -> list[ImageConfig]:
    """The runs to be committed, seed by seed.

    Args:
        seeds: of data and initialisation.
        **fields: in place of those of `MEDIUM`.
    """
    cells = [cell for data in DATA for cell in grid(data, **fields)]
    return [cell.with_seeds(seed, seed) for seed in seeds for cell in cells]


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
        config(arm, sam=sam, **({"width": arm.small} | fields))
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
