"""The runs of the chapter: what is moved before a gradient is taken, and how far."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from flatminima.runs.images.config import ImageConfig
from flatminima.sources.reading_group import BASE, NEVER, RADII, TUNING, seed_by_seed
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
    seeds: Iterable[int] = SEEDS, device: str = "cuda", **fields: Any
) -> list[ImageConfig]:
    """The committed runs: those that tune, then seed by seed.

    A seed has runs of equal length, with what lies around their ends, and runs that
    stop at one loss.

    Args:
        seeds: that are compared.
        device: "cpu" or "cuda".
        **fields: of `ImageConfig`, in place of those of `BASE`.
    """
    fields = {"device": device, **fields}
    tuning = arms(LENGTHS, **fields)
    whole = arms(LENGTHS, **fields, measured="around")
    few = {"weights": [RHO], "random": [RHO], "inputs": [INPUTS]}
    alike = arms(few, **fields, measured="around", target_loss=TARGET)
    return seed_by_seed(tuning, TUNING) + seed_by_seed([*whole, *alike], seeds)


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
