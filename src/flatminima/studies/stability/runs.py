"""What the chapter runs at minima, and how numbers a seed become evidence."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.stability.models import Instances
from flatminima.studies.stability.perceptrons import jacobian
from flatminima.theory.stability import escape
from flatminima.theory.stability.escape import Descent
from flatminima.theory.stability.gradient_descent import METHODS
from flatminima.theory.stability.gradient_descent import edge as edge_of

FIRST = 1e-5
PRECISION = 3e-3


def gd_thresholds(
    models: Sequence[Instances], seeds: Sequence[int], *, momentum: float, steps: int
) -> pd.DataFrame:
    """Measured thresholds of gradient descent, heavy ball and Nesterov's method.

    Args:
        models: at their minima.
        seeds: of the instances, for the directions of the starts.
        momentum: of the two methods that have one.
        steps: updates until which a start has to be far.

    Returns:
        A row a method, model and instance: `lambda_max`, the `measured` and `predicted`
        learning rates, and the `ratio` of the two.
    """
    rows = []
    for method in METHODS:
        beta = 0.0 if method == "gradient descent" else momentum
        descent = Descent(method, beta, steps)
        for model in models:
            sharpness = model.lambda_max()
            found = escape.thresholds(
                model.gradient,
                model.minima,
                model.directions(seeds),
                descent,
                first=FIRST,
                precision=PRECISION,
            )
            columns = {
                "method": method,
                "model": model.name,
                "data_seed": list(seeds),
                "lambda_max": sharpness.numpy(),
                "measured": found.numpy(),
                "predicted": edge_of(method, beta) / sharpness.numpy(),
            }
            rows.append(pd.DataFrame(columns))
    table = pd.concat(rows, ignore_index=True)
    return table.assign(ratio=table["measured"] / table["predicted"])


def errors(ratio: pd.Series) -> Float[np.ndarray, " instances"]:
    """|ratio - 1|, with infinity where nothing could be measured."""
    return (ratio - 1).abs().fillna(np.inf).to_numpy(dtype=float)


def staying(
    models: Sequence[Instances], seeds: Sequence[int], step: float, steps: int
) -> Float[np.ndarray, " models"]:
    """The share of instances of each model whose start is not repelled.

    Args:
        models, seeds, steps: as for `gd_thresholds`.
        step: lr lambda_max.
    """
    shares = []
    for model in models:
        lr = (step / model.lambda_max())[:, None]
        directions = model.directions(seeds)
        far = escape.repelled(
            model.gradient, model.minima, directions, lr, Descent(steps=steps)
        )
        shares.append(float((~far).double().mean()))
    return np.array(shares)


def distances(
    model: Instances, seed: int, relative: Sequence[float], steps: int
) -> pd.DataFrame:
    """Distance of gradient descent from the first instance's minimum, update by update.

    Args:
        model: at its minima.
        seed: of the direction of the start.
        relative: lr lambda_max / 2 of each path.
        steps: updates.

    Returns:
        Indexed by updates, a column a path.
    """
    sharpness = float(model.lambda_max()[0])
    lr = torch.tensor(relative, dtype=torch.float64)[:, None] * 2 / sharpness
    centre = model.minima[:1, None, :]
    z = 1e-5 * model.directions([seed] * len(model.minima))[:1, None, :]
    z = z.expand(1, len(relative), -1)
    rest = model.minima[1:, None, :].expand(-1, len(relative), -1)
    found = [z.norm(dim=2)[0].numpy()]
    for _ in range(steps):
        z = z - lr * model.gradient(torch.cat([centre + z, rest]))[:1]
        found.append(z.norm(dim=2)[0].numpy())
    return pd.DataFrame(np.array(found), columns=list(relative))


def input_slopes(networks: Instances) -> Float[np.ndarray, " S"]:
    """Excess of the mean squared input slope over what flatness allows, relative.

    With W the first layer and g_i the slope of the output in the pre-activations,
    grad_x f = W g_i, while the gradient in W is x_i g_i^T. So |grad_x f|^2 is at most
    |W|^2 |grad_W f|^2 / |x_i|^2, |W| the spectral norm, and at a minimum where the
    network fits, the mean of |grad_theta f|^2 is half the trace of the Hessian (Ma and
    Ying 2021, the first of their steps).

    Args:
        networks: from `models.networks`.

    Returns:
        max(0, lhs / rhs - 1) of each.
    """
    shape = networks.shape
    if shape is None:
        raise ValueError(f"networks = {networks.name!r}: must be networks")
    d, width = shape.sizes[:2]
    found = []
    for theta, x in zip(networks.minima.numpy(), networks.x.numpy(), strict=True):
        slopes = jacobian(shape, theta, x)
        units = slopes[:, d * width : d * width + width]  # biases: pre-activations
        w = theta[: d * width].reshape(d, width)
        left = ((units @ w.T) ** 2).sum(axis=1).mean()
        trace = 2 * (slopes**2).sum(axis=1).mean()
        least = (x**2).sum(axis=1).min()
        right = np.linalg.norm(w, 2) ** 2 * trace / (2 * least)
        found.append(max(0.0, left / right - 1))
    return np.array(found)


def estimate(values: pd.Series) -> tuple[tuple[float, float, float], int]:
    """The mean of one number a seed with its interval, and the number of seeds.

    Args:
        values: NaN where a seed has none.
    """
    sound = values.replace([np.inf, -np.inf], np.nan).dropna().to_numpy(dtype=float)
    if not len(sound):
        return (np.nan, np.nan, np.nan), 0
    return (float(sound.mean()), *of_mean(sound, thresholds())), len(sound)


def as_runs(found: pd.DataFrame, scale: str, rule: str, steps: int) -> pd.DataFrame:
    """Numbers a seed in the form in which `decide` takes runs.

    Args:
        found: a row a seed: `data_seed`, `diverged` and metrics.
        scale: for the scorecard.
        rule: what the runs are called.
        steps: how long they are.
    """
    return found.assign(
        init_seed=found["data_seed"],
        last=True,
        scale=scale,
        rule=rule,
        num_steps=steps,
    )
