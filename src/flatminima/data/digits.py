"""The 8x8 digits that scikit-learn packages: 1,797 images of ten classes.

They are the test set of the UCI optical recognition of handwritten digits (Alpaydin &
Kaynak 1998), each pixel a count from 0 to 16.
"""

from functools import cache

import numpy as np
from sklearn.datasets import load_digits

from flatminima.data.labelled import Labelled, Split, check_size
from flatminima.data.streams import generator

SHAPE = (1, 8, 8)
CLASSES = 10
IMAGES = 1797
MOST = 1740
"""Training images at most: every class has more than a tenth of it."""


def num_test_points(n: int) -> int:
    """How many images are held out."""
    return IMAGES - n


@cache
def _images() -> tuple[np.ndarray, np.ndarray]:
    found = load_digits()
    return found.data.reshape(-1, *SHAPE), found.target.astype(np.int64)


def split(n: int, seed: int) -> Split:
    """n images to train on, and all others to test on.

    The training set is balanced: every class has n / 10 images, up to one. Pixels are
    standardised by two numbers, the mean and the standard deviation over all pixels
    of the training set.

    Args:
        n: number of training images, 1 to `MOST`.
        seed: draws which.

    Raises:
        ValueError: if n is out of range.
    """
    check_size("digits", n, MOST)
    x, y = _images()
    rng = generator(seed, "digits")
    order, turns = rng.permutation(IMAGES), rng.permutation(CLASSES)
    # the first image of every class, then the second, and so on
    rank = np.empty(IMAGES, dtype=int)
    for label in range(CLASSES):
        of_class = y[order] == label
        rank[of_class] = np.arange(of_class.sum())
    order = order[np.lexsort((turns[y[order]], rank))]
    train, test = order[:n], order[n:]
    mean, std = x[train].mean(), x[train].std()
    x = (x - mean) / std
    return Split(Labelled(x[train], y[train]), Labelled(x[test], y[test]))
