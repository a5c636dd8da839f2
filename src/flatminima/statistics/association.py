"""What a sweep's table says beyond single settings, one number a seed."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from flatminima.sweeps.table import SEEDS, near_interpolating


def flatness_association(table: pd.DataFrame) -> Float[np.ndarray, " seeds"]:
    """Minus Kendall's tau of trace over bound and test accuracy, for each seed.

    Over all near-interpolating checkpoints of all rules of one architecture.
    Positive: flatter checkpoints are more accurate.

    Args:
        table: of one architecture, from `sweep`.
    """
    rows = near_interpolating(table)
    taus = [
        -stats.kendalltau(part["ratio"], part["test_accuracy"]).statistic
        for _, part in rows.groupby(SEEDS)
        if len(part) > 2
    ]
    return np.array([tau for tau in taus if np.isfinite(tau)])


def matched_difference(
    table: pd.DataFrame, rule: str, other: str, tolerance: float = 0.1
) -> Float[np.ndarray, " seeds"]:
    """Difference in test accuracy between two rules at equal trace, by seed.

    All pairs of near-interpolating checkpoints, one of each rule, whose traces
    differ by at most the tolerance; the mean over pairs is the seed's number.
    Seeds without a pair, or without an accuracy, are left out.

    Args:
        table: of one architecture, from `sweep`.
        rule, other: names of rules; positive means that the first is better.
        tolerance: relative difference allowed between traces, above 0.

    Raises:
        ValueError: if the tolerance is not above 0.
    """
    check_tolerance(tolerance)
    differences = []
    for _, part in near_interpolating(table).groupby(SEEDS):
        first = part[part["rule"] == rule]
        second = part[part["rule"] == other]
        gap = np.subtract.outer(
            np.log(first["ratio"].to_numpy()), np.log(second["ratio"].to_numpy())
        )
        gain = np.subtract.outer(
            first["test_accuracy"].to_numpy(), second["test_accuracy"].to_numpy()
        )
        near = np.abs(gap) <= np.log1p(tolerance)
        if near.any():
            differences.append(gain[near].mean())
    return np.array([gain for gain in differences if np.isfinite(gain)])


def variance_shares(table: pd.DataFrame, metric: str) -> dict[str, float]:
    """Which of data and initialisation moves a metric, from crossed seeds.

    Two-way analysis of variance without replication: sums of squares of the data
    seeds, of the initialisation seeds and of the remainder, which is interaction.

    Args:
        table: of one setting over all pairs of seeds, from `sweep`.
        metric: column, read at the last checkpoint.

    Returns:
        Shares of the total sum of squares; all 0 if nothing varies, and NaN if the
        metric is NaN somewhere.

    Raises:
        ValueError: if a pair of seeds is missing.
    """
    last = table[table["last"]]
    cells = last.pivot(index="data_seed", columns="init_seed", values=metric)
    if len(last) < cells.size:
        raise ValueError("the table of data and initialisation seeds has a gap")
    values = cells.to_numpy()
    mean = values.mean()
    total = np.sum((values - mean) ** 2)
    data = values.shape[1] * np.sum((values.mean(axis=1) - mean) ** 2)
    initialisation = values.shape[0] * np.sum((values.mean(axis=0) - mean) ** 2)
    if np.ptp(values) == 0:  # a rounded mean would leave a remainder to divide by
        return {"data": 0.0, "initialisation": 0.0, "interaction": 0.0}
    return {
        "data": float(data / total),
        "initialisation": float(initialisation / total),
        "interaction": float((total - data - initialisation) / total),
    }


def check_tolerance(tolerance: float) -> None:
    """Refuse a tolerance that no two traces can meet.

    Raises:
        ValueError: if the tolerance is not above 0.
    """
    if not tolerance > 0:
        raise ValueError(f"tolerance = {tolerance}: must be above 0")
