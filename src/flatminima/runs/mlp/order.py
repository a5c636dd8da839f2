"""The order of the examples."""

import numpy as np

from flatminima.runs.mlp.config import Config

EPOCHS_PER_BLOCK = 64

COINS = 2**63
"""Added to the number of a block, so that coins and orders share no numbers."""


def example_order(config: Config, start: int, stop: int) -> np.ndarray:
    """Numbers start, ..., stop - 1 of the endless sequence of shuffled examples.

    Every epoch is a fresh permutation. A counter-based generator is keyed by the
    seed and by the block of epochs, so any stretch can be had on its own.
    """
    block_size = EPOCHS_PER_BLOCK * config.n
    blocks = range(start // block_size, (stop - 1) // block_size + 1)
    epochs = np.tile(np.arange(config.n), (EPOCHS_PER_BLOCK, 1))
    orders = [
        np.random.Generator(np.random.Philox(key=[config.init_seed, block]))
        .permuted(epochs, axis=1)
        .ravel()
        for block in blocks
    ]
    offset = blocks.start * block_size
    return np.concatenate(orders)[start - offset : stop - offset]


def moved_up(config: Config, start: int, stop: int) -> np.ndarray:
    """Which labels `step_noise` moves up, 1, and which down, 0, in some steps.

    Each is a fair coin of a counter-based generator, as the order of the examples is.

    Returns:
        Integers of shape (steps, batch size).
    """
    size = config.batch_size
    block_size = EPOCHS_PER_BLOCK * config.n
    blocks = range(start * size // block_size, (stop * size - 1) // block_size + 1)
    draws = [
        np.random.Generator(
            np.random.Philox(key=[config.init_seed, COINS + block])
        ).integers(0, 2, block_size)
        for block in blocks
    ]
    offset = blocks.start * block_size
    coins = np.concatenate(draws)[start * size - offset : stop * size - offset]
    return coins.reshape(-1, size)


def batches(config: Config, start: int, stop: int) -> np.ndarray:
    """Examples used by the steps start, ..., stop - 1.

    Returns:
        Indices of shape (steps, batch size). A full batch is all examples in order.
    """
    if config.batch == "full":
        return np.tile(np.arange(config.n), (stop - start, 1))
    size = config.batch_size
    return example_order(config, start * size, stop * size).reshape(-1, size)
