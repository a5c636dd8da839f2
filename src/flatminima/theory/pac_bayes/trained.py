"""A posterior whose variances are trained on the bound: Dziugaite & Roy 2017.

The posterior is N(w, diag(s)), the prior N(w0, lambda I) around the initialisation.
Mean w, variances s and lambda move downhill on a differentiable stand-in for the bound,

    E_v l(w + sqrt(s) v) + sqrt(B / 2),
    B = (KL + ln(2 sqrt(m) / delta) + 2 ln(pi b ln(c / lambda) / sqrt(6))) / m.

The last term pays for the choice of lambda = c exp(-j / b) among all j >= 1, each of
which is allowed 6 delta / (pi j)^2. At the end j is rounded, and the bound is that of
the zero-one loss. The source has ln(m / delta) / (m - 1) where Maurer allows what
stands here, and trains with RMSprop for 200,000 steps.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from flatminima.sharpness.landscape import Landscape
from flatminima.theory.pac_bayes.gaussian import (
    Bound,
    bound,
    errors,
    losses_of_draws,
)

LEAST_DEVIATION = 1e-3
"""At which the deviation of a weight near 0 starts."""

START_OF_PRIOR = -6.0
"""ln lambda at the start, as in the source."""


@dataclass(frozen=True)
class Posterior:
    """N(mean, diag(deviation^2)), and the prior N(centre, c exp(-j / b) I)."""

    mean: Float[Tensor, " D"]
    deviation: Float[Tensor, " D"]
    centre: Float[Tensor, " D"]
    prior_variance: float
    j: int


def diagonal_kl(
    mean: Float[Tensor, " D"],
    deviation: Float[Tensor, " D"],
    centre: Float[Tensor, " D"],
    prior_variance: float | Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """KL(N(mean, diag(deviation^2)) || N(centre, prior_variance I)), in nats.

    (sum deviation^2 + |mean - centre|^2) / (2 lambda) - D / 2 + (D / 2) ln lambda
    - sum ln deviation

    Args:
        mean, deviation: of the posterior; deviations above 0.
        centre, prior_variance: of the prior; the variance lambda above 0.
    """
    variance = torch.as_tensor(prior_variance, dtype=mean.dtype)
    moved = (deviation**2).sum() + ((mean - centre) ** 2).sum()
    logs = mean.numel() * (torch.log(variance) - 1)
    return (moved / variance + logs) / 2 - torch.log(deviation).sum()


def trained_posterior(
    surrogate: Landscape,
    centre: Float[Tensor, " D"],
    *,
    delta: float,
    b: float = 100.0,
    c: float = 0.1,
    num_steps: int = 2000,
    lr: float = 0.01,
    deviation: float | None = None,
    generator: torch.Generator,
) -> Posterior:
    """Train mean, variances and prior variance on the stand-in for the bound.

    Full batch, one draw of the noise a step, Adam. The mean starts at the landscape's
    point. As in the source, a deviation starts at the size of its weight and ln lambda
    at -6, unless one deviation is given, with which both start.

    Args:
        surrogate: a differentiable loss of about the size of the zero-one loss, such as
            cross entropy over ln 2, at the trained weights.
        centre: of the prior; independent of the landscape's examples.
        delta: probability with which the bound may fail.
        b, c: precision and upper end of the grid of prior variances.
        num_steps, lr: of Adam.
        deviation: at the start of all weights and of the prior, above 0.
        generator: of the noise.

    Raises:
        ValueError: if an argument is out of range.
        ArithmeticError: if the objective stops being finite, with the step.
    """
    _check(surrogate, centre, delta, b, c, num_steps, lr)
    theta = surrogate.theta
    mean = theta.clone().requires_grad_()
    log_deviation = theta.abs().clamp(min=LEAST_DEVIATION).log()
    start_of_prior = START_OF_PRIOR
    if deviation is not None:
        if not deviation > 0:
            raise ValueError(f"deviation = {deviation!r}: must be above 0")
        log_deviation = torch.full_like(theta, math.log(deviation))
        start_of_prior = 2 * math.log(deviation)
    log_deviation.requires_grad_()
    most = math.log(c) - 1 / b
    log_prior = torch.tensor(min(start_of_prior, most), dtype=theta.dtype)
    log_prior.requires_grad_()
    optimiser = torch.optim.Adam([mean, log_deviation, log_prior], lr=lr)
    for step in range(num_steps):
        optimiser.zero_grad()
        spread = log_deviation.exp()
        noise = torch.randn(theta.shape, generator=generator, dtype=theta.dtype)
        allowed = _allowed(mean, spread, centre, log_prior, surrogate.n, delta, b, c)
        objective = surrogate.loss(mean + spread * noise) + (allowed / 2).sqrt()
        if not torch.isfinite(objective):
            raise ArithmeticError(
                f"the objective is {objective.item()} at step {step}, lr = {lr}"
            )
        objective.backward()
        optimiser.step()
        with torch.no_grad():
            log_prior.clamp_(max=most)
    j = max(1, round(b * (math.log(c) - float(log_prior.detach()))))
    return Posterior(
        mean=mean.detach(),
        deviation=log_deviation.detach().exp(),
        centre=centre,
        prior_variance=c * math.exp(-j / b),
        j=j,
    )


def bound_of(
    posterior: Posterior,
    landscape: Landscape,
    *,
    delta: float,
    delta_draws: float,
    draws: int,
    generator: torch.Generator,
) -> Bound:
    """The bound of the zero-one loss at a trained posterior.

    Args:
        posterior: from `trained_posterior`.
        landscape: over the same examples; its loss and its point do not matter.
        delta, delta_draws, draws, generator: as in `gaussian.over_sigmas`; the draws
            must be new ones.
    """
    at = errors(landscape).at(posterior.mean)
    losses = losses_of_draws(at, posterior.deviation, draws, generator)
    kl = diagonal_kl(
        posterior.mean, posterior.deviation, posterior.centre, posterior.prior_variance
    )
    share = 6 / (math.pi * posterior.j) ** 2
    # rounding may leave a divergence of 0 below it
    return bound(losses, max(0.0, float(kl)), landscape.n, delta * share, delta_draws)


def _allowed(
    mean: Tensor,
    deviation: Tensor,
    centre: Tensor,
    log_prior: Tensor,
    m: int,
    delta: float,
    b: float,
    c: float,
) -> Tensor:
    """B of the stand-in, with a real-valued j."""
    kl = diagonal_kl(mean, deviation, centre, log_prior.exp())
    j = b * (math.log(c) - log_prior)
    union = 2 * torch.log(math.pi * j / math.sqrt(6))
    return (kl + math.log(2 * math.sqrt(m) / delta) + union) / m


def _check(
    surrogate: Landscape,
    centre: Tensor,
    delta: float,
    b: float,
    c: float,
    num_steps: int,
    lr: float,
) -> None:
    if centre.shape != surrogate.theta.shape:
        raise ValueError(
            f"centre: must have {surrogate.size} entries, not {centre.numel()}"
        )
    if not 0 < delta < 1:
        raise ValueError(f"delta = {delta!r}: must be above 0 and below 1")
    for name, value in (("b", b), ("c", c), ("lr", lr)):
        if not value > 0:
            raise ValueError(f"{name} = {value!r}: must be above 0")
    if num_steps < 0:
        raise ValueError(f"num_steps = {num_steps}: must be at least 0")
