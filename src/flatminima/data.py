"""Data distributions.

Every draw comes from a generator that is seeded by the caller's seed and a
stream name, so two streams of one seed never share random numbers.
"""

from dataclasses import dataclass, replace
from typing import Literal
from zlib import crc32

import numpy as np
from jaxtyping import Float

ENUMERABLE_DIM = 16
NUM_TEST_POINTS = 10_000


@dataclass(frozen=True)
class Dataset:
    """Inputs `x` of shape (n, d) and real labels `y` of shape (n,)."""

    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]


def generator(seed: int, stream: str) -> np.random.Generator:
    """The generator of one named stream of one seed.

    Args:
        seed: non-negative integer.
        stream: a name such as "train" or "init".

    Returns:
        A PCG64 generator, the same for the same arguments on every platform.
    """
    return np.random.default_rng([seed, crc32(stream.encode())])


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


def sample_ball(n: int, d: int, seed: int, stream: str = "train") -> Dataset:
    """n points uniform in the ball of radius sqrt(d), y = |x[1]| - |x[2]|.

    A Gaussian direction times a radius sqrt(d) U^(1/d) (Wen, Li & Ma 2023, figure 7).

    Args:
        n: number of points, at least 1.
        d: dimension, at least 2.
        seed, stream: what to draw from.

    Raises:
        ValueError: if d < 2 or n < 1.
    """
    if d < 2:
        raise ValueError(f"d = {d}: the labels of the ball need d >= 2")
    if n < 1:
        raise ValueError(f"n = {n}: must be at least 1")
    rng = generator(seed, stream)
    direction = rng.normal(size=(n, d))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    x = direction * (d**0.5 * rng.random((n, 1)) ** (1 / d))
    return Dataset(x, np.abs(x[:, 0]) - np.abs(x[:, 1]))


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


def train_and_test(
    data: Literal["xor", "ball"], n: int, d: int, seed: int, label_noise: float = 0.0
) -> tuple[Dataset, Dataset]:
    """The training set and the held-out points of a distribution.

    Args:
        data: "xor" or "ball".
        n, d: number of training points and dimension.
        seed: seed of all draws.
        label_noise: share of the training labels that are flipped.

    Raises:
        ValueError: if there is no such data set.
    """
    if data == "ball":
        train = sample_ball(n, d, seed)
        return train, sample_ball(NUM_TEST_POINTS, d, seed, "test")
    train = sample_xor(n, d, seed)
    return flip_labels(train, label_noise, seed), xor_test_set(train, seed)
