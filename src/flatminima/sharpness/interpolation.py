"""The nearest interpolating point of a torch network, for the squared loss.

Gauss-Newton steps of least norm, d = J^+ (y - f), as `gauss_newton.py` takes them for
two-layer networks. A step that does not bring the loss down is halved.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from flatminima.sharpness.landscape import Landscape, squared

HALVINGS = 30


@dataclass(frozen=True)
class Interpolation:
    """Where the steps ended.

    Attributes:
        at: the landscape at the last point.
        loss: there.
        distance: between the first point and the last.
        reached: whether the loss is at most the tolerance.
    """

    at: Landscape
    loss: float
    distance: float
    reached: bool


def interpolate(
    at: Landscape, *, tolerance: float = 1e-20, num_steps: int = 100
) -> Interpolation:
    """Move a network to a point near by where it fits its targets.

    Args:
        at: of the squared loss, with at least as many parameters as n k.
        tolerance: of the loss.
        num_steps: at most.

    Raises:
        ValueError: if the loss is another, or the targets outnumber the parameters.
    """
    if at.criterion is not squared:
        raise ValueError("at: must have the squared loss")
    targets = at.outputs().numel()
    if targets > at.size:
        raise ValueError(f"at: {targets} outputs to fit, and {at.size} parameters")
    start, now = at.theta, at
    loss = float(now.loss())
    for _ in range(num_steps):
        if loss <= tolerance:
            break
        step = _least_norm_step(now)
        for _ in range(HALVINGS):
            ahead = now.at(now.theta + step)
            its_loss = float(ahead.loss())
            if its_loss < loss:
                break
            step = step / 2
        else:
            break
        now, loss = ahead, its_loss
    distance = float((now.theta - start).norm())
    return Interpolation(now, loss, distance, loss <= tolerance)


def _least_norm_step(at: Landscape) -> Tensor:
    f = at.outputs()
    jacobian = torch.func.jacrev(at.outputs)(at.theta).reshape(-1, at.size)
    missing = (at.y.reshape(f.shape) - f).reshape(-1)
    return torch.linalg.lstsq(jacobian, missing, driver="gelsd").solution
