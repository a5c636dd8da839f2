"""A linear classifier all of whose losses, noisy ones included, are exact.

Points are uniform on the sphere, labels are sign(u . a), flipped with a probability p.
A classifier w at the angle alpha from u errs on a share p + (1 - 2 p) alpha / pi. With
noise v ~ N(0, sigma^2 I) in its weights, and s = |w| / sigma, it errs on a point a with
probability Phi(-s y w . a / |w|), and over the distribution on p + (1 - 2 p) g with

    pi g = E_r [2 int_0^{pi/2} Phi(-s r sin t) dt
                + int_0^alpha (2 Phi(s r sin t) - 1) dt],

where r^2 ~ Beta(1, d/2 - 1) is the squared length of a in the plane of w and u. The
integrals are done by Gauss's rules, with nodes that crowd where s r sin t is small.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import erf, ndtr, roots_jacobi, roots_legendre

from flatminima.data.streams import generator
from flatminima.theory.pac_bayes.numbers import (
    isotropic_kl,
    maurer,
    mcallester,
    sampled,
)
from flatminima.theory.pac_bayes.published import displayed_line, foret

NODES = 48
"""Of each integral: enough for 1e-10 at the strengths of the chapter."""


@dataclass(frozen=True)
class Task:
    """What is drawn, and how much of it.

    Attributes:
        d: dimension, at least 3.
        m: examples of a training set.
        flip: probability that a label is flipped, at least 0 and below 1/2.
    """

    d: int
    m: int
    flip: float

    def __post_init__(self) -> None:
        if self.d < 3:
            raise ValueError(f"d = {self.d}: must be at least 3")
        if self.m < 2:
            raise ValueError(f"m = {self.m}: must be at least 2")
        if not 0 <= self.flip < 0.5:
            raise ValueError(f"flip = {self.flip}: must be at least 0 and below 1/2")


def training_set(
    task: Task, seed: int
) -> tuple[Float[np.ndarray, "m d"], Float[np.ndarray, " m"]]:
    """Independent points and labels; u is the first direction."""
    rng = generator(seed, "linear")
    a = rng.normal(size=(task.m, task.d))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    flipped = rng.random(task.m) < task.flip
    return a, np.where(a[:, 0] > 0, 1.0, -1.0) * np.where(flipped, -1.0, 1.0)


def classifier(
    a: Float[np.ndarray, "m d"], y: Float[np.ndarray, " m"]
) -> Float[np.ndarray, " d"]:
    """The sum of the examples, of length 1.

    It costs nothing to train and errs about as little as logistic regression here.
    """
    w = y @ a
    return w / max(float(np.linalg.norm(w)), np.finfo(float).tiny)


def risk(w: Float[np.ndarray, " d"], flip: float) -> float:
    """L_D(w), of a vector of length 1."""
    return flip + (1 - 2 * flip) * _angle(w) / math.pi


def gibbs_risk(
    w: Float[np.ndarray, " d"], strengths: Float[np.ndarray, " K"], flip: float
) -> Float[np.ndarray, " K"]:
    """E_v L_D(w + v), of a vector of length 1, at each strength 1 / sigma.

    Args:
        w: classifier, in at least three dimensions.
        strengths: s, each at least 0.
        flip: probability of a flipped label.
    """
    alpha = _angle(w)
    power = len(w) / 2 - 2
    nodes, weights = roots_jacobi(NODES, power, 1.0)
    r = (1 + nodes) / 2
    weights = weights * (1 + r) ** power
    turns, shares = roots_legendre(NODES)
    q = (1 + turns) / 2
    k = strengths[:, None, None] * r[:, None]
    aligned = ndtr(-k * np.sin(math.pi / 2 * q**2)) @ (math.pi * shares * q)
    turned = erf(k * np.sin(alpha * q**2) / math.sqrt(2)) @ (alpha * shares * q)
    mean = (aligned + turned) @ (weights / weights.sum()) / math.pi
    return flip + (1 - 2 * flip) * mean


def _angle(w: Float[np.ndarray, " d"]) -> float:
    """Between w and the first direction."""
    return math.atan2(float(np.linalg.norm(w[1:])), float(w[0]))


def gibbs_loss(
    w: Float[np.ndarray, " d"],
    a: Float[np.ndarray, "m d"],
    y: Float[np.ndarray, " m"],
    strengths: Float[np.ndarray, " K"],
) -> Float[np.ndarray, " K"]:
    """E_v L_n(w + v), of a vector of length 1, at each strength 1 / sigma."""
    return ndtr(-strengths[:, None] * (y * (a @ w))).mean(axis=1)


def coverage_runs(
    task: Task,
    strengths: Sequence[float],
    *,
    delta: float,
    delta_draws: float,
    draws: int,
    rho: float,
    seeds: Sequence[int],
) -> pd.DataFrame:
    """Every bound beside the exact risk that it is to bound, on many training sets.

    Args:
        task: what is drawn.
        strengths: |w| / sigma, K of them, fixed before the data.
        delta: probability with which a bound may fail.
        delta_draws: of it, what the bound from draws spends on them.
        draws: of v, for that bound.
        rho: radius of Foret's theorem, in units of |w|.
        seeds: of the training sets.

    Returns:
        One row a training set and bound: seed, bound (its name), `value`, `risk` (the
        quantity that it bounds), `empirical` and `strength`. The least over the
        strengths is taken for all bounds but Foret's.
    """
    s = np.array(strengths, dtype=float)
    each = delta / len(s)
    kls = [isotropic_kl(strength, 1.0) for strength in s]
    rows = []
    for seed in seeds:
        a, y = training_set(task, seed)
        w = classifier(a, y)
        losses, risks = gibbs_loss(w, a, y, s), gibbs_risk(w, s, task.flip)
        loss = float(np.mean(y * (a @ w) <= 0))
        half = _half(task, a, y, s, each)
        spent = (delta - delta_draws) / len(s)
        counted = _drawn(w, a, y, s, draws, seed)
        known = [sampled(c, draws, delta_draws / len(s)) for c in counted]
        pairs = list(zip(losses, kls, strict=True))
        found = {
            "McAllester": [mcallester(q, kl, task.m, each) for q, kl in pairs],
            "inverse kl": [maurer(q, kl, task.m, each) for q, kl in pairs],
            "inverse kl, from draws": [
                maurer(q, kl, task.m, spent) for q, kl in zip(known, kls, strict=True)
            ],
            "without its complexity": list(losses),
        }
        for name, values in found.items():
            best = int(np.argmin(values))
            rows.append(_row(seed, name, values[best], risks[best], losses, s, best))
        values, half_risks, half_losses = half
        best = int(np.argmin(values))
        rows.append(
            _row(
                *(seed, "prior from half the data", values[best], half_risks[best]),
                *(half_losses, s, best),
            )
        )
        line = [
            displayed_line(q, loss, strength, 1.0, task.m) + loss
            for q, strength in zip(losses, s, strict=True)
        ]
        best = int(np.argmin(line))
        rows.append(
            _row(
                seed, "the talk's line", line[best], risk(w, task.flip), losses, s, best
            )
        )
        rows.append(
            {
                **{"seed": seed, "bound": "Foret et al.", "strength": np.nan},
                **{"value": foret(loss, 1.0, rho, task.d, task.m, delta)},
                **{"risk": risk(w, task.flip), "empirical": loss},
            }
        )
    return pd.DataFrame(rows)


def _row(
    seed: int,
    name: str,
    value: float,
    true: float,
    losses: Float[np.ndarray, " K"],
    strengths: Float[np.ndarray, " K"],
    best: int,
) -> dict[str, object]:
    return {
        **{"seed": seed, "bound": name, "strength": strengths[best]},
        **{"value": value, "risk": true, "empirical": losses[best]},
    }


def _half(
    task: Task,
    a: Float[np.ndarray, "m d"],
    y: Float[np.ndarray, " m"],
    s: Float[np.ndarray, " K"],
    each: float,
) -> tuple[list[float], Float[np.ndarray, " K"], Float[np.ndarray, " K"]]:
    """Bounds on the second half, risks and losses; the first half gives the prior."""
    first = task.m // 2
    w, start = classifier(a, y), classifier(a[:first], y[:first])
    losses = gibbs_loss(w, a[first:], y[first:], s)
    moved = float(np.linalg.norm(w - start))
    values = [
        maurer(q, isotropic_kl(moved * strength, 1.0), task.m - first, each)
        for q, strength in zip(losses, s, strict=True)
    ]
    return values, gibbs_risk(w, s, task.flip), losses


def _drawn(
    w: Float[np.ndarray, " d"],
    a: Float[np.ndarray, "m d"],
    y: Float[np.ndarray, " m"],
    s: Float[np.ndarray, " K"],
    draws: int,
    seed: int,
) -> list[float]:
    """Mean of L_n over draws of v, at each strength."""
    noise = generator(seed, "posterior").normal(size=(draws, len(w)))
    clean, noisy = y * (a @ w), (noise @ a.T) * y
    return [float(np.mean(clean + noisy / strength <= 0)) for strength in s]
