"""How many examples a method needs, and how that number grows with the dimension.

For one method, `needed` is the n at which the mean test error over seeds falls to a
level. The mean errors along n are first replaced by the nearest curve that never
rises (isotonic regression), then joined by straight lines in log n. `exponent` is
the slope of log n against log d. Both carry the draws of a bootstrap over seeds: a
seed is drawn with its errors at all n, and every d has draws of its own, since the
data of two d have nothing in common. Resampled means spread too little, so the draws of
log n are moved away from the estimate, see `intervals.stretched`. Their percentiles,
and those of sums of them, are intervals of about the level that they claim.

Where the curve never falls to the level, n lies above the grid and is inf; where it
is never above the level, n lies below the grid and is 0. Such an n is **censored**:
no number is put in its place, and an exponent that would need it is NaN.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.optimize import isotonic_regression

from flatminima.data.streams import generator
from flatminima.statistics.intervals import stretched
from flatminima.statistics.thresholds import thresholds

LEVELS = {"zero_one": 0.1, "mse": 0.25}
"""Test errors at which n is read off, by metric; fixed before the runs."""

METRICS = {"zero_one": "zero-one error", "mse": "MSE"}
"""How tables and figures call them."""

Needs = Mapping[tuple[str, str], Mapping[int, "Estimate"]]
"""The n that is needed, by (method, metric) and d."""


class Interval(NamedTuple):
    """A percentile interval; an end is infinite, or 0, where it is censored."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A number computed from all seeds, and again from every resample of them.

    Attributes:
        value: from all seeds; NaN if it does not exist.
        draws: from the resamples, stretched; NaN where it does not exist.
    """

    value: float
    draws: Float[np.ndarray, " resamples"]

    @property
    def censored(self) -> bool:
        """Whether the grid is too short for the value."""
        return not (np.isfinite(self.value) and self.value != 0)

    def interval(self) -> Interval:
        """Percentile interval at the book's level; an unknown draw widens both ends."""
        tail = (1 - thresholds().level) / 2
        unknown = np.isnan(self.draws)
        lowest = np.where(unknown, -np.inf, self.draws)
        highest = np.where(unknown, np.inf, self.draws)
        low = np.quantile(lowest, tail, method="lower")
        high = np.quantile(highest, 1 - tail, method="higher")
        return Interval(float(low), float(high))

    @property
    def summary(self) -> tuple[float, float, float]:
        """Value and interval, as `claims.estimated` takes them."""
        return self.value, *self.interval()

    def minus(self, other: "Estimate | float") -> "Estimate":
        """The difference; the draws of two estimates are paired as they come."""
        if isinstance(other, Estimate):
            return Estimate(self.value - other.value, self.draws - other.draws)
        return Estimate(self.value - other, self.draws - other)

    def log_over(self, other: "Estimate") -> "Estimate":
        """Logarithm of the quotient, above 0 where this one is larger."""
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.log(self.value) - np.log(other.value)
            return Estimate(float(value), np.log(self.draws) - np.log(other.draws))

    def below(self, limit: float) -> "Estimate":
        """`limit` minus the estimate: positive where it stays below."""
        return Estimate(limit - self.value, limit - self.draws)


def falling(
    errors: Float[np.ndarray, "*batch sizes"],
) -> Float[np.ndarray, "*batch sizes"]:
    """The nearest curves, by least squares, that never rise along the last axis."""
    rows = errors.reshape(-1, errors.shape[-1])
    fitted = rows.copy()
    for k in np.flatnonzero((np.diff(rows, axis=1) > 0).any(axis=1)):
        fitted[k] = isotonic_regression(rows[k], increasing=False).x
    return fitted.reshape(errors.shape)


def crossing(
    sizes: Float[np.ndarray, " sizes"],
    errors: Float[np.ndarray, "*batch sizes"],
    level: float,
) -> Float[np.ndarray, "*batch"]:
    """The n at which curves, once made falling, come down to a level.

    Args:
        sizes: ascending n, above 0.
        errors: one curve a row.
        level: above 0.

    Returns:
        n by straight lines in log n; inf if the curve stays above the level, 0 if
        it never is above it.

    Raises:
        ValueError: if the sizes do not ascend from above 0, or an error is NaN.
    """
    if not (sizes[0] > 0 and np.all(np.diff(sizes) > 0)):
        raise ValueError(f"sizes = {sizes}: must ascend and be above 0")
    if np.isnan(errors).any():
        raise ValueError("errors: NaN among them")
    curves = falling(errors)
    inside = (curves[..., 0] > level) & (curves[..., -1] <= level)
    found = np.where(curves[..., 0] > level, np.inf, 0.0)
    right = np.argmax(curves[inside] <= level, axis=-1)
    rows = np.arange(len(right))
    after, before = curves[inside][rows, right], curves[inside][rows, right - 1]
    share = (before - level) / (before - after)
    logs = np.log(sizes)
    found[inside] = np.exp(logs[right - 1] + share * np.diff(logs)[right - 1])
    return found


