"""What an ascent step that is too long does to a trained network.

To first order, the ascent step of 1-SAM moves an output by rho ||grad f|| away from its
label. Multiply all weights of a network without biases by sqrt(c): its outputs are
multiplied by c, and ||grad f|| by sqrt(c). From outputs y = +-1 the loss on the far
side becomes (|1 - c| + kappa sqrt(c))^2 with kappa = rho ||grad f||. At c = 1 it is a
local minimum if kappa < 2 only; if kappa is above, outputs shrink until they are 0. On
the interpolating set the mean of ||grad f||^2 is half the trace, so kappa = rho
sqrt(trace / 2). For 2-MLP-Sim-BN the same holds with the weights of the second layer
and of the scales.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from flatminima.checks import at_least
from flatminima.runs.mlp.config import Config, Phase

SAFE, LOST = 1.0, 2.0
"""Outputs should stay where kappa is below the one and vanish above the other.

The derivation gives 2 alone. It is of first order, and a pilot lost fits below it."""

STAYS, VANISHES = 0.1, 0.5
"""Output errors that count as either; outputs of 0 have an error of 1."""

SEEDS = ["data_seed", "init_seed"]


def kappa(rho: float, trace: pd.Series) -> pd.Series:
    """How far the ascent step moves an output, to first order: rho sqrt(trace / 2).

    Args:
        rho: radius of the step.
        trace: of the Hessian of the squared loss, at interpolation.
    """
    return rho * (trace / 2) ** 0.5


def configs(
    radii: Sequence[float],
    *,
    d: int,
    n: int,
    width: int,
    epochs: int,
    further: int,
    lr: float,
    rho: float,
) -> list[Config]:
    """1-SAM on 2-MLP-No-Bias, first at one radius and then at each of some others.

    Args:
        radii: of the second phase, at least one, each above 0.
        d, n, width: size of the problem and of the network.
        epochs, further: passes over the data in each phase, at least 1.
        lr: learning rate.
        rho: radius of the first phase.

    Raises:
        ValueError: if a value is out of range.
    """
    if not radii or min(radii) <= 0:
        raise ValueError(f"radii = {radii}: allowed are positive numbers, at least one")
    at_least("epochs", epochs, 1)
    at_least("further", further, 1)
    base: dict[str, Any] = {"architecture": "no_bias", "d": d, "n": n, "width": width}
    return [
        Config(
            **base,
            dtype="float32",
            lr=lr,
            rho=rho,
            num_steps=(epochs + further) * n,
            phases=(Phase(start=epochs * n, lr=lr, rho=float(radius)),),
            measure_at=(epochs * n,),
            num_checkpoints=3,
        )
        for radius in radii
    ]


def outcomes(cells: Sequence[Config], tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """How every run stood before and after its second phase.

    Args:
        cells: from `configs`.
        tables: of each of them, from `sweep`.

    Returns:
        The last row of every run with `second_rho`, `kappa` (NaN if the run was not
        near interpolation when the phase began) and `as_predicted`: 1 or 0, and NaN
        where kappa is between `SAFE` and `LOST` or not known.
    """
    rows = []
    for config, table in zip(cells, tables, strict=True):
        (phase,) = config.phases
        last = table[table["last"]].set_index(SEEDS)
        before = table[table["step"] == phase.start].set_index(SEEDS)
        trace = before["retracted_trace"].reindex(last.index)
        moved = kappa(phase.rho, trace)
        stays = (last["output_error"] < STAYS).astype(float)
        vanishes = (last["output_error"] > VANISHES).astype(float)
        predicted = stays.where(moved < SAFE, vanishes.where(moved > LOST))
        row = last.assign(second_rho=phase.rho, kappa=moved, as_predicted=predicted)
        rows.append(row.reset_index())
    return pd.concat(rows, ignore_index=True)


def by_radius(rows: pd.DataFrame) -> pd.DataFrame:
    """Medians over seeds of `outcomes`, a row a radius."""
    names = {
        "kappa": "κ before",
        "output_error": "output error after",
        "test_accuracy": "test accuracy after",
    }
    table = rows.groupby("second_rho")[list(names)].median().rename(columns=names)
    return table.rename_axis("ρ")


def by_seed(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a seed of `outcomes`: the share of its predicted runs that were right.

    And `predicted_runs`, how many these are.
    """
    of_seed = rows.groupby(SEEDS)["as_predicted"]
    first = rows.drop_duplicates(SEEDS).set_index(SEEDS)
    found = first.assign(as_predicted=of_seed.mean(), predicted_runs=of_seed.count())
    return found.reset_index()
