"""Networks that differ: what orders them, and what their sharpness reads."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from scipy import stats

from flatminima.runs.nets.config import NetConfig
from flatminima.sharpness import gauss_newton_trace
from flatminima.sharpness import trace as hessian_trace
from flatminima.sharpness.average import average_sharpness
from flatminima.sharpness.products import hessian
from flatminima.studies.pac_bayes.nets import Budget, at_every_sigma, config, trained
from flatminima.theory.pac_bayes.gaussian import best, errors

READING_PAIRS = 400
"""Of displacements, behind a PAC-Bayes sharpness."""

ORDERED: tuple[dict[str, float], ...] = ({}, {"weight_decay": 0.01}, {"lr": 0.02})
"""How networks are trained whose order is asked for."""


def ordered(
    seeds: Sequence[int],
    budget: Budget,
    *,
    n: int,
    widths: Sequence[int],
    num_steps: int,
    sigma: float,
) -> pd.DataFrame:
    """Networks that differ in width and training, on the clusters.

    Args:
        seeds, budget, n, num_steps: as in `bounds`.
        widths: of the networks, each trained in every way of `ORDERED`.
        sigma: at which their PAC-Bayes sharpness is taken.

    Returns:
        One row a network: seed, width, lr, weight_decay, `risk`, `loss`, `bound` (prior
        at the start), `sharpness` and `distance` from the start.
    """
    configs = [
        NetConfig(**(base.model_dump() | change)).with_seeds(seed, seed)
        for seed in seeds
        for base in (
            config("clusters", n=n, width=width, num_steps=num_steps)
            for width in widths
        )
        for change in ORDERED
    ]
    rows = []
    for each, net in zip(configs, trained(configs), strict=True):
        generator = torch.Generator().manual_seed(each.data_seed)
        found = at_every_sigma(net.train, net.start, budget, generator)
        rows.append(
            {
                **{"seed": each.data_seed, "width": each.width, "lr": each.lr},
                **{"weight_decay": each.weight_decay, "bound": best(found).value},
                "risk": float(errors(net.new).loss()),
                "loss": float(net.train.loss()),
                "sharpness": average_sharpness(net.train, sigma, generator).value,
                "distance": float((net.train.theta - net.start).norm()),
            }
        )
    return pd.DataFrame(rows)


def rank_correlations(nets: pd.DataFrame, measure: str) -> Float[np.ndarray, " seeds"]:
    """Kendall's tau of a measure and the risk, over the networks of every seed.

    A seed whose networks do not differ in one of them is left out.
    """
    taus = [
        stats.kendalltau(rows[measure], rows["risk"]).statistic
        for _, rows in nets.groupby("seed")
    ]
    found = np.array(taus, dtype=float)
    return found[np.isfinite(found)]


def readings(
    configs: Sequence[NetConfig], sigmas: Sequence[float]
) -> Float[np.ndarray, "networks sigmas"]:
    """PAC-Bayes sharpness over sigma^2 / 2 times the trace of the Hessian.

    The trace is that of the Hessian where it exists, which for ReLU networks is
    everywhere but on the kinks, and is the Gauss-Newton matrix's there.

    Args:
        configs: of networks.
        sigmas: each above 0.

    Returns:
        One row a network, one column a sigma.
    """
    rows = []
    for each, net in zip(configs, trained(configs), strict=True):
        generator = torch.Generator().manual_seed(each.data_seed)
        if each.activation == "relu":
            trace = float(gauss_newton_trace.exact(net.train).whole)
        else:
            trace = float(hessian_trace.exact(hessian(net.train)))
        rows.append(
            [
                average_sharpness(
                    net.train, sigma, generator, pairs=READING_PAIRS
                ).value
                / (sigma**2 / 2 * trace)
                for sigma in sigmas
            ]
        )
    return np.array(rows)
