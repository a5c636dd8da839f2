"""PAC-Bayes bounds of small trained networks, beside what they err on new points."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import torch
from scipy import stats

from flatminima.runs.nets.config import NetConfig
from flatminima.runs.nets.problem import data, initial_arrays, network
from flatminima.sharpness.ball import ball_sharpness
from flatminima.sharpness.landscape import Landscape, cross_entropy, landscape
from flatminima.sweeps.sweep import run_all
from flatminima.theory.pac_bayes.gaussian import (
    Bound,
    best,
    bound,
    errors,
    losses_of_draws,
    over_sigmas,
)
from flatminima.theory.pac_bayes.numbers import isotropic_kl
from flatminima.theory.pac_bayes.published import foret
from flatminima.theory.pac_bayes.trained import bound_of, trained_posterior

LR = 0.1
"""Of SGD: far from divergence at every width that the chapter allows."""

CENTRES = ("prior at 0", "prior at the start")
TRAINED, HALF = "trained variances", "prior from half"
HALF_TRAINED, HELD_OUT = "prior from half, trained", "held-out half, no noise"
FORET = "Foret et al., from below"
RADII = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Of Foret's theorem, in units of the norm of the weights at the start."""

ASCENT_STEPS = 10
TRAINING_RATE = 0.03
"""Of Adam, on the bound."""

RISK_DRAWS = 16
"""Of a posterior, for its error on new points."""


@dataclass(frozen=True)
class Budget:
    """What is spent on the bounds of a network.

    Attributes:
        sigmas: of the posterior, fixed before the data.
        delta: probability with which a printed bound may fail; a fifth of it is for
            the draws.
        draws: from a posterior, for its training error.
        steps: of training a posterior.
    """

    sigmas: tuple[float, ...]
    delta: float
    draws: int
    steps: int

    @property
    def for_examples(self) -> float:
        """The part of delta that is for the examples."""
        return 0.8 * self.delta

    @property
    def for_draws(self) -> float:
        """The part of delta that is for the draws."""
        return 0.2 * self.delta


@dataclass(frozen=True)
class Trained:
    """A trained network, where it started, and new points, as landscapes."""

    train: Landscape
    start: torch.Tensor
    new: Landscape


def config(
    name: str, *, n: int, width: int, num_steps: int, activation: str = "relu"
) -> NetConfig:
    """A two-layer network by SGD on cross entropy, batches of 32."""
    base = NetConfig(depth=2, width=width, num_steps=num_steps, num_checkpoints=2)
    return NetConfig(
        **(
            base.model_dump()
            | {"data": name, "n": n, "lr": LR}
            | {"activation": activation}
        )
    )


def trained(configs: Sequence[NetConfig]) -> Iterator[Trained]:
    """The networks of configs, in their order, from the store or trained now."""
    for each, run in zip(configs, run_all(configs), strict=True):
        problem = data(each)
        first = network(each, initial_arrays(each))
        last = network(each, run.arrays)
        at = landscape(last, problem.x, problem.labels, "cross_entropy")
        start = landscape(first, problem.x, problem.labels, "cross_entropy").theta
        new = landscape(last, problem.test_x, problem.test_labels, "cross_entropy")
        yield Trained(at, start, new)


def surrogate(at: Landscape) -> Landscape:
    """Cross entropy over ln 2, which is nowhere below the zero-one loss."""
    return replace(at, criterion=lambda f, y: cross_entropy(f, y) / math.log(2))


