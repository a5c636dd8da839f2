"""The networks of the chapter: two designs, and the slice that every build repeats."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd

from flatminima.results.reading import Committed
from flatminima.runs.nets.config import NetConfig
from flatminima.sweeps.sweep import sweep

AXES: Mapping[str, tuple[Any, ...]] = {
    "lr": (0.01, 0.2),
    "batch": (8, 64),
    "width": (16, 64),
    "depth": (2, 4),
    "weight_decay": (0.0, 0.005),
    "dropout": (0.0, 0.2),
}
"""Hyper-parameters of the main design, each at two values, all combined."""

SHUFFLED_AXES: Mapping[str, tuple[Any, ...]] = {
    "lr": (0.05, 0.2),
    "batch": (8, 64),
    "width": (32, 128),
}
"""Those of the design in which labels are redrawn."""

SHARES = (0.0, 0.2, 0.4, 0.6)
"""Of the training labels that are redrawn at random."""

SIZES = {"digits": 150, "clusters": 200}
"""Training points of the data sets, so few that networks differ on new ones."""

SLICE = ("width", "depth")
"""Hyper-parameters that vary in the slice of the main design that a build repeats."""

TARGET = 0.05
"""Cross entropy at which training stops."""

MAX_STEPS = 6000


def _configs(
    data: str, axes: Mapping[str, Sequence[Any]], **fields: Any
) -> list[NetConfig]:
    base: dict[str, Any] = {
        "data": data,
        "n": SIZES[data],
        "target_loss": TARGET,
        "num_steps": MAX_STEPS,
        "num_checkpoints": 2,
        "predictors": True,
    }
    return [
        NetConfig(**(base | fields | dict(zip(axes, values, strict=True))))
        for values in product(*axes.values())
    ]


def grid(
    data_sets: Iterable[str] = tuple(SIZES), *, varying: Sequence[str] = tuple(AXES)
) -> list[NetConfig]:
    """The main design: every combination of the hyper-parameters, on every data set.

    Args:
        data_sets: keys of `SIZES`.
        varying: keys of `AXES`; the others stay at their first value, but for learning
            rate and batch size, which stay at their second, since that is faster.

    Raises:
        ValueError: if there is no such data set or hyper-parameter.
    """
    for given, known in ((data_sets, SIZES), (varying, AXES)):
        if unknown := sorted(set(given) - set(known)):
            raise ValueError(f"{unknown}: must be among {sorted(known)}")
    axes = {
        name: values if name in varying else (values[name in ("lr", "batch")],)
        for name, values in AXES.items()
    }
    return [config for data in data_sets for config in _configs(data, axes)]


def shuffled(data_sets: Iterable[str] = tuple(SIZES)) -> list[NetConfig]:
    """The design of Ibayashi et al.: networks that fit labels redrawn at random.

    Args:
        data_sets: keys of `SIZES`.
    """
    axes = {"label_shuffle": SHARES, **SHUFFLED_AXES}
    return [config for data in data_sets for config in _configs(data, axes, depth=3)]


def live(scale: str, seeds: Sequence[int]) -> pd.DataFrame:
    """The runs of this build, noted as ones to be committed.

    Args:
        scale: "whole" for both designs, over processes, about half an hour of one core
            for ten seeds, which goes on where it was stopped; "slice" for the networks
            of the main design that differ in `SLICE` alone; "least" for two of them.
        seeds: of data and initialisation.
    """
    configs = {
        "whole": lambda: [*grid(), *shuffled()],
        "slice": lambda: grid(varying=SLICE),
        "least": lambda: grid(["digits"], varying=["width"]),
    }[scale]()
    return sweep(configs, seeds, processes=scale == "whole", commit=True)


def evidence(
    committed: Committed, table: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The ends of the networks of both designs: committed, or those of this build.

    Args:
        committed: from `results.reading`; it is the evidence wherever it has runs.
        table: from `live`.

    Returns:
        Main design and shuffled design, one row a network, with the columns `gap`
        (training accuracy minus test accuracy), `test_error`, and `excluded`, the
        reason for which a network does not count, empty for the others.
    """
    tables = committed.tables or [table]
    rows = pd.concat(tables, ignore_index=True)
    rows = rows[rows["last"]]
    rows = rows.assign(
        gap=rows["train_accuracy"] - rows["test_accuracy"],
        test_error=1 - rows["test_accuracy"],
        excluded=_reasons(rows),
    )
    is_main = rows["depth"].isin(AXES["depth"])
    return rows[is_main], rows[~is_main]


def _reasons(rows: pd.DataFrame) -> pd.Series:
    """Why networks do not count."""
    reason = pd.Series("", index=rows.index)
    reason[rows["reached"] != 1] = "target missed"
    reason[rows["diverged"]] = "diverged"
    return reason
