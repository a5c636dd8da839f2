"""Every training set of a small cube, up to the symmetries of xor.

Exchanging the first two coordinates, permuting the others and flipping signs keep
y = x[1] x[2], or turn it into -y everywhere. Networks move along: permute and flip the
first layer, and negate the second. So training sets that are images of each other have
the same least trace and the same share of held-out points of every fate.
"""

from collections.abc import Iterator
from itertools import combinations, permutations, product
from math import comb

import numpy as np
from jaxtyping import Int

from flatminima.data.streams import Dataset
from flatminima.data.xor import check_xor_size, hypercube, xor_labels

MAX_SETS = 20_000
"""Training sets are enumerated up to this many."""


def symmetries(d: int) -> Int[np.ndarray, "maps points"]:
    """Where each map sends each of the 2^d points, by their number in `hypercube`.

    Args:
        d: dimension, at least 2; there are 2 (d - 2)! 2^d maps.
    """
    cube = hypercube(d)
    orders = [
        [*first, *rest]
        for first in permutations(range(2))
        for rest in permutations(range(2, d))
    ]
    images = [
        cube[:, order] * np.array(signs)
        for order in orders
        for signs in product((1, -1), repeat=d)
    ]
    return np.array([(image > 0) @ (1 << np.arange(d)) for image in images])


def training_sets(n: int, d: int) -> Iterator[tuple[Dataset, Dataset, int]]:
    """One training set of every class, the points held out, and the size of the class.

    Args:
        n: number of training points, below 2^d.
        d: dimension.

    Raises:
        ValueError: if there is no such set, no point is held out, or there are more
            than `MAX_SETS` of them.
    """
    check_xor_size(n, d)
    if n == 2**d or comb(2**d, n) > MAX_SETS:
        raise ValueError(
            f"n = {n}, d = {d}: allowed are n < 2^d and at most {MAX_SETS} sets of n "
            "points"
        )
    bits = 1 << symmetries(d).astype(np.int64)
    sets = np.array(list(combinations(range(2**d), n)))
    # a set's class is named by the least of its images, as a binary number
    names = np.array([bits[:, chosen].sum(axis=1).min() for chosen in sets])
    _, first, sizes = np.unique(names, return_index=True, return_counts=True)
    cube = hypercube(d)
    for chosen, size in zip(sets[first], sizes, strict=True):
        train, test = cube[chosen], np.delete(cube, chosen, axis=0)
        pair = Dataset(train, xor_labels(train)), Dataset(test, xor_labels(test))
        yield *pair, int(size)
