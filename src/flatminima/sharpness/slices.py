"""Pictures of a landscape: the loss on a plane through a point.

Li, Xu, Taylor, Studer and Goldstein, "Visualizing the loss landscape of neural nets",
NeurIPS 2018. The axes of their planes are random directions, scaled filter by filter
to the length of the weights: a filter of a convolution is what makes one output
channel, and one of a linear layer what makes one output unit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from flatminima.checks import at_least
from flatminima.sharpness.landscape import Landscape

POINTS_AT_ONCE = 64
"""Points of a plane whose losses are computed in one batch."""

STILL = -1
"""The filter of what no direction moves: biases and parameters of norms."""


@dataclass(frozen=True)
class Slice:
    """The loss on a grid of the plane theta + x d1 + y d2.

    Attributes:
        x, y: coordinates of the grid, in units of the two directions.
        loss: mean loss over the examples, a row for each y.
        error: share of the examples that are wrong, likewise.
    """

    x: Float[np.ndarray, " columns"]
    y: Float[np.ndarray, " rows"]
    loss: Float[np.ndarray, "rows columns"]
    error: Float[np.ndarray, "rows columns"]

    @property
    def height(self) -> float:
        """Mean of the loss over the grid, minus the loss nearest to the centre."""
        return float(self.loss.mean() - self.centre)

    @property
    def centre(self) -> float:
        """The loss at the point of the grid that is nearest to theta."""
        row, column = np.abs(self.y).argmin(), np.abs(self.x).argmin()
        return float(self.loss[row, column])

    def share_below(self, level: float) -> float:
        """Share of the grid's points whose loss is below a level."""
        return float((self.loss < level).mean())

    @property
    def pits(self) -> int:
        """Points inside the grid that lie below all of their eight neighbours.

        A basin has one. Each further one is a local minimum of the picture.
        """
        inner = self.loss[1:-1, 1:-1]
        rows, columns = self.loss.shape
        around = [
            self.loss[1 + i : rows - 1 + i, 1 + j : columns - 1 + j]
            for i in (-1, 0, 1)
            for j in (-1, 0, 1)
            if (i, j) != (0, 0)
        ]
        return int(np.all([inner < each for each in around], axis=0).sum())


def filters(scene: Landscape) -> Int[Tensor, " D"]:
    """The filter to which every entry of theta belongs.

    A parameter of two or more axes has a filter for each index of its first axis.
    Those of one axis or none, which are biases and the scales and shifts of norms,
    have none: `STILL`. So does Li et al.'s own code leave them where they are when it
    makes the published pictures (its option `biasbn`).
    """
    parts, first = [], 0
    for _, shape in scene.shapes:
        if len(shape) < 2:
            parts.append(torch.full((shape.numel(),), STILL))
            continue
        rows, entries = shape[0], shape[1:].numel()
        parts.append(torch.arange(first, first + rows).repeat_interleave(entries))
        first += rows
    return torch.cat(parts)


def by_filter(
    values: Float[Tensor, " D"], group: Int[Tensor, " D"]
) -> Float[Tensor, " filters"]:
    """Sums over every filter; what belongs to none is left out."""
    moved = group != STILL
    count = int(group.max()) + 1
    sums = torch.zeros(count, dtype=values.dtype)
    return sums.index_add(0, group[moved], values[moved])


def directions(
    scene: Landscape, seed: int, count: int = 2, *, normalised: bool = True
) -> Float[Tensor, "count D"]:
    """Random directions, filter-normalised at the landscape's point.

    Entries are independent and Gaussian. Then each filter of a direction is scaled to
    the length of the same filter of theta: d_f |theta_f| / |d_f|.

    Args:
        scene: model, data and point.
        seed: of the draw. Two landscapes of one architecture get the same draw, and
            differ in the lengths alone.
        count: how many.
        normalised: if False, each direction is scaled as a whole to length 1, and
            biases move with the rest.

    Raises:
        ValueError: if seed or count is out of range, or no parameter has two axes.
    """
    at_least("seed", seed, 0)
    at_least("count", count, 1)
    draw = np.random.default_rng(seed).normal(size=(count, scene.size))
    drawn = torch.as_tensor(draw)
    if not normalised:
        return drawn / drawn.norm(dim=1, keepdim=True)
    group = filters(scene)
    if not (group != STILL).any():
        raise ValueError("scene: has no parameter of two axes, so no filter")
    length = by_filter(scene.theta**2, group).sqrt()
    scaled = torch.zeros_like(drawn)
    moved = group != STILL
    for direction, target in zip(drawn, scaled, strict=True):
        factor = length / by_filter(direction**2, group).sqrt()
        target[moved] = (direction * factor[group.clamp(min=0)])[moved]
    return scaled


def losses_at(
    scene: Landscape, points: Float[Tensor, "points D"]
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """Mean loss and share of wrong examples at many points, in batches of them.

    An example is wrong if its largest output is not that of its class. Where there is
    one output, it is wrong if its sign is not that of the target.
    """
    loss, error = [], []
    many: Callable[[Tensor], Tensor] = torch.func.vmap(scene.outputs)
    with torch.no_grad():
        for part in points.split(POINTS_AT_ONCE):
            for f in many(part):
                loss.append(float(scene.criterion(f, scene.y).mean()))
                error.append(float(_wrong(f, scene.y).double().mean()))
    return np.array(loss), np.array(error)


def _wrong(f: Float[Tensor, "n k"], y: Tensor) -> Tensor:
    if f.shape[1] == 1:
        return f[:, 0] * y.reshape(-1) <= 0
    classes = y if y.dim() == 1 else y.argmax(dim=1)
    return f.argmax(dim=1) != classes


def plane(
    scene: Landscape,
    axes: Float[Tensor, "axes D"],
    x: Float[np.ndarray, " columns"],
    y: Float[np.ndarray, " rows"],
) -> Slice:
    """The loss on the plane through the landscape's point.

    Args:
        scene: model, data and point.
        axes: the two directions, as from `directions`.
        x, y: coordinates along them.

    Raises:
        ValueError: if there are not two axes of the size of theta.
    """
    if axes.shape != (2, scene.size):
        raise ValueError(
            f"axes: must have the shape (2, {scene.size}), not {tuple(axes.shape)}"
        )
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    points = scene.theta + torch.as_tensor(grid) @ axes
    loss, error = losses_at(scene, points)
    shape = (len(y), len(x))
    return Slice(
        np.asarray(x), np.asarray(y), loss.reshape(shape), error.reshape(shape)
    )


def curvature_along(
    scene: Landscape, direction: Float[Tensor, " D"]
) -> Float[Tensor, ""]:
    """d' Hess L d, the second derivative of the slice along d; not over |d|^2."""
    product = torch.func.jvp(scene.gradient, (scene.theta,), (direction,))[1]
    return direction @ product


def expected_curvature(scene: Landscape, diagonal: Float[Tensor, " D"]) -> float:
    """The mean of d' Hess L d over filter-normalised random directions.

    A filter of n_f entries is a random direction of length |theta_f|, independent of
    the others and symmetric, so E d d' is block diagonal with |theta_f|^2 / n_f on the
    diagonal of f. Hence E d' H d = sum_f (|theta_f|^2 / n_f) Tr H_ff: what a picture
    can see of a spectrum is a trace, weighted by the size of the weights.

    Args:
        scene: model, data and point.
        diagonal: of the Hessian at the point.
    """
    group = filters(scene)
    count = by_filter(torch.ones_like(scene.theta), group)
    squares = by_filter(scene.theta**2, group)
    return float((squares / count * by_filter(diagonal, group)).sum())
