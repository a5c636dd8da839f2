"""Where spectral descent stops at depth three: a certificate of what it found."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from flatminima.flows.spectral import spectral_descent
from flatminima.runs.race.problem import Problem, problem
from flatminima.studies.open_2 import runs
from flatminima.theory.certificates.power_norm import power_norm

DEAD = 1e-9
"""Share of the largest |u v w| below which a coordinate is dead."""

MAX_STEPS = 6000
TARGET = 0.01
"""Target whose setting is taken."""


def stops(seeds: Iterable[int]) -> pd.DataFrame:
    """Spectral descent at depth three, to where it stops.

    If the coordinates outside of a set S are dead, beta lives on S, and `power_norm` of
    the columns in S certifies the least trace that is left.

    Args:
        seeds: of data and start.

    Returns:
        A row a seed: reason for stopping, steps, live coordinates, trace over the
        certified minimum, and trace over the certified minimum with the same dead
        coordinates; NaN where the start does not land, or the live columns alone do
        not interpolate.
    """
    setting = runs.tuned()["cubic", "spectral", TARGET]
    rows = []
    for seed in seeds:
        config = runs.racer(
            "cubic", "spectral", setting, data_seed=seed, init_seed=seed
        )
        given = problem(config)
        end = spectral_descent(
            given.model,
            given.start,
            bound=given.bound,
            tolerance=5e-4,
            **{name: setting[name] for name in ("first", "memory")},
            max_steps=MAX_STEPS,
        )
        row = {"seed": seed, "stopped": end.reason, "steps": end.steps}
        rows.append(row | _found(given, end.theta, end.trace))
    return pd.DataFrame(rows)


LIVE = "live coordinates"
OVER_LEAST = "trace / minimum"
OVER_DEAD = "trace / minimum, same dead coordinates"


def _found(given: Problem, theta: np.ndarray, trace: float) -> dict[str, float]:
    """What is at the end of a descent."""
    if not np.isfinite(trace):
        return {LIVE: np.nan, OVER_LEAST: np.nan, OVER_DEAD: np.nan}
    beta = np.abs(theta.reshape(3, -1).prod(axis=0))
    live = beta > DEAD * beta.max()
    try:
        left = power_norm(given.x[:, live], given.model.y).bound
    except ValueError:
        left = np.nan
    return {
        LIVE: int(live.sum()),
        OVER_LEAST: trace / given.bound,
        OVER_DEAD: trace / left,
    }


def errors(found: pd.DataFrame) -> np.ndarray:
    """|trace / minimum with the same dead coordinates - 1|, infinite where unknown."""
    return (found[OVER_DEAD] - 1).abs().fillna(np.inf).to_numpy()


def excess(found: pd.DataFrame) -> np.ndarray:
    """ln(trace / certified minimum), one a seed that landed."""
    return found[OVER_LEAST].dropna().map(np.log).to_numpy(dtype=float)
