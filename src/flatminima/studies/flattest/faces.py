"""What all flattest networks say of held-out points, as tables for the chapters."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from flatminima.checks import at_least
from flatminima.data.streams import Dataset, generator
from flatminima.data.xor import sample_xor, xor_test_set
from flatminima.studies.flattest.certificates import (
    check_small,
    first_layer_inputs,
)
from flatminima.theory.certificates.certificate import certify
from flatminima.theory.certificates.cube_symmetries import training_sets
from flatminima.theory.certificates.optimal_face import (
    PredictionRange,
    prediction_range,
)

FATES = ("right", "wrong", "undecided", "unbounded")
"""What the flattest networks of a training set say of a held-out point: all have its
sign; all have the other sign; they differ, or come within `TOLERANCE` of 0; they differ
by any amount."""

TOLERANCE = 1e-2
"""Of the ends of a range. Labels are 1 and -1."""

SLACK = 1e-3
"""Relative excess over the least trace up to which a network counts as flattest."""


def predictions(
    architecture: str,
    sizes: Sequence[tuple[int, int]],
    draws: int,
    points: int,
    *,
    slack: float = SLACK,
    first_seed: int = 0,
) -> pd.DataFrame:
    """Ranges of predictions over the optimal face, one row a held-out point of xor.

    Args:
        architecture: "bias" or "no_bias".
        sizes: pairs (d, n), d at most `certificates.LARGEST_D`, n < 2^d.
        draws: training sets of every size.
        points: held-out points of a training set, drawn without replacement; all
            of them if there are no more.
        slack: as in `prediction_range`.
        first_seed: of the training sets.

    Returns:
        Columns architecture, d, n, seed, point (its number), x (its signs), y, low,
        high (attained within the slack, perhaps infinite), fate, one of `FATES`, and
        forced (`forced`).

    Raises:
        ValueError: if an argument is out of range.
    """
    at_least("draws", draws, 1)
    at_least("points", points, 1)
    for d, n in sizes:
        check_small(d, n)
        if n == 2**d:
            raise ValueError(f"n = {n}: no point is held out, d = {d}")
    return pd.concat(
        [
            _draw(architecture, d, n, seed, points, slack)
            for d, n in sizes
            for seed in range(first_seed, first_seed + draws)
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


def shares_of_all(architecture: str, sizes: Sequence[tuple[int, int]]) -> pd.DataFrame:
    """Shares over all training sets of a size and all points held out, no sampling.

        Args:
            architecture: "bias" or "no_bias".
            sizes: pairs (d, n), as in `cube_symmetries.training_sets`.

        Returns:
            One row a size: d, n, sets, classes (of sets that are images of each other),
        the columns `FATES`, forced, the share at which flatness has no say (`forced`),
        and free_right: of the other points, the share at which all flattest networks
        are right; NaN if there are none.

    Raises:
            ValueError: if a size or the architecture is out of range.
    """
    rows = []
    for d, n in sizes:
        check_small(d, n)
        counts, sets, classes = dict.fromkeys([*FATES, "forced"], 0.0), 0, 0
        for train, test, size in training_sets(n, d):
            asked = _ask(architecture, train, test)
            for fate in asked["fate"]:
                counts[fate] += size / len(test.y)
            counts["forced"] += size * asked["forced"].mean()
            sets, classes = sets + size, classes + 1
        shares = {fate: count / sets for fate, count in counts.items()}
        free = 1 - shares["forced"]
        # on xor what interpolation forces is right
        gained = shares["right"] - shares["forced"]
        shares["free_right"] = gained / free if free > 0 else np.nan
        rows.append({"d": d, "n": n, "sets": sets, "classes": classes} | shares)
    return pd.DataFrame(rows)


def null(
    d: int,
    shares: Sequence[float],
    draws: int,
    *,
    most: int = 2000,
    first_seed: int = 0,
) -> pd.DataFrame:
    """How much of the cube interpolation alone settles, without a bias.

    Args:
        d: dimension, at most 16.
        shares: of the cube's points that are training points, between 0 and 1.
        draws: training sets of every size.
        most: held-out points asked of a set, the first of a random order.
        first_seed: of the training sets.

    Returns:
        A row a share: d, n, seen (the mean share of held-out points whose opposites are
        training points), forced (of those that `forced` names), and rank (the mean
        rank of the training points that have their opposites beside them).

    Raises:
        ValueError: if a share leaves no training point, or none held out.
    """
    at_least("draws", draws, 1)
    rows = []
    for share in shares:
        n = round(share * 2**d)
        if not 0 < n < 2**d:
            raise ValueError(f"shares: {share} of 2^{d} points gives n = {n}")
        found = []
        for seed in range(first_seed, first_seed + draws):
            train = sample_xor(n, d, seed)
            held_out = xor_test_set(train, seed).x[:most]
            seen = {tuple(point) for point in train.x}
            opposite = [tuple(-point) in seen for point in held_out]
            pairs = [point for point in train.x if tuple(-point) in seen]
            rank = np.linalg.matrix_rank(np.array(pairs)) if pairs else 0
            settled = float(forced(train.x, held_out).mean())
            found.append((float(np.mean(opposite)), settled, float(rank)))
        seen_share, forced_share, mean_rank = np.mean(np.array(found), axis=0)
        rows.append(
            {"d": d, "n": n, "seen": seen_share, "forced": forced_share}
            | {"rank": mean_rank}
        )
    return pd.DataFrame(rows)


def forced(
    x: Float[np.ndarray, "n r"], new: Float[np.ndarray, "m r"]
) -> Bool[np.ndarray, " m"]:
    """Whether all interpolating networks, flat or not, have one output at a new point.

    The f of units without bias is an even function plus a linear one, and both are
    free where no two points are parallel. So f(z) is what the training set makes it
    if and only if -z is in it, and z in the span of the points of which it has both
    signs.

    Args:
        x: what the first layer sees of the training set. Points that are parallel are
            opposites, as on the cube.
        new: the same of points held out.
    """
    seen = {tuple(point) for point in x}
    pairs = np.array([point for point in x if tuple(-point) in seen])
    pairs = pairs.reshape(-1, x.shape[1])
    rank = np.linalg.matrix_rank(pairs) if len(pairs) else 0
    return np.array(
        [
            tuple(-z) in seen and np.linalg.matrix_rank(np.vstack([pairs, z])) == rank
            for z in new
        ]
    )


def _ask(
    architecture: str, train: Dataset, test: Dataset, slack: float = SLACK
) -> pd.DataFrame:
    """The rows of one training set: point, x (signs), y, low, high, fate, forced."""
    x = first_layer_inputs(architecture, train.x)
    new = first_layer_inputs(architecture, test.x)
    found = prediction_range(
        certify(x, train.y), x, train.y, new, slack=slack, tolerance=TOLERANCE
    )
    return pd.DataFrame(
        {
            "point": np.arange(len(test.y)),
            "x": ["".join("+" if s > 0 else "−" for s in point) for point in test.x],
            "y": test.y,
            "low": found.low,
            "high": found.high,
            "fate": fates(found, test.y),
            "forced": forced(x, new),
        }
    )


def _draw(
    architecture: str, d: int, n: int, seed: int, points: int, slack: float
) -> pd.DataFrame:
    train = sample_xor(n, d, seed)
    test = xor_test_set(train, seed)
    chosen = generator(seed, "face").permutation(len(test.y))[:points]
    rows = _ask(architecture, train, Dataset(test.x[chosen], test.y[chosen]), slack)
    return rows.assign(architecture=architecture, d=d, n=n, seed=seed)
