"""How often the intervals of this book hold what they should, by simulation.

Samples are drawn from populations whose mean is known, with a seed for each number.
An interval at 95 % should hold the mean in 95 of 100 samples. A share is treated as
claims treat it: where a sample falls into two groups, the interval is that of the
share of seeds that generalise, and has to hold this.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy import stats

from flatminima.checks import at_least
from flatminima.data.streams import generator
from flatminima.statistics.crossing import resampled_means
from flatminima.statistics.groups import two_groups
from flatminima.statistics.intervals import mean_ends, median_ends, of_count
from flatminima.statistics.thresholds import thresholds

SEEDS = (3, 5, 10, 20)
"""Sizes of the samples."""

RESAMPLES = 499
"""Of the percentile bootstrap that the intervals of this book replace."""

Draw = Callable[[np.random.Generator, tuple[int, ...]], Float[np.ndarray, "..."]]


@dataclass(frozen=True)
class Population:
    """Outcomes of seeds, of which everything is known.

    Attributes:
        name: what it is like, in words.
        draw: samples of a shape.
        mean: of it.
        median: of it.
        high: share of it that is at least the threshold `high`; None if its values
            are no shares.
    """

    name: str
    draw: Draw
    mean: float
    median: float
    high: float | None = None


def _of(name: str, law: stats.rv_continuous, *, share: bool = False) -> Population:
    return Population(
        name,
        lambda rng, shape: law.rvs(size=shape, random_state=rng),
        float(law.mean()),
        float(law.median()),
        float(law.sf(thresholds().high)) if share else None,
    )


def _mixed(name: str, low_share: float) -> Population:
    """Accuracies near .65 for some seeds, near .99 for the others."""
    low, high = stats.norm(0.65, 0.02), stats.beta(198, 2)

    def draw(
        rng: np.random.Generator, shape: tuple[int, ...]
    ) -> Float[np.ndarray, "..."]:
        fails = rng.random(shape) < low_share
        return np.where(
            fails,
            low.rvs(size=shape, random_state=rng),
            high.rvs(size=shape, random_state=rng),
        )

    mean = low_share * low.mean() + (1 - low_share) * high.mean()
    reach = (1 - low_share) * high.sf(thresholds().high)
    return Population(name, draw, float(mean), np.nan, float(reach))


@dataclass(frozen=True)
class Case:
    """A kind of outcomes, and which of the book's promises it belongs to.

    Attributes:
        population: where samples come from.
        kind: "normal", "skewed", "groups" or "rare".
    """

    population: Population
    kind: str


CASES = (
    Case(_of("normal", stats.norm()), "normal"),
    Case(_of("accuracy, 95 %, skewed", stats.beta(20, 1), share=True), "skewed"),
    Case(_of("accuracy, 98 %, skewed", stats.beta(50, 1), share=True), "skewed"),
    Case(_of("accuracy, 98 %, heaped at 1", stats.beta(20, 0.5), share=True), "skewed"),
    Case(_of("accuracy, 75 %, broad", stats.beta(3, 1), share=True), "skewed"),
    Case(_of("exponential", stats.expon()), "skewed"),
    Case(_mixed("accuracy, half the seeds fail", 0.5), "groups"),
    Case(_mixed("accuracy, one seed in ten fails", 0.1), "rare"),
)
"""What outcomes may look like."""

Ends = tuple[Float[np.ndarray, " samples"], Float[np.ndarray, " samples"]]


def book(values: Float[np.ndarray, "samples seeds"]) -> Ends:
    """The interval of this book for a mean."""
    return mean_ends(values, thresholds().level)


def student(values: Float[np.ndarray, "samples seeds"]) -> Ends:
    """Student's t interval."""
    n = values.shape[1]
    error = values.std(axis=1, ddof=1) / np.sqrt(n)
    half = stats.t.ppf((1 + thresholds().level) / 2, n - 1) * error
    mean = values.mean(axis=1)
    return mean - half, mean + half


def percentile(values: Float[np.ndarray, "samples seeds"]) -> Ends:
    """The percentile bootstrap interval, one set of resamples for all samples."""
    tail = (1 - thresholds().level) / 2
    means = resampled_means(values.T, RESAMPLES)
    low, high = np.quantile(means, [tail, 1 - tail], axis=0)
    return low, high


