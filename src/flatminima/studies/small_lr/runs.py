"""The runs of the chapter: long ones towards equilibrium, and those to equal loss."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from flatminima.results.reading import Committed
from flatminima.runs.nets.config import NetConfig
from flatminima.runs.svag.config import SvagConfig
from flatminima.sweeps.sweep import sweep

RATES = (0.1, 0.05, 0.025, 0.0125, 0.00625)
"""Learning rates; the smallest is 1/16 of the largest."""

DECAY = 0.04
"""Weight decay of the runs that vary the learning rate."""

MIDDLE = 0.025
"""Learning rate of the runs that vary the decay."""

DECAYS = (0.16, 0.04, 0.01)
"""Weight decays at that rate: the same products as `RATES` has first, third, last."""

PERIODS = 8
"""Length of a run in units of 1 / (lr decay), before the learning rate drops."""

AFTER_DROP = 1
"""Further periods, of the undropped rate, at a tenth of it."""

DROP = 0.1

DENSE = 12
"""Checkpoints in each of the last two periods before the drop."""

TIMES = tuple(
    sorted(
        {float(time) for time in np.geomspace(0.02, 6, 25).round(4)}
        | {0.32, 0.5}
        | {6 + k / DENSE for k in range(1, 2 * DENSE + 1)}
        | {8.25, 8.5, 8.75}
    )
)
"""Checkpoints, in periods."""

AMPLIFIED = ((0.1, 4), (0.1, 16), (0.025, 4))
"""Learning rates and l of the SVAG runs."""

OUTSIDE: dict[str, dict[str, Any]] = {
    "norm, no decay": {"norm": "batch", "weight_decay": 0.0},
    "no norm, no decay": {"norm": "none", "weight_decay": 0.0},
    "no norm, decay": {"norm": "none", "weight_decay": 0.001},
}
"""Settings in which the claim was not made; a run is as long as one with `DECAY`."""

OUTSIDE_RATES = (0.1, 0.025, 0.00625)

SETTINGS: dict[str, dict[str, Any]] = {
    "digits, MLP": {"data": "digits", "n": 150, "net": "mlp", "width": 64},
    "digits, CNN": {"data": "digits", "n": 150, "net": "cnn", "width": 8},
    "clusters, MLP": {"data": "clusters", "n": 200, "net": "mlp", "width": 64},
    "random labels, MLP": {
        **{"data": "digits", "n": 150, "net": "mlp", "width": 64},
        "label_shuffle": 0.2,
    },
}
"""Where GD from a tiny rate, GD and SGD are compared; all of depth 3, without norm."""

TINY, LARGE = 0.01, 0.2

RULES: dict[str, dict[str, Any]] = {
    "GD (tiny)": {"batch": "full", "lr": TINY},
    "GD": {"batch": "full", "lr": LARGE},
    "SGD (tiny)": {"batch": 8, "lr": TINY},
    "SGD": {"batch": 8, "lr": LARGE},
}
"""The slide's three, and SGD at the tiny rate as the control."""

TARGET = 0.02
"""Cross entropy at which these stop."""


def towards_equilibrium(
    lr: float = MIDDLE,
    weight_decay: float = DECAY,
    *,
    norm: Literal["none", "batch"] = "batch",
    amplification: int = 1,
    period: int | None = None,
    width: int = 8,
    n: int = 300,
) -> SvagConfig:
    """SGD on a small CNN whose hidden weights alone are trained, then a drop of lr.

    Args:
        lr: learning rate.
        weight_decay: its product with lr is the intrinsic learning rate.
        norm: "batch" or "none".
        amplification: the l of SVAG; the run takes l times the updates.
        period: updates of SGD in a period; by default 1 / (lr weight_decay).
        width: channels.
        n: training images.
    """
    if period is None:
        period = round(1 / (lr * weight_decay))
    unit = period * amplification
    steps = sorted({max(1, round(time * unit)) for time in TIMES})
    net = NetConfig(
        net="cnn",
        depth=3,
        width=width,
        norm=norm,
        n=n,
        batch=16,
        lr=lr,
        weight_decay=weight_decay,
        dtype="float32",
        num_steps=(PERIODS + AFTER_DROP) * unit,
        num_checkpoints=2,
        measure_at=tuple(steps),
    )
    return SvagConfig(
        net=net,
        amplification=amplification,
        trained="hidden",
        drop_at=PERIODS * unit,
        drop=DROP,
    )


