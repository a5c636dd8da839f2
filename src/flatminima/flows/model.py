"""What a flow needs of a model.

All parameters are one flat vector theta. The loss is L = (1/2n) sum_i (f_i - y_i)^2,
with 1/2 and with 1/n, so that at interpolation Tr Hess L = (1/n) sum_i |grad f_i|^2.
For the loss without 1/2 both are twice as large.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from flatminima.sharpness.gauss_newton import Linearised

Theta = Float[np.ndarray, " D"]

Times = Sequence[float] | Float[np.ndarray, " times"]


@runtime_checkable
class Tangent(Linearised, Protocol):
    """A model around a point: outputs, Gram matrix, J^T c (in a tuple of one), J p."""

    def push(self, p: Theta) -> Float[np.ndarray, " n"]:
        """grad f_i . p, shape (n,)."""


@runtime_checkable
class Fitted(Protocol):
    """A model over its training set: what gradient flow needs."""

    @property
    def y(self) -> Float[np.ndarray, " n"]:
        """Labels."""

    def tangent(self, theta: Theta) -> Tangent:
        """The model around theta."""


@runtime_checkable
class Smooth(Fitted, Protocol):
    """A model with its trace: what the sharpness-reduction flow needs."""

    def trace(self, theta: Theta) -> float:
        """(1/n) sum_i |grad f_i|^2: Tr Hess L at interpolation."""

    def trace_gradient(self, theta: Theta) -> Theta:
        """Its gradient.

        Off the residuals' term, whose gradient at interpolation is a combination of
        the grad f_i, and so normal to {f = y}.
        """


def loss(f: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    """(1/2n) sum_i (f_i - y_i)^2."""
    return 0.5 * float(np.mean((f - y) ** 2))
