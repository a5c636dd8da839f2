"""The random numbers of a step, by a counter: any stretch can be had on its own."""

import numpy as np
from jaxtyping import Float

EXAMPLES, PROBES = 1, 2
"""What the two streams of a seed are for."""

PER_COUNT = 4
"""Numbers of 64 bits that the generator makes at each count."""

BITS_OF_WORD = 64


def words(seed: int, stream: int, first: int, steps: int, each: int) -> np.ndarray:
    """`each` random 64-bit numbers for every step from the first, shape (steps, each).

    Args:
        seed: of the run.
        stream: `EXAMPLES` or `PROBES`.
        first: step.
        steps: how many.
        each: numbers a step.
    """
    source = np.random.Philox(key=np.array([seed, stream], dtype=np.uint64))
    offset = first * each
    source.advance(offset // PER_COUNT)
    skipped = offset % PER_COUNT
    return source.random_raw(skipped + steps * each)[skipped:].reshape(steps, each)


def signs(seed: int, first: int, steps: int, size: int) -> Float[np.ndarray, "steps k"]:
    """Independent signs for every step, shape (steps, size)."""
    raw = words(seed, PROBES, first, steps, -(-size // BITS_OF_WORD))
    bits = np.unpackbits(
        raw.astype("<u8").view(np.uint8), axis=1, count=size, bitorder="little"
    )
    return 2.0 * bits - 1.0
