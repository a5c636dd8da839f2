"""The tables of the chapter on measures."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from flatminima.sharpness import gauss_newton_trace
from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.measures import page
from flatminima.studies.measures.runs import Trained


def descriptions(nets: Sequence[Trained], tolerance: float) -> pd.DataFrame:
    """Trace, bits and test error of trained networks, a row each."""
    rows = []
    for net in nets:
        plain, relative = page.bits(net.at, tolerance)
        rows.append(
            {
                "seed": net.seed,
                "way": net.way,
                "trace": gauss_newton_trace.exact(net.at).whole.value,
                "bits": plain,
                "relative bits": relative,
                "test error": net.test_error,
            }
        )
    columns = ["seed", "way", "trace", "bits", "relative bits", "test error"]
    return pd.DataFrame(rows, columns=columns)


def taus(table: pd.DataFrame, one: str, other: str) -> np.ndarray:
    """Kendall's tau of two columns, a seed each; seeds where one is constant have none.

    Args:
        table: from `descriptions`.
        one, other: columns.
    """
    found = [
        stats.kendalltau(rows[one], rows[other]).statistic
        for _, rows in table.groupby("seed")
        if len(rows) > 2
    ]
    return np.array([tau for tau in found if np.isfinite(tau)])


SMOOTH = {
    "ball, tanh": 1,
    "ball, ReLU": 1,
    "noise, tanh": 2,
    "noise, ReLU": 2,
    "1/ε, not interpolating": 1,
}
"""Exponents that Taylor's formula gives a smooth loss."""


def exponents(fits: dict[str, np.ndarray]) -> pd.DataFrame:
    """Mean exponent with its interval, a row a rate.

    Args:
        fits: slopes of the networks by name, of `SMOOTH`.
    """
    rows = {}
    for name, slopes in fits.items():
        low, high = of_mean(slopes, thresholds())
        rows[name] = {
            "exponent": float(np.mean(slopes)) if len(slopes) else np.nan,
            "low": low,
            "high": high,
            "networks": len(slopes),
            "smooth": SMOOTH[name],
        }
    return pd.DataFrame.from_dict(rows, orient="index")
