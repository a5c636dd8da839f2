"""Zero-one error of a network, exact over the points that it is given."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from flatminima.data import hypercube, xor_labels
from flatminima.models.base import load

NUMBERS_AT_ONCE = 2**18
"""Hidden activations held in memory at a time: 2 MiB, so they stay in cache."""


def zero_one_error(
    architecture_name: str,
    w: Float[np.ndarray, "inputs width"],
    v: Float[np.ndarray, " width"],
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    **constants: float,
) -> float:
    """Share of points without sign f(x) = sign y; an output of 0 is an error.

    Args:
        architecture_name: a module of `flatminima.models`.
        w, v: parameters.
        x: points.
        y: labels, not 0.
        constants: fields of the architecture's model, such as eps.

    Returns:
        The error; NaN if there are no points.
    """
    if len(x) == 0:
        return float("nan")
    architecture = load(architecture_name)
    model = architecture.Model(**constants)
    rows = batch_size(len(v))
    wrong = 0
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        f = architecture.forward(model, w, v, architecture.inputs(model, x[part]))
        wrong += int(np.count_nonzero(~(f * y[part] > 0)))
    return wrong / len(x)


def hypercube_zero_one_error(
    architecture_name: str,
    w: Float[np.ndarray, "inputs width"],
    v: Float[np.ndarray, " width"],
    d: int,
    labels: Callable[[np.ndarray], np.ndarray] = xor_labels,
    **constants: float,
) -> float:
    """Zero-one error over all 2^d points of {-1, 1}^d, training points included.

    Args:
        architecture_name: a module of `flatminima.models`.
        w, v: parameters.
        d: dimension, at most 20.
        labels: from points to labels.
        constants: fields of the architecture's model, such as eps.

    Raises:
        ValueError: if d is out of range.
    """
    x = hypercube(d)
    return zero_one_error(architecture_name, w, v, x, labels(x), **constants)


def batch_size(width: int) -> int:
    """Examples whose hidden activations are held in memory at a time."""
    return max(1, NUMBERS_AT_ONCE // width)
