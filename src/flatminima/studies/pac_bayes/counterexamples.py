"""Where the talk's line on the generalisation gap fails: cases with a known risk.

In each the risk over the distribution is exact, and so is E_v L_n(x + v): no draw of v
is needed. So a violation here is one of the line, not of an estimate.

The classifiers are linear, sign(w . a) on unit vectors a, with the zero-one loss; a
tie counts 1/2. Where labels are fair coins, every classifier errs on half of all
points, and so does any noisy one: L_D(w) = E_v L_D(w + v) = 1/2, whether the gap is
meant for the weights or for their noisy copies.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats
from scipy.optimize import brentq
from scipy.special import ndtr

from flatminima.data.streams import generator
from flatminima.theory.pac_bayes.published import displayed_line

FEATURES = ("table", "sphere")
"""One unit vector of a basis for each point, or uniform directions."""


@dataclass(frozen=True)
class Memorised:
    """A classifier that is the sum of its examples, w = sum_i y_i a_i.

    Attributes:
        margins: y_i w . a_i / |w|.
        loss: L_n(w), the share of wrong examples, a tie counting 1/2.
        gap: L_D(w) - L_n(w), with L_D = 1/2.
    """

    margins: Float[np.ndarray, " m"]
    loss: float
    gap: float

    def gibbs_loss(self, strength: float) -> float:
        """E_v L_n(w + v) at |w| / sigma = strength: mean Phi(-strength margin)."""
        return float(ndtr(-strength * self.margins).mean())

    def line(self, strength: float) -> float:
        """The right side of the talk's line at |w| / sigma = strength."""
        return displayed_line(
            self.gibbs_loss(strength), self.loss, strength, 1.0, len(self.margins)
        )


def memorised(features: str, d: int, m: int, seed: int) -> Memorised:
    """The sum of m examples in d dimensions whose labels are fair coins.

    Args:
        features: one of `FEATURES`.
        d: dimension, which for "table" is the number of different points.
        m: number of examples.
        seed: draws points and labels.

    Raises:
        ValueError: if the features have no such name, or d or m is below 1.
    """
    if features not in FEATURES:
        raise ValueError(f"features = {features!r}: must be one of {FEATURES}")
    if d < 1 or m < 1:
        raise ValueError(f"d, m = {d}, {m}: must be at least 1")
    rng = generator(seed, f"memorised {features}")
    y = rng.choice([-1.0, 1.0], size=m)
    outputs: Float[np.ndarray, " m"]
    if features == "table":
        which = rng.integers(0, d, size=m)
        entries = np.bincount(which, weights=y, minlength=d)
        outputs, norm = entries[which], float(np.linalg.norm(entries))
    else:
        a = rng.normal(size=(m, d))
        a /= np.linalg.norm(a, axis=1, keepdims=True)
        outputs, norm = a @ (y @ a), float(np.linalg.norm(y @ a))
    margins = y * outputs / max(norm, np.finfo(float).tiny)
    loss = float(np.mean((1 - np.sign(margins)) / 2))
    return Memorised(margins, loss, 0.5 - loss)


def endless_table(noise: float) -> float:
    """The line at a table that never meets a point twice, minus the gap of 1/2.

    All m margins are 1 / sqrt(m), so with t = |w| / (sigma sqrt(m)) the line is
    Phi(-t) + t / (2 sqrt(2)), whatever m is. It is below 1/2 for 0 < t < 0.87.

    Args:
        noise: sigma in units of a table's entry, so that t = 1 / noise.
    """
    t = 1 / noise
    return float(ndtr(-t)) + t / math.sqrt(8) - 0.5


def least_noise() -> float:
    """The noise above which the line fails at the endless table, about 1.15."""
    return float(brentq(endless_table, 1.0, 2.0))


def region(
    features: str,
    ratios: Sequence[float],
    noises: Sequence[float],
    m: int,
    seeds: Sequence[int],
) -> pd.DataFrame:
    """Where the line fails: over dimension and noise, for several training sets.

    Args:
        features: one of `FEATURES`.
        ratios: of dimension and number of examples, d / m.
        noises: sigma sqrt(m) / |w|.
        m: number of examples.
        seeds: of the training sets.

    Returns:
        One row a ratio, noise and seed: d, gap, line, and `excess`, gap minus line.
    """
    rows = []
    for ratio in ratios:
        d = max(1, round(ratio * m))
        for seed in seeds:
            found = memorised(features, d, m, seed)
            for noise in noises:
                line = found.line(math.sqrt(m) / noise)
                rows.append(
                    {
                        **{"ratio": ratio, "d": d, "noise": noise, "seed": seed},
                        **{"gap": found.gap, "line": line, "excess": found.gap - line},
                    }
                )
    return pd.DataFrame(rows)


def fixed_classifier(error: float, strength: float, m: int) -> float:
    """Probability that the line fails at a classifier that never saw the data.

    Its loss does not change within reach of the noise, so the line allows a gap of
    strength / (2 sqrt(2 m)) only. L_n is Bin(m, error) / m, and the probability exact.

    Args:
        error: L_D, above 0 and below 1.
        strength: |x| / sigma, at least 0; x = 0 gives 0.
        m: number of examples, at least 1.
    """
    allowed = displayed_line(0.0, 0.0, strength, 1.0, m)
    most_errors = math.ceil(m * (error - allowed)) - 1
    return float(stats.binom.cdf(most_errors, m, error))


@dataclass(frozen=True)
class LeastSquares:
    """Least squares on Gaussian data, with the squared loss, which has no bound.

    Attributes:
        gap: L_D(x) - L_n(x), exact: L_D(x) = |x - x*|^2 + noise^2.
        line: the least of the talk's line over all sigma.
        sigma: at which it is the least.
    """

    gap: float
    line: float
    sigma: float


def least_squares(d: int, m: int, scale: float, seed: int) -> LeastSquares:
    """The solution of least squares in units in which labels are `scale` times larger.

    y = scale (a . u + z), a and z Gaussian, |u| = 1. L is the mean of (a . x - y)^2, so
    E_v L_n(x + v) - L_n(x) = sigma^2 T with T = mean |a_i|^2, exactly. Over sigma the
    line is least at sigma^3 = |x| / (4 T sqrt(2 m)). The gap grows as scale^2 and the
    line as scale^(2/3).

    Args:
        d: dimension, below m.
        m: number of examples.
        scale: of the labels, above 0.
        seed: draws the data.

    Raises:
        ValueError: if d is not below m, or scale is not above 0.
    """
    if not 1 <= d < m:
        raise ValueError(f"d = {d}: must be at least 1 and below m = {m}")
    if not scale > 0:
        raise ValueError(f"scale = {scale}: must be above 0")
    rng = generator(seed, "least squares")
    a, truth = rng.normal(size=(m, d)), np.full(d, d**-0.5)
    y = a @ truth + rng.normal(size=m)
    x = np.linalg.lstsq(a, y, rcond=None)[0]
    loss = float(np.mean((a @ x - y) ** 2)) * scale**2
    risk = float(np.sum((x - truth) ** 2) + 1) * scale**2
    norm, trace = float(np.linalg.norm(x)) * scale, float(np.mean(np.sum(a**2, axis=1)))
    sigma = (norm / (4 * trace * math.sqrt(2 * m))) ** (1 / 3)
    line = displayed_line(loss + sigma**2 * trace, loss, norm, sigma, m)
    return LeastSquares(risk - loss, line, sigma)
