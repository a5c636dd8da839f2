"""Full-batch descent at the edge of stability: sharpness along the path.

The task is one of Cohen et al. (2021), appendix: a tanh network fits a Chebyshev
polynomial at equally spaced points. It is small enough for ten seeds and exact
sharpness, and its sharpness rises far beyond its first value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.studies.stability.perceptrons import Shape, gradient, sharpness
from flatminima.theory.stability.gradient_descent import stable_sharpness

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
    """

    name: str
    method: str = "gradient descent"
    momentum: float = 0.0
    activation: str = "tanh"

    def lr(self, edge: float) -> float:
        """The learning rate whose stable sharpness is `edge`."""
        return stable_sharpness(edge, self.method, self.momentum)


def settings(momentum: float) -> tuple[Setting, ...]:
    """Gradient descent, the two methods with momentum, and a network with kinks.

    Args:
        momentum: beta.
    """
    return (
        Setting("GD"),
        Setting("heavy ball", "heavy ball", momentum),
        Setting("Nesterov", "nesterov", momentum),
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
    looks: int = 24,
) -> pd.DataFrame:
    """Loss and sharpness of every seed along its path.

    Args:
        setting: how it is trained.
        sizes: of the network.
        degree, points: of the task.
        edge: stable sharpness; it sets the learning rate.
        updates: how many.
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
    every = max(updates // looks, 1)
    rows: list[pd.DataFrame] = []
    before, rises = np.full(len(seeds), np.nan), np.zeros(len(seeds))
    for step in range(every * looks + 1):
        with np.errstate(over="ignore", invalid="ignore"):
            slope, loss = gradient(shape, theta, x, y)
            if setting.method == "nesterov":
                ahead = theta + setting.momentum * velocity
                slope = gradient(shape, ahead, x, y)[0]
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
        with np.errstate(over="ignore", invalid="ignore"):
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


def paths(*, edge: float, momentum: float, updates: int, **task: Any) -> pd.DataFrame:
    """`path` of every setting.

    Args:
        edge, updates: as for `path`.
        momentum: of the methods that have one.
        task: the other arguments of `path`.
    """
    each = [
        path(setting, edge=edge, updates=updates, **task)
        for setting in settings(momentum)
    ]
    return pd.concat(each, ignore_index=True)


OFTEN = 0.01
"""Share of rising updates that counts as more than an exception."""


def hovering(table: pd.DataFrame) -> pd.DataFrame:
    """What the last half of every run of one setting comes to, a row a seed.

    Args:
        table: from `path`, of one setting.

    Returns:
        `data_seed`; `hovering`, the mean of sharpness over the edge; `log_rise`, the
        log of it over that at the start; `rising_share`, and `rises_beyond`, its excess
        over `OFTEN`; `log_fall`, the log of the median loss of the third quarter over
        that of the last; `diverged`.
    """
    rows = []
    for seed, run in table.groupby("data_seed", sort=False):
        share = run["step"] / run["step"].max()
        late = run[share >= SETTLED]
        third = run.loc[(share >= SETTLED) & (share < (1 + SETTLED) / 2), "loss"]
        last = run.loc[share >= (1 + SETTLED) / 2, "loss"]
        hover = float(late["ratio"].mean(skipna=False))
        rising = float(late["rising_share"].mean())
        row = {
            "data_seed": seed,
            "hovering": hover,
            "log_rise": float(np.log(hover / run["ratio"].iloc[0])),
            "rising_share": rising,
            "rises_beyond": rising - OFTEN,
            "log_fall": float(np.log(third.median() / last.median())),
            "diverged": bool(run["diverged"].any()),
        }
        rows.append(row)
    found = pd.DataFrame(rows)
    measured = ["hovering", "log_rise", "rising_share", "rises_beyond", "log_fall"]
    found.loc[found["diverged"], measured] = np.nan
    return found


def hover_table(table: pd.DataFrame) -> pd.DataFrame:
    """`hovering` of every setting: mean, least and largest over seeds, and more.

    Args:
        table: from `paths`.
    """
    rows = {}
    for name, of_setting in table.groupby("setting", sort=False):
        found = hovering(of_setting)
        rows[name] = {
            "hovering, mean": found["hovering"].mean(),
            "least": found["hovering"].min(),
            "largest": found["hovering"].max(),
            "rising updates": found["rising_share"].mean(),
            "diverged": int(found["diverged"].sum()),
        }
    return pd.DataFrame(rows).T


def two_rates(large: pd.DataFrame, small: pd.DataFrame) -> pd.DataFrame:
    """The sharpness of two learning rates at one loss, side by side.

    Args:
        large, small: from `at_loss`, over the same seeds.
    """
    columns = {
        "λ max, η": large["lambda_max"],
        "λ max, η / 10": small["lambda_max"],
        "updates, η": large["step"],
        "updates, η / 10": small["step"],
    }
    found = pd.DataFrame(columns)
    return found.set_index(pd.Index(large["data_seed"], name="seed"))
