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


MEASURED = (
    *("test_accuracy", "trace", "lambda_max", "height", "height_2", "pits"),
    *("log_height", "log_height_2", "log_trace", "log_lambda"),
    *("seen", "seen_error", "drawn", "drawn_most", "off"),
    *("second_accuracy", "distance", "matched_distance"),
    *(
        f"{way}_{what}"
        for way in ("straight", "matched", "order", "curve")
        for what in ("barrier", "test_barrier")
    ),
)
"""Columns that have no value where a run diverged or missed its target."""


@dataclass(frozen=True)
class Shown:
    """Runs of one setting.

    A run that missed the target loss of its setting keeps its row and loses what is
    measured at its end: the chapter compares networks at one loss.

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
        more = _runs(self.committed) > _runs(self.live)
        rows = self.committed if more else self.live
        rows = rows.reindex(columns=list(dict.fromkeys([*rows.columns, *MEASURED])))
        missed = self._missed(rows)
        return rows.assign(**{m: rows[m].where(~missed) for m in MEASURED})

    @property
    def counted(self) -> pd.DataFrame:
        """The table, with runs that missed the target counted as diverged ones are.

        Too many of them decide nothing.
        """
        rows = self.table
        return rows.assign(diverged=rows["diverged"] | self._missed(rows))

    @property
    def missed(self) -> int:
        """How many of these runs missed the target loss."""
        more = _runs(self.committed) > _runs(self.live)
        rows = self.committed if more else self.live
        return int((self._missed(rows) & rows["last"]).sum())

    def _missed(self, rows: pd.DataFrame) -> pd.Series:
        if self.config.net.target_loss == 0 or "reached" not in rows:
            return pd.Series(False, index=rows.index)
        return rows["last"] & ~rows["diverged"] & (rows["reached"] != 1)


def _runs(rows: pd.DataFrame) -> int:
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

    The last is of the width of the other small networks: at 16 units, one bad start in
    ten does not reach the target.
    """
    found = {
        f"width {width}": PathConfig(net=NetConfig(**SMALL | {"width": width}), **CURVE)
        for width in widths
    }
    spoiled: dict[str, Any] = {"second": "spoiled", "spoil_steps": SPOIL_STEPS}
    return found | {TO_BAD: PathConfig(net=NetConfig(**SMALL), **CURVE, **spoiled)}


LIVE = ("SGD", "SAM", "bad start")
"""Methods that the quick build runs itself."""

LIVE_DEPTH = 6
"""Depth up to which it runs networks itself."""


def live_ones(settings: Mapping[str, ViewConfig | PathConfig]) -> list[str]:
    """The settings that the quick build runs itself: what takes a second a run."""
    paths = [n for n, c in settings.items() if isinstance(c, PathConfig)]
    deep_ones = [
        n
        for n, c in settings.items()
        if c.net.norm == "batch" and c.net.depth <= LIVE_DEPTH and n != CONTROL
    ]
    return [*deep_ones, *(n for n in LIVE if n in settings), *paths[:1], *paths[-1:]]


def run(
    settings: Mapping[str, ViewConfig | PathConfig],
    paper: Committed,
    seeds: range,
    live: str = "some",
) -> dict[str, Shown]:
    """Run settings, and find the committed runs of them.

    Args:
        settings: configs by name.
        paper: committed runs, as from `reading.committed`.
        seeds: of the runs, which are noted as ones to be committed.
        live: "all" to run every setting; "some" for those of `live_ones`, where all
            settings have more committed runs than seeds. If one has not, all are run,
            and no committed run is used: settings are compared seed by seed.
    """
    kept = {each: paper.of(config) for each, config in settings.items()}
    if not all(_runs(rows) > len(seeds) for rows in kept.values()):
        live, kept = "all", dict.fromkeys(settings, pd.DataFrame())
    wanted = set(settings if live == "all" else live_ones(settings))
    names = [each for each in settings if each in wanted]
    tables = dict.fromkeys(settings, pd.DataFrame())
    if names:
        table = sweep_quietly([settings[n] for n in names], seeds, commit=True)
        # a run's rows end with its last one
        ends = table["last"].astype(int)
        number = (ends.cumsum() - ends) // len(seeds)
        tables |= {each: table[number == k] for k, each in enumerate(names)}
    return {
        each: Shown(config, tables[each], kept[each])
        for each, config in settings.items()
    }
