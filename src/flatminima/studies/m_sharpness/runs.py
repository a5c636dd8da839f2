"""The runs of the chapter: a ladder of m, more precise ascents, and batch sizes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flatminima.runs.images.config import ImageConfig
from flatminima.sources.scales import at_scale
from flatminima.sweeps.sweep import sweep_quietly

SEEDS = range(100, 105)
"""Those that decide the claims of the committed runs."""

TUNING = (0, 1)
"""Those by which radii are chosen; all lie below `FRESH`."""

FRESH = 100
"""The first seed that no radius is tuned on."""

CORE = 3
"""Seeds whose runs come first, so that any beginning of the plan is of use."""

LADDER: dict[int, tuple[float, ...]] = {
    1: (0.00625, 0.0125),
    4: (0.0125, 0.025, 0.05),
    16: (0.025, 0.05, 0.1),
    64: (0.025, 0.05, 0.1),
}
"""Radii by m, up to the batch. All but 1 have `EQUAL` and that of `line`."""

WHOLE = (0.05, 0.1, 0.2)
"""Radii where all training images share the ascent."""

EQUAL = 0.05

STEPS = (1, 2, 5, 20)
PRECISE_RADII = (0.025, 0.05)
SECOND = "second order"
AS_MANY = "1 step, epochs × 3"
"""One ascent step takes two gradients an update and five take six."""

BATCHES = (32, 128, 512)
LR_AT = 128
"""The batch that has the learning rate of a scale. Those of others are in proportion to
their batches, or for Adam to the roots of these."""

SCALES: dict[str, dict[str, Any]] = {
    "small": {
        **{"n": 128, "batch": 16, "size": 8, "width": 8, "num_epochs": 30},
        **{"optimiser": "adam", "lr": 0.01, "target_loss": 0.4},
    },
    "medium": {
        **{"n": 512, "batch": 64, "size": 14, "width": 16, "num_epochs": 60},
        **{"optimiser": "phb", "lr": 0.1, "weight_decay": 5e-4, "target_loss": 0.05},
    },
}
"""Of the committed runs: what a CPU does in ten minutes, and what a GPU does."""

TRAINED: dict[str, Any] = {
    **{"data": "fashion_mnist", "test_n": 10_000, "net": "simple", "norm": "group"},
    **{"schedule": "cosine", "to_the_end": True, "measured": "nothing"},
}
"""Fields of the ladder and of the ascents."""

MEASURED: dict[str, dict[str, Any]] = {
    "small": {"n": 1024, "num_epochs": 16, "sharpness_n": 512},
    "medium": {"n": 2048, "num_epochs": 60, "sharpness_n": 1024},
}
"""Fields of the networks whose sharpness is compared, by scale."""

STOPPED: dict[str, dict[str, Any]] = {
    "small": {"target_loss": 0.4, "num_epochs": 40},
    "medium": {"target_loss": 0.1, "num_epochs": 300},
}
"""What is changed in them, by scale, where they are compared at one training loss. They
stop there, and their learning rate does not know when."""

LIVE: dict[str, Any] = {
    **{"net": "simple", "norm": "group", "optimiser": "adam", "lr": 0.01},
    **{"measured": "nothing", "to_the_end": True, "target_loss": 1e-6},
}
"""Fields of the runs of every build, by Adam since they are short. They have no target:
its loss is out of reach."""

Radii = dict[float, ImageConfig]
"""A setting, by its radius."""

Methods = dict[tuple[int, bool], ImageConfig]
"""By batch size and whether it is SAM."""


def ladder(base: ImageConfig) -> dict[int, Radii]:
    """SAM by m: images that share an ascent, 1 to all of the training set."""
    rungs = {m: radii for m, radii in LADDER.items() if m <= base.batch}
    return {
        m: {rho: _with(base, rho=rho, m=0 if m == base.batch else m) for rho in radii}
        for m, radii in (rungs | {base.n: WHOLE}).items()
    }


def line(base: ImageConfig) -> dict[int, float]:
    """Radii in proportion to the root of m, from 4 to the batch: .025 at 4."""
    between = [m for m in LADDER if 4 <= m <= base.batch]
    return {m: 0.025 * (m / 4) ** 0.5 for m in between}


def ascents(base: ImageConfig) -> dict[str, Radii]:
    """SAM by how its inner maximum is approached."""
    ways: dict[str, dict[str, Any]] = {
        str(steps): {"ascent_steps": steps} for steps in STEPS
    }
    ways[SECOND] = {"second_order": True}
    ways[AS_MANY] = {"num_epochs": 3 * base.num_epochs}
    return {
        name: {rho: _with(base, rho=rho, **way) for rho in PRECISE_RADII}
        for name, way in ways.items()
    }


def plain(base: ImageConfig) -> dict[int, ImageConfig]:
    """Training without an ascent, by how many times the epochs it has."""
    return {times: _with(base, num_epochs=times * base.num_epochs) for times in (1, 2)}


def methods(base: ImageConfig) -> Methods:
    """By batch size, without SAM and with it, at its own learning rate."""
    power = 0.5 if base.optimiser == "adam" else 1.0
    return {
        (batch, sam): _with(
            base,
            batch=batch,
            lr=base.lr * (batch / LR_AT) ** power,
            rho=EQUAL if sam else 0.0,
        )
        for batch in BATCHES
        for sam in (False, True)
    }


def stopped(base: ImageConfig, scale: str) -> Methods:
    """The same, each stopped at one training loss.

    Args:
        base: as for `methods`.
        scale: its name in `SCALES`.
    """
    change = {"to_the_end": False, "schedule": "constant"} | STOPPED[scale]
    return methods(_with(base, **change))


def _with(base: ImageConfig, **fields: Any) -> ImageConfig:
    return ImageConfig(**(base.model_dump() | fields))


def bases(scale: str, device: str = "cpu") -> tuple[ImageConfig, ImageConfig]:
    """What the committed runs of a scale have in common.

    Args:
        scale: a name of `SCALES`.
        device: "cpu" or "cuda".

    Returns:
        Of the ladder and the ascents, and of the networks whose sharpness is compared.

    Raises:
        ValueError: if there is no such scale.
    """
    fields = TRAINED | at_scale(SCALES, scale, device=device)
    trained = ImageConfig(**(fields | {"sharpness_n": fields["n"]}))
    others = {"batch": LR_AT, "measured": "around"} | MEASURED[scale]
    return trained, _with(trained, **others)


def planned(
    scale: str = "medium",
    seeds: Iterable[int] = SEEDS,
    tuning: Iterable[int] = TUNING,
) -> list[ImageConfig]:
    """All runs to be committed, in the order in which they are worth it.

    The small ones are for a CPU, the others for a GPU.

    Args:
        scale: a name of `SCALES`.
        seeds: of the runs that decide.
        tuning: of those that choose the radii.

    Raises:
        ValueError: if there is no such scale, or a seed is on the wrong side of 100.
    """
    seeds, tuning = list(seeds), list(tuning)
    for name, given, wrong in (
        ("seeds", seeds, [seed for seed in seeds if seed < FRESH]),
        ("tuning", tuning, [seed for seed in tuning if seed >= FRESH]),
    ):
        if wrong:
            side = "at least" if name == "seeds" else "below"
            raise ValueError(f"{name} = {given}: all must be {side} {FRESH}")
    trained, measured = bases(scale, "cpu" if scale == "small" else "cuda")
    steps = ladder(trained)
    single = list(steps.pop(1).values())
    tuned = _flat(steps) + _flat(ascents(trained))
    compared = [*plain(trained).values(), *methods(measured).values()]
    at_loss = list(stopped(measured, scale).values())
    first, rest = seeds[:CORE], seeds[CORE:]
    cells = _over(tuned, tuning[:1]) + _over(tuned + compared, first)
    cells += _over(at_loss, first) + _over(single, [*tuning[:1], *first])
    cells += _over(tuned, tuning[1:]) + _over(tuned + compared + at_loss, rest)
    cells += _over(single, [*tuning[1:], *rest])
    return list(dict.fromkeys(cells))


def shown(rows: pd.DataFrame) -> str:
    """The larger scale of which enough seeds have runs that decide, or else "small".

    Args:
        rows: of committed runs.
    """
    for scale in ("medium", "small"):
        base, _ = bases(scale)
        if not rows.empty:
            same = (rows["n"] == base.n) & (rows["width"] == base.width)
            seeds = rows.loc[same & (rows["data_seed"] >= FRESH), "data_seed"]
            if seeds.nunique() >= CORE:
                return scale
    return "small"


def _flat(settings: dict[Any, Radii]) -> list[ImageConfig]:
    return [config for radii in settings.values() for config in radii.values()]


def _over(configs: list[ImageConfig], seeds: Iterable[int]) -> list[ImageConfig]:
    """All of one seed, then all of the next."""
    return [config.with_seeds(seed, seed) for seed in seeds for config in configs]


@dataclass(frozen=True)
class Live:
    """The runs of a build.

    Attributes:
        tables: without SAM ("plain"), with the ascent of the batch ("batch") and of
            micro-batches ("micro").
        configs: one a seed, of the runs without SAM.
    """

    tables: dict[str, pd.DataFrame]
    configs: tuple[ImageConfig, ...]


def slice_of(seeds: Sequence[int], m: int, rho: float, **fields: Any) -> Live:
    """The runs of every build, on the embedded subset.

    Args:
        seeds: of data and initialisation.
        m: images of a micro-batch, a divisor of the batch.
        rho: of both kinds of SAM.
        **fields: of `ImageConfig`.
    """
    base = ImageConfig(**(LIVE | fields))
    changes: dict[str, dict[str, Any]] = {
        "plain": {},
        "batch": {"rho": rho},
        "micro": {"rho": rho, "m": 0 if m == base.batch else m},
    }
    tables = {
        name: sweep_quietly([_with(base, **change)], seeds)
        for name, change in changes.items()
    }
    return Live(tables, tuple(base.with_seeds(seed, seed) for seed in seeds))
