"""The ways compared, two by two."""

from itertools import combinations

import numpy as np
import pandas as pd

from flatminima.statistics.intervals import mean_ends
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.eight_ways.runs import WAYS
from flatminima.sweeps.table import SEEDS


def accuracies(every: pd.DataFrame) -> pd.DataFrame:
    """Accuracy and flatness of every way.

    Args:
        every: from `runs.ends`.

    Returns:
        One row a way: seeds, the largest trace over bound, mean accuracy with its
        interval over seeds, the least and the greatest.
    """
    rows = {}
    for way in WAYS:
        part = every[every["way"] == way]
        values = part["test_accuracy"].to_numpy()
        low, high = mean_ends(values, thresholds().level)
        rows[way] = {
            "seeds": len(part),
            "largest trace / bound": part["ratio"].max(),
            "test accuracy": values.mean(),
            "low": max(float(low), 0.0),
            "high": min(float(high), 1.0),
            "least": values.min(),
            "greatest": values.max(),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def differences(every: pd.DataFrame) -> pd.DataFrame:
    """By how much the accuracy of the second of two ways exceeds that of the first.

    Paired by seeds. All pairs are told at once, so each interval has Bonferroni's
    level.

    Args:
        every: from `runs.ends`.

    Returns:
        One row a pair: difference, low, high, seeds, and whether the interval excludes
        0.
    """
    wide = every.pivot(index=SEEDS, columns="way", values="test_accuracy")
    pairs = list(combinations(WAYS, 2))
    level = 1 - (1 - thresholds().level) / len(pairs)
    rows = {}
    for first, second in pairs:
        values = (wide[second] - wide[first]).dropna().to_numpy()
        low, high = mean_ends(values, level)
        rows[first, second] = {
            "difference": values.mean() if len(values) else np.nan,
            "low": float(low),
            "high": float(high),
            "seeds": len(values),
            "differ": bool(low > 0 or high < 0),
        }
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(frame.index, names=["way", "other way"])
    return frame
