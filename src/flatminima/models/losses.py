"""Losses of one example, and how a compiled kernel finds theirs.

Kernels call `value(loss, f, y)` and `slope(loss, f, y)`. As with `models.base.head`,
the type of `loss` picks the formula at compile time. The same functions take
arrays of examples in plain numpy.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from flatminima.models.base import FASTMATH


class Squared(NamedTuple):
    """l = (f - y)^2: no 1/2 (Wen, Li & Ma 2023, section 2)."""

    def target(self, y: np.ndarray) -> np.ndarray:
        """The output that minimises l: y."""
        return y

    def curvature(self, f: np.ndarray) -> np.ndarray:
        """d2l/df2 = 2."""
        return np.full_like(f, 2.0)


SQUARED = Squared()


class Logistic(NamedTuple):
    """l = -(p log s(y f) + (1 - p) log s(-y f)), p = 1 - smoothing, y = -1 or 1.

    s is the sigmoid. Label smoothing gives l a minimiser, at which networks can
    interpolate (Wen, Li & Ma 2023, definition A.2; p weighs the true class).

    Attributes:
        smoothing: weight of the other class, above 0 and below 1/2.
    """

    smoothing: float

    def target(self, y: np.ndarray) -> np.ndarray:
        """The output that minimises l: y log(p / (1 - p))."""
        return y * np.log((1.0 - self.smoothing) / self.smoothing)

    def curvature(self, f: np.ndarray) -> np.ndarray:
        """d2l/df2 = s(f) s(-f); p (1 - p) at the target."""
        e = np.exp(-np.abs(f))
        return e / (1.0 + e) ** 2


def _squared_value(loss, f, y):
    residual = f - y
    return residual * residual


def _squared_slope(loss, f, y):
    # a literal 2 would lift float32 to float64
    residual = f - y
    return residual + residual


def _logistic_value(loss, f, y):
    margin = y * f
    return np.logaddexp(0.0, -margin) + loss.smoothing * margin


def _logistic_slope(loss, f, y):
    # y (s(m) - p), and s(m) = (1 + tanh(m / 2)) / 2 never overflows
    margin = y * f
    return y * (0.5 * np.tanh(0.5 * margin) - 0.5 + loss.smoothing)


_values: dict[type, Callable[..., Any]] = {
    Squared: _squared_value,
    Logistic: _logistic_value,
}
_slopes: dict[type, Callable[..., Any]] = {
    Squared: _squared_slope,
    Logistic: _logistic_slope,
}


def value(loss, f, y):
    """l(f, y), in the dtype of f or in float64; not finite where f is not."""
    return _values[type(loss)](loss, f, y)


def slope(loss, f, y):
    """dl/df, in the dtype of f or in float64."""
    return _slopes[type(loss)](loss, f, y)


@overload(value, jit_options={"fastmath": FASTMATH, "error_model": "numpy"})
def _specialise_value(loss, f, y):
    return _values[loss.instance_class]


@overload(slope, jit_options={"fastmath": FASTMATH, "error_model": "numpy"})
def _specialise_slope(loss, f, y):
    return _slopes[loss.instance_class]
