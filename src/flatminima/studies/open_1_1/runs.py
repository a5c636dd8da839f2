"""Deep networks on xor that are trained, made flat, or planted, and their controls."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import pandas as pd

from flatminima.paths import record_file
from flatminima.results import evidence
from flatminima.results.reading import Committed
from flatminima.runs.deep_flat.config import FlatConfig
from flatminima.runs.mlp.config import Config
from flatminima.sweeps.table import over_seeds

DEPTHS = (2, 3, 4, 5)
DEEPEST = DEPTHS[-1]

SAM, SGD, DECAY, PENALTY = "1-SAM", "SGD", "SGD + wd", "trace penalty"
WIDE, LONG = "1-SAM, wide", "1-SAM, long"
USUAL, SMALL = "usual", "small"
POINTS: Final = "points"
QUADRANTS: Final = "quadrants"
Construction = Literal["points", "quadrants"]

LR, RHO, WEIGHT_DECAY = 0.01, 0.05, 1e-3
"""1-SAM as in the source's figure 11b; the decay is the larger of two, .001 and .005,
with which no pilot collapsed."""

FACTOR, FAST, SLOW, MOMENTUM = 0.005, 0.1, 0.02, 0.9
"""The penalty: lambda, the learning rates from a drawn start and from a construction,
and momentum. The second is lower since a construction has large negative weights."""

JITTER = 0.02
"""Shake of a construction; its weights that are not negative are near .2."""

PLANTED: tuple[tuple[int, bool, Construction], ...] = (
    *((3, False, POINTS), (5, False, POINTS), (3, True, POINTS)),
    (3, False, QUADRANTS),
)
"""Depth, bias and construction from which 1-SAM starts."""

SHARE = 0.25
"""Length of runs from a construction, as a share of those from a drawn start."""

LONGER = 2
"""Length of the long run, in those of the others."""

SLOWER = 0.25
"""Factor on the learning rate of the wide network, which else diverges at its start."""

CHECKPOINTS = 8


class Arm(NamedTuple):
    """A setting: how it is trained, on which network, and from where."""

    rule: str
    depth: int
    bias: bool
    start: str


def arms(
    *, inputs: int, examples: int, units: int, epochs: int, steps: int, small: float
) -> dict[Arm, Config | FlatConfig]:
    """All settings of the chapter.

    Args:
        inputs, examples, units: d, n and width.
        epochs: passes of 1-SAM and SGD.
        steps: updates of the penalty, with all examples each.
        small: factor on all layers but the last at the small start.
    """
    size = {"d": inputs, "n": examples, "num_checkpoints": CHECKPOINTS}
    updates = epochs * examples
    found: dict[Arm, Config | FlatConfig] = {}

    def net(depth: int, bias: bool, start: str, **fields: Any) -> Config:
        scales = {}
        if start == SMALL:
            scales = {"init_scale": small}
            if depth > 2:
                scales["middle_init_scale"] = small
        usual: dict[str, Any] = {
            **{"architecture": "deep", "depth": depth, "bias_input": float(bias)},
            **{"width": units, "lr": LR, "num_steps": updates},
        }
        return Config(**(usual | size | scales | fields))

    for depth in DEPTHS:
        for bias, start in ((False, USUAL), (False, SMALL), (True, USUAL)):
            found[Arm(SAM, depth, bias, start)] = net(depth, bias, start, rho=RHO)
        found[Arm(SGD, depth, False, USUAL)] = net(depth, False, USUAL)
        found[Arm(DECAY, depth, False, USUAL)] = net(
            depth, False, USUAL, weight_decay=WEIGHT_DECAY
        )
        found[Arm(PENALTY, depth, False, USUAL)] = FlatConfig(
            net=net(depth, False, USUAL, lr=FAST, num_steps=steps),
            penalty=FACTOR,
            momentum=MOMENTUM,
        )
    shorter = max(1, math.ceil(SHARE * updates))
    for depth, bias, start in PLANTED:
        found[Arm(SAM, depth, bias, start)] = FlatConfig(
            net=net(depth, bias, start, rho=RHO, num_steps=shorter),
            start=start,
            jitter=JITTER,
        )
    shorter = max(1, math.ceil(SHARE * steps))
    found[Arm(PENALTY, 3, False, POINTS)] = FlatConfig(
        net=net(3, False, POINTS, lr=SLOW, num_steps=shorter),
        start=POINTS,
        jitter=JITTER,
        penalty=FACTOR,
        momentum=MOMENTUM,
    )
    weights = units * (inputs + 1) + (DEEPEST - 2) * units**2
    wider = {"width": round(weights / (inputs + 1)), "lr": SLOWER * LR}
    found[Arm(WIDE, 2, False, USUAL)] = net(2, False, USUAL, rho=RHO, **wider)
    found[Arm(LONG, DEEPEST, False, USUAL)] = net(
        DEEPEST, False, USUAL, rho=RHO, num_steps=LONGER * updates
    )
    return found


def live(arm: Arm) -> bool:
    """Whether a build computes the setting again: the open case at depth three."""
    return arm.depth == 3 and not arm.bias


def gathered(
    own: Committed, settings: Mapping[Arm, Config | FlatConfig], seeds: Sequence[int]
) -> tuple[pd.DataFrame, evidence.Evidence]:
    """The runs of all settings, committed where all are, and what was computed again.

    Args:
        own: committed runs of the chapter.
        settings: from `arms`.
        seeds: of every setting.

    Returns:
        The table, with a column `arm`, `ratio` (trace after retraction over the bound);
        and the evidence of those settings that every build computes for one seed.
    """
    again = [arm for arm in settings if live(arm)]
    rest = [arm for arm in settings if not live(arm)]
    repeated = evidence.gather(own, [settings[arm] for arm in again], seeds, again=1)
    kept = _kept(own, [settings[arm] for arm in rest], seeds)
    parts = [
        _named(table, names, seeds)
        for table, names in ((repeated.table, again), (kept, rest))
    ]
    table = pd.concat(parts, ignore_index=True)
    return table.assign(ratio=table["retracted_trace"] / table["bound"]), repeated


def _kept(
    own: Committed, configs: Sequence[Config | FlatConfig], seeds: Sequence[int]
) -> pd.DataFrame:
    """Committed runs as they are, or if any is missing all of them from this build."""
    cells = over_seeds(configs, seeds)
    if record_file() is None and all(cell in own.by_config for cell in cells):
        return pd.concat([own.by_config[cell] for cell in cells], ignore_index=True)
    return evidence.gather(own, configs, seeds).table


def _named(
    table: pd.DataFrame, names: Sequence[Arm], seeds: Sequence[int]
) -> pd.DataFrame:
    # a run's rows begin with that of step 0, and settings follow each other
    number = ((table["step"] == 0).cumsum() - 1) // len(seeds)
    arms = pd.Series([names[k] for k in number], index=table.index, dtype=object)
    return table.assign(arm=arms)
