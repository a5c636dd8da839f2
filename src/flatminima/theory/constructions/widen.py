"""The same function in a wider network."""

import numpy as np
from jaxtyping import Float


def widen(
    w: Float[np.ndarray, "inputs units"], v: Float[np.ndarray, " units"], width: int
) -> tuple[Float[np.ndarray, "inputs width"], Float[np.ndarray, " width"]]:
    """Append units of zero weights; outputs and trace stay what they were.

    Args:
        w, v: parameters.
        width: number of units wanted.

    Raises:
        ValueError: if the network has more units than `width`.
    """
    if width < len(v):
        raise ValueError(f"width = {width}: this solution needs width >= {len(v)}")
    extra = width - len(v)
    return np.pad(w, ((0, 0), (0, extra))), np.pad(v, (0, extra))