def needed(
    sizes: Float[np.ndarray, " sizes"],
    errors: Float[np.ndarray, "seeds sizes"],
    level: float,
    rng: np.random.Generator,
) -> Estimate:
    """The n at which the mean error over seeds falls to a level.

    Args:
        sizes, level: as in `crossing`.
        errors: one row a seed.
        rng: draws the resamples.

    Raises:
        ValueError: as `crossing`, or if there is no seed.
    """
    seeds = len(errors)
    if seeds == 0:
        raise ValueError("errors: no seed among them")
    counts = rng.multinomial(
        seeds, np.full(seeds, 1 / seeds), size=thresholds().resamples
    )
    value = float(crossing(sizes, errors.mean(axis=0), level))
    with np.errstate(divide="ignore"):
        found = np.log(value), np.log(crossing(sizes, counts / seeds @ errors, level))
    draws = np.exp(stretched(*found, seeds, thresholds().level))
    return Estimate(value, draws)


def needs(errors: pd.DataFrame) -> Needs:
    """The n that every method needs at every d, for both metrics.

    Args:
        errors: a row for each run: method, d, n, seed and the columns of `LEVELS`.

    Raises:
        ValueError: as `needed`, or if a seed lacks an n that others of its d have.
    """
    found: dict[tuple[str, str], dict[int, Estimate]] = {}
    for method, metric in product(errors["method"].unique().tolist(), LEVELS):
        part = errors[errors["method"] == method]
        found[method, metric] = {
            d: _needed(part[part["d"] == d], metric, f"{method}, d = {d}")
            for d in part["d"].unique().tolist()
        }
    return found


def _needed(rows: pd.DataFrame, metric: str, name: str) -> Estimate:
    curves = rows.pivot(index="seed", columns="n", values=metric)
    if len(rows) < curves.size:
        raise ValueError(f"{name}: a seed lacks an n")
    sizes = curves.columns.to_numpy(dtype=float)
    rng = generator(0, f"{name} {metric}")
    return needed(sizes, curves.to_numpy(), LEVELS[metric], rng)


def exponent(needs: Mapping[int, Estimate]) -> Estimate:
    """Slope of log n against log d, by least squares.

    Raises:
        ValueError: if there are fewer than two d.
    """
    weights = _slope_weights(list(needs))
    with np.errstate(divide="ignore", invalid="ignore"):
        values, draws = (
            weights @ np.log(np.array(part))
            for part in (
                [need.value for need in needs.values()],
                [need.draws for need in needs.values()],
            )
        )
    unknown = any(need.censored for need in needs.values())
    return Estimate(np.nan if unknown else float(values), draws)


def almost_linear(ds: Sequence[int]) -> float:
    """Slope of log(d log d) against log d over the same d: what Theorem 1.1 asks for.

    It exceeds 1 by about the mean of 1 / log d.

    Raises:
        ValueError: as `exponent`, or if a d is below 2.
    """
    if min(ds) < 2:
        raise ValueError(f"ds = {list(ds)}: must be at least 2")
    d = np.array(ds, dtype=float)
    return float(_slope_weights(ds) @ np.log(d * np.log(d)))


def need_table(needs: Needs) -> pd.DataFrame:
    """The n that is needed, with its interval: a row for each method, metric and d."""
    rows = [
        {
            "method": method,
            "metric": METRICS[metric],
            "level": LEVELS[metric],
            "d": d,
            "n": need.value,
            **need.interval()._asdict(),
            "n / d": need.value / d,
            "n / d²": need.value / d**2,
            "censored": _side(need),
        }
        for (method, metric), by_d in needs.items()
        for d, need in by_d.items()
    ]
    return pd.DataFrame(rows)


def exponent_table(needs: Needs) -> pd.DataFrame:
    """Exponents with intervals, and which growth each interval allows.

    Returns:
        A row for each method and metric with two d or more. `slope of d log d` is
        the exponent that this growth would show over the same d; the last three
        columns say whether the interval holds that of d, d log d and d².
    """
    rows = []
    for (method, metric), by_d in needs.items():
        if len(by_d) < 2:
            continue
        growth = exponent(by_d)
        low, high = growth.interval()
        slopes = {"d": 1.0, "d log d": almost_linear(list(by_d)), "d²": 2.0}
        allowed = {
            f"allows {name}": "yes" if low <= slope <= high else "no"
            for name, slope in slopes.items()
        }
        if growth.censored:
            allowed = dict.fromkeys(allowed, "censored")
        rows.append(
            {
                "method": method,
                "metric": METRICS[metric],
                "d": ", ".join(map(str, by_d)),
                "exponent": growth.value,
                "low": low,
                "high": high,
                "slope of d log d": slopes["d log d"],
                **allowed,
            }
        )
    return pd.DataFrame(rows)


def _slope_weights(ds: Sequence[int]) -> np.ndarray:
    if len(set(ds)) < 2:
        raise ValueError(f"ds = {list(ds)}: a slope needs at least two")
    x = np.log(np.array(ds, dtype=float))
    x -= x.mean()
    return x / (x @ x)


def _side(need: Estimate) -> str:
    if need.value == 0:
        return "below the grid"
    return "above the grid" if need.value == np.inf else ""
