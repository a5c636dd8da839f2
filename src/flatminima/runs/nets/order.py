"""The order of the examples, and the seeds of the masks of dropout."""

import numpy as np
from jaxtyping import Int

from flatminima.runs.nets.config import NetConfig

EPOCHS_PER_BLOCK = 16

MASKS = 2**63
"""Added to the number of a step, so that masks and orders share no numbers."""


def batches(config: NetConfig, start: int, stop: int) -> Int[np.ndarray, "steps size"]:
    """Examples used by the steps start, ..., stop - 1.

    Every epoch is a fresh permutation. A counter-based generator is keyed by the seed
    and by the block of epochs, so any stretch can be had on its own. Where the batch
    size does not divide n, a batch may reach over the end of an epoch.
    """
    size, block_size = config.batch_size, EPOCHS_PER_BLOCK * config.n
    first, last = start * size, stop * size
    blocks = range(first // block_size, (last - 1) // block_size + 1)
    epochs = np.tile(np.arange(config.n), (EPOCHS_PER_BLOCK, 1))
    orders = [
        np.random.Generator(np.random.Philox(key=[config.init_seed, block]))
        .permuted(epochs, axis=1)
        .ravel()
        for block in blocks
    ]
    offset = blocks.start * block_size
    return np.concatenate(orders)[first - offset : last - offset].reshape(-1, size)


def mask_seeds(config: NetConfig, start: int, stop: int) -> Int[np.ndarray, " steps"]:
    """Seeds of the generator of masks in the steps start, ..., stop - 1."""
    block_size = EPOCHS_PER_BLOCK * config.n
    blocks = range(start // block_size, (stop - 1) // block_size + 1)
    draws = [
        np.random.Generator(
            np.random.Philox(key=[config.init_seed, MASKS + block])
        ).integers(0, 2**62, block_size)
        for block in blocks
    ]
    offset = blocks.start * block_size
    return np.concatenate(draws)[start - offset : stop - offset]


def is_check(config: NetConfig, step: int) -> bool:
    """Whether a quarter of an epoch ends with this number of updates done."""
    size, n = 4 * config.batch_size, config.n
    return step * size // n > (step - 1) * size // n
