"""PAC-Bayes bounds of a trained network: a Gaussian posterior around its weights.

The posterior is N(x, sigma^2 I), the prior N(x0, sigma^2 I). Since x0 is fixed before
the examples that enter the bound are seen, three choices of it are

- 0, or the initialisation: both know nothing of the data;
- weights trained on some of the examples, where the bound takes the others only.

The best of K values of sigma may be taken if each bound is allowed delta / K. What is
printed holds with probability 1 - delta - delta_draws: the second is for E_Q L_n, which
is known from draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from flatminima.sharpness.landscape import Landscape
from flatminima.theory.pac_bayes.numbers import (
    isotropic_kl,
    maurer,
    mcallester,
    sampled,
)

CHUNK = 64
"""Draws that are evaluated at once."""


@dataclass(frozen=True)
class Bound:
    """A bound of E_Q L_D, and what went into it.

    Attributes:
        value: by the inverse divergence, `numbers.maurer`; at most 1.
        mcallester: by the square root; may be above 1.
        sigma: standard deviation of the posterior, NaN where it differs by weight.
        kl: KL(Q || P).
        empirical: mean of L_n over draws from Q.
        assured: upper bound of E_Q L_n, from the draws.
        m: examples that entered it.
        draws: from Q.
    """

    value: float
    mcallester: float
    sigma: float
    kl: float
    empirical: float
    assured: float
    m: int
    draws: int


def zero_one(f: Float[Tensor, "n k"], y: Tensor) -> Float[Tensor, " n"]:
    """1 where a prediction is wrong, for classes y, or labels of -1 and 1 if k = 1.

    A single output of 0 is an error.
    """
    wrong = y * f[:, 0] <= 0 if f.shape[1] == 1 else f.argmax(dim=1) != y
    return wrong.to(f.dtype)


def errors(landscape: Landscape) -> Landscape:
    """The same landscape with the zero-one loss."""
    return replace(landscape, criterion=zero_one)


def losses_of_draws(
    landscape: Landscape,
    deviation: float | Float[Tensor, " D"],
    draws: int,
    generator: torch.Generator,
) -> Float[Tensor, " draws"]:
    """L_n at draws from N(theta, diag(deviation^2)).

    Args:
        landscape: with a loss in [0, 1], at the centre theta.
        deviation: standard deviation, one for all weights or one for each, at least 0.
        draws: number of them, at least 1.
        generator: of the noise.

    Raises:
        ValueError: if draws or a deviation is out of range, or a loss lies outside of
            [0, 1].
    """
    if draws < 1:
        raise ValueError(f"draws = {draws}: must be at least 1")
    scale = torch.as_tensor(deviation, dtype=landscape.theta.dtype)
    if not (torch.isfinite(scale) & (scale >= 0)).all():
        raise ValueError("deviation: must be finite and at least 0")
    found = []
    loss = torch.func.vmap(lambda theta: landscape.losses(theta).mean())
    for start in range(0, draws, CHUNK):
        shape = (min(CHUNK, draws - start), landscape.size)
        noise = torch.randn(shape, generator=generator, dtype=landscape.theta.dtype)
        found.append(loss(landscape.theta + scale * noise))
    losses = torch.cat(found)
    if not ((losses >= 0) & (losses <= 1)).all():
        raise ValueError("landscape: its loss must lie in [0, 1], as `errors` has it")
    return losses


def over_sigmas(
    landscape: Landscape,
    sigmas: Sequence[float],
    *,
    centre: Float[Tensor, " D"] | None = None,
    delta: float,
    delta_draws: float,
    draws: int,
    generator: torch.Generator,
) -> list[Bound]:
    """The bound at each of K sigmas, all of which hold at once.

    The least of them, `best`, holds as well: each is allowed delta / K and
    delta_draws / K.

    Args:
        landscape: with a loss in [0, 1], at the centre of the posterior, over the
            examples of the bound.
        sigmas: K of them, chosen before the data are seen, each above 0.
        centre: of the prior, 0 by default. It must not depend on the examples of the
            landscape.
        delta: probability with which the bounds may fail over the examples.
        delta_draws: the same over the draws.
        draws: from the posterior, for each sigma.
        generator: of the noise.

    Raises:
        ValueError: if an argument is out of range or the loss is not in [0, 1].
    """
    if not sigmas:
        raise ValueError("sigmas = []: must have at least one")
    theta = landscape.theta
    distance = float((theta if centre is None else theta - centre).norm())
    kls = [isotropic_kl(distance, sigma) for sigma in sigmas]
    return [
        bound(
            losses_of_draws(landscape, sigma, draws, generator),
            kl,
            landscape.n,
            delta / len(sigmas),
            delta_draws / len(sigmas),
            sigma=sigma,
        )
        for sigma, kl in zip(sigmas, kls, strict=True)
    ]


def bound(
    losses: Float[Tensor, " draws"],
    kl: float,
    m: int,
    delta: float,
    delta_draws: float,
    *,
    sigma: float = float("nan"),
) -> Bound:
    """The bound from L_n at draws of a posterior.

    Args:
        losses: L_n at independent draws, in [0, 1].
        kl: KL(Q || P).
        m: number of examples.
        delta, delta_draws: as in `over_sigmas`, for this bound alone.
        sigma: to be kept with it.
    """
    empirical = float(losses.mean())
    assured = sampled(empirical, len(losses), delta_draws)
    return Bound(
        value=maurer(assured, kl, m, delta),
        mcallester=mcallester(assured, kl, m, delta),
        sigma=sigma,
        kl=kl,
        empirical=empirical,
        assured=assured,
        m=m,
        draws=len(losses),
    )


def best(bounds: Sequence[Bound]) -> Bound:
    """The least of several bounds that hold at once; the first of equal ones."""
    return min(bounds, key=lambda each: (each.value, each.mcallester))
