"""A model that counts what is asked of it, in full gradients."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from flatminima.flows.model import Smooth, Tangent, Theta

TANGENT = 1
"""Full gradients of a Jacobian: one gradient of each example."""

SECOND_ORDER = 2
"""Full gradients of the gradient of the trace: a product with second derivatives."""


class Spent(Exception):
    """The budget is used up."""


class Counted:
    """A model of `flows.model.Smooth` with a counter.

    The trace itself costs nothing beside the Jacobian at the same point, which every
    landing has. The counter is what makes this a class.

    Args:
        model: that is counted.
        budget: full gradients after which `Spent` is raised; infinite for none.
        seen: told the count and the trace whenever that is asked for.
    """

    def __init__(
        self,
        model: Smooth,
        budget: float = np.inf,
        seen: Callable[[int, float], None] = lambda count, trace: None,
    ):
        self.model, self.budget, self.seen = model, budget, seen
        self.count = 0

    @property
    def y(self) -> Float[np.ndarray, " n"]:
        """Labels."""
        return self.model.y

    def _pay(self, gradients: int) -> None:
        if self.count + gradients > self.budget:
            raise Spent
        self.count += gradients

    def tangent(self, theta: Theta) -> Tangent:
        """The model around theta."""
        self._pay(TANGENT)
        return self.model.tangent(theta)

    def trace(self, theta: Theta) -> float:
        """(1/n) sum_i |grad f_i|^2."""
        trace = self.model.trace(theta)
        self.seen(self.count, trace)
        return trace

    def trace_gradient(self, theta: Theta) -> Theta:
        """Its gradient."""
        self._pay(SECOND_ORDER)
        return self.model.trace_gradient(theta)
