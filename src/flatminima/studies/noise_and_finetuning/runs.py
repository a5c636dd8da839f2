"""The runs of the chapter: shares of wrong labels, and SAM for the last epochs."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from flatminima.results.reading import of_one_scale
from flatminima.runs.images.config import ImageConfig
from flatminima.sources.reading_group import BASE, NEVER, RADII, TUNING, seed_by_seed
from flatminima.sources.scales import at_scale
from flatminima.sweeps.sweep import sweep_quietly

SHARES = (0.0, 0.2, 0.4, 0.6)
"""Of training labels that are wrong."""

NOISY = SHARES[1:]

DECAYS = (1e-3, 5e-3, 2e-2)
"""Weight decays among which tuning chooses, as many as SAM has radii."""

TUNED_LATE = (0.0, 0.4)
"""Shares with which a plain network is trained on by SAM."""

LATE = 0.75
"""Share of the epochs after which that begins."""

ROWS_EVERY = 2

SEEDS = range(100, 110)

SMALL: dict[str, Any] = {
    **{"n": 300, "test_n": 2000, "width": 8, "batch": 30, "num_epochs": 24},
    **{"sharpness_n": 100, "rows_every": 4},
}
"""Fields of the runs of one core and minutes: ten updates an epoch."""

SCALES: dict[str, dict[str, Any]] = {"small": SMALL, "medium": {}}
"""What differs from `BASE`, by the name of a scale."""

SMALL_TUNING = TUNING[:2]

CHOSEN: dict[float, tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]] = {
    0.0: ((0.02,), (0.05,), (0.4,)),
    0.2: ((0.02,), (0.15,), ()),
    0.4: ((0.02,), (0.15,), (0.4,)),
    0.6: ((0.02,), (0.15,), ()),
}
"""By share of wrong labels, what the seeds of `SMALL_TUNING` chose: decays and radii,
at the end and stopped, and the radius of SAM at last. A test chooses them again."""


def rules(*, share: float = 0.0, **fields: Any) -> list[ImageConfig]:
    """Plain training, each weight decay and each radius, from one start.

    Args:
        share: of wrong labels.
        **fields: of `ImageConfig`, in place of those of `BASE`.

    Raises:
        ValueError: if a field is out of range.
    """
    plain = _config(label_noise=share, **fields)
    decays = [_changed(plain, weight_decay=decay) for decay in DECAYS]
    return [plain, *decays, *(_changed(plain, rho=rho) for rho in RADII)]


def late(plain: ImageConfig, radii: Iterable[float] = RADII) -> list[ImageConfig]:
    """A plain run whose last epochs are SAM's, one a radius, as long as it is."""
    begin = LATE * plain.num_epochs
    return [_changed(plain, rho=rho, sam_from=begin) for rho in radii]


def longer(plain: ImageConfig) -> ImageConfig:
    """A plain run with as many gradients as one whose last epochs are SAM's."""
    more = round((1 - LATE) * plain.num_epochs)
    return _changed(plain, num_epochs=plain.num_epochs + more)


def grid(**fields: Any) -> list[ImageConfig]:
    """All settings of the committed runs.

    Args:
        **fields: of `ImageConfig`, in place of those of `BASE`.
    """
    configs = [each for share in SHARES for each in rules(share=share, **fields)]
    for share in TUNED_LATE:
        plain = _config(label_noise=share, **fields)
        configs += [*late(plain), longer(plain)]
    return configs


def planned(
    scale: str = "medium",
    seeds: Iterable[int] = SEEDS,
    device: str = "cuda",
    **fields: Any,
) -> list[ImageConfig]:
    """The committed runs: those that tune, then seed by seed.

    Args:
        scale: a name of `SCALES`. On "small", two seeds tune, and those that are
            compared have the settings of `CHOSEN` only.
        seeds: that are compared.
        device: "cpu" or "cuda".
        **fields: of `ImageConfig`, in place of those of the scale.

    Raises:
        ValueError: if there is no such scale.
    """
    given = at_scale(SCALES, scale, device=device, **fields)
    whole = grid(**given)
    if scale == "medium":
        return seed_by_seed(whole, [*TUNING, *seeds])
    return seed_by_seed(whole, SMALL_TUNING) + seed_by_seed(few(**given), seeds)


def few(**fields: Any) -> list[ImageConfig]:
    """Of `grid`, plain training, what `CHOSEN` holds, and longer plain training.

    Args:
        **fields: of `ImageConfig`, in place of those of `BASE`.
    """
    configs = []
    for share, (decays, radii, last) in CHOSEN.items():
        plain = _config(label_noise=share, **fields)
        configs.append(plain)
        configs += [_changed(plain, weight_decay=decay) for decay in decays]
        configs += [_changed(plain, rho=rho) for rho in radii]
        if share in TUNED_LATE:
            configs += [*late(plain, last), longer(plain)]
    return configs


def live(
    seeds: Iterable[int], *, share: float, rho: float, **fields: Any
) -> pd.DataFrame:
    """The runs of every build, on the subset that travels with the book.

    Args:
        seeds: of data and initialisation.
        share: of wrong labels.
        rho: radius of SAM.
        **fields: of `ImageConfig`.

    Returns:
        The table of plain training, SAM, and SAM for the last epochs; curves and ends.
    """
    plain = _config(
        data="fashion_mnist_subset", test_n=2000, label_noise=share, **fields
    )
    configs = [plain, _changed(plain, rho=rho), *late(plain, [rho])]
    return sweep_quietly(configs, list(seeds))


def evidence(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """The committed runs of the scale that decides; without any, no rows."""
    rows = of_one_scale(tables)
    if len(rows):
        return rows
    names = [*ImageConfig.model_fields, "epoch", "step", "train_loss"]
    names += ["train_accuracy", "test_accuracy", "scale", "last", "diverged"]
    none = pd.DataFrame({name: pd.Series(dtype=float) for name in names})
    return none.astype({"last": bool, "diverged": bool})


def _config(**fields: Any) -> ImageConfig:
    sharpness = min(fields.get("n", BASE["n"]), BASE["sharpness_n"])
    own = {"target_loss": NEVER, "rows_every": ROWS_EVERY, "sharpness_n": sharpness}
    return ImageConfig(**(BASE | own | fields))


def _changed(config: ImageConfig, **fields: Any) -> ImageConfig:
    return ImageConfig(**(config.model_dump() | fields))
