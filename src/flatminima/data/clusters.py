"""Classes that are unions of Gaussian clusters: simple to say, not linear.

A class has several clusters, whose centres are drawn once and for all; a seed draws
points. So all seeds are of one task.
"""

import numpy as np

from flatminima.data.labelled import Labelled, Split, check_size
from flatminima.data.streams import NUM_TEST_POINTS, generator

DIMENSION = 20
SHAPE = (DIMENSION,)
CLASSES = 4
CLUSTERS = 6
"""Clusters a class."""

NOISE = 0.8
"""Standard deviation within a cluster; that between centres is 1."""

MOST = 100_000


def num_test_points(n: int) -> int:
    """How many points are held out."""
    return NUM_TEST_POINTS


def split(n: int, seed: int) -> Split:
    """n points to train on and 10,000 more to test on.

    x = c_jk + NOISE z with c_jk ~ N(0, I) the centre of cluster k of class j, z ~
    N(0, I), and (j, k) uniform, so classes are balanced on average only.

    Args:
        n: number of training points, 1 to `MOST`.
        seed: draws the points.

    Raises:
        ValueError: if n is out of range.
    """
    check_size("clusters", n, MOST)
    centres = generator(0, "centres").normal(size=(CLASSES * CLUSTERS, DIMENSION))

    def draw(stream: str, number: int) -> Labelled:
        rng = generator(seed, stream)
        which = rng.integers(0, len(centres), number)
        x = centres[which] + NOISE * rng.normal(size=(number, DIMENSION))
        return Labelled(x, (which % CLASSES).astype(np.int64))

    return Split(draw("clusters", n), draw("clusters test", NUM_TEST_POINTS))
