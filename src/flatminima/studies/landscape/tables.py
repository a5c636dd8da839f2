"""What the chapter's runs say, in numbers of one seed each and in tables."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.landscape.runs import Shown
from flatminima.sweeps.table import SEEDS, per_seed

MARGIN = 0.02
"""Barrier below which a path has none, in nats; that of the claims."""


def order(
    tables: Sequence[pd.DataFrame], first: str, second: str, sign: int = 1
) -> Float[np.ndarray, " seeds"]:
    """Kendall's tau of two numbers over settings, one a seed.

    Args:
        tables: rows of one setting each.
        first, second: columns, taken at the end.
        sign: -1 to turn it round.

    Returns:
        One number for each seed with at least three settings; a run without either
        number is left out.
    """
    ends = [
        pd.DataFrame({"a": per_seed(table, first), "b": per_seed(table, second)})
        for table in tables
    ]
    taus = [
        sign * stats.kendalltau(rows["a"], rows["b"]).statistic
        for _, rows in pd.concat(ends).dropna().groupby(SEEDS)
        if len(rows) > 2
    ]
    return np.array([tau for tau in taus if np.isfinite(tau)])


def blindness(table: pd.DataFrame) -> Float[np.ndarray, " seeds"]:
    """ln of a tenth of lambda_max over the largest curvature that a probe saw."""
    ratio = per_seed(table, "lambda_max") / (10 * per_seed(table, "drawn_most"))
    return np.log(ratio[ratio > 0].to_numpy(float))


def nearer(tables: Sequence[pd.DataFrame]) -> Float[np.ndarray, " seeds"]:
    """How much farther apart two minima are than two planes, one number a seed.

    |log h(one minimum) - log h(next seed's)| in the first plane, minus |log h in the
    first plane - log h in the second| of the one minimum; means over settings. The
    last seed's next is the first.

    Args:
        tables: rows of one setting each.
    """
    differences = []
    for table in tables:
        one, two = per_seed(table, "log_height"), per_seed(table, "log_height_2")
        neighbour = np.roll(one.to_numpy(dtype=float), -1)
        differences.append((one - neighbour).abs() - (one - two).abs())
    if not differences or len(differences[0]) < 2:
        return np.array([])
    mean = pd.concat(differences, axis=1).mean(axis=1, skipna=False)
    return mean.dropna().to_numpy()


def known(
    tables: Sequence[pd.DataFrame], column: str
) -> Float[np.ndarray, " instances"]:
    """A number of every run that has it, over settings; infinite if none has."""
    found = np.concatenate(
        [per_seed(table, column).dropna().to_numpy(float) for table in tables]
    )
    return found if len(found) else np.array([np.inf])


def way(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The rows of pairs with the barrier of one way as `barrier`, and what is left.

    `left` is the barrier as a share of that of the straight line.
    """
    own = table[f"{name}_barrier"]
    return table.assign(barrier=own, left=own / table["straight_barrier"])


def ends_of(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of pairs twice: with the first network's accuracy, and the second's."""
    return table, table.assign(test_accuracy=table["second_accuracy"])


def numbers(shown: Mapping[str, Shown], columns: Mapping[str, str]) -> pd.DataFrame:
    """Means over seeds with their intervals, a row a setting.

    Args:
        shown: by name.
        columns: titles by column.

    Returns:
        Cells such as "12.1 (11.0 to 13.2)", with the seeds behind them, and how many
        of these missed the target loss.
    """
    rows = {}
    for name, each in shown.items():
        row: dict[str, object] = {}
        for column, title in columns.items():
            row[title] = cell(per_seed(each.table, column).dropna().to_numpy(float))
        row["seeds"] = int(each.table["last"].sum())
        row["missed the loss"] = each.missed
        rows[name] = row
    return pd.DataFrame(rows).T


def cell(values: Float[np.ndarray, " seeds"]) -> str:
    """A mean with its interval, in three digits, or as whole numbers."""
    if not len(values):
        return "–"
    low, high = of_mean(values, thresholds())
    if not np.isfinite(low):
        return _digits(float(values.mean()))
    return f"{_digits(float(values.mean()))} ({_digits(low)} to {_digits(high)})"


def _digits(number: float) -> str:
    return f"{number:.0f}" if abs(number) >= 1000 else f"{number:.3g}"


def repeated(shown: Mapping[str, Shown], columns: Sequence[str]) -> pd.DataFrame:
    """How this build's runs differ from the committed ones of the same seed.

    Args:
        shown: by name.
        columns: to compare, at the end.

    Returns:
        A row a setting that has both: runs, and the largest relative difference.
    """
    rows = {}
    for name, each in shown.items():
        if each.live.empty or each.committed.empty:
            continue
        worst, runs = 0.0, 0
        for column in columns:
            live, kept = (per_seed(t, column) for t in (each.live, each.committed))
            both = pd.concat([live, kept], axis=1, join="inner").dropna()
            if len(both):
                a, b = both.to_numpy(float).T
                scale = np.maximum(np.maximum(abs(a), abs(b)), 1e-12)
                worst = max(worst, float((abs(a - b) / scale).max()))
            runs = max(runs, len(both))
        rows[name] = {"runs": runs, "largest relative difference": f"{worst:.1e}"}
    return pd.DataFrame(rows, index=["runs", "largest relative difference"]).T
