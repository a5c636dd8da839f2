"""Regression on the ball (Wen, Li & Ma 2023, figure 7)."""

import numpy as np

from flatminima.data.streams import Dataset, generator


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
