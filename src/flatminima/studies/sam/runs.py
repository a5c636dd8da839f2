"""Ascents of every kind, on sparse regression and on the line."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from flatminima.runs.descent.config import DescentConfig
from flatminima.sources.implicit_bias import line, sparse_regression
from flatminima.sweeps.sweep import sweep_quietly

CONVERGED = 1e-4
"""Training loss, end over start, above which a run did not converge."""

GRADIENTS = {
    "GD": 1,
    "random": 1,
    "SAM, +": 2,
    "SAM, +, small ρ": 2,
    "−, small ρ": 2,
    "extragradient, −": 2,
    "several steps": None,
    "second order": None,
    "differentiated": None,
}
"""Gradients of a step; what depends on the number of ascent steps is None."""


def cost(rule: str, ascent_steps: int) -> str:
    """What a step takes, in gradients and in products with the Hessian.

    Args:
        rule: a key of `GRADIENTS`.
        ascent_steps: of the rule with several steps, and of the second-order one.
    """
    known = GRADIENTS[rule]
    if known is not None:
        return f"{known} gradient{'s' if known > 1 else ''}"
    if rule == "several steps":
        return f"{1 + ascent_steps} gradients"
    products = ascent_steps if rule == "second order" else 1
    return f"2 gradients, {products} product{'s' if products > 1 else ''}"


def sparse(
    rho: float, small_rho: float, ascent_steps: int, **fields: Any
) -> dict[str, DescentConfig]:
    """1-SAM on sparse regression with other ascents, none of them normalised.

    Args:
        rho: factor on the gradient.
        small_rho: the same where both signs are compared: the descending step is
            unstable long before the other.
        ascent_steps: of the rule with several.
        fields: of `DescentConfig`.
    """
    fields = {"num_checkpoints": 2, **fields}
    up = {"rho": rho, "group": 1}
    little = {"rho": small_rho, "group": 1}
    return {
        "GD": sparse_regression(**fields),
        "SAM, +": sparse_regression(**fields, **up),
        "SAM, +, small ρ": sparse_regression(**fields, **little),
        "−, small ρ": sparse_regression(**fields, **little, direction="down"),
        "extragradient, −": sparse_regression(**fields, **up, direction="down"),
        "several steps": sparse_regression(**fields, **up, ascent_steps=ascent_steps),
        "differentiated": sparse_regression(**fields, **up, differentiate=True),
    }


def on_the_line(
    rho: float, ascent_steps: int, **fields: Any
) -> dict[str, DescentConfig]:
    """SAM of the full batch on the line with other ascents, all of length ρ.

    Args:
        rho: radius.
        ascent_steps: of the rule with several, and of the second-order one.
        fields: of `DescentConfig`.
    """
    fields = {"stop_loss": 0.0, "num_checkpoints": 2, **fields}
    steps = {"ascent_steps": ascent_steps}
    return {
        "GD": line(**fields),
        "SAM, +": line(**fields, rho=rho),
        "extragradient, −": line(**fields, rho=rho, direction="down"),
        "random": line(**fields, rho=rho, ascent="random"),
        "several steps": line(**fields, rho=rho, **steps),
        "second order": line(**fields, rho=rho, ascent="quadratic", **steps),
        "differentiated": line(**fields, rho=rho, differentiate=True),
    }


def run(
    configs: dict[str, DescentConfig], seeds: Sequence[int]
) -> dict[str, pd.DataFrame]:
    """The ends of all runs, by rule.

    Returns:
        Tables with the columns of `sweep` and log_trace; of sparse regression also
        converged and log_test_loss, which a run that did not converge lacks.
    """
    table = sweep_quietly(configs.values(), list(seeds))
    # a run's rows begin with that of step 0
    number = ((table["step"] == 0).cumsum() - 1) // len(seeds)
    return {name: _ends(table[number == k]) for k, name in enumerate(configs)}


def _ends(table: pd.DataFrame) -> pd.DataFrame:
    losses = table.groupby(["data_seed", "init_seed"])["loss"]
    shares = losses.transform("last") / losses.transform("first")
    table = table.assign(log_trace=np.log10(table["trace"].clip(lower=1e-300)))
    if "test_loss" in table:
        converged = (shares <= CONVERGED) & ~table["diverged"]
        logarithm = np.log10(table["test_loss"].clip(lower=1e-300))
        table = table.assign(
            converged=converged, log_test_loss=logarithm.where(converged)
        )
    return table[table["last"]].reset_index(drop=True)


def means(
    tables: dict[str, pd.DataFrame], columns: Sequence[str], ascent_steps: int
) -> pd.DataFrame:
    """Means over seeds, with what a step costs and how many runs did not diverge.

    Args:
        tables: from `run`.
        columns: to average.
        ascent_steps: as in `cost`.
    """
    rows = {}
    for name, table in tables.items():
        kept = table[~table["diverged"]]
        rows[name] = {
            "a step takes": cost(name, ascent_steps),
            **kept[list(columns)].mean().to_dict(),
            "finite": f"{len(kept)} of {len(table)}",
        }
        if "converged" in table:
            rows[name]["converged"] = int(table["converged"].sum())
    return pd.DataFrame(rows).T
