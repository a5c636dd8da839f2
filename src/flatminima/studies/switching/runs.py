"""The runs of the chapter: SAM in one part of training, and what it is compared with.

Training without SAM is called ERM, as in the talk. ERM → SAM uses SAM from a share of
training on, SAM → ERM until then.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from flatminima.results.reading import Committed, of_one_scale
from flatminima.runs.images.config import ImageConfig
from flatminima.sources.scales import check_scale
from flatminima.sweeps.table import COMMITTED

Way = Literal["ERM → SAM", "SAM → ERM"]
TO_SAM: Way = "ERM → SAM"
TO_ERM: Way = "SAM → ERM"
RANDOM = "ERM → random"

TIMES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 1.0)
"""Shares of training at which the rule is switched; they are closer near the end."""

HALF, LATE, LAST = 0.5, 0.75, 0.9
"""Of these: the middle, the late switch that is looked at epoch by epoch, and the last
tenth."""

NEVER = 1e-9
"""A target loss that no run reaches: all have the same length."""

MEDIUM: dict[str, Any] = {
    **{"data": "fashion_mnist", "n": 2000, "test_n": 10_000, "size": 14},
    **{"net": "simple", "width": 16, "optimiser": "phb", "lr": 0.1, "rho": 0.2},
    **{"weight_decay": 5e-4, "batch": 125, "num_epochs": 60, "sharpness_n": 500},
    "schedule": "cosine",
}
"""Fields of the committed runs. The learning rate falls, as that of the source does.
125 images divide the training set, so that every epoch has sixteen updates."""

SMALL: dict[str, Any] = {
    **MEDIUM,
    **{"n": 500, "test_n": 2000, "size": 10, "rho": 0.05},
    **{"batch": 50, "num_epochs": 32, "sharpness_n": 100},
}
"""The same at a scale of one core and minutes: ten updates an epoch."""

SMALL_TIMES = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)

SCALES = {"small": SMALL, "medium": MEDIUM}
"""Fields of the committed runs, by the name of a scale."""

MORE, TWICE = 2 - LATE, 2.0
"""Times as many epochs for runs of ERM that take as many gradients as the late switch
to SAM, and as SAM throughout: an update of SAM takes two."""


def switched(way: Way, share: float, **fields: Any) -> ImageConfig:
    """A run whose rule is switched after a share of its epochs.

    Args:
        way: from which rule to which.
        share: 0 to 1. ERM → SAM is SAM at 0 and ERM at 1, and SAM → ERM the reverse.
        **fields: of `ImageConfig`; `rho` is that of SAM.

    Raises:
        ValueError: if the share or a field is out of range.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share = {share}: must be from 0 to 1")
    base = {"target_loss": NEVER, **fields}
    begun = share if way == TO_SAM else 0.0
    ended = 1.0 if way == TO_SAM else share
    erm = ImageConfig(**(base | {"rho": 0.0, "perturbed": "weights"}))
    if begun >= ended:
        return erm
    if begun > 0:
        base["sam_from"] = begun * erm.num_epochs
    if ended < 1:
        base["sam_until"] = ended * erm.num_epochs
    return ImageConfig(**base)


def both_ways(times: Sequence[float], **fields: Any) -> list[ImageConfig]:
    """ERM → SAM and SAM → ERM at some times, each run once.

    Args:
        times: shares of training.
        **fields: of `ImageConfig`; `rho` is that of SAM.
    """
    cells = [switched(way, t, **fields) for way in (TO_SAM, TO_ERM) for t in times]
    return list(dict.fromkeys(cells))


def medium(**fields: Any) -> list[ImageConfig]:
    """The settings of the scale of a GPU, seeds aside.

    ERM, SAM and the late switches have a row an epoch.

    Args:
        **fields: of `ImageConfig`, in place of those of `MEDIUM`.
    """
    base = MEDIUM | fields
    fine, bare = {"rows_every": 1}, {"measured": "nothing"}
    shown = (0.0, LATE, 1.0)
    by_epoch = both_ways(shown, **base, **fine)
    rest = both_ways([t for t in TIMES if t not in shown], **base)
    drawn = [
        switched(TO_SAM, t, **base, **bare, perturbed="random") for t in (LATE, LAST)
    ]
    level = base | {"schedule": "constant"}
    held = both_ways(shown, **level, **fine) + both_ways((HALF, LAST), **level)
    return [*by_epoch, *rest, *drawn, *_longer(base), *held]


