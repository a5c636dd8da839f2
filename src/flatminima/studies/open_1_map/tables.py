"""What the runs of the map come to: a row a method, and a verdict a cell."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from flatminima.claims.register import load
from flatminima.plots.style import ARCHITECTURES as LABELS
from flatminima.results.reading import Committed
from flatminima.results.rows import difference
from flatminima.statistics.intervals import of_count, of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.open_1_map.runs import (
    ARCHITECTURES,
    DECAY,
    FLAT,
    Histories,
    place_of,
)
from flatminima.studies.open_1_map.runs import places as all_places
from flatminima.studies.open_1_map.spheres import FLATTEST, SPHERE
from flatminima.sweeps.table import COMMITTED
from flatminima.sweeps.table import as_rows as rows_of

PLACE = ["architecture", "width", "data", "noisy"]
"""Columns that name a place."""

RECOVERED = 0.9
"""Score from which a teacher on the sphere counts as recovered."""

ENOUGH = 20
"""Examples of which the claim on the sphere speaks."""

BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"

MEASURED = (
    *("diverged", "score", "loss", "trace", "firing", "norm"),
    *("bound", "value", "gap"),
)

IN_HISTORY = {"diverged": "lost"}
"""Names of these in the histories of cells, where they differ: walks too have a column
`lost`, which counts firings."""


def rows(histories: Histories) -> pd.DataFrame:
    """A row a method: the place, n, d, seed, method, and what was measured.

    Args:
        histories: by config, columns with an entry an arm.
    """
    found = []
    for config, history in histories.items():
        shared = {name: getattr(config, name) for name in (*PLACE, "n", "d")}
        for k, arm in enumerate(config.arms):
            values = {}
            for name in MEASURED:
                value = history[IN_HISTORY.get(name, name)][k]
                values[name] = np.nan if value is None else value
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
        first, second = first.where(first > 0), second.where(second > 0)
        return pd.DataFrame(np.log(first) - np.log(second))
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


def sharper(table: pd.DataFrame, method: str, other: str) -> pd.DataFrame:
    """Where a method ends sharper than another, and flatter: as `verdicts`.

    A network that does not fit may be flat because it is almost constant. So a place
    is undecided unless both fit: the mean training loss over seeds is at most the
    threshold `fits`, in units of targets whose mean square is about one.

    Args:
        table: from `rows`.
        method, other: their names.
    """
    judged = verdicts(gains(table, method, other, "trace"))
    both = [by_seed(table, name, "loss").mean(axis=1) for name in (method, other)]
    fit = pd.concat(both, axis=1).le(thresholds().fits).all(axis=1)
    return judged.assign(verdict=judged["verdict"].where(fit, UNDECIDED))


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


NAMES = {
    "score": "score",
    "loss": "training loss",
    "trace": "trace",
    "firing": "firing rate",
    "norm": "norm of the weights",
    "diverged": "share diverged",
}
"""What the table of means calls its columns."""


def means(table: pd.DataFrame) -> pd.DataFrame:
    """Means over places and seeds of what was measured, by method."""
    by = table.groupby("method", sort=False)[list(NAMES)]
    return by.mean().round(3).rename(columns=NAMES)


def by_architecture(table: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Mean score and training loss of some methods, a row an architecture."""
    own = table[table["method"].isin(methods)]
    means = own.pivot_table(
        ["score", "loss"], "architecture", "method", aggfunc="mean", dropna=False
    )
    names = [name for name in ARCHITECTURES if name in means.index]
    columns = [
        (what, name) for what in ("score", "loss") for name in methods if len(means)
    ]
    found = means.reindex(index=names, columns=columns).round(3)
    return found.rename(
        index={name: LABELS[name][0] for name in names},
        columns={"loss": "training loss"},
        level=0,
    )


def without(differences: pd.DataFrame, architecture: str) -> pd.DataFrame:
    """The places of the other architectures."""
    own = differences.index.get_level_values("architecture") == architecture
    return differences[~own]


