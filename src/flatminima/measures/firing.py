"""How often the units of a network fire on new points."""

import numpy as np
from jaxtyping import Bool, Float


def weighted_rate(
    on: Bool[np.ndarray, "points width"], sizes: Float[np.ndarray, " width"]
) -> float:
    """Mean firing rate in which each unit counts by its size; NaN if all are 0.

    "Neural shattering" (Liang et al. 2025, arXiv 2506.20779): units that rarely fire,
    with large weights, cost the trace little.

    Args:
        on: where each unit fires.
        sizes: at least 0, such as |v_j| ||w_j||.

    >>> weighted_rate(np.array([[True, False], [True, True]]), np.array([3.0, 1.0]))
    0.875
    """
    total = float(sizes.sum())
    return float(sizes @ on.mean(axis=0)) / total if total > 0 else float("nan")
