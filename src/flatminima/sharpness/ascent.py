"""The worst rise of the loss within a convex set of displacements, by ascent."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import grad_and_value, vmap

from flatminima.checks import at_least
from flatminima.sharpness.landscape import Landscape

LONGEST = 1e3
"""Longest step, in sizes of the set: then one step is Frank and Wolfe's."""
SHORTEST = 1e-10
"""A climb stops where no step as long as this goes up."""


@dataclass(frozen=True)
class Worst:
    """The highest rise that was found.

    Attributes:
        value: L(theta + d) - L(theta), a lower bound of the supremum.
        displacement: the d that reaches it, shape (D,).
        rises: what every restart ended at, in their order.
        evaluations: of the loss or its gradient, over the restarts together.
        settled: whether every restart stopped by itself, not at the last step.
    """

    value: float
    displacement: Float[Tensor, " D"]
    rises: tuple[float, ...]
    evaluations: int
    settled: bool

    @property
    def restarts(self) -> int:
        """Number of climbs."""
        return len(self.rises)

    @property
    def spread(self) -> float:
        """Highest minus lowest end of the restarts: 0 where all agree."""
        return max(self.rises) - min(self.rises)

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True)
class Neighbourhood:
    """A convex set of displacements around 0, for arrays of shape (..., D).

    Attributes:
        project: nearest point of the set.
        farthest: the d of the set with the largest <g, d>, for a direction g.
    """

    project: Callable[[Tensor], Tensor]
    farthest: Callable[[Tensor], Tensor]


def ascend(
    at: Landscape,
    within: Neighbourhood,
    starts: Float[Tensor, "restarts D"],
    num_steps: int,
) -> Worst:
    """Projected gradient ascent on L(theta + d), from several starts at once.

    d' = project(d + t farthest(grad L(theta + d))), taken only where it goes up. The
    step t doubles after a success and shrinks after a failure; where it is long this
    is Frank and Wolfe's step, which goes up for every convex loss. So the rise never
    falls, and it is compared with d = 0, which is in the set.

    Args:
        at: the landscape, at theta.
        within: the set.
        starts: where the climbs begin; they are projected.
        num_steps: of a climb, at most.

    Raises:
        ValueError: if num_steps is below 1.
        FloatingPointError: if the loss is not finite in the set.
    """
    at_least("num_steps", num_steps, 1)
    climb = vmap(grad_and_value(lambda d: at.loss(at.theta + d)))
    base = float(at.loss())
    d = within.project(starts)
    gradient, loss = climb(d)
    step = torch.full_like(loss, LONGEST)
    calls = 1
    for _ in range(num_steps):
        ahead = within.project(d + step[:, None] * within.farthest(gradient))
        its_gradient, its_loss = climb(ahead)
        calls += 1
        if not bool(torch.isfinite(its_loss).all()):
            raise FloatingPointError(
                f"the loss is not finite {float(ahead.norm(dim=1).max()):.3g} away"
            )
        up = its_loss > loss
        d = torch.where(up[:, None], ahead, d)
        gradient = torch.where(up[:, None], its_gradient, gradient)
        loss = torch.where(up, its_loss, loss)
        step = torch.where(up, (2 * step).clamp(max=LONGEST), step / 8)
        if bool((step < SHORTEST).all()):
            break
    rises = loss - base
    best = int(rises.argmax())
    stays = float(rises[best]) <= 0
    return Worst(
        0.0 if stays else float(rises[best]),
        torch.zeros_like(d[best]) if stays else d[best],
        tuple(rises.tolist()),
        calls * len(starts),
        bool((step < SHORTEST).all()),
    )