def small(**fields: Any) -> list[ImageConfig]:
    """The settings of the scale of one core, seeds aside: what a claim needs.

    Sharpness is measured where a claim compares it, and ERM and the late switch to SAM
    have a row an epoch, SAM and the late switch to ERM one at every third.

    Args:
        **fields: of `ImageConfig`, in place of those of `SMALL`.
    """
    base = SMALL | fields
    bare = base | {"measured": "nothing"}
    measured = [
        switched(TO_SAM, 1.0, **base, rows_every=1),
        switched(TO_SAM, 0.0, **base, rows_every=3),
        switched(TO_SAM, LAST, **base),
    ]
    late = [
        switched(TO_SAM, LATE, **bare, rows_every=1),
        switched(TO_ERM, LATE, **bare, rows_every=3),
    ]
    others = [t for t in SMALL_TIMES if 0 < t < 1 and t != LATE]
    rest = [switched(TO_SAM, t, **bare) for t in others if t != LAST]
    rest += [switched(TO_ERM, t, **bare) for t in others]
    drawn = [switched(TO_SAM, LATE, **bare, perturbed="random")]
    level = bare | {"schedule": "constant"}
    held = [*both_ways((0.0, HALF, 1.0), **level), switched(TO_SAM, LAST, **level)]
    return [*measured, *late, *rest, *drawn, *_longer(base), *held]


def _longer(base: dict[str, Any]) -> list[ImageConfig]:
    """ERM for as many gradients as the late switch to SAM, and as SAM."""
    lengths = [round(factor * base["num_epochs"]) for factor in (MORE, TWICE)]
    bare = {"measured": "nothing"}
    return [
        switched(TO_SAM, 1.0, **base | bare | {"num_epochs": length})
        for length in lengths
    ]


def planned(
    scale: str = "medium",
    seeds: Iterable[int] = range(100, 110),
    device: str = "cpu",
) -> list[ImageConfig]:
    """The committed runs in the order in which they are to be done, seed by seed.

    Args:
        scale: a name of `SCALES`.
        seeds: each draws images, weights and the order of the images.
        device: "cpu" or "cuda".

    Raises:
        ValueError: if there is no such scale.
    """
    check_scale(scale, SCALES)
    settings = (small if scale == "small" else medium)(device=device)
    return [config.with_seeds(seed, seed) for seed in seeds for config in settings]


def evidence(committed: Committed) -> pd.DataFrame:
    """The rows of committed runs, labelled: of the scale that decides."""
    return labelled(of_one_scale(committed.tables))


def epochs_of(rows: pd.DataFrame) -> int:
    """The passes over the images of all runs but the longer ones of ERM."""
    return int(rows["num_epochs"].min()) if len(rows) else SMALL["num_epochs"]


def labelled(rows: pd.DataFrame) -> pd.DataFrame:
    """What each run is, from the fields of its config.

    Args:
        rows: from `sweep`, or of committed runs.

    Returns:
        With `way` ("ERM", "SAM", `TO_SAM`, `TO_ERM` or `RANDOM`), `share`, that of the
        epochs at which the rule is switched, and `error`, the share of test images
        that are wrong. This and `test_loss` are NaN where the run diverged.
    """
    if rows.empty:
        return pd.DataFrame(columns=["way", "share", "error", "test_loss"])
    until = pd.to_numeric(rows["sam_until"])  # None for never
    begun = rows["sam_from"] / rows["num_epochs"]
    ended = until / rows["num_epochs"]
    plain = rows["rho"] == 0
    chosen = [
        *(plain, rows["perturbed"] == "random"),
        *(ended.notna(), begun > 0),
    ]
    way = np.select(chosen, ["ERM", RANDOM, TO_ERM, TO_SAM], "SAM")
    share = np.select(chosen, [1.0, begun, ended, begun], 0.0)
    kept = ~rows["diverged"].astype(bool)
    error, loss = 1 - rows["test_accuracy"], rows["test_loss"]
    return rows.assign(
        way=way, share=share, error=error.where(kept), test_loss=loss.where(kept)
    )


def scale(rows: pd.DataFrame) -> str:
    """How runs compare with the source's, for the scorecard.

    Args:
        rows: from `sweep` or `evidence`; all have one size.
    """
    if rows.empty:
        return f"scaled-down: no runs{COMMITTED}"
    first = rows.iloc[0]
    ended = COMMITTED if str(first["scale"]).endswith(COMMITTED) else ""
    return (
        f"scaled-down: {first['data']}, n = {first['n']}, "
        f"{first['size']}x{first['size']}, width {first['width']}, "
        f"{rows['num_epochs'].min()} epochs{ended}"
    )
