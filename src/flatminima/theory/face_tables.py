"""What all flattest networks say of held-out points, as tables for the chapters."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from flatminima.data import generator, sample_xor, xor_test_set
from flatminima.theory.certificate import certify
from flatminima.theory.certificate_tables import (
    check_draws,
    check_small,
    first_layer_inputs,
)
from flatminima.theory.optimal_face import PredictionRange, prediction_range

FATES = ("right", "wrong", "undecided", "unbounded")
"""What the flattest networks of a training set say of a held-out point: all have its
sign; all have the other sign; they differ; they differ by any amount."""

TOLERANCE = 1e-2
"""Of the ends of a range. Labels are 1 and -1."""


def predictions(
    architecture: str,
    sizes: Sequence[tuple[int, int]],
    draws: int,
    points: int,
    *,
    slack: float = 1e-3,
) -> pd.DataFrame:
    """Ranges of predictions over the optimal face, one row a held-out point of xor.

    Args:
        architecture: "bias" or "no_bias".
        sizes: pairs (d, n), d at most `certificate_tables.LARGEST_D`, n < 2^d.
        draws: training sets of every size, seeds 0, 1, ...
        points: held-out points of a training set, drawn without replacement; all
            of them if there are no more.
        slack: as in `prediction_range`.

    Returns:
        Columns architecture, d, n, seed, point (its number), y, low, high (attained
        within the slack, perhaps infinite) and fate, one of `FATES`.

    Raises:
        ValueError: if an argument is out of range.
    """
    check_draws(draws)
    if points < 1:
        raise ValueError(f"points = {points}: at least 1 is needed")
    for d, n in sizes:
        check_small(d, n)
        if n == 2**d:
            raise ValueError(f"n = {n}: no point is held out, d = {d}")
    return pd.concat(
        [
            _draw(architecture, d, n, seed, points, slack)
            for d, n in sizes
            for seed in range(draws)
        ],
        ignore_index=True,
    )


def fates(found: PredictionRange, y: np.ndarray) -> np.ndarray:
    """Which of `FATES` every point has; "undecided" where nothing is proved.

    Args:
        found: ranges.
        y: labels of the same points, none of them 0.
    """
    decided = [found.all_correct(y), found.all_correct(-y), np.isinf(found.low)]
    return np.select(decided, ["right", "wrong", "unbounded"], "undecided")


def fate_shares(table: pd.DataFrame) -> pd.DataFrame:
    """Share of held-out points of every fate, one row a training set.

    Args:
        table: from `predictions`.

    Returns:
        Columns architecture, d, n, seed, those of `FATES`, and bounded.
    """
    keys = ["architecture", "d", "n", "seed"]
    shares = pd.crosstab([table[key] for key in keys], table["fate"], normalize="index")
    shares = shares.reindex(columns=list(FATES), fill_value=0.0)
    shares["bounded"] = 1.0 - shares["unbounded"]
    return shares.rename_axis(columns=None).reset_index()


def _draw(
    architecture: str, d: int, n: int, seed: int, points: int, slack: float
) -> pd.DataFrame:
    train = sample_xor(n, d, seed)
    test = xor_test_set(train, seed)
    count = min(points, len(test.y))
    chosen = generator(seed, "face").permutation(len(test.y))[:count]
    x = first_layer_inputs(architecture, train.x)
    x_new, y_new = first_layer_inputs(architecture, test.x[chosen]), test.y[chosen]
    found = prediction_range(
        certify(x, train.y), x, train.y, x_new, slack=slack, tolerance=TOLERANCE
    )
    return pd.DataFrame(
        {
            "architecture": architecture,
            "d": d,
            "n": n,
            "seed": seed,
            "point": np.arange(count),
            "y": y_new,
            "low": found.low,
            "high": found.high,
            "fate": fates(found, y_new),
        }
    )
