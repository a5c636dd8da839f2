"""What is measured on the networks of a build: gradient noise, and ascents."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from torch import Tensor, nn

from flatminima.runs.images.config import ImageConfig
from flatminima.runs.images.measures import sharpness_of_batches
from flatminima.runs.images.problem import data, network
from flatminima.sharpness.gradient_noise import GradientNoise, of_landscape
from flatminima.sharpness.landscape import landscape
from flatminima.sweeps.sweep import fetch

STEPS = 5
"""Of the ascents that are held against one step."""


def _networks(
    configs: Iterable[ImageConfig], images: int
) -> Iterator[tuple[ImageConfig, nn.Module, Tensor, Tensor]]:
    """Trained networks and some of their training images; not those that diverged."""
    for config in configs:
        run = fetch(config)
        if run.diverged_at is None:
            problem = data(config)
            net = network(config, run.arrays)
            yield config, net, problem.x[:images], problem.y[:images]


def noises(configs: Iterable[ImageConfig], images: int) -> list[GradientNoise]:
    """Of the gradients at the ends of runs, in float64.

    Args:
        configs: of runs that are in the store.
        images: of the training set, over which it is measured; at least 2.
    """
    return [
        of_landscape(landscape(net.double(), x.double(), y, "cross_entropy"))
        for _, net, x, y in _networks(configs, images)
    ]


def shares(found: Sequence[GradientNoise], m: int) -> np.ndarray:
    """Part of the mean square of a micro-batch's gradient that is noise, by run."""
    values = np.array([noise.share(m) for noise in found], dtype=float)
    return values[np.isfinite(values)]


def squares(found: Sequence[GradientNoise]) -> pd.DataFrame:
    """Mean squares of gradients by m: powers of 2 and all images.

    Returns:
        A row an m, a column a run; each run is in units of its value at m = 1.
    """
    if not found:
        return pd.DataFrame()
    n = found[0].n
    sizes = [*(2**k for k in range(n.bit_length()) if 2**k < n), n]
    table = {
        place: [noise.square(m) / noise.square(1) for m in sizes]
        for place, noise in enumerate(found)
        if noise.square(1) > 0
    }
    return pd.DataFrame(table, index=pd.Index(sizes, name="m"))


def precision(
    configs: Iterable[ImageConfig], m: int, rho: float, images: int
) -> np.ndarray:
    """Logarithm of the rise by `STEPS` ascent steps over that by one, by run.

    Args:
        configs: of runs that are in the store.
        m: images of a micro-batch.
        rho: length of either ascent.
        images: of the training set, at least m.

    Returns:
        One number a run, of those at which both rises are above 0.
    """
    found = []
    for _, net, x, y in _networks(configs, images):
        one, many = (
            sharpness_of_batches(net, x, y, m, [rho], steps)[0] for steps in (1, STEPS)
        )
        if one > 0 and many > 0:
            found.append(np.log(many / one))
    return np.array(found, dtype=float)
