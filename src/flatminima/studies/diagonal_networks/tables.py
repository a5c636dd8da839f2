"""Tables and level sets of the chapter on diagonal networks."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.optimize import brentq

from flatminima.studies.diagonal_networks.runs import Compared
from flatminima.theory.certificates.hyperbolic_entropy import entropy


def level_set(alpha: float, angles: np.ndarray) -> np.ndarray:
    """Radius at which phi_alpha takes its value at (1, 0), in some directions.

    Args:
        alpha: scale of the start of beta = u^2 - v^2.
        angles: of the directions in the plane.
    """
    c = 2 * alpha**2
    level = float(entropy(np.array([1.0, 0.0]), c))

    def radius(angle: float) -> float:
        way = np.array([np.cos(angle), np.sin(angle)])
        return float(brentq(lambda r: float(entropy(r * way, c)) - level, 0.1, 10.0))

    return np.array([radius(angle) for angle in angles])


def norm_ball(p: int, angles: np.ndarray) -> np.ndarray:
    """Radius of the unit ball of the l1 norm (p = 1) or of the l2 norm (p = 2)."""
    ways = np.abs(np.array([np.cos(angles), np.sin(angles)]))
    return np.asarray(1.0 / (ways**p).sum(axis=0) ** (1.0 / p))


def misfit(alpha: float, p: int, count: int = 91) -> float:
    """Largest |radius of the level set / radius of the ball - 1| over a quadrant."""
    angles = np.linspace(0.0, np.pi / 2, count)
    return float(np.abs(level_set(alpha, angles) / norm_ball(p, angles) - 1.0).max())


def misfits(alphas: Sequence[float]) -> pd.DataFrame:
    """`misfit` from both balls, a row for each α."""
    return pd.DataFrame(
        {
            "α": list(alphas),
            "from the l1 ball": [misfit(alpha, 1) for alpha in alphas],
            "from the l2 ball": [misfit(alpha, 2) for alpha in alphas],
        }
    ).set_index("α")


def grid(compared: Compared) -> pd.DataFrame:
    """Every rule and position: mean log10 test loss, trace, and how many converged."""
    rows = []
    for rule, tables in compared.judged.items():
        for at, ends in tables.items():
            rows.append(
                {
                    "rule": rule,
                    "ρ or α": at,
                    "log10 test loss": ends["log_test_loss"].mean(),
                    "trace": ends["trace"].mean(),
                    "l1 norm": ends["l1"].where(ends["converged"]).mean(),
                    "converged": f"{int(ends['converged'].sum())} of {len(ends)}",
                    "chosen": "×" if compared.best[rule] == at else "",
                }
            )
    return pd.DataFrame(rows).set_index(["rule", "ρ or α"])


def worst(limits: pd.DataFrame) -> pd.DataFrame:
    """Worst relative distance from the programme, by α and learning rate."""
    return limits.pivot_table("distance", "alpha", "lr", aggfunc="max").rename_axis(
        index="α", columns="lr"
    )


def shares(table: pd.DataFrame, tolerance: float = 0.01) -> Mapping[float, pd.Series]:
    """Share of seeds whose error is at most a tolerance, by α and then by n."""
    hit = table.assign(hit=table["error"] <= tolerance)
    alphas: list[float] = sorted(set(table["alpha"]))
    return {
        alpha: hit[hit["alpha"] == alpha].groupby("n")["hit"].mean() for alpha in alphas
    }
