"""Tables with the columns of `sweep`, made by hand: no training behind them."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from flatminima.data.load import num_test_points
from flatminima.sources.wen_li_ma import COMPARED, scale_of

SETTING: dict[str, Any] = {
    "architecture": "bias",
    "batch": "one",
    "d": 30,
    "n": 100,
    "width": 500,
    "num_steps": 3000,
    "radius": 0.0,
    "data": "xor",
    "loss": "squared",
    "weight_decay": 0.0,
    "rule": "1-SAM",
    "train_loss": 1e-3,
    "output_error": 1e-3,
    "test_accuracy": 0.5,
    "trace": 2.0,
    "bound": 1.0,
    "bound_outputs": 1.0,
    "retracted_trace": 2.0,
    "diverged": False,
}


def runs(count: int = 10, **columns: Any) -> pd.DataFrame:
    """One run a seed: a first checkpoint with nonsense, then the last one.

    Args:
        count: number of seeds.
        columns: values at the last checkpoint, one for all or one a seed.
    """
    ends = [
        SETTING
        | {name: pick(value, k) for name, value in columns.items()}
        | {"data_seed": k, "init_seed": k, "step": 3000, "last": True}
        for k in range(count)
    ]
    ends = [end | facts(end) for end in ends]
    starts = [
        end | {"step": 0, "last": False, "test_accuracy": -7.0, "trace": -7.0}
        for end in ends
    ]
    pairs = zip(starts, ends, strict=True)
    return pd.DataFrame([row for pair in pairs for row in pair])


def facts(row: dict[str, Any]) -> dict[str, Any]:
    """What `tidy` adds from a config: how it compares, and the held-out points."""
    compared = {name: row[name] for name in COMPARED}
    points = num_test_points(row["data"], row["n"], row["d"])
    return {"scale": scale_of(**compared), "test_points": points}


def pick(value: Any, k: int) -> Any:
    """Entry k of a sequence; anything else is the same for all."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return value[k]
    return value


def some(true: int, count: int = 10) -> list[bool]:
    """The first `true` of `count` are True."""
    return [k < true for k in range(count)]
