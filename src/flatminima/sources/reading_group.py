"""The SAM talk's statements on real networks, at a size of our own.

The talk shows ResNets on CIFAR and ImageNet. Here it is a network of four convolutions
on a part of Fashion-MNIST.
"""

from collections.abc import Iterable
from typing import Any

from flatminima.runs.images.config import ImageConfig

BASE: dict[str, Any] = {
    **{"data": "fashion_mnist", "n": 2000, "test_n": 10_000, "size": 14},
    **{"net": "simple", "width": 16, "norm": "batch"},
    **{"optimiser": "phb", "lr": 0.1, "schedule": "cosine", "batch": 125},
    **{"num_epochs": 32, "measured": "nothing", "sharpness_n": 500},
}
"""Fields of the committed runs; for `target_loss` see `NEVER`."""

NEVER = 1e-9
"""A target loss that no run reaches, so that all have the same length."""

RADII = (0.05, 0.15, 0.4)
"""Of SAM, among which tuning chooses."""

TUNING = (90, 91, 92, 93)
"""Seeds by which a setting is chosen; those that are compared begin at 100."""


def seed_by_seed(
    configs: Iterable[ImageConfig], seeds: Iterable[int]
) -> list[ImageConfig]:
    """All runs of one seed, then all of the next: any beginning of it is of use."""
    configs = list(dict.fromkeys(configs))
    return [config.with_seeds(seed, seed) for seed in seeds for config in configs]