def inside() -> list[SvagConfig]:
    """Normalised and with decay: the rates, then the decays."""
    pairs = [(lr, DECAY) for lr in RATES] + [(MIDDLE, decay) for decay in DECAYS]
    return [towards_equilibrium(*pair) for pair in dict.fromkeys(pairs)]


def amplified() -> list[SvagConfig]:
    """SVAG."""
    return [towards_equilibrium(lr, amplification=k) for lr, k in AMPLIFIED]


def outside() -> list[SvagConfig]:
    """Without decay, without normalisation, without the one but with the other."""
    return [
        towards_equilibrium(lr, period=round(1 / (lr * DECAY)), **setting)
        for setting in OUTSIDE.values()
        for lr in OUTSIDE_RATES
    ]


def to_equal_loss(settings: Sequence[str] = tuple(SETTINGS)) -> list[NetConfig]:
    """The slide's three and the control, to one training loss.

    Args:
        settings: keys of `SETTINGS`.

    Raises:
        ValueError: if there is no such setting.
    """
    if unknown := sorted(set(settings) - set(SETTINGS)):
        raise ValueError(f"settings: {unknown} are none of {list(SETTINGS)}")
    return [
        NetConfig(
            **SETTINGS[name],
            **rule,
            depth=3,
            target_loss=TARGET,
            num_steps=60_000,
            num_checkpoints=2,
            sharpness=True,
        )
        for name in settings
        for rule in RULES.values()
    ]


def long_grid() -> list[SvagConfig]:
    """All long runs of the chapter."""
    return [*inside(), *amplified(), *outside()]


def live(scale: str, seeds: int, first_seed: int) -> pd.DataFrame:
    """The runs of this build, noted as ones to be committed.

    Args:
        scale: "whole" for all, over processes, about an hour of one core for ten seeds,
            which goes on where it was stopped; "slice" for two of the rates and one
            setting of equal loss; "least" for the largest rate alone, and GD and SGD.
        seeds: of the long runs; those to equal loss, which are short, take twice as
            many.
        first_seed: the first of both.
    """
    grids: dict[str, tuple[list[SvagConfig], list[NetConfig]]] = {
        "whole": (long_grid(), to_equal_loss()),
        "slice": (
            [towards_equilibrium(lr) for lr in (RATES[0], MIDDLE)],
            to_equal_loss(["digits, MLP"]),
        ),
        "least": (
            [towards_equilibrium(RATES[0])],
            to_equal_loss(["digits, MLP"])[1::2],
        ),
    }
    long, short = grids[scale]
    processes = scale == "whole"
    longer = range(first_seed, first_seed + seeds)
    shorter = range(first_seed, first_seed + 2 * seeds)
    return pd.concat(
        [
            sweep(long, longer, processes=processes, commit=True),
            sweep(short, shorter, processes=processes, commit=True),
        ],
        ignore_index=True,
    )


def evidence(
    committed: Committed, table: pd.DataFrame, scale: str = "slice"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of all runs: of this build if it has all, else the committed ones.

    Args:
        committed: from `results.reading`.
        table: from `live`.
        scale: as `live` had it.

    Returns:
        As `in_two`.
    """
    own = scale == "whole" or not committed.tables
    return in_two(table if own else pd.concat(committed.tables, ignore_index=True))


def in_two(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The long runs apart from those to equal loss.

    Args:
        rows: of both.

    Returns:
        The long runs, with `periods`, the time in units of 1 / (lr decay), or of what
        stands for it where there is no such decay, `sgd_steps`, updates over l, and
        `test_error`; then the others.
    """
    is_long = rows["amplification"].notna()
    long = rows[is_long].reset_index(drop=True)
    whole = long["num_steps"] / (PERIODS + AFTER_DROP)
    long = long.assign(
        sgd_steps=long["step"] / long["amplification"],
        periods=long["step"] / whole,
        test_error=1 - long["test_accuracy"],
    )
    return long, rows[~is_long].reset_index(drop=True)
