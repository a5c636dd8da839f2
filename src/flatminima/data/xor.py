"""P_xor: the product of two inputs, on the corners of a cube."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from flatminima.data.streams import NUM_TEST_POINTS, Dataset, generator

ENUMERABLE_DIM = 16


def hypercube(d: int) -> Float[np.ndarray, "points d"]:
    """All 2^d points of {-1, 1}^d, in binary order.

    Args:
        d: dimension, at most 20.

    Raises:
        ValueError: if d is out of range.
    """
    if not 1 <= d <= 20:
        raise ValueError(f"d = {d}: the hypercube is enumerated for 1 <= d <= 20")
    bits = (np.arange(2**d)[:, None] >> np.arange(d)) & 1
    return 2.0 * bits - 1.0


def xor_labels(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " n"]:
    """y = x[1] x[2] (Wen, Li & Ma 2023, P_xor)."""
    return x[:, 0] * x[:, 1]


def sample_xor(n: int, d: int, seed: int) -> Dataset:
    """n distinct points of P_xor: x uniform on {-1, 1}^d, y = x[1] x[2].

    Distinctness is our choice; the source draws independently. At d = 30 and
    n = 100 independent draws repeat with probability about 5e-6.

    Args:
        n: number of points, 1 <= n <= 2^d.
        d: dimension, at least 2.
        seed: seed of the draw.

    Raises:
        ValueError: if d < 2, or if there are fewer than n distinct points.
    """
    check_xor_size(n, d)
    rng = generator(seed, "train")
    if d <= ENUMERABLE_DIM:
        index = rng.choice(2**d, size=n, replace=False)
        x = hypercube(d)[index]
    else:
        x = np.unique(rng.choice([-1.0, 1.0], size=(n, d)), axis=0)
        while len(x) < n:
            x = np.unique(np.vstack([x, rng.choice([-1.0, 1.0], (1, d))]), axis=0)
        x = rng.permutation(x)
    return Dataset(x, xor_labels(x))


def check_xor_size(n: int, d: int) -> None:
    """Refuse a P_xor data set that cannot exist.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    if d < 2:
        raise ValueError(f"d = {d}: P_xor needs d >= 2")
    if n < 1 or (d < 60 and n > 2**d):
        raise ValueError(f"n = {n}: allowed are 1 <= n <= 2^d distinct points, d = {d}")


def xor_test_set(train: Dataset, seed: int) -> Dataset:
    """Held-out points of P_xor.

    For d <= 16 these are all points of the hypercube that are not in the
    training set, so that test accuracy is exact; otherwise 10 000 fresh draws
    (a draw that repeats a training point is kept: its probability is n / 2^d).

    Args:
        train: the training set.
        seed: seed of the draw.

    Returns:
        The held-out set; empty if the training set is the whole hypercube.
    """
    d = train.x.shape[1]
    if d <= ENUMERABLE_DIM:
        x = hypercube(d)
        seen = ((train.x > 0) @ (1 << np.arange(d))).astype(int)
        x = np.delete(x, seen, axis=0)
    else:
        rng = generator(seed, "test")
        x = rng.choice([-1.0, 1.0], size=(NUM_TEST_POINTS, d))
    return Dataset(x, xor_labels(x))


def flip_labels(data: Dataset, share: float, seed: int) -> Dataset:
    """The same points with exactly round(share n) labels of the other sign.

    Args:
        data: labels other than 0.
        share: of the labels that are flipped, in [0, 1].
        seed: draws which; no other stream of the seed is touched.

    Raises:
        ValueError: if share is out of range.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share = {share}: allowed are 0 <= share <= 1")
    n = len(data.y)
    flipped = generator(seed, "noise").permutation(n)[: round(share * n)]
    y = data.y.copy()
    y[flipped] *= -1
    return replace(data, y=y)
