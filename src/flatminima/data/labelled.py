"""Data sets of classes: what a split holds, and labels redrawn at random."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from flatminima.data.streams import generator


@dataclass(frozen=True)
class Labelled:
    """Inputs `x`, one an entry of the first axis, and classes `y` from 0 on."""

    x: Float[np.ndarray, "n ..."]
    y: Int[np.ndarray, " n"]


@dataclass(frozen=True)
class Split:
    """A training set and the points held out."""

    train: Labelled
    test: Labelled


def check_size(name: str, n: int, most: int) -> None:
    """Refuse a training set that cannot be drawn.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    if not 1 <= n <= most:
        raise ValueError(f"n = {n}: {name} allows 1 <= n <= {most} training points")


def redraw_labels(data: Labelled, share: float, classes: int, seed: int) -> Labelled:
    """The same points with exactly round(share n) labels drawn anew.

    A new label is uniform over all classes, so one in `classes` of them is the old
    one (Zhang et al. 2017). The points are nested: those of a smaller share of the same
    seed are among those of a larger one, and get the same labels.

    Args:
        data: points and their classes.
        share: of the labels that are redrawn, in [0, 1].
        classes: how many there are.
        seed: draws which points, and their labels; no other stream is touched.

    Raises:
        ValueError: if share is out of range.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share = {share}: allowed are 0 <= share <= 1")
    n = len(data.y)
    rng = generator(seed, "labels")
    order, fresh = rng.permutation(n), rng.integers(0, classes, n)
    redrawn = order[: round(share * n)]
    y = data.y.copy()
    y[redrawn] = fresh[redrawn]
    return replace(data, y=y)