def over_places(differences: pd.DataFrame) -> pd.Series:
    """Mean over the places, by seed; seeds that lack a place are left out."""
    return differences.dropna(axis=1).mean(axis=0)


def rank_correlations(
    x: Float[np.ndarray, "samples places"], y: Float[np.ndarray, "samples places"]
) -> Float[np.ndarray, " samples"]:
    """Spearman's, of every row; NaN where one of the two is constant."""
    first, second = (stats.rankdata(values, axis=1) for values in (x, y))
    first = first - first.mean(axis=1, keepdims=True)
    second = second - second.mean(axis=1, keepdims=True)
    size = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    # ranks are halves of integers, so a constant row is exactly 0
    product = (first * second).sum(axis=1)
    return np.where(size > 0, product / np.where(size > 0, size, 1.0), np.nan)


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
    both = pd.concat([explains, gain], axis=1).dropna().to_numpy(float)
    n = len(both)
    if n < FEWEST:
        return np.empty(0)
    others = np.array([np.delete(np.arange(n), k) for k in range(n)])
    (whole,) = rank_correlations(*both.T[:, None])
    without = rank_correlations(both[others, 0], both[others, 1])
    values = n * whole - (n - 1) * without
    return np.asarray(values[np.isfinite(values)])


FEWEST = 4
"""Places below which no rank correlation is told."""


def recovered(table: pd.DataFrame, method: str) -> pd.Series:
    """Share of the sizes of the sphere at which the teacher is recovered, by seed."""
    own = table[table["method"] == method]
    return (own["score"] >= RECOVERED).groupby(own["seed"]).mean().astype(float)


def with_enough(table: pd.DataFrame, method: str) -> pd.Series:
    """Mean score by seed over the sizes with at least `ENOUGH` examples."""
    own = table[(table["method"] == method) & (table["n"] >= ENOUGH)]
    return own.groupby("seed")["score"].mean().astype(float)


def as_rows(values: pd.Series, claim: str, said: str) -> pd.DataFrame:
    """As `sweeps.table.as_rows`, under the metric of a claim."""
    return rows_of(values, load()[1][claim].rule.metric, said)


def beside(live: Histories, own: Committed) -> str:
    """How the runs of this build agree with the committed ones, in a sentence.

    Args:
        live: from `runs.live`.
        own: the committed runs.
    """
    kept = own.histories
    shared = [config for config in live if config in kept]
    if not shared:
        return f"This build made {len(live)} runs; none of them is committed."
    equal = sum(dict(live[config]) == dict(kept[config]) for config in shared)
    apart = max(difference(live[config], kept[config]) for config in shared)
    text = (
        f"This build made {len(live)} runs. {len(shared)} of them are committed, and "
        f"{equal} of these ended in the same bits."
    )
    if equal < len(shared):
        text += f" The others differ by {apart:.1g}, relatively, at most."
    return text


def scale(kept: Histories, own: Committed) -> str:
    """What the scorecard says of the runs that decide.

    Args:
        kept: from `runs.evidence`.
        own: the committed runs.
    """
    seeds = {config.data_seed for config in kept}
    places = {place_of(config) for config in kept if config.data != SPHERE}
    known = COMMITTED if any(config in own.histories for config in kept) else ""
    return (
        f"ours: {len(places)} places of {len(all_places())}{known}, "
        f"seeds {min(seeds)} to {max(seeds)}"
    )


def by_noise(differences: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Means over the places with clean labels and over those with noise, by seed."""
    noisy = differences.index.get_level_values("noisy").to_numpy(dtype=bool)
    return over_places(differences[~noisy]), over_places(differences[noisy])


def gaps(table: pd.DataFrame) -> Float[np.ndarray, " instances"]:
    """Relative duality gaps of all certificates; infinite where the solver failed."""
    own = table[table["method"] == FLATTEST]
    return own["gap"].fillna(np.inf).to_numpy(float)
