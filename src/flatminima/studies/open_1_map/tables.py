"""What the runs of the map come to: a row a method, and a verdict a cell."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from flatminima.claims.register import load
from flatminima.runs.cells.config import CellConfig
from flatminima.statistics.intervals import of_count, of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.open_1_map.runs import DECAY, FLAT, ON_SPHERE
from flatminima.sweeps.table import as_rows as rows_of

PLACE = ["architecture", "width", "data", "noisy"]
"""Columns that name a place."""

RECOVERED = 0.9
"""Score from which a teacher on the sphere counts as recovered."""

BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"

MEASURED = (
    *("lost", "score", "loss", "trace", "firing", "norm"),
    *("bound", "value", "gap"),
)


def rows(histories: Mapping[CellConfig, Mapping[str, Any]]) -> pd.DataFrame:
    """A row a method: the place, n, d, seed, method, and what was measured.

    Args:
        histories: by config, columns with an entry an arm.
    """
    found = []
    for config, history in histories.items():
        shared = {name: getattr(config, name) for name in (*PLACE, "n", "d")}
        for k, arm in enumerate(config.arms):
            values = {
                name: np.nan if history[name][k] is None else history[name][k]
                for name in MEASURED
            }
            seed = config.data_seed
            found.append({**shared, "seed": seed, "method": arm.name, **values})
    columns = [*PLACE, "n", "d", "seed", "method", *MEASURED]
    return pd.DataFrame(found, columns=columns)


def by_seed(table: pd.DataFrame, method: str, column: str) -> pd.DataFrame:
    """A measured column of a method: a row a place, a column a seed."""
    own = table[table["method"] == method]
    return own.pivot(index=PLACE, columns="seed", values=column).astype(float)


def gains(
    table: pd.DataFrame, method: str, other: str, column: str = "score"
) -> pd.DataFrame:
    """By how much a method is above another, paired by seed: as `by_seed`.

    Args:
        table: from `rows`.
        method, other: their names.
        column: what is compared. Of "trace" it is the logarithm.
    """
    first, second = (by_seed(table, name, column) for name in (method, other))
    if column == "trace":
        # a network of zeros has trace 0
        first, second = (np.log(t.where(t > 0)) for t in (first, second))
    return first - second


def verdicts(differences: pd.DataFrame) -> pd.DataFrame:
    """Mean, interval and verdict of every place.

    Args:
        differences: from `gains`.

    Returns:
        Indexed by place: mean, low, high, and verdict: better if the interval over
        seeds lies above 0, worse if below, else undecided. A seed without a
        difference is left out.
    """
    found = []
    for _, line in differences.iterrows():
        values = line.dropna().to_numpy(float)
        low, high = of_mean(values, thresholds())
        mean = float(values.mean()) if len(values) else np.nan
        word = BETTER if low > 0 else WORSE if high < 0 else UNDECIDED
        found.append({"mean": mean, "low": low, "high": high, "verdict": word})
    columns = ["mean", "low", "high", "verdict"]
    return pd.DataFrame(found, index=differences.index, columns=columns)


def more_than_half(judged: pd.DataFrame, word: str) -> tuple[float, float, float]:
    """Share of places with a verdict, less one half, with its exact interval.

    The places are a draw from all of the map, so the interval is that of a binomial
    share; a draw without repetition from few has a shorter one.

    Args:
        judged: from `verdicts`.
        word: the verdict that is counted.

    Returns:
        The share less one half and the ends; NaN if there is no place.
    """
    total = len(judged)
    if not total:
        return np.nan, np.nan, np.nan
    count = int((judged["verdict"] == word).sum())
    low, high = of_count(count, total, thresholds())
    return count / total - 0.5, low - 0.5, high - 0.5


def counts(table: pd.DataFrame, other: str = DECAY) -> pd.DataFrame:
    """How many places are better, undecided and worse, and the mean gain.

    Args:
        table: from `rows`.
        other: what the flat-finders are compared with.

    Returns:
        A row a flat-finder, with label noise and without.
    """
    found = []
    for method in FLAT:
        judged = verdicts(gains(table, method, other))
        for noisy, name in ((False, "clean labels"), (True, "label noise")):
            own = judged[judged.index.get_level_values("noisy") == noisy]
            said = {word: int((own["verdict"] == word).sum()) for word in WORDS}
            mean = round(float(own["mean"].mean()), 3) if len(own) else np.nan
            found.append({"method": method, "data": name, **said, "mean gain": mean})
    columns = ["method", "data", *WORDS, "mean gain"]
    return pd.DataFrame(found, columns=columns).set_index(["method", "data"])


WORDS = (BETTER, UNDECIDED, WORSE)


def means(table: pd.DataFrame) -> pd.DataFrame:
    """Means over places and seeds of what was measured, by method."""
    columns = ["score", "loss", "trace", "firing", "norm", "lost"]
    return table.groupby("method", sort=False)[columns].mean().round(3)


def over_places(differences: pd.DataFrame) -> pd.Series:
    """Mean over the places, by seed; seeds that lack a place are left out."""
    return differences.dropna(axis=1).mean(axis=0)


def rank_correlation(
    x: Float[np.ndarray, " places"], y: Float[np.ndarray, " places"]
) -> float:
    """Spearman's; NaN for fewer than three pairs or where one of them is constant."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    return float(stats.spearmanr(x, y).statistic)


