"""Random problems of the property tests."""

import numpy as np
from hypothesis import strategies as st

seeds = st.integers(0, 2**32 - 1)


def sphere_points(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points of a sphere of any radius and centre, all extreme, and real labels.

    In d >= 3 few points are close to one another, so margins are not tiny.
    """
    n, d = int(rng.integers(1, 12)), int(rng.integers(3, 8))
    x = rng.normal(size=(n, d))
    x *= 10 ** rng.uniform(-1, 1) / np.linalg.norm(x, axis=1, keepdims=True)
    x += rng.normal(size=d)
    y = rng.normal(size=n) * 10 ** rng.uniform(-1, 1, n)
    return x, y
