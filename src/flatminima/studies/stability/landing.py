"""Where gradient descent ends, over learning rates: at minima that are flat enough?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from flatminima.studies.stability.models import EXAMPLES, INPUTS, WIDTH
from flatminima.studies.stability.perceptrons import Shape, gradient, sharpness

ENDS_AT = 1e-10
"""Loss at which a run has converged."""

TOO_LARGE = 1e8
"""Loss at which it has diverged."""


def ends(
    lrs: Sequence[float], seeds: Sequence[int], *, updates: int, activation: str = "tanh"
) -> pd.DataFrame:
    """Train a small network from many starts with many learning rates.

    The data are those of `models.networks`, random and fewer than the weights. Every
    seed has one start and one set of data for all learning rates.

    Args:
        lrs: learning rates.
        seeds: of data and start.
        updates: at most.
        activation: of the hidden units.

    Returns:
        A row a seed and learning rate: `lr`, `data_seed`, `loss`, `converged`,
        `diverged`, and where it converged `lambda_max` and `ratio`, lr lambda_max / 2.
    """
    shape = Shape((INPUTS, WIDTH, 1), activation)
    x, y, theta = [], [], []
    for seed in seeds:
        generator = np.random.default_rng(seed)
        x.append(generator.standard_normal((EXAMPLES, INPUTS)))
        y.append(generator.standard_normal(EXAMPLES))
        theta.append(shape.init(seed))
    rates = np.tile(lrs, len(seeds))[:, None]
    x, y, at = (np.repeat(np.array(a), len(lrs), axis=0) for a in (x, y, theta))
    running = np.arange(len(at))
    losses = np.full(len(at), np.nan)
    for _ in range(updates):
        slope, loss = gradient(shape, at[running], x[running], y[running])
        losses[running] = loss
        going = (loss > ENDS_AT) & (loss < TOO_LARGE)
        running = running[going]
        if not len(running):
            break
        at[running] -= rates[running] * slope[going]
    converged = losses <= ENDS_AT
    found = np.full(len(at), np.nan)
    if converged.any():
        ended = at[converged], x[converged], y[converged]
        found[converged] = sharpness(shape, *ended)
    columns = {
        "data_seed": np.repeat(list(seeds), len(lrs)),
        "lr": rates[:, 0],
        "loss": losses,
        "converged": converged,
        "diverged": ~(losses < TOO_LARGE),
        "lambda_max": found,
        "ratio": rates[:, 0] * found / 2,
    }
    return pd.DataFrame(columns)