def bounds(
    name: str,
    seeds: Sequence[int],
    budget: Budget,
    *,
    n: int,
    width: int,
    num_steps: int,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every bound on networks of one data set.

    Args:
        name: data set, "clusters" or "digits".
        seeds: of data and weights.
        budget: what is spent on the bounds.
        n: training examples; where a half of them gives the prior, it is n // 2.
        width, num_steps: of the networks.

    Returns:
        One row a seed and bound: data, seed, bound, `value`, `kl`, `empirical`,
        `sigma`, `m`, `risk` (error on new points of what is bounded) and `chance`, the
        error of guessing. And one row a seed, prior and sigma, with the same.
    """
    whole = config(name, n=n, width=width, num_steps=num_steps)
    part = config(name, n=n // 2, width=width, num_steps=num_steps)
    rows: list[dict[str, Any]] = []
    curves: list[dict[str, Any]] = []
    wholes = trained([whole.with_seeds(seed, seed) for seed in seeds])
    parts = trained([part.with_seeds(seed, seed) for seed in seeds])
    for seed, full, half in zip(seeds, wholes, parts, strict=True):
        chance = 1 - 1 / whole.data_module.CLASSES
        common = {"data": name, "seed": seed, "chance": chance}
        generator = torch.Generator().manual_seed(seed)
        for found in _free(full, budget, generator):
            curves.append(common | found)
        free = curves[-len(CENTRES) * len(budget.sigmas) :]
        for prior in CENTRES:
            own = [row for row in free if row["bound"] == prior]
            rows.append(min(own, key=lambda row: (row["value"], row["root"])))
        rows.append(
            common
            | _trained_row(TRAINED, full.train, full.new, full.start, budget, generator)
        )
        rows += [
            common | row for row in _half_rows(half, n - n // 2, budget, generator)
        ]
        rows.append(common | _foret_row(full, budget, generator))
    return pd.DataFrame(rows), pd.DataFrame(curves)


def _row(name: str, found: Bound, risk: float) -> dict[str, Any]:
    return {
        **{"bound": name, "value": found.value, "root": found.mcallester},
        **{"kl": found.kl, "empirical": found.empirical, "sigma": found.sigma},
        **{"m": found.m, "risk": risk},
    }


def _risk(
    new: Landscape, deviation: float | torch.Tensor, generator: torch.Generator
) -> float:
    return float(losses_of_draws(errors(new), deviation, RISK_DRAWS, generator).mean())


def _free(
    net: Trained, budget: Budget, generator: torch.Generator
) -> Iterator[dict[str, Any]]:
    """Bounds with priors that know no data, at every sigma."""
    at, count = errors(net.train), len(budget.sigmas)
    for sigma in budget.sigmas:
        losses = losses_of_draws(at, sigma, budget.draws, generator)
        risk = _risk(net.new, sigma, generator)
        for name, centre in zip(
            CENTRES, (torch.zeros_like(at.theta), net.start), strict=True
        ):
            kl = isotropic_kl(float((at.theta - centre).norm()), sigma)
            found = bound(
                losses,
                kl,
                at.n,
                budget.for_examples / count,
                budget.for_draws / count,
                sigma=sigma,
            )
            yield _row(name, found, risk)


def _trained_row(
    name: str,
    train: Landscape,
    new: Landscape,
    centre: torch.Tensor,
    budget: Budget,
    generator: torch.Generator,
    deviation: float | None = None,
) -> dict[str, Any]:
    posterior = trained_posterior(
        surrogate(train),
        centre,
        delta=budget.for_examples,
        num_steps=budget.steps,
        lr=TRAINING_RATE,
        deviation=deviation,
        generator=generator,
    )
    found = bound_of(
        posterior,
        train,
        delta=budget.for_examples,
        delta_draws=budget.for_draws,
        draws=budget.draws,
        generator=generator,
    )
    risk = _risk(new.at(posterior.mean), posterior.deviation, generator)
    return _row(name, found, risk)


def _half_rows(
    net: Trained, others: int, budget: Budget, generator: torch.Generator
) -> Iterator[dict[str, Any]]:
    """Bounds on examples that the network of half the data never saw."""
    theta = net.train.theta
    held_out = net.new.subset(slice(0, others))
    new = net.new.subset(slice(others, None))
    least = best(at_every_sigma(held_out, theta, budget, generator))
    yield _row(HALF, least, _risk(new, least.sigma, generator))
    yield _trained_row(
        HALF_TRAINED,
        held_out,
        new,
        theta,
        budget,
        generator,
        min(budget.sigmas),
    )
    wrong = round(float(errors(held_out).losses().sum()))
    value = stats.binomtest(wrong, others, alternative="less").proportion_ci(
        1 - budget.delta, "exact"
    )
    yield {
        **{"bound": HELD_OUT, "value": float(value.high)},
        **{"root": math.nan, "kl": 0.0, "sigma": 0.0, "empirical": wrong / others},
        "risk": float(errors(new).loss()),
    }


def at_every_sigma(
    at: Landscape, centre: torch.Tensor, budget: Budget, generator: torch.Generator
) -> list[Bound]:
    """`over_sigmas` of the zero-one loss, within a budget."""
    return over_sigmas(
        errors(at),
        budget.sigmas,
        centre=centre,
        delta=budget.for_examples,
        delta_draws=budget.for_draws,
        draws=budget.draws,
        generator=generator,
    )


def _foret_row(
    net: Trained, budget: Budget, generator: torch.Generator
) -> dict[str, Any]:
    """Foret's bound from below, at the best of several radii, delta shared among them.

    The largest error in the ball is at least that at the weights, and that at a point
    to which the cross entropy was driven up.
    """
    at, unit = errors(net.train), float(net.start.norm())
    own, norm = float(at.loss()), float(net.train.theta.norm())
    values = []
    for radius in RADII:
        worst = ball_sharpness(
            net.train, radius * unit, generator, restarts=1, num_steps=ASCENT_STEPS
        )
        worst_loss = max(own, float(at.loss(at.theta + worst.displacement)))
        delta = budget.delta / len(RADII)
        value = foret(worst_loss, norm, radius * unit, at.size, at.n, delta)
        values.append((value, radius * unit))
    value, radius = min(values)
    return {
        **{"bound": FORET, "value": value, "root": math.nan},
        **{"kl": math.nan, "sigma": radius, "empirical": own},
        "risk": float(errors(net.new).loss()),
    }
