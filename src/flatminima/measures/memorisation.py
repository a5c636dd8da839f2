"""How close a network is to a memorising solution (Wen, Li & Ma 2023, Def. 2.2)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

ACTIVE = 0.05
"""A unit counts as active above this share of the example's largest activation."""


@dataclass(frozen=True)
class Memorisation:
    """Definition 2.2 asks for both numbers to be 1 and True.

    Attributes:
        single: share of examples with exactly one active unit.
        injective: no unit is the single active one of two examples.
    """

    single: float
    injective: bool


def memorisation(
    h: Float[np.ndarray, "n width"], active: float = ACTIVE
) -> Memorisation:
    """Measure how one-hot the hidden activations of distinct examples are.

    Args:
        h: activations relu(z) of distinct examples.
        active: a unit is active when its activation exceeds this share of the
            largest activation of the same example; 0 <= active < 1.

    Raises:
        ValueError: if `active` is out of range.
    """
    if not 0 <= active < 1:
        raise ValueError(f"active = {active}: allowed are 0 <= active < 1")
    is_active = h > active * h.max(axis=1, keepdims=True)
    single = is_active.sum(axis=1) == 1
    units = is_active[single].argmax(axis=1)
    return Memorisation(float(np.mean(single)), len(np.unique(units)) == len(units))
