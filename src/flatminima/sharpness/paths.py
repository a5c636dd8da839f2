"""Paths from one minimum of a landscape to another, and how high they climb.

The straight line, and a curve that is trained to stay low: Garipov, Izmailov,
Podoprikhin, Vetrov and Wilson, "Loss surfaces, mode connectivity, and fast ensembling
of DNNs", NeurIPS 2018, section 3. Draxler, Veschgini, Salmhofer and Hamprecht,
"Essentially no barriers in neural network energy landscape", ICML 2018, find such
paths by other means.
"""

from dataclasses import dataclass
from math import comb

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flatminima.checks import at_least
from flatminima.sharpness.landscape import Landscape
from flatminima.sharpness.slices import losses_at


@dataclass(frozen=True)
class Path:
    """The loss along a path.

    Attributes:
        t: from 0, at the first end, to 1, at the second.
        loss: mean loss over the examples.
        error: share of the examples that are wrong.
    """

    t: Float[np.ndarray, " points"]
    loss: Float[np.ndarray, " points"]
    error: Float[np.ndarray, " points"]

    @property
    def barrier(self) -> float:
        """How far the loss rises above the line between the losses of the two ends.

        max_t L(t) - ((1 - t) L(0) + t L(1)), at least 0, as the ends count. A convex
        loss has none on a straight line.
        """
        return _barrier(self.t, self.loss)

    @property
    def error_barrier(self) -> float:
        """The same of the share of wrong examples."""
        return _barrier(self.t, self.error)


def _barrier(t: np.ndarray, values: np.ndarray) -> float:
    """The rise above the chord; a rounding error of either end is none."""
    rise = values - ((1 - t) * values[0] + t * values[-1])
    return float(np.max(rise[1:-1], initial=0.0))


def bernstein(
    t: Float[np.ndarray, " points"], degree: int
) -> Float[np.ndarray, "points bends"]:
    """Weights of the control points of a Bezier curve: C(m, k) t^k (1 - t)^(m - k).

    >>> bernstein(np.array([0.0, 0.5, 1.0]), 2).tolist()
    [[1.0, 0.0, 0.0], [0.25, 0.5, 0.25], [0.0, 0.0, 1.0]]
    """
    k = np.arange(degree + 1)
    binomial = np.array([comb(degree, j) for j in k])
    return binomial * t[:, None] ** k * (1 - t[:, None]) ** (degree - k)


def along(scene: Landscape, control: Float[Tensor, "bends D"], num_points: int) -> Path:
    """The loss along the Bezier curve of some control points.

    Args:
        scene: model and data.
        control: the points, of which the curve meets the first and the last. Two make
            the straight line.
        num_points: places on the curve, evenly spaced in t, both ends included.

    Raises:
        ValueError: if there are fewer than two control points or places.
    """
    at_least("num_points", num_points, 2)
    at_least("len(control)", len(control), 2)
    t = np.linspace(0, 1, num_points)
    weights = torch.as_tensor(bernstein(t, len(control) - 1))
    return Path(t, *losses_at(scene, weights @ control.double()))


def straight(
    scene: Landscape, start: Float[Tensor, " D"], end: Float[Tensor, " D"], points: int
) -> Path:
    """The loss on the straight line between two points."""
    return along(scene, torch.stack([start, end]), points)


def trained(
    scene: Landscape,
    start: Float[Tensor, " D"],
    end: Float[Tensor, " D"],
    *,
    seed: int,
    num_steps: int,
    lr: float,
    bends: int = 1,
    batch: int | None = None,
) -> Float[Tensor, "bends D"]:
    """Control points of a Bezier curve along which the loss is low.

    Minimises E_t L(curve(t)), t uniform, over the inner control points, by Adam. Each
    step draws as many t as there are segments, one in each of as many equal parts of
    [0, 1], and a batch. The inner points start on the straight line.

    Args:
        scene: model and training data.
        start, end: the ends, which stay.
        seed: of t and of the batches.
        num_steps: updates.
        lr: learning rate of Adam, which falls to 0 along half a cosine.
        bends: inner control points.
        batch: examples a step; None for all.

    Returns:
        The control points, ends included.

    Raises:
        ValueError: if a count is out of range or lr is not above 0.
        ArithmeticError: naming the step at which the loss stops being finite.
    """
    at_least("num_steps", num_steps, 0)
    at_least("bends", bends, 1)
    if not lr > 0:
        raise ValueError(f"lr = {lr!r}: must be above 0")
    rng = np.random.default_rng(seed)
    ends = torch.stack([start, end]).double()
    share = torch.linspace(0, 1, bends + 2, dtype=torch.float64)[1:-1, None]
    inner = (ends[0] + share * (ends[1] - ends[0])).requires_grad_()
    optimiser = torch.optim.Adam([inner], lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(num_steps, 1))
    strata = np.arange(bends + 1)
    for step in range(num_steps):
        t = (strata + rng.random(bends + 1)) / (bends + 1)
        weights = torch.as_tensor(bernstein(t, bends + 1))
        some = scene
        if batch is not None and batch < scene.n:
            some = scene.subset(torch.as_tensor(rng.choice(scene.n, batch, False)))
        control = torch.cat([ends[:1], inner, ends[1:]])
        loss = torch.stack([some.loss(theta) for theta in weights @ control]).mean()
        if not torch.isfinite(loss):
            raise ArithmeticError(
                f"step {step}: the loss along the curve is not finite; lr = {lr}"
            )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return torch.cat([ends[:1], inner.detach(), ends[1:]])
