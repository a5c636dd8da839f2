"""Where gradient descent ends, over learning rates: at minima that are flat enough?"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.studies.stability.models import INPUTS, WIDTH, random_data
from flatminima.studies.stability.perceptrons import Shape, gradient, sharpness

ENDS_AT = 1e-8
"""Loss at which a run has converged."""

TOO_LARGE = 1e8
"""Loss at which it has diverged."""


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Runs that converged or diverged, and the sharpness of the first, by lr.

    Args:
        table: from `ends`.
    """
    by_lr = table.groupby("lr")
    return pd.DataFrame(
        {
            "converged": by_lr["converged"].sum(),
            "diverged": by_lr["diverged"].sum(),
            "median λ max": by_lr["lambda_max"].median(),
            "largest η λ max / 2": by_lr["ratio"].max(),
        }
    )


def excess(table: pd.DataFrame) -> Float[np.ndarray, " runs"]:
    """lr lambda_max / 2 - 1 of each run that converged, 0 if below.

    Args:
        table: from `ends`.

    Returns:
        One number a run; 0 alone if none converged: see `undecided`.
    """
    ratio = table.loc[table["converged"], "ratio"].to_numpy(dtype=float)
    return np.maximum(ratio - 1, 0) if len(ratio) else np.zeros(1)


def log_ratio(table: pd.DataFrame) -> pd.Series:
    """Log of lambda_max at a smaller learning rate over that at a larger one, by seed.

    The two learning rates are those at both of which most seeds converged; among equals
    those farthest apart.

    Args:
        table: from `ends`.

    Returns:
        NaN for a seed of which one run did not converge.
    """
    wide = table.pivot(index="data_seed", columns="lr", values="lambda_max")
    logs, lrs = np.log(wide.to_numpy(dtype=float)), wide.columns.to_numpy(dtype=float)

    def preferred(pair: tuple[int, int]) -> tuple[int, float]:
        small, large = pair
        both = np.isfinite(logs[:, small] - logs[:, large]).sum()
        return int(both), float(lrs[large] / lrs[small])

    small, large = max(combinations(range(len(lrs)), 2), key=preferred)
    return pd.Series(logs[:, small] - logs[:, large], index=wide.index)


def undecided(table: pd.DataFrame) -> list[pd.DataFrame]:
    """The runs, in the form of `decide`, as lost ones if none converged; else nothing.

    A statement on runs that converge is true of none of them and decided by none.

    Args:
        table: from `ends`.
    """
    if table["converged"].any():
        return []
    rows = table.assign(init_seed=table["data_seed"], last=True, diverged=True)
    return [rows.assign(rule="GD without convergence", num_steps=0)]


def ends(
    lrs: Sequence[float],
    seeds: Sequence[int],
    *,
    updates: int,
    activation: str = "tanh",
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
    drawn = [(*random_data(shape, seed), shape.init(seed)) for seed in seeds]
    parts = (np.array(part) for part in zip(*drawn, strict=True))
    x, y, at = (np.repeat(part, len(lrs), axis=0) for part in parts)
    rates = np.tile(lrs, len(seeds))[:, None]
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
