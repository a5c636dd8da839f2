"""Numbers from curves along training, one a seed.

Curves are compared by their logarithms, on a logarithmic axis of time, and before the
learning rate drops. A seed whose run diverged has no number.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.statistics.intervals import mean_ends
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.small_lr.runs import (
    AFTER_DROP,
    DECAY,
    DECAYS,
    MIDDLE,
    OUTSIDE,
    OUTSIDE_RATES,
    PERIODS,
    RATES,
)
from flatminima.sweeps.table import SEEDS

NORM, LOSS, ERROR = "weight_norm", "train_loss", "test_error"

NAMES = {NORM: "norm of the weights", LOSS: "training loss", ERROR: "test error"}

NUMBERS = (
    *("test_accuracy", "test_points", "trace", "periods", "sgd_steps"),
    "num_steps",
)
"""What else rows without a run lack."""

TOLERANCES = {NORM: 0.02, LOSS: 0.1}
"""By how much logarithms may change in a period where a curve counts as flat."""

NEAR = 0.1
"""A curve is at equilibrium within this share of its whole way there."""

POINTS = 60
"""Of a grid in time."""

FIRST = 0.02
"""First checkpoint, in periods."""

INSIDE: dict[str, Any] = {"norm": "batch", "amplification": 1}


def pick(long: pd.DataFrame, **fields: Any) -> pd.DataFrame:
    """The rows of one setting.

    Args:
        long: from `runs.evidence`.
        fields: values of columns.

    Returns:
        Those rows; where there is none, one a seed without any number, so that what
        rests on it is undecided.
    """
    found = long
    for name, value in fields.items():
        found = found[found[name] == value]
    if len(found):
        return found
    seeds = long[SEEDS].drop_duplicates()
    numbers = dict.fromkeys((*NUMBERS, *NAMES), np.nan)
    scale = long["scale"].iloc[0] if len(long) else ""
    return seeds.assign(
        **numbers, **fields, step=0, last=True, diverged=False, scale=scale
    )


def rates(long: pd.DataFrame) -> list[pd.DataFrame]:
    """The settings with norm and decay that differ in the learning rate."""
    return [pick(long, lr=lr, weight_decay=DECAY, **INSIDE) for lr in RATES]


def decays(long: pd.DataFrame) -> list[pd.DataFrame]:
    """The settings with norm and the middle rate that differ in the decay."""
    return [pick(long, lr=MIDDLE, weight_decay=decay, **INSIDE) for decay in DECAYS]


def outside(long: pd.DataFrame, name: str) -> list[pd.DataFrame]:
    """The settings of a name of `runs.OUTSIDE` that differ in the learning rate."""
    return [pick(long, lr=lr, amplification=1, **OUTSIDE[name]) for lr in OUTSIDE_RATES]


def _log(rows: pd.DataFrame, quantity: str) -> Float[np.ndarray, " rows"]:
    values = rows[quantity].to_numpy(float)
    if quantity == ERROR:  # half a point, where no point is wrong
        values = np.maximum(values, 0.5 / rows["test_points"].to_numpy(float))
    with np.errstate(divide="ignore"):
        return np.log(values)


USED = [
    *SEEDS,
    *("step", "sgd_steps", "periods", "diverged", "test_accuracy", "test_points"),
    *NAMES,
]
"""Columns that numbers of a seed are taken from."""


def by_seed(
    settings: Sequence[pd.DataFrame],
    number: Callable[[list[pd.DataFrame]], float],
) -> pd.Series:
    """One number a seed, from its runs in all of some settings.

    Args:
        settings: rows of one setting each.
        number: from the seed's rows of every setting.

    Returns:
        Series indexed by (data_seed, init_seed), of the seeds that have all runs,
        none of which diverged; NaN where a run has no number.
    """
    groups = [dict(tuple(rows[USED].groupby(SEEDS))) for rows in settings]
    common = sorted(set.intersection(*(set(group) for group in groups)))
    values = {}
    for seed in common:
        runs = [group[seed].sort_values("step") for group in groups]
        lost = any(run["diverged"].any() or run["periods"].isna().any() for run in runs)
        values[seed] = np.nan if lost else number(runs)
    index = pd.MultiIndex.from_tuples(common, names=SEEDS)
    return pd.Series([values[seed] for seed in common], index, dtype=float)


def _curve(run: pd.DataFrame, quantity: str, axis: str, at: np.ndarray) -> np.ndarray:
    """The logarithm of a quantity at times of an axis, linear between checkpoints."""
    periods = run["periods"].to_numpy(float)
    kept = (periods > 0) & (periods <= PERIODS)
    times = np.log(run[axis].to_numpy(float)[kept])
    return np.interp(np.log(at), times, _log(run, quantity)[kept])


def spread(runs: Sequence[pd.DataFrame], quantity: str, axis: str) -> float:
    """How far apart the curves of one seed lie.

    The root mean square, over a logarithmic grid of times, of the standard deviation
    over settings of the logarithm of the quantity. Against updates the grid is where
    all settings have curves; against periods it ends at the drop, and has the same
    number of decades, so that it leaves out the start, where the curves agree.

    Args:
        runs: the seed's rows of every setting.
        quantity: column.
        axis: "sgd_steps" or "periods".
    """
    lengths = [run["sgd_steps"].max() / (PERIODS + AFTER_DROP) for run in runs]
    first, last = FIRST * max(lengths), PERIODS * min(lengths)
    if axis == "periods":
        first, last = first / min(lengths), float(PERIODS)
    at = np.geomspace(first, last, POINTS)
    curves = np.array([_curve(run, quantity, axis, at) for run in runs])
    return float(np.sqrt((curves.std(axis=0, ddof=1) ** 2).mean()))


def spreads(settings: Sequence[pd.DataFrame], quantity: str) -> pd.Series:
    """Logarithm of the spread against t over that against ηλt, by seed.

    Args:
        settings: rows of one setting each.
        quantity: column.
    """
    return by_seed(
        settings,
        lambda runs: float(
            np.log(spread(runs, quantity, "sgd_steps"))
            - np.log(spread(runs, quantity, "periods"))
        ),
    )


def _level(run: pd.DataFrame, quantity: str, end: float) -> float:
    """Mean of the logarithm over the period that ends at `end`."""
    times = run["periods"].to_numpy(float)
    kept = (times > end - 1 + 1e-9) & (times <= end + 1e-9)
    return float(_log(run, quantity)[kept].mean()) if kept.any() else np.nan


def levels(rows: pd.DataFrame, quantity: str, end: float = PERIODS) -> pd.Series:
    """Mean of the logarithm over a period, by seed.

    Args:
        rows: of one setting.
        quantity: column.
        end: of the period.
    """
    return by_seed([rows], lambda runs: _level(runs[0], quantity, end))


def changes(rows: pd.DataFrame, quantity: str) -> pd.Series:
    """Change of `levels` from the last period but one to the last, by seed."""
    return levels(rows, quantity) - levels(rows, quantity, PERIODS - 1)


def flatness(
    settings: Sequence[pd.DataFrame], *, at_once: bool = True
) -> tuple[float, float, float]:
    """One minus the largest change over its tolerance, of all settings and quantities.

    Args:
        settings: rows of one setting each.
        at_once: whether the lower end is that of intervals that hold all at once
            (Bonferroni). That all changes are small needs no such correction: if one is
            not, the chance that its own interval says so is the level already (the
            intersection-union test of Berger 1982).

    Returns:
        The number, from means over seeds, and its interval, of which the upper end is
        always that of intervals that hold all at once. NaN if a setting has fewer than
        two seeds.
    """
    cells = [(rows, name) for rows in settings for name in TOLERANCES]
    given = thresholds().level
    strict = 1 - (1 - given) / len(cells)
    means, far, near = [], [], []
    for rows, name in cells:
        values = changes(rows, name).dropna().to_numpy() / TOLERANCES[name]
        if len(values) < 2:
            return np.nan, np.nan, np.nan
        low, high = map(float, mean_ends(values, strict))
        near.append(0.0 if low <= 0 <= high else min(abs(low), abs(high)))
        if not at_once:
            low, high = map(float, mean_ends(values, given))
        far.append(max(abs(low), abs(high)))
        means.append(abs(values.mean()))
    return 1 - max(means), 1 - max(far), 1 - max(near)


def least_change(
    settings: Sequence[pd.DataFrame], quantity: str, sign: float
) -> pd.Series:
    """The least rise (sign 1) or fall (-1) in the last period, of all settings.

    Args:
        settings: rows of one setting each.
        quantity: column.
        sign: of the change that is asked for.
    """

    def least(runs: list[pd.DataFrame]) -> float:
        return min(
            sign * (_level(r, quantity, PERIODS) - _level(r, quantity, PERIODS - 1))
            for r in runs
        )

    return by_seed(settings, least)


def time_to_equilibrium(run: pd.DataFrame, quantity: str) -> float:
    """Periods until a curve has gone all but `NEAR` of its way to equilibrium.

    Args:
        run: rows of one run, ascending.
        quantity: column; its equilibrium is the mean of the logarithm in the last
            period.
    """
    kept = run[run["periods"] <= PERIODS]
    away = np.abs(_log(kept, quantity) - _level(run, quantity, PERIODS))
    limit = NEAR * away[0]
    inside = np.flatnonzero(away <= limit)
    if limit == 0 or not len(inside):
        return np.nan
    one = int(inside[0])
    times = kept["periods"].to_numpy(float)
    share = (away[one - 1] - limit) / (away[one - 1] - away[one])
    return float(times[one - 1] + share * (times[one] - times[one - 1]))


def exponents(settings: Sequence[pd.DataFrame], quantity: str) -> pd.Series:
    """Log-log slope of the updates to equilibrium against 1/(ηλ), by seed.

    Args:
        settings: rows of one setting each, of different ηλ.
        quantity: column.
    """

    def slope(runs: list[pd.DataFrame]) -> float:
        lengths = [run["sgd_steps"].max() / (PERIODS + AFTER_DROP) for run in runs]
        periods = [time_to_equilibrium(run, quantity) for run in runs]
        if not np.isfinite(periods).all():
            return np.nan
        updates = np.log(np.multiply(periods, lengths))
        return float(np.polyfit(np.log(lengths), updates, 1)[0])

    return by_seed(settings, slope)


def svag_changes(
    long: pd.DataFrame, lr: float, before: int, after: int, quantity: str = NORM
) -> pd.Series:
    """How much the level changes from one l to another, in logarithm, by seed.

    Args:
        long: from `runs.evidence`.
        lr: learning rate of SGD.
        before, after: values of l.
        quantity: column.
    """
    one, two = (
        levels(
            pick(long, lr=lr, weight_decay=DECAY, norm="batch", amplification=k),
            quantity,
        )
        for k in (before, after)
    )
    return (two - one).abs()