METHODS = {"percentile bootstrap": percentile, "Student's t": student}
"""Other methods, for comparison."""


def covers(ends: Ends, truth: float) -> Bool[np.ndarray, " samples"]:
    """Which intervals hold the truth; one that does not exist holds nothing."""
    low, high = ends
    return (low <= truth) & (truth <= high)


def claimed(
    population: Population, values: Float[np.ndarray, "samples seeds"]
) -> Bool[np.ndarray, " samples"]:
    """Which intervals hold the truth, as claims choose them and what they are of.

    Args:
        population: where the samples come from.
        values: one sample a row.
    """
    held = covers(book(values), population.mean)
    if population.high is None:
        return held
    given = thresholds()
    n = values.shape[1]
    of_all = [of_count(count, n, given) for count in range(n + 1)]
    low, high = np.array(of_all)[np.sum(values >= given.high, axis=1)].T
    return np.where(
        two_groups(values, given), covers((low, high), population.high), held
    )


def table(
    seeds: Sequence[int] = SEEDS,
    repeats: int = 10_000,
    *,
    others: int = 1_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Coverage of the interval of this book, and of others, for every population.

    Args:
        seeds: sizes of the samples, each at least 2.
        repeats: samples of each size.
        others: samples of each size for the other methods, of these; at most
            `repeats`.
        seed: of the draws.

    Returns:
        A row for each case and method: outcomes, kind, interval, and the share of
        samples at each size whose interval holds the truth.

    Raises:
        ValueError: if a size or a number of samples is too small.
    """
    for size in seeds:
        at_least("seeds", size, 2)
    at_least("others", others, 1)
    at_least("repeats", repeats, others)
    rows = []
    for case in CASES:
        drawn = {
            n: case.population.draw(
                generator(seed, f"coverage {case.population.name} {n}"), (repeats, n)
            )
            for n in seeds
        }
        about = {"outcomes": case.population.name, "kind": case.kind}
        judges = {
            name: partial(_held, method, case.population, others)
            for name, method in METHODS.items()
        }
        judges["this book"] = partial(claimed, case.population)
        for name, judge in judges.items():
            found = {n: float(np.mean(judge(values))) for n, values in drawn.items()}
            rows.append(about | {"interval": name} | found)
    return pd.DataFrame(rows)


def _held(
    method: Callable[[np.ndarray], Ends],
    population: Population,
    most: int,
    values: np.ndarray,
) -> Bool[np.ndarray, " samples"]:
    return covers(method(values[:most]), population.mean)


def medians(
    seeds: Sequence[int] = SEEDS, repeats: int = 10_000, *, seed: int = 0
) -> pd.DataFrame:
    """Coverage of the order statistics that bound a median.

    Args:
        seeds, repeats, seed: as for `table`.

    Returns:
        A row for each population with a known median; NaN where so few seeds have no
        such interval.
    """
    rows = []
    for case in CASES:
        population = case.population
        if np.isnan(population.median):
            continue
        row: dict[str, object] = {"outcomes": population.name}
        for n in seeds:
            rng = generator(seed, f"medians {population.name} {n}")
            ends = median_ends(population.draw(rng, (repeats, n)), thresholds().level)
            missing = np.isnan(ends[0]).all()
            held = np.mean(covers(ends, population.median))
            row[str(n)] = np.nan if missing else float(held)
        rows.append(row)
    return pd.DataFrame(rows)


def missed(found: pd.DataFrame, kind: str, seeds: Sequence[int]) -> np.ndarray:
    """Share of samples whose interval, that of this book, does not hold the truth.

    Args:
        found: from `table`.
        kind: of cases.
        seeds: sizes of the samples.

    Returns:
        One number for each case of the kind and each size.
    """
    rows = found[(found["kind"] == kind) & (found["interval"] == "this book")]
    return 1 - rows[list(seeds)].to_numpy(dtype=float).ravel()


def unseen(seeds: int) -> float:
    """The largest share of failing seeds that so many good ones leave possible.

    The upper end of the interval of Clopper and Pearson where no seed has failed.

    Args:
        seeds: of which all generalise, at least 1.
    """
    at_least("seeds", seeds, 1)
    return of_count(0, seeds, thresholds())[1]
