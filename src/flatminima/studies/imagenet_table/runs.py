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

EPOCHS = (20, 40, 80)

DECAY = 1e-4
"""As the talk's source has it."""

TARGET = 0.05
"""Training loss at which the two rules are compared as well."""

SEEDS = range(100, 110)

MEDIUM: dict[str, Any] = {
    **{"data": "fashion_mnist", "n": 2000, "test_n": 10_000, "size": 14},
    **{"width": 16, "batch": 128, "device": "cuda"},
}


def grid(epochs: Iterable[int] = EPOCHS, **fields: Any) -> list[ImageConfig]:
    """Every depth and length, plain and under SAM.

    The learning rate falls to 0 as a cosine over the length, so that a longer run is no
    continuation of a shorter one.

    Args:
        epochs: lengths.
        **fields: of `ImageConfig`, such as those of `MEDIUM`.

    Raises:
        ValueError: if a field is out of range.
    """
    shared: dict[str, Any] = {
        **{"norm": "batch", "optimiser": "phb", "lr": LEARNING_RATES["phb"]},
        **{"schedule": "cosine", "weight_decay": DECAY, "target_loss": TARGET},
        **{"to_the_end": True, "measured": "nothing"},
    }
    return [
        ImageConfig(
            **(shared | fields | {"net": net, "num_epochs": length, "rho": rho})
        )
        for net in CONVOLUTIONS
        for length in epochs
        for rho in (0.0, RHO)
    ]


def planned(seeds: Iterable[int] = SEEDS, **fields: Any) -> list[ImageConfig]:
    """The runs to be committed, seed by seed.

    Args:
        seeds: of data and initialisation.
        **fields: in place of those of `MEDIUM`.
    """
    cells = grid(**(MEDIUM | fields))
    return [cell.with_seeds(seed, seed) for seed in seeds for cell in cells]


def live(seeds: Sequence[int], epochs: Iterable[int], **fields: Any) -> pd.DataFrame:
    """The same table on the images that travel with the book, in seconds.

    Args:
        seeds: of data and initialisation.
        epochs: lengths.
        **fields: of `ImageConfig`.
    """
    return sweep_quietly(grid(epochs, **fields), seeds)
