"""Losses of one example, as compiled kernels call them.

`slope(loss, f, y)` is the derivative of the loss with respect to the output f.
Which function that is follows from the type of `loss` at compile time.
"""

import math
from typing import NamedTuple

from numba.extending import overload

from flatminima.models.base import FASTMATH


class Squared(NamedTuple):
    """(f - y)^2, without 1/2."""


class Logistic(NamedTuple):
    """p log(1 + exp(-y f)) + (1 - p) log(1 + exp(y f)), p = 1 - smoothing, y = +-1.

    Attributes:
        smoothing: share of the label given to the other class, 0 <= smoothing < 1/2.
    """

    smoothing: float = 0.0


def _squared_slope(loss, f, y):
    return 2.0 * (f - y)


def _logistic_slope(loss, f, y):
    return y * (1.0 / (1.0 + math.exp(-y * f)) - (1.0 - loss.smoothing))


_SLOPES = {Squared: _squared_slope, Logistic: _logistic_slope}


def slope(loss, f, y):
    """Derivative of the loss of one example with respect to its output.

    Args:
        loss: Squared or Logistic.
        f: output.
        y: label.

    Returns:
        The derivative, in float64 whatever the dtype of f.
    """
    return _SLOPES[type(loss)](loss, float(f), float(y))


@overload(slope, jit_options={"fastmath": FASTMATH, "error_model": "numpy"})
def _specialise(loss, f, y):
    return _SLOPES[loss.instance_class]
