"""How fast sharpness in a ball, and under noise, tends to what the Hessian says."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from flatminima.data.streams import generator
from flatminima.sharpness import spectrum, trace
from flatminima.sharpness.ball import ball_sharpness
from flatminima.sharpness.excess import excess
from flatminima.sharpness.landscape import Landscape
from flatminima.sharpness.products import gauss_newton, hessian
from flatminima.studies.measures.runs import Fitted, nearest_kink


def noise(seed: int, what: str) -> torch.Generator:
    """Torch's generator of one stream of a seed."""
    drawn = generator(seed, f"measures {what}").integers(2**62)
    return torch.Generator().manual_seed(int(drawn))


def worst(
    at: Landscape,
    size: float,
    top: Float[np.ndarray, "D directions"],
    seed: int,
    *,
    restarts: int = 1,
    num_steps: int = 30,
) -> float:
    """phi in a ball: ascent from the gradient's direction and the top eigenvectors'.

    At a minimum the maximiser is within the order of `size` of the top eigenvector's
    direction, and the rise there within that of its square: few steps do.

    Args:
        at: the landscape, at theta.
        size: radius.
        top: eigenvectors of the Hessian, from which to climb each way along.
        seed: of the random starts.
        restarts: the gradient's start and random ones.
        num_steps: at most.
    """
    along = size * torch.as_tensor(top.T.copy())
    return ball_sharpness(
        at,
        size,
        noise(seed, "ball"),
        restarts=restarts,
        num_steps=num_steps,
        starts=torch.cat([along, -along]),
    ).value


def balls(nets: Sequence[Fitted], eps: Sequence[float]) -> pd.DataFrame:
    """2 phi/eps^2 where training stopped and at interpolation.

    Returns:
        A row for every network, eps and place ("before", "at"): ratio is 2 phi/eps^2
        over lambda_max, error its absolute distance from 1, and by_gradient is
        2 phi/eps^2 over 2 |grad L|/eps.
    """
    rows = []
    for net in nets:
        for place, at in (("before", net.before), ("at", net.at)):
            top = spectrum.outermost(hessian(at), tolerance=1e-12)
            value = float(np.max(top.values))
            slope = float(at.gradient().norm())
            for size in eps:
                rise = worst(at, size, top.vectors, net.seed)
                rows.append(
                    {
                        "seed": net.seed,
                        "activation": net.activation,
                        "place": place,
                        "size": size,
                        "curvature": 2 * rise / size**2,
                        "ratio": 2 * rise / size**2 / value,
                        "error": abs(2 * rise / size**2 / value - 1),
                        "by_gradient": rise / (slope * size) if slope > 0 else np.nan,
                    }
                )
    return pd.DataFrame(rows, columns=BALL_COLUMNS)


BALL_COLUMNS = [
    *("seed", "activation", "place", "size"),
    *("curvature", "ratio", "error", "by_gradient"),
]


def noises(nets: Sequence[Fitted], sigmas: Sequence[float], pairs: int) -> pd.DataFrame:
    """PAC-Bayesian sharpness over sigma^2/2 Tr, at interpolation.

    Returns:
        A row for every network and sigma: error is the absolute distance of the
        quotient from 1, and its standard_error over draws; kink is the distance to the
        nearest kink, NaN without kinks.
    """
    rows = []
    for net in nets:
        operator = hessian(net.at)
        whole = trace.exact(operator).value
        stream = noise(net.seed, "noise")
        found = excess(net.at, operator, np.array(sigmas), stream, pairs=pairs)
        kink = nearest_kink(net.at) if net.activation == "relu" else np.nan
        for size, each in zip(sigmas, found, strict=True):
            scale = 2 / (size**2 * whole)
            rows.append(
                {
                    "seed": net.seed,
                    "activation": net.activation,
                    "size": size,
                    "error": abs(each.value) * scale,
                    "standard_error": each.standard_error * scale,
                    "kink": kink,
                }
            )
    return pd.DataFrame(rows, columns=NOISE_COLUMNS)


NOISE_COLUMNS = ["seed", "activation", "size", "error", "standard_error", "kink"]


def slopes(table: pd.DataFrame, column: str = "error") -> pd.Series:
    """Slope of the logarithm of a column against that of the size, by seed.

    Networks with a value of 0, which has no logarithm, have none.
    """
    found = {}
    for seed, rows in table.groupby("seed"):
        values = rows[column].to_numpy(dtype=float)
        if (values > 0).all() and len(values) > 1:
            line = np.polyfit(np.log(rows["size"].to_numpy()), np.log(values), 1)
            found[seed] = float(line[0])
    return pd.Series(found, dtype=float)


def gauss_newton_distance(at: Landscape) -> float:
    """|Hess L - G|_F over |Hess L|_F."""
    full, part = spectrum.dense(hessian(at)), spectrum.dense(gauss_newton(at))
    return float(np.linalg.norm(full - part) / np.linalg.norm(full))


def distances(
    nets: Sequence[Fitted],
) -> tuple[Float[np.ndarray, " nets"], Float[np.ndarray, " nets"]]:
    """`gauss_newton_distance` where training stopped, and at interpolation."""
    before = np.array([gauss_newton_distance(net.before) for net in nets])
    return before, np.array([gauss_newton_distance(net.at) for net in nets])


def of(fits: Mapping[str, pd.Series], activation: str) -> np.ndarray:
    """The slopes of one activation; none if no network of it interpolates."""
    return fits.get(activation, pd.Series(dtype=float)).to_numpy()


def paired(fits: Mapping[str, pd.Series]) -> np.ndarray:
    """Slope of the tanh network minus that of the ReLU network of the same seed."""
    if not {"tanh", "relu"} <= set(fits):
        return np.array([])
    return (fits["tanh"] - fits["relu"]).dropna().to_numpy()


def by_seed(seeds: Sequence[int], values: Sequence[float]) -> np.ndarray:
    """Means over the networks of a seed, which share their data."""
    return pd.Series(list(values), dtype=float).groupby(list(seeds)).mean().to_numpy()


def slopes_by_seed(table: pd.DataFrame, column: str) -> np.ndarray:
    """Means over the slopes of the networks of a seed."""
    parts = [slopes(rows, column) for _, rows in table.groupby("activation")]
    every = pd.concat(parts) if parts else pd.Series(dtype=float)
    return by_seed(list(every.index), every.to_list())
