"""Numbers of the chapter's verdicts and tables, from its runs."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.studies.pac_bayes import counterexamples
from flatminima.theory.pac_bayes.published import foret_complexity

FORET_CASES = ((1, 2, 0.5), (10, 100, 0.05), (1000, 50_000, 0.05), (10**7, 10**4, 0.01))
"""Weights, examples and confidence for which Foret's term is looked at."""


def foret_stalls(points: int = 400) -> Float[np.ndarray, " cases"]:
    """Whether the term of Foret's theorem ever fails to rise with |w|^2 / rho^2.

    Args:
        points: of the grid, from 1e-6 to 1e6, evenly spaced in the logarithm.

    Returns:
        For each of `FORET_CASES` the share of neighbours between which it does not.
    """
    ratios = np.sqrt(np.geomspace(1e-6, 1e6, points))
    shares = []
    for k, n, delta in FORET_CASES:
        values = [foret_complexity(float(ratio), k, n, delta) for ratio in ratios]
        shares.append(float(np.mean(np.diff(values) <= 0)))
    return np.array(shares)


def saved(
    table: pd.DataFrame, data: str, worse: str, better: str
) -> Float[np.ndarray, " seeds"]:
    """How much smaller one bound is than another, for every seed.

    Args:
        table: from `nets.bounds`.
        data: name of the data set.
        worse, better: names of the bounds.
    """
    values = _values(table, data)
    return (values[worse] - values[better]).to_numpy()


def above_guessing(
    table: pd.DataFrame, data: str, name: str
) -> Float[np.ndarray, " seeds"]:
    """A bound minus the error of guessing, for every seed."""
    rows = table[table["data"] == data]
    return (_values(table, data)[name] - rows["chance"].iloc[0]).to_numpy()


def violations(table: pd.DataFrame) -> Float[np.ndarray, " rows"]:
    """By how much the error exceeds a PAC-Bayes bound, 0 where it does not."""
    rows = table[table["kl"].notna()]
    return (rows["risk"] - rows["value"]).clip(lower=0).to_numpy()


def _values(table: pd.DataFrame, data: str) -> pd.DataFrame:
    rows = table[table["data"] == data]
    return rows.pivot(index="seed", columns="bound", values="value")


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds: what every bound says, of what, and from what."""
    columns = ["value", "root", "empirical", "kl", "risk", "chance"]
    names = {
        "value": "bound",
        "root": "by the square root",
        "empirical": "training error of what is bounded",
        "kl": "KL",
        "risk": "error on new points",
        "chance": "error of guessing",
    }
    means = table.groupby(["data", "bound"], sort=False)[columns].mean()
    return means.rename(columns=names)


def printed_cases(
    features: str, ratio: float, noise: float, m: int, seeds: Sequence[int]
) -> pd.DataFrame:
    """Training sets at which the gap and the line are printed.

    Args:
        features, m: as in `counterexamples.memorised`.
        ratio: dimension over examples.
        noise: sigma sqrt(m) / |w|.
        seeds: of the training sets.
    """
    found = counterexamples.region(features, [ratio], [noise], m, seeds)
    return found.set_index("seed")[["d", "gap", "line", "excess"]]


def least_squares(
    d: int, m: int, scales: Sequence[float], seeds: Sequence[int]
) -> pd.DataFrame:
    """Gap and least line of least squares: one row a scale and seed."""
    rows = []
    for scale in scales:
        for seed in seeds:
            found = counterexamples.least_squares(d, m, scale, seed)
            rows.append(
                {
                    **{"scale": scale, "seed": seed, "gap": found.gap},
                    **{"line": found.line, "excess": found.gap - found.line},
                }
            )
    return pd.DataFrame(rows)


def quotients(
    found: Mapping[str, Float[np.ndarray, "networks sigmas"]], sigmas: Sequence[float]
) -> pd.DataFrame:
    """Medians and extremes over networks of sharpness over sigma^2 / 2 Tr.

    Args:
        found: by activation, from `families.readings`.
        sigmas: the columns.
    """
    rows = {
        (name, f"{sigma:.3g}"): {
            "median": np.median(values[:, place]),
            "least": values[:, place].min(),
            "largest": values[:, place].max(),
        }
        for name, values in found.items()
        for place, sigma in enumerate(sigmas)
    }
    table = pd.DataFrame(rows).T.round(3)
    return table.rename_axis(["activation", "sigma"])