def across(explains: pd.Series, gain: pd.Series) -> Float[np.ndarray, " places"]:
    """Jackknife pseudo-values of the rank correlation over places.

    Their mean is close to the correlation, and they are treated as one number a place
    (Tukey 1958): n r - (n - 1) r without the place. So the interval is one over places,
    which are what might have been drawn otherwise.

    Args:
        explains: such as the firing rate, by place.
        gain: by place.

    Returns:
        One number a place; none where the correlation does not exist.
    """
    both = pd.concat([explains, gain], axis=1).dropna()
    x, y = both.iloc[:, 0].to_numpy(float), both.iloc[:, 1].to_numpy(float)
    n, whole = len(x), rank_correlation(x, y)
    without = [rank_correlation(np.delete(x, k), np.delete(y, k)) for k in range(n)]
    values = n * whole - (n - 1) * np.array(without, dtype=float)
    return values[np.isfinite(values)]


def recovered(table: pd.DataFrame, method: str) -> pd.Series:
    """Share of the sizes of the sphere at which the teacher is recovered, by seed."""
    own = table[table["method"] == method]
    return (own["score"] >= RECOVERED).groupby(own["seed"]).mean().astype(float)


def with_most_data(table: pd.DataFrame, method: str) -> pd.Series:
    """Mean score by seed at the largest n of every d of the sphere."""
    own = table[table["method"] == method]
    most = own.groupby("d")["n"].transform("max")
    return own[own["n"] == most].groupby("seed")["score"].mean().astype(float)


def sphere_means(table: pd.DataFrame) -> pd.DataFrame:
    """Mean score over seeds: a row a method and d, a column an n."""
    shown = table.pivot_table("score", ["method", "d"], "n", aggfunc="mean")
    return shown.reindex(list(ON_SPHERE), level=0).round(2)


def as_rows(values: pd.Series, claim: str, said: str) -> pd.DataFrame:
    """As `sweeps.table.as_rows`, under the metric of a claim."""
    return rows_of(values, load()[1][claim].rule.metric, said)


def same(
    live: Mapping[CellConfig, Mapping[str, Any]],
    kept: Mapping[CellConfig, Mapping[str, Any]],
) -> tuple[int, int]:
    """How many live cells are committed, and how many of these ended in equal bits."""
    shared = [config for config in live if config in kept]
    equal = [dict(live[config]) == dict(kept[config]) for config in shared]
    return len(shared), sum(equal)


def seeds_of(configs: Iterable[CellConfig]) -> list[int]:
    """Seeds of the data, each once, ascending."""
    return sorted({config.data_seed for config in configs})
