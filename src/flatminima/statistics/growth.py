"""How many examples a method needs, and how that number grows with the dimension.

For one method, `needed` is the n at which the mean test error over seeds falls to a
level. The mean errors along n are first replaced by the nearest curve that never
rises (isotonic regression), then joined by straight lines in log n. `exponent` is
the slope of log n against log d. Both carry the draws of a bootstrap over seeds: a
seed is drawn with its errors at all n. Every d has draws of its own, since the data of
two d have nothing in common. Methods share them, so that differences between methods
are paired by seeds.

Intervals are those of Student's t, with the bootstrap's standard error. The bootstrap
takes few seeds for all there are: its variance is too small by the factor (seeds - 1) /
seeds, and its percentiles know nothing of the error in that variance. Both are
mended, by this factor and by the quantile of t. Where errors scatter, n does not depend
smoothly on them: intervals of a jackknife are too short there, and so are percentiles,
even those of stretched draws (`intervals.stretched`), which lean to the wrong side.
`tests/statistics/test_growth.py` simulates the coverage.

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
from scipy import stats

from flatminima.data.streams import generator
from flatminima.statistics.thresholds import thresholds

LEVELS = {"zero_one": 0.1, "mse": 0.25}
"""Test errors at which n is read off, by metric, in every claim on it."""

METRICS = {"zero_one": "zero-one error", "mse": "MSE"}
"""How tables and figures call them."""

Needs = Mapping[tuple[str, str], Mapping[int, "Need"]]
"""The n that is needed, by (method, metric) and d."""


class Interval(NamedTuple):
    """An interval over seeds; an end is infinite, or 0, where it is not known."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """A number computed from all seeds, and again from every resample of them.

    Attributes:
        value: from all seeds; NaN if it does not exist.
        draws: from the resamples; NaN where it does not exist.
        seeds: how many there are.
    """

    value: float
    draws: Float[np.ndarray, " resamples"]
    seeds: int

    @property
    def censored(self) -> bool:
        """Whether the grid is too short for the value."""
        return not np.isfinite(self.value)

    def interval(self) -> Interval:
        """The t interval of the book's level, with the standard error of the draws.

        An end is open if more draws than the tail beyond it would hold are censored on
        its side, or unknown; both are with a single seed. A censored value has the
        percentiles of its draws, which say on which side it lies.
        """
        tail = (1 - thresholds().level) / 2
        unknown = np.isnan(self.draws)
        below = np.where(unknown, -np.inf, self.draws)
        above = np.where(unknown, np.inf, self.draws)
        low = float(np.quantile(below, tail, method="lower"))
        high = float(np.quantile(above, 1 - tail, method="higher"))
        if self.censored:
            return Interval(low, high)
        if self.seeds < 2:
            return Interval(-np.inf, np.inf)
        error = np.std(self.draws[np.isfinite(self.draws)])
        error *= (self.seeds / (self.seeds - 1)) ** 0.5
        reach = float(stats.t.ppf(1 - tail, self.seeds - 1) * error)
        return Interval(
            self.value - reach if low > -np.inf else low,
            self.value + reach if high < np.inf else high,
        )

    @property
    def summary(self) -> tuple[float, float, float]:
        """Value and interval, as `claims.estimated` takes them."""
        return self.value, *self.interval()

    def minus(self, other: "Estimate | float") -> "Estimate":
        """The difference; the draws of two estimates are paired as they come."""
        if isinstance(other, Estimate):
            with np.errstate(invalid="ignore"):
                value, draws = self.value - other.value, self.draws - other.draws
            return Estimate(value, draws, min(self.seeds, other.seeds))
        return Estimate(self.value - other, self.draws - other, self.seeds)

    def below(self, limit: float) -> "Estimate":
        """`limit` minus the estimate: positive where it stays below."""
        return Estimate(limit - self.value, limit - self.draws, self.seeds)


class Need(Estimate):
    """An n that is needed: its interval is made in the logarithm, as exponents are."""

    @property
    def censored(self) -> bool:
        """Whether n lies off the grid, where it is 0 or inf."""
        return self.log.censored

    @property
    def log(self) -> Estimate:
        """Its natural logarithm."""
        with np.errstate(divide="ignore"):
            return Estimate(float(np.log(self.value)), np.log(self.draws), self.seeds)

    def interval(self) -> Interval:
        """As for any estimate, but symmetrical in the logarithm."""
        low, high = np.exp(self.log.interval())
        return Interval(float(low), float(high))

    def log_over(self, other: "Need") -> Estimate:
        """Logarithm of the quotient, above 0 where this one is larger."""
        return self.log.minus(other.log)


def falling(
    errors: Float[np.ndarray, "*batch sizes"],
) -> Float[np.ndarray, "*batch sizes"]:
    """The nearest curves, by least squares, that never rise along the last axis.

    The least over starts of the greatest mean up to an end (Robertson, Wright and
    Dykstra 1988), for all curves at once: `scipy.optimize.isotonic_regression` takes
    one at a time, which is slow for thousands of short ones.
    """
    sums = np.cumsum(errors, axis=-1)
    count = errors.shape[-1]
    fitted = np.full(errors.shape, np.inf)
    for start in range(count):
        before = sums[..., start - 1 : start] if start else 0.0
        means = (sums[..., start:] - before) / np.arange(1, count - start + 1)
        greatest = np.maximum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
        fitted[..., start:] = np.minimum(fitted[..., start:], greatest)
    rises = (np.diff(errors, axis=-1) > 0).any(axis=-1, keepdims=True)
    return np.where(rises, fitted, errors)


def crossing(
    sizes: Float[np.ndarray, " sizes"],
    errors: Float[np.ndarray, "*batch sizes"],
    level: float,
) -> Float[np.ndarray, "*batch"]:
    """The n at which curves, once made falling, come down to a level.

    Args:
        sizes: ascending n, above 0, one for every error of a curve.
        errors: one curve a row.
        level: above 0.

    Returns:
        n by straight lines in log n; inf if the curve stays above the level, 0 if
        it never is above it.

    Raises:
        ValueError: if the sizes do not ascend from above 0 or do not fit the errors, if
            an error is NaN, or if the level is not above 0.
    """
    count = errors.shape[-1]
    if len(sizes) != count:
        raise ValueError(f"sizes = {sizes}: must be {count}, one for every error")
    if not level > 0:
        raise ValueError(f"level = {level}: must be above 0")
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
) -> Need:
    """The n at which the mean error over seeds falls to a level.

    Args:
        sizes, level: as in `crossing`.
        errors: one row a seed.
        rng: draws the resamples; those of equal generators are paired by row.

    Raises:
        ValueError: as `crossing`, or if there is no seed.
    """
    seeds = len(errors)
    if seeds == 0:
        raise ValueError("errors: no seed among them")
    counts = rng.multinomial(
        seeds, np.full(seeds, 1 / seeds), size=thresholds().resamples
    )
    value = crossing(sizes, errors.mean(axis=0), level)
    draws = crossing(sizes, counts / seeds @ errors, level)
    return Need(float(value), draws, seeds)


def needs(errors: pd.DataFrame) -> Needs:
    """The n that every method needs at every d, for both metrics.

    Args:
        errors: a row for each run: method, d, n, seed and the columns of `LEVELS`.

    Raises:
        ValueError: as `needed`, or if a seed lacks an n that others of its d have.
    """
    found: dict[tuple[str, str], dict[int, Need]] = {}
    for method, metric in product(errors["method"].unique().tolist(), LEVELS):
        part = errors[errors["method"] == method]
        found[method, metric] = {
            d: _needed(part[part["d"] == d], metric, d, method)
            for d in part["d"].unique().tolist()
        }
    return found


def _needed(rows: pd.DataFrame, metric: str, d: int, method: str) -> Need:
    curves = rows.pivot(index="seed", columns="n", values=metric)
    if len(rows) < curves.size:
        raise ValueError(f"{method}, d = {d}: a seed lacks an n")
    sizes = curves.columns.to_numpy(dtype=float)
    rng = generator(0, f"resamples, d = {d}")
    return needed(sizes, curves.to_numpy(), LEVELS[metric], rng)


def exponent(needs: Mapping[int, Need]) -> Estimate:
    """Slope of log n against log d, by least squares.

    Raises:
        ValueError: if there are fewer than two d.
    """
    weights = _slope_weights(list(needs))
    logs = [need.log for need in needs.values()]
    with np.errstate(invalid="ignore"):
        value = float(weights @ np.array([log.value for log in logs]))
        draws = weights @ np.array([log.draws for log in logs])
    unknown = any(log.censored for log in logs)
    seeds = min(log.seeds for log in logs)
    return Estimate(np.nan if unknown else value, draws, seeds)


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


def _side(need: Need) -> str:
    if need.value == 0:
        return "below the grid"
    return "above the grid" if need.value == np.inf else ""
