"""The order of the images, and when the loss is looked at."""

import numpy as np
from jaxtyping import Int

from flatminima.runs.images.config import ImageConfig

CHECKS = 4
"""Looks at the loss in an epoch."""


def batches(
    config: ImageConfig, start: int, stop: int
) -> Int[np.ndarray, "steps size"]:
    """Images used by the steps start, ..., stop - 1.

    Every epoch is a fresh permutation, by a counter-based generator that is keyed by
    seed and epoch, so any stretch can be had on its own. Where the batch size does not
    divide n, a batch reaches over the end of an epoch.
    """
    first, last = start * config.batch, stop * config.batch
    epochs = range(first // config.n, (last - 1) // config.n + 1)
    orders = [
        np.random.Generator(
            np.random.Philox(key=[config.init_seed, epoch])
        ).permutation(config.n)
        for epoch in epochs
    ]
    offset = epochs.start * config.n
    order = np.concatenate(orders)[first - offset : last - offset]
    return order.reshape(-1, config.batch)


def next_check(config: ImageConfig, step: int) -> int:
    """The first step after this one with which a quarter of an epoch ends."""
    quarters = CHECKS * step * config.batch // config.n + 1
    return -(-quarters * config.n // (CHECKS * config.batch))


def ends_epochs(config: ImageConfig, step: int, every: int) -> bool:
    """Whether a multiple of so many epochs ends with this number of updates done."""
    size, length = config.batch, every * config.n
    return step * size // length > (step - 1) * size // length
