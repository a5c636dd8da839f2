"""Data sets, and the streams of random numbers that they come from.

Every draw comes from a generator that is seeded by the caller's seed and a
stream name, so two streams of one seed never share random numbers.
"""

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from jaxtyping import Float

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
