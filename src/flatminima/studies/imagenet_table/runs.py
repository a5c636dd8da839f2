"""The talk's table at the scale of this book: depth, length, with and without SAM."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from flatminima.models.nets.report import STAGES
from flatminima.runs.images.config import ImageConfig
from flatminima.sources.minimum_sharpness import LEARNING_RATES, RHO
from flatminima.sweeps.sweep import sweep_quietly

CONVOLUTIONS = {net: sum(stages) for net, stages in STAGES.items()}
"""Depth of the networks, by name."""

DECAY = 1e-4
"""As the talk's source has it."""

TARGET = 0.1
"""Training loss at which the two rules are compared as well, in the longest runs."""

NEVER = 1e-6
"""That of the other runs, which are read at their ends alone."""

SEEDS = range(100, 110)

SCALES: dict[str, dict[str, Any]] = {
    "small": {
        **{"data": "fashion_mnist_subset", "n": 400, "test_n": 2000, "size": 10},
        **{"width": 8, "batch": 50, "sharpness_n": 100},
    },
    "medium": {
        **{"data": "fashion_mnist", "n": 2000, "test_n": 10_000, "size": 14},
        **{"width": 16, "batch": 128, "device": "cuda"},
    },
}
"""Fields of the runs by the name of a scale: for a CPU, and for a GPU."""

EPOCHS = {"small": (10, 20, 40), "medium": (20, 40, 80)}
"""Lengths by scale, each twice the one before, as in the talk."""


def grid(epochs: Sequence[int], **fields: Any) -> list[ImageConfig]:
    """Every depth and length, plain and under SAM.

    The learning rate falls to 0 as a cosine over the length, so that a longer run is no
    continuation of a shorter one.

    Args:
        epochs: lengths.
        **fields: of `ImageConfig`, such as those of a scale.

    Raises:
        ValueError: if a field is out of range.
    """
    shared: dict[str, Any] = {
        **{"norm": "batch", "optimiser": "phb", "lr": LEARNING_RATES["phb"]},
        **{"schedule": "cosine", "weight_decay": DECAY, "to_the_end": True},
        **{"measured": "nothing"},
    }
    return [
        ImageConfig(
            **(shared | fields | {"net": net, "num_epochs": length, "rho": rho}),
            target_loss=TARGET if length == max(epochs) else NEVER,
        )
        for net in CONVOLUTIONS
        for length in epochs
        for rho in (0.0, RHO)
    ]


def planned(
    scale: str = "medium", seeds: Iterable[int] = SEEDS, **fields: Any
) -> list[ImageConfig]:
    """The runs to be committed, seed by seed.

    Args:
        scale: a name of `SCALES`.
        seeds: of data and initialisation.
        **fields: in place of those of the scale.
    """
    cells = grid(EPOCHS[scale], **(SCALES[scale] | fields))
    return [cell.with_seeds(seed, seed) for seed in seeds for cell in cells]


def live(seeds: Sequence[int], epochs: Sequence[int], **fields: Any) -> pd.DataFrame:
    """The same table on the images that travel with the book, in seconds.

    Args:
        seeds: of data and initialisation.
        epochs: lengths.
        **fields: of `ImageConfig`.
    """
    return sweep_quietly(grid(epochs, **fields), seeds)
