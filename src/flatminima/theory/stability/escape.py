"""The learning rate above which descent leaves a minimum, measured.

The rule: a start at a small distance from the minimum, in a random direction, is
repelled if it is ever ten times as far away within a given number of updates. At a
threshold lr* the fastest coordinate grows by |1 - lr lambda_max| an update, so a
learning rate above it by a share e is told by about log(10 sqrt(D)) / (2 e) updates;
with a thousand of them the rule is late by a quarter of a per cent. Learning rates are
doubled from a small one until a start is repelled, and the last interval is then cut
into equal ratios, several times over. No eigenvalue is used.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from flatminima.checks import at_least
from flatminima.theory.stability.checks import above_zero, momentum_within
from flatminima.theory.stability.gradient_descent import METHODS

FAR = 10.0
"""Times the distance of the start at which it counts as repelled."""

LOOK = 10
"""Updates between two looks at the distance."""

DOUBLINGS = 24
POINTS = 16
"""Learning rates that are tried at once."""

Gradient = Callable[[Float[Tensor, "S K D"]], Float[Tensor, "S K D"]]


@dataclass(frozen=True)
class Descent:
    """How a start is followed.

    Attributes:
        method: one of `gradient_descent.METHODS`.
        momentum: beta; 0 for gradient descent.
        steps: updates.
        radius: distance of the start from the minimum.
    """

    method: str = "gradient descent"
    momentum: float = 0.0
    steps: int = 1000
    radius: float = 1e-5

    def __post_init__(self) -> None:
        """Refuse what is out of range, before any work."""
        if self.method not in METHODS:
            raise ValueError(
                f"method = {self.method!r}: must be one of {', '.join(METHODS)}"
            )
        momentum_within("momentum", self.momentum)
        at_least("steps", self.steps, LOOK)
        above_zero("radius", self.radius)


def repelled(
    gradient: Gradient,
    minima: Float[Tensor, "S D"],
    directions: Float[Tensor, "S D"],
    lr: Float[Tensor, "S K"],
    descent: Descent,
) -> Bool[Tensor, "S K"]:
    """Which starts are ever far from their minimum.

    Args:
        gradient: of S losses, each at K points.
        minima: one a loss.
        directions: unit vectors, from the minima to the starts.
        lr: K learning rates for each loss.
        descent: how the starts are followed.
    """
    centre = minima[:, None, :]
    z = (descent.radius * directions)[:, None, :].expand(*lr.shape, -1).clone()
    velocity, rate = torch.zeros_like(z), lr[:, :, None]
    gone = torch.zeros(lr.shape, dtype=torch.bool)
    for number in range(1, descent.steps + 1):
        ahead = velocity if descent.method == "nesterov" else 0.0
        at = centre + z + descent.momentum * ahead
        velocity = descent.momentum * velocity - rate * gradient(at)
        z = z + velocity
        if number % LOOK == 0 or number == descent.steps:
            distance = z.norm(dim=2)
            gone |= ~(distance <= FAR * descent.radius)  # also where it is NaN
            z[gone], velocity[gone] = 0.0, 0.0
            rate = rate.masked_fill(gone[:, :, None], 0.0)
            if gone.all():
                break
    return gone


def thresholds(
    gradient: Gradient,
    minima: Float[Tensor, "S D"],
    directions: Float[Tensor, "S D"],
    descent: Descent,
    *,
    first: float,
    precision: float = 1e-3,
) -> Float[Tensor, " S"]:
    """The learning rate above which each minimum repels.

    Args:
        gradient, minima, directions, descent: as for `repelled`.
        first: a learning rate that repels nowhere; it is doubled from there.
        precision: relative width of the last interval, whose middle is returned.

    Returns:
        One learning rate a loss; NaN where `first` repels already, or nothing does.

    Raises:
        ValueError: if `first` or `precision` is not above 0.
    """
    above_zero("first", first)
    above_zero("precision", precision)
    low = torch.full((len(minima),), first, dtype=torch.float64)
    ratio, steps = torch.full_like(low, 2.0), DOUBLINGS
    found = torch.ones(len(minima), dtype=torch.bool)
    while True:
        powers = torch.arange(steps + 1, dtype=torch.float64)
        lr = low[:, None] * ratio[:, None] ** powers
        gone = repelled(gradient, minima, directions, lr, descent)
        where = gone.to(torch.int8).argmax(dim=1)  # the first that is repelled
        found &= gone.any(dim=1) & (where > 0)
        low = lr.gather(1, (where - 1).clamp(min=0)[:, None])[:, 0]
        if bool((ratio <= 1 + precision).all()):
            return torch.where(found, low * ratio.sqrt(), torch.nan)
        ratio, steps = ratio ** (1 / POINTS), POINTS
