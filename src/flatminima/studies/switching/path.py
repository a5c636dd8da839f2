"""The straight line between two ends of training, and the way from one of them on.

A network with batch norm is its weights and the statistics of its activations. Halfway
between two networks the weights are halfway, and the statistics are not: those of the
training set have to be taken anew. Both are shown.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor, nn

from flatminima.runs.images.config import ImageConfig
from flatminima.runs.images.descent import Descent, numerics
from flatminima.runs.images.measures import loss_and_accuracy
from flatminima.runs.images.problem import data, network

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Line:
    """Losses and errors on the straight line between two networks.

    Attributes:
        share: of the way from the first to the second.
        loss: cross entropy over the training set, in evaluation mode.
        error: share of the test images that are wrong.
    """

    share: Float[np.ndarray, " points"]
    loss: Float[np.ndarray, " points"]
    error: Float[np.ndarray, " points"]

    @property
    def barrier(self) -> float:
        """By how much the loss rises above the chord between the two ends, at most.

        As Frankle et al. 2020 have it, but against the chord and not the mean of the
        ends, so that a line between ends of unequal loss has none if it is straight.
        """
        chord = (1 - self.share) * self.loss[0] + self.share * self.loss[-1]
        return float(np.max(self.loss - chord))


def line(
    config: ImageConfig,
    first: Arrays,
    second: Arrays,
    *,
    points: int = 11,
    refreshed: bool = True,
) -> Line:
    """Go straight from one network to another.

    Args:
        config: of the first; its images are those of the losses.
        first, second: weights and buffers by name, such as `Run.arrays`.
        points: on the line, both ends included.
        refreshed: whether every point takes its statistics of batch norm from the
            training set; else they are on the line between those of the ends.

    Raises:
        ValueError: if there are fewer than three points.
    """
    if points < 3:
        raise ValueError(f"points = {points}: must be at least 3, two of them the ends")
    images = data(config)
    shares = np.linspace(0, 1, points)
    losses, errors = np.empty(points), np.empty(points)
    with numerics(config):
        for k, share in enumerate(shares):
            net = network(config, between(first, second, float(share)))
            if refreshed:
                refresh(net, images.x)
            losses[k] = loss_and_accuracy(net, images.x, images.y)[0]
            errors[k] = 1 - loss_and_accuracy(net, images.test_x, images.test_y)[1]
    return Line(shares, losses, errors)


def between(first: Arrays, second: Arrays, share: float) -> dict[str, np.ndarray]:
    """(1 - share) first + share second, name by name; whole numbers are the first's."""
    return {
        name: (
            ((1 - share) * value + share * second[name]).astype(value.dtype)
            if np.issubdtype(value.dtype, np.floating)
            else value
        )
        for name, value in first.items()
    }


def refresh(net: nn.Module, x: Float[Tensor, "n c h w"]) -> None:
    """Replace the statistics of batch norm by those of some images, all at once.

    Args:
        net: in evaluation mode, in which it stays.
        x: the images.
    """
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0  # the new value alone counts
    net.train()
    with torch.no_grad():
        net(x)
    net.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def onwards(config: ImageConfig, start: Arrays, looks: Sequence[int]) -> pd.DataFrame:
    """Train on from the end of another run, and look at single updates.

    The optimiser starts without momentum. The order of the images goes on where the
    run's own ended.

    Args:
        config: the rule, with the `num_epochs` after which it takes over.
        start: weights and buffers at which the other run ended.
        looks: numbers of updates, increasing and from 0 on.

    Returns:
        A row a look: `update`, `loss` over the training set and `error` on the test
        set, both with fresh statistics of batch norm, and `distance`, the Euclidean
        length of how far the weights have come.
    """
    rows = []
    with numerics(config):
        descent = Descent(config, start, config.num_steps)
        origin = [p.detach().clone() for p in descent.parameters]
        for update in looks:
            if update:
                descent.walk(config.num_steps + update)
            net = copy.deepcopy(descent.net)
            refresh(net.eval(), descent.x)
            loss, _ = loss_and_accuracy(net, descent.x, descent.y)
            _, right = loss_and_accuracy(net, descent.test_x, descent.test_y)
            parts = zip(descent.parameters, origin, strict=True)
            squares = sum(
                float((p.detach() - o).double().square().sum()) for p, o in parts
            )
            row = {"update": update, "loss": loss, "error": 1 - right}
            rows.append(row | {"distance": squares**0.5})
    return pd.DataFrame(rows)
