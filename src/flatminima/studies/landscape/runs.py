"""The networks whose landscapes the chapter looks at, and how they are run.

Three families. Networks with batch norm, of several depths, with skip connections and
without. Small networks without it, trained to one loss in several ways. Pairs of the
latter, joined by paths. All stop at one training loss within their family.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from flatminima.results.reading import Committed
from flatminima.runs.landscape.config import PathConfig, ViewConfig
from flatminima.runs.nets.config import NetConfig
from flatminima.sweeps.sweep import sweep_quietly

DEEP: dict[str, Any] = {
    "n": 500,
    "width": 24,
    "norm": "batch",
    "lr": 0.1,
    "batch": 32,
    "target_loss": 0.05,
    "num_steps": 8000,
    "num_checkpoints": 2,
}
"""What the networks of several depths share."""

SMALL: dict[str, Any] = {
    "n": 200,
    "depth": 3,
    "width": 32,
    "lr": 0.1,
    "batch": 20,
    "target_loss": 0.01,
    "num_steps": 20_000,
    "num_checkpoints": 2,
}
"""What the small networks share."""

SPOIL_STEPS = 5000

SLOW = 0.1
"""Share of the learning rate at which the control of skip connections is trained."""

EQUAL_STEPS = 1000
"""Updates of the two runs that stop at no loss."""


@dataclass(frozen=True)
class Shown:
    """Runs of one setting.

    Attributes:
        config: of this build; its seeds are those of no run.
        live: rows of this build's runs; empty if it has none.
        committed: rows of the committed runs of the same setting.
    """

    config: ViewConfig | PathConfig
    live: pd.DataFrame
    committed: pd.DataFrame

    @property
    def table(self) -> pd.DataFrame:
        """What claims are decided by: the committed runs, if they are more."""
        seeds = [_seeds(rows) for rows in (self.committed, self.live)]
        return self.committed if seeds[0] > seeds[1] else self.live


def _seeds(rows: pd.DataFrame) -> int:
    return int(rows["last"].sum()) if len(rows) else 0


def deep(depth: int, skip: bool, *, slow: bool = False, **view: Any) -> ViewConfig:
    """A network of some depth, with skip connections or without.

    Args:
        depth: layers of weights.
        skip: whether it has them.
        slow: whether its learning rate is lowered by `SLOW`.
        view: fields of `ViewConfig`, such as points.
    """
    lr = DEEP["lr"] * (SLOW if slow else 1)
    fields = DEEP | {"depth": depth, "skip": skip, "lr": lr}
    return ViewConfig(net=NetConfig(**fields), **view)


def depths(each: Iterable[int], **view: Any) -> dict[str, ViewConfig]:
    """Networks of several depths, and the slow control of the deepest, by name."""
    each = list(each)
    found = {
        name(depth, skip): deep(depth, skip, **view)
        for depth in each
        for skip in (False, True)
    }
    return found | {CONTROL: deep(max(each), True, slow=True, **view)}


CONTROL = "skips, low rate"


def name(depth: int, skip: bool) -> str:
    """Such as "6 layers, skips"."""
    return f"{depth} layers, {'skips' if skip else 'plain'}"


METHODS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "SGD": ({}, {"exact": True}),
    "SAM": ({"rho": 0.2}, {}),
    "GD": ({"batch": "full"}, {}),
    "Adam": ({"optimiser": "adam", "lr": 0.002}, {}),
    "bad start": ({}, {"begin": "spoiled"}),
    "long start": ({}, {"begin": "lengthened"}),
    "bad start, decay": ({"weight_decay": 0.003}, {"begin": "spoiled"}),
}
"""Ways to one training loss: fields of `NetConfig`, then of `ViewConfig`."""

EQUAL_UPDATES: dict[str, dict[str, Any]] = {
    "SGD, equal updates": {},
    "SAM, equal updates": {"rho": 0.2},
}
"""The control of SAM: as many updates, to whatever loss they lead."""


def methods(**view: Any) -> dict[str, ViewConfig]:
    """Small networks trained in several ways, by name."""
    found = {}
    for way, (net, own) in METHODS.items():
        bad = "begin" in own
        spoil: dict[str, Any] = {"spoil_steps": SPOIL_STEPS} if bad else {}
        found[way] = ViewConfig(net=NetConfig(**SMALL | net), **view, **own, **spoil)
    steps: dict[str, Any] = {"target_loss": 0.0, "num_steps": EQUAL_STEPS}
    for way, net in EQUAL_UPDATES.items():
        found[way] = ViewConfig(net=NetConfig(**SMALL | steps | net), **view)
    return found


CURVE: dict[str, Any] = {"bends": 1, "curve_steps": 500, "curve_lr": 0.02, "points": 31}

TO_BAD = "to a bad minimum"


def pairs(widths: Iterable[int]) -> dict[str, PathConfig]:
    """Pairs of small networks of several widths, and one with a bad minimum, by name.

    The last is of the first width.
    """
    each = list(widths)
    found = {
        f"width {width}": PathConfig(net=NetConfig(**SMALL | {"width": width}), **CURVE)
        for width in each
    }
    spoiled: dict[str, Any] = {"second": "spoiled", "spoil_steps": SPOIL_STEPS}
    net = NetConfig(**SMALL | {"width": each[0]})
    return found | {TO_BAD: PathConfig(net=net, **CURVE, **spoiled)}


def run(
    settings: Mapping[str, ViewConfig | PathConfig],
    paper: Committed,
    seeds: range,
    live: Iterable[str],
) -> dict[str, Shown]:
    """Run some of the settings, and find the committed runs of all.

    Args:
        settings: configs by name.
        paper: committed runs, as from `reading.committed`.
        seeds: of the runs, which are noted as ones to be committed.
        live: names of those that this build runs.
    """
    names = [each for each in settings if each in set(live)]
    tables = dict.fromkeys(settings, pd.DataFrame())
    if names:
        table = sweep_quietly([settings[n] for n in names], seeds, commit=True)
        # a run's rows begin with that of step 0, or are a single one
        ends = table["last"].astype(int)
        number = (ends.cumsum() - ends) // len(seeds)
        tables |= {each: table[number == k] for k, each in enumerate(names)}
    return {
        each: Shown(config, tables[each], paper.of(config))
        for each, config in settings.items()
    }
