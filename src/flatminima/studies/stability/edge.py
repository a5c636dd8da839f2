"""Full-batch descent at the edge of stability: sharpness along the path.

The task is one of Cohen et al. (2021), appendix: a tanh network fits a Chebyshev
polynomial at equally spaced points. It is small enough for ten seeds and exact
sharpness, and its sharpness rises far beyond its first value.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.studies.stability.perceptrons import Shape, gradient, sharpness
from flatminima.theory.stability.gradient_descent import (
    Method,
    stable_sharpness,
)

SETTLED = 0.5
"""Share of a run after which hovering is averaged."""

TOO_LARGE = 1e6
"""Loss at which a run counts as diverged."""


@dataclass(frozen=True)
class Setting:
    """One way to train.

    Attributes:
        name: in tables and figures.
        method, momentum: of the descent.
        activation: of the network.
        length: updates, as a multiple of the chapter's.
    """

    name: str
    method: Method = "gradient descent"
    momentum: float = 0.0
    activation: str = "tanh"
    length: float = 1.0

    def lr(self, edge: float) -> float:
        """The learning rate whose stable sharpness is `edge`."""
        return stable_sharpness(edge, self.method, self.momentum)


SETTINGS = (
    Setting("GD"),
    Setting("heavy ball", "heavy ball", 0.9, length=0.5),
    Setting("Nesterov", "nesterov", 0.9),
    Setting("GD, ReLU", activation="relu"),
)


def task(
    degree: int, points: int, copies: int
) -> tuple[Float[np.ndarray, "R n 1"], Float[np.ndarray, "R n"]]:
    """The Chebyshev polynomial of a degree at equally spaced points of [-1, 1].

    Args:
        degree: of the polynomial.
        points: n.
        copies: R, networks that fit it.
    """
    x = np.linspace(-1, 1, points)
    y = np.cos(degree * np.arccos(x))
    shape = (copies, points)
    return np.broadcast_to(x, shape)[:, :, None].copy(), np.broadcast_to(y, shape)


def path(
    setting: Setting,
    *,
    sizes: tuple[int, ...],
    degree: int,
    points: int,
    edge: float,
    updates: int,
    seeds: Sequence[int],
    looks: int = 40,
) -> pd.DataFrame:
    """Loss and sharpness of every seed along its path.

    Args:
        setting: how it is trained.
        sizes: of the network.
        degree, points: of the task.
        edge: stable sharpness; it sets the learning rate.
        updates: of a setting of length 1.
        seeds: of the first weights.
        looks: how often the sharpness is measured.

    Returns:
        A row a seed and look: `step`, `loss`, `ratio` (sharpness over `edge`),
        `rising_share` (of the updates since the last look, those after which the loss
        was higher) and `diverged`.
    """
    shape = Shape(sizes, setting.activation)
    x, y = task(degree, points, len(seeds))
    theta = np.array([shape.init(seed) for seed in seeds])
    velocity, lr = np.zeros_like(theta), setting.lr(edge)
    every = max(int(setting.length * updates) // looks, 1)
    rows: list[pd.DataFrame] = []
    before, rises = np.full(len(seeds), np.nan), np.zeros(len(seeds))
    for step in range(every * looks + 1):
        ahead = setting.momentum * velocity if setting.method == "nesterov" else 0.0
        slope, loss = gradient(shape, theta + ahead, x, y)
        if setting.method == "nesterov":
            loss = gradient(shape, theta, x, y)[1]
        rises += loss > before
        before = loss
        if step % every == 0:
            lost = ~(loss < TOO_LARGE)
            ratio = sharpness(shape, theta, x, y) / edge
            columns = {
                "data_seed": list(seeds),
                "step": step,
                "loss": loss,
                "ratio": np.where(lost, np.nan, ratio),
                "rising_share": rises / every if step else np.nan,
                "diverged": lost,
            }
            rows.append(pd.DataFrame(columns))
            rises = np.zeros(len(seeds))
        with np.errstate(over="ignore", invalid="ignore"):
            velocity = setting.momentum * velocity - lr * slope
            theta = theta + velocity
    return pd.concat(rows, ignore_index=True).assign(setting=setting.name)


def at_loss(
    lr: float,
    target: float,
    *,
    sizes: tuple[int, ...],
    degree: int,
    points: int,
    seeds: Sequence[int],
    updates: int,
) -> pd.DataFrame:
    """The sharpness of every seed when gradient descent first reaches a loss.

    Args:
        lr: learning rate.
        target: loss to be reached.
        sizes, degree, points, seeds: as for `path`.
        updates: at most.

    Returns:
        A row a seed: `step`, `loss`, `lambda_max`; NaN where it is not reached.
    """
    shape = Shape(sizes)
    x, y = task(degree, points, len(seeds))
    theta = np.array([shape.init(seed) for seed in seeds])
    ends = np.full_like(theta, np.nan)
    steps, losses = np.full((2, len(seeds)), np.nan)
    for step in range(updates + 1):
        slope, loss = gradient(shape, theta, x, y)
        new = (loss <= target) & np.isnan(steps)
        ends[new], steps[new], losses[new] = theta[new], step, loss[new]
        if not np.isnan(steps).any():
            break
        with np.errstate(over="ignore", invalid="ignore"):
            theta = theta - lr * slope
    found = sharpness(shape, ends, x, y)
    columns = {"data_seed": list(seeds), "step": steps, "loss": losses}
    return pd.DataFrame(columns | {"lambda_max": found}).assign(lr=lr)


def hovering(table: pd.DataFrame) -> pd.DataFrame:
    """Means over the last half of every run of one setting, a row a seed."""
    late = table[table["step"] >= SETTLED * table["step"].max()]
    by_seed = late.groupby("data_seed", sort=False)
    found = by_seed[["ratio", "rising_share"]].mean()
    found["diverged"] = by_seed["diverged"].any()
    return found.reset_index()
