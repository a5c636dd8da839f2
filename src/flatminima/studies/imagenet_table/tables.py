"""Errors by depth, length and rule, and what is asked of them, one number a seed."""

import re
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.sources import imagenet
from flatminima.sources.imagenet import Cell, Estimate, Metric, Rule
from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.imagenet_table.questions import Questions, Sums
from flatminima.studies.imagenet_table.runs import CONVOLUTIONS
from flatminima.sweeps.table import COMMITTED, SEEDS

TALK = Questions(imagenet.DEPTHS, imagenet.EPOCHS)
"""What is asked of the talk's table."""

RULES: tuple[Rule, ...] = ("SAM", "plain")
CELL = ["depth", "epochs", "sam"]
SPREAD = 3
"""Seeds below which tables and figures show no interval: it would be all there is."""


def cells(table: pd.DataFrame) -> pd.DataFrame:
    """Test errors in per cent, at the end of the runs.

    Args:
        table: from `runs.live`, or of committed runs.

    Returns:
        A row a pair of seeds, a column a cell, named as `imagenet.Cell` is. What
        diverged is NaN.
    """
    return _wide(table[table["last"]])


def smaller(tables: Sequence[pd.DataFrame], rows: pd.DataFrame) -> pd.DataFrame:
    """The committed runs of fewer images than some, or none.

    Args:
        tables: of all committed runs.
        rows: those that decide.
    """
    most = rows["n"].min()
    found = [table for table in tables if table["n"].iloc[0] < most]
    return pd.concat(found, ignore_index=True) if found else rows.iloc[:0]


def at_target(table: pd.DataFrame) -> pd.DataFrame:
    """As `cells`, where the runs first have the target loss; NaN if they never had."""
    return _wide(table[table["at_target"] == 1])


def _wide(rows: pd.DataFrame) -> pd.DataFrame:
    error = 100 * (1 - rows["test_accuracy"].where(~rows["diverged"]))
    rows = rows.assign(
        depth=rows["net"].map(CONVOLUTIONS),
        epochs=rows["num_epochs"],
        sam=np.where(rows["rho"] > 0, "SAM", "plain"),
        error=error,
    )
    return rows.pivot(index=SEEDS, columns=CELL, values="error")


def said(table: pd.DataFrame) -> str:
    """The scale of some runs, for the scorecard; of committed ones also their seeds.

    Without the target loss, which not all of them have.
    """
    scale = re.sub(r", target [^,]+", "", table["scale"].iloc[0])
    seeds = table["data_seed"]
    committed = scale.endswith(COMMITTED)
    return scale + f", seeds {seeds.min()} to {seeds.max()}" * committed


def questions(found: pd.DataFrame) -> Questions:
    """What can be asked of a table of `cells`."""
    depths, epochs = (sorted(set(found.columns.get_level_values(k))) for k in (0, 1))
    return Questions([int(d) for d in depths], [int(e) for e in epochs])


def over_seeds(
    weights: Mapping[Cell, float], found: pd.DataFrame
) -> Float[np.ndarray, " seeds"]:
    """A weighted sum of cells, one number a seed that has them all.

    Args:
        weights: of cells; one that the table lacks counts as missing.
        found: from `cells`.
    """
    columns = [*weights]
    values = found.reindex(columns=pd.MultiIndex.from_tuples(columns, names=CELL))
    total = values.to_numpy(float) @ np.array([*weights.values()])
    return total[np.isfinite(total)]


def asked(sums: Sums, found: pd.DataFrame) -> Float[np.ndarray, " seeds"]:
    """The mean of some sums, one number a seed that has them all."""
    return over_seeds(imagenet.mean(sums), found)


def talk(sums: Sums, metric: Metric = "top-1") -> tuple[float, float, float]:
    """The mean of some sums over the talk's table, with its interval."""
    return imagenet.contrast(imagenet.mean(sums), metric).ends


def talk_every(sums: Sums, metric: Metric = "top-1") -> tuple[float, float, float]:
    """The sum whose interval begins lowest: that of "all are above 0"."""
    return imagenet.least(sums, metric).ends


def estimates(found: pd.DataFrame) -> dict[Cell, Estimate]:
    """The mean error of every cell over seeds, with its interval."""
    asks = questions(found)
    named = product(asks.depths, asks.epochs, RULES)
    return {cell: _mean(over_seeds({cell: 1.0}, found)) for cell in named}


def _mean(values: Float[np.ndarray, " seeds"]) -> Estimate:
    if not len(values):
        return Estimate(np.nan, np.nan, np.nan)
    if len(values) < SPREAD:
        return Estimate(float(values.mean()), np.nan, np.nan)
    return Estimate(float(values.mean()), *of_mean(values, thresholds()))


def talk_estimates(metric: Metric = "top-1") -> dict[Cell, Estimate]:
    """Every entry of the talk's table, with its interval."""
    return {
        cell: imagenet.contrast({cell: 1.0}, metric)
        for cell, kind in imagenet.read(imagenet.TALK)
        if kind == metric
    }


def gains(found: pd.DataFrame | None = None) -> dict[tuple[int, int], Estimate]:
    """SAM's gain by depth and length.

    Args:
        found: from `cells`; None for the talk's table.
    """
    asks = TALK if found is None else questions(found)
    pairs = list(product(asks.depths, asks.epochs))
    if found is None:
        return {pair: imagenet.contrast(imagenet.gain(*pair)) for pair in pairs}
    return {pair: _mean(over_seeds(imagenet.gain(*pair), found)) for pair in pairs}


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """The table in the talk's form: means, and half-widths of their intervals.

    Args:
        found: from `cells`.

    Returns:
        A row a depth and length: SAM's error, that of standard training, and the gain.
    """
    errors, rows = estimates(found), {}
    for (depth, epochs), one in gains(found).items():
        each = [errors[depth, epochs, rule] for rule in RULES]
        rows[depth, epochs] = [_told(e) for e in (*each, one)]
    columns = ["SAM", "plain", "gain"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    table.index = pd.MultiIndex.from_tuples(
        table.index, names=["convolutions", "epochs"]
    )
    return table


def _told(one: Estimate) -> str:
    if not np.isfinite(one.value):
        return "none"
    if not np.isfinite(one.low):
        return f"{one.value:.1f}"
    return f"{one.value:.1f} ± {(one.high - one.low) / 2:.1f}"


def nearest(metrics: Sequence[Metric] = ("top-1", "top-5")) -> pd.DataFrame:
    """For every entry of standard training, the most alike one of another depth.

    Args:
        metrics: over which the largest difference is taken.

    Returns:
        A row a depth and length, the most alike first: the other's depth and length,
        and the distance in percentage points.
    """
    entries = imagenet.read(imagenet.TALK)
    every = list(product(imagenet.DEPTHS, imagenet.EPOCHS))

    def apart(one: tuple[int, int], other: tuple[int, int]) -> float:
        return max(
            abs(
                entries[(*one, "plain"), metric].value
                - entries[(*other, "plain"), metric].value
            )
            for metric in metrics
        )

    rows = []
    for cell in every:
        others = [other for other in every if other[0] != cell[0]]
        other = min(others, key=lambda one: apart(cell, one))
        rows.append((*cell, *other, round(apart(cell, other), 2)))
    names = ["ResNet", "epochs", "nearest ResNet", "its epochs", "distance"]
    return pd.DataFrame(rows, columns=names).sort_values("distance", ignore_index=True)
