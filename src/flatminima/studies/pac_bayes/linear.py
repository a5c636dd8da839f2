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
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import erf, ndtr, roots_jacobi, roots_legendre

from flatminima.data.streams import generator
from flatminima.statistics.intervals import of_count
from flatminima.statistics.thresholds import Thresholds
from flatminima.theory.pac_bayes.numbers import (
    complexity,
    isotropic_kl,
    kl_inverse,
    maurer,
    mcallester,
    sampled,
)
from flatminima.theory.pac_bayes.published import displayed_line, foret

NODES = 48
"""Of each integral: enough for 1e-6 at strengths up to 100."""

SHRUNK = (0.5, 0.2, 0.1, 0.05, 0.02, 0.0)
"""Factors on the complexity that make a bound wrong, to see when it is noticed."""

TALK = "the talk's line"
FORET = "Foret et al."
BOUNDS = (
    "McAllester",
    "inverse kl",
    "inverse kl, from draws",
    "prior from half the data",
)
"""Those that promise to cover E_v L_D(w + v)."""


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
        strengths is taken for all bounds but Foret's. The talk's line is shown as what
        it says of L_D(w).
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
        spent = (delta - delta_draws) / len(s)
        counted = _drawn(w, a, y, s, draws, seed)
        known = [sampled(c, draws, delta_draws / len(s)) for c in counted]
        allowed = [complexity(kl, task.m, each) for kl in kls]
        found = {
            "McAllester": [
                mcallester(q, kl, task.m, each)
                for q, kl in zip(losses, kls, strict=True)
            ],
            "inverse kl": [
                kl_inverse(q, c) for q, c in zip(losses, allowed, strict=True)
            ],
            "inverse kl, from draws": [
                maurer(q, kl, task.m, spent) for q, kl in zip(known, kls, strict=True)
            ],
        } | {
            shrunk(factor): [
                kl_inverse(q, factor * c) for q, c in zip(losses, allowed, strict=True)
            ]
            for factor in SHRUNK
        }
        for name, values in found.items():
            rows.append(_row(seed, name, values, risks, losses, s))
        rows.append(_row(seed, BOUNDS[3], *_half(task, a, y, s, each), s))
        line = [
            displayed_line(q, loss, strength, 1.0, task.m) + loss
            for q, strength in zip(losses, s, strict=True)
        ]
        true = risk(w, task.flip)
        rows.append(_row(seed, TALK, line, np.full(len(s), true), losses, s))
        rows.append(
            {
                **{"seed": seed, "bound": FORET, "strength": np.nan},
                **{"value": foret(loss, 1.0, rho, task.d, task.m, delta)},
                **{"risk": true, "empirical": loss},
            }
        )
    return pd.DataFrame(rows)


def shrunk(factor: float) -> str:
    """Name of the inverse kl whose complexity is multiplied by a factor."""
    return f"complexity × {factor:g}"


def coverage(table: pd.DataFrame, name: str) -> tuple[int, int]:
    """On how many training sets a bound is at least what it bounds, and of how many."""
    rows = table[table["bound"] == name]
    return int((rows["value"] >= rows["risk"]).sum()), len(rows)


def above_promise(
    table: pd.DataFrame, name: str, delta: float, given: Thresholds
) -> tuple[float, float, float]:
    """Coverage minus 1 - delta, with the exact binomial interval."""
    count, total = coverage(table, name)
    low, high = of_count(count, total, given)
    promise = 1 - delta
    return count / total - promise, low - promise, high - promise


def _row(
    seed: int,
    name: str,
    values: Sequence[float],
    risks: Float[np.ndarray, " K"],
    losses: Float[np.ndarray, " K"],
    strengths: Float[np.ndarray, " K"],
) -> dict[str, Any]:
    best = int(np.argmin(values))
    return {
        **{"seed": seed, "bound": name, "strength": strengths[best]},
        **{"value": values[best], "risk": risks[best], "empirical": losses[best]},
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
