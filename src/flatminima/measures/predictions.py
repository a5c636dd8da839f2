"""Zero-one error of a network, exact over the points that it is given."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from flatminima.data.xor import hypercube, xor_labels
from flatminima.models.base import load

NUMBERS_AT_ONCE = 2**18
"""Hidden activations held in memory at a time: 2 MiB, so they stay in cache."""


def outputs(
    architecture: ModuleType,
    model: Any,
    params: tuple[Float[np.ndarray, "..."], ...],
    x: Float[np.ndarray, "n d"],
    train: Float[np.ndarray, "m inputs"] | None = None,
) -> Float[np.ndarray, " n"]:
    """f(x) at many points, in batches that stay in cache.

    Args:
        architecture: a module of `flatminima.models`.
        model: its constants.
        params: what its forward function takes between model and inputs.
        x: points.
        train: rows x' of the training set, where outputs depend on it (Sim-BN).
    """
    rows = batch_size(params[0].shape[-1])
    statistics = () if train is None else (train,)
    f = np.empty(len(x))
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        f[part] = architecture.forward(
            model, *params, architecture.inputs(model, x[part]), *statistics
        )
    return f


def sign_errors(f: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    """Share of outputs without sign f = sign y; 0 and NaN are errors.

    Returns:
        The error; NaN if there are no outputs.
    """
    if len(f) == 0:
        return float("nan")
    return int(np.count_nonzero(~(f * y > 0))) / len(f)


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
    architecture = load(architecture_name)
    model = architecture.Model(**constants)
    return sign_errors(outputs(architecture, model, (w, v), x), y)


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
