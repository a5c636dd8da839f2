"""The runs of the chapter: what is moved before a gradient is taken, and how far."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from flatminima.runs.images.config import ImageConfig
from flatminima.sources.reading_group import BASE, NEVER, RADII, TUNING, seed_by_seed
from flatminima.sources.scales import at_scale
from flatminima.sweeps.sweep import sweep_quietly

LENGTHS = {
    "weights": RADII,
    "random": (*RADII, 1.5, 5.0),
    "inputs": (0.5, 1.0, 2.0),
}
"""How far, by what is moved: weights along the gradient or at random, or images."""

RHO = 0.15
"""The length for weights where all arms end at one loss."""

INPUTS = 0.5
"""That for images."""

TARGET = 0.3
"""The one loss, which all of these arms reach."""

SHARPNESS_N = 32
"""Images over which the live runs measure flatness."""

SEEDS = range(100, 110)

SMALL: dict[str, Any] = {
    **{"n": 300, "test_n": 1000, "width": 8, "batch": 30, "num_epochs": 24},
    "sharpness_n": 100,
}
"""Fields of the runs of one core and minutes: ten updates an epoch."""

SCALES: dict[str, dict[str, Any]] = {"small": SMALL, "medium": {}}
"""What differs from `BASE`, by the name of a scale."""

SMALL_TUNING = TUNING[:2]

SMALL_TARGET = 0.5
"""The one loss of these runs, which a pilot of seed 7 set: SAM ends at .35."""

ATTACKED: dict[str, Any] = {"measured": "around", "test_n": 500, "sharpness_n": 20}
"""Where test images are attacked: hardly anything for what lies around the weights."""

AROUND: dict[str, Any] = {"measured": "around", "test_n": 100, "sharpness_n": 100}
"""Where that counts: hardly any test images."""

COMPARED: dict[str, tuple[float, ...]] = {
    **{"weights": (0.05,), "random": (0.05,)},
    "inputs": (0.5, 1.0),
}
"""Of `LENGTHS`, those that claims need on the small scale: what the seeds that tune
chose, random directions as long as SAM's best ascent, and images moved as far as
attacks do. A test lets these seeds choose again."""


def arms(lengths: Mapping[str, Iterable[float]], **fields: Any) -> list[ImageConfig]:
    """Plain training, and every kind of perturbation at every length.

    Args:
        lengths: by the name of what is moved, as `LENGTHS`.
        **fields: of `ImageConfig`, in place of those of `BASE`.

    Raises:
        ValueError: if a field is out of range.
    """
    plain: dict[str, Any] = {**BASE, "target_loss": NEVER, **fields}
    plain["sharpness_n"] = min(plain["n"], plain["sharpness_n"])
    moved = [
        ImageConfig(**(plain | {"perturbed": kind, "rho": rho}))
        for kind, radii in lengths.items()
        for rho in radii
    ]
    return [ImageConfig(**plain), *moved]


def planned(
    scale: str = "medium",
    seeds: Iterable[int] = SEEDS,
    device: str = "cuda",
    **fields: Any,
) -> list[ImageConfig]:
    """The committed runs: those that tune, then seed by seed.

    A seed has runs of equal length, with what lies around their ends, and runs that
    stop at one loss.

    Args:
        scale: a name of `SCALES`. On "small", two seeds tune, and those that are
            compared have the lengths of `COMPARED` only.
        seeds: that are compared.
        device: "cpu" or "cuda".
        **fields: of `ImageConfig`, in place of those of the scale.

    Raises:
        ValueError: if there is no such scale.
    """
    fields = at_scale(SCALES, scale, device=device, **fields)
    tuning = arms(LENGTHS, **fields)
    few = {"weights": [RHO], "random": [RHO], "inputs": [INPUTS]}
    if scale == "medium":
        whole = arms(LENGTHS, **fields, measured="around")
        alike = arms(few, **fields, measured="around", target_loss=TARGET)
        compared = [*whole, *alike]
        return seed_by_seed(tuning, TUNING) + seed_by_seed(compared, seeds)
    compared = [
        *arms(COMPARED, **fields | ATTACKED),
        *arms(few, **fields | AROUND, target_loss=SMALL_TARGET),
    ]
    return seed_by_seed(tuning, SMALL_TUNING) + seed_by_seed(compared, seeds)


def live(seeds: Iterable[int], *, rho: float, **fields: Any) -> pd.DataFrame:
    """The runs of every build, on the subset that travels with the book.

    Args:
        seeds: of data and initialisation.
        rho: length for weights.
        **fields: of `ImageConfig`.

    Returns:
        The table of plain training, SAM, and random directions.
    """
    given: dict[str, Any] = {
        "data": "fashion_mnist_subset",
        "test_n": 500,
        "measured": "around",
    }
    given["sharpness_n"] = SHARPNESS_N
    few = {"weights": [rho], "random": [rho]}
    return sweep_quietly(arms(few, **given, **fields), list(seeds))
