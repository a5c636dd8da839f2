"""What an ascent step that is too long does to a trained network.

To first order, the ascent step of 1-SAM moves an output by kappa = rho ||grad f|| away
from its label, and what SAM descends is the loss there. Multiply some weights by
sqrt(c) such that the outputs +-1 become +-c. The gradient in these weights is then
multiplied by sqrt(c) and that in all others by c. So with beta, the share of
||grad f||^2 in the others, the loss on the far side is

    F(c) = (|1 - c| + kappa sqrt((1 - beta) c + beta c^2))^2,

kappa^2 at the fit, c = 1, and 1 where the outputs are 0. The root is concave in c, so
on [0, 1] nothing but the two ends can be least, and above 1 all terms grow:

- c = 1 is the global minimum if and only if kappa <= 1;
- it is a local one if and only if kappa < 2 / (1 + beta), from the slope at 1.

Between the two a barrier keeps the fit from a lower loss. Without biases all weights
are multiplied and beta is 0. For 2-MLP-Sim-BN, whose outputs do not depend on the scale
of the first layer, gamma and the second layer are, and beta is the first layer's share.

On the interpolating set the mean of ||grad f||^2 is half the trace, so kappa = rho
sqrt(trace / 2).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.checks import at_least
from flatminima.runs.mlp.config import Config, Phase

SAFE, LOST = 1.0, 2.0
"""`limits` without biases: outputs should stay where kappa is below the one and vanish
above the other. Between them it takes a push over a barrier to leave."""

STAYS, VANISHES = 0.1, 0.5
"""Output errors that count as either; outputs of 0 have an error of 1."""

SEEDS = ["data_seed", "init_seed"]


class Limits(NamedTuple):
    """Of kappa, up to which the fit is a minimum of what SAM descends.

    Attributes:
        lowest: it is the global minimum up to here.
        local: it is a local minimum below this.
    """

    lowest: float
    local: float


def limits(beta: float = 0.0) -> Limits:
    """Where a fit stops being the global, and where it stops being a local minimum.

    >>> limits(), limits(0.25)
    (Limits(lowest=1.0, local=2.0), Limits(lowest=1.0, local=1.6))

    Args:
        beta: share of ||grad f||^2 in weights that the rescaling leaves alone, 0 to 1.

    Raises:
        ValueError: if beta is out of range.
    """
    _check_share(beta)
    return Limits(1.0, 2 / (1 + beta))


def kappa(rho: float, trace: pd.Series) -> pd.Series:
    """How far the ascent step moves an output, to first order: rho sqrt(trace / 2).

    Args:
        rho: radius of the step.
        trace: of the Hessian of the squared loss, at interpolation.
    """
    return rho * (trace / 2) ** 0.5


def far_side(
    c: Float[np.ndarray, " scales"], kappa: float, beta: float = 0.0
) -> Float[np.ndarray, " scales"]:
    """F(c), the loss to which the ascent step leads outputs of size c.

    Args:
        c: sizes of the outputs, at least 0, where the labels have size 1.
        kappa: how far the step moves an output at c = 1.
        beta: as in `limits`.

    Raises:
        ValueError: if beta is out of range.
    """
    _check_share(beta)
    step = kappa * np.sqrt((1 - beta) * c + beta * c**2)
    return (np.abs(1 - c) + step) ** 2


def minima(
    kappas: Sequence[float], beta: float = 0.0, *, points: int = 2000
) -> pd.DataFrame:
    """Where F is least, searched on a grid and not by `limits`.

    Args:
        kappas: lengths of the step, a row each.
        beta: as in `limits`.
        points: of the grid between c = 0 and 1; it goes on to 4.

    Returns:
        Columns `lowest at`, the size c of the outputs at the global minimum, and
        `fit is`: "lowest", "local minimum" or "no minimum".

    Raises:
        ValueError: if beta is out of range.
    """
    # squares, so that the grid is fine where F is steep, and 1 is one of its points
    c = (np.arange(2 * points + 1) / points) ** 2
    rows = []
    for kappa in kappas:
        loss = far_side(c, kappa, beta)
        local = loss[points] < min(loss[points - 1], loss[points + 1])
        lowest = float(c[np.argmin(loss)])
        fit = "lowest" if lowest == 1 else "local minimum" if local else "no minimum"
        rows.append((kappa, beta, lowest, fit))
    columns = ["κ", "β", "lowest at", "fit is"]
    return pd.DataFrame(rows, columns=columns).set_index(["κ", "β"])


def sim_bn_limits(trace: pd.Series, bound: float, rho: float) -> pd.DataFrame:
    """Kappa of 2-MLP-Sim-BN at given traces beside the limit that it must not pass.

    The share of gamma and the second layer in the trace is at least the certified
    bound (`models.sim_bn.lower_bound`), so beta is at most 1 - bound / trace.

    Args:
        trace: at interpolation, at least the bound; NaN where there is none.
        bound: the certified one of the same training set, above 0.
        rho: radius of the step.

    Returns:
        A row a trace: trace, kappa, `beta at most` and `limit at least`, above which
        the fit is no local minimum.

    Raises:
        ValueError: if a trace is below the bound.
    """
    if (trace < bound).any():
        raise ValueError(f"trace = {trace.tolist()}: allowed are at least {bound}")
    share = 1 - bound / trace
    return pd.DataFrame(
        {
            "trace": trace,
            "κ": kappa(rho, trace),
            "β at most": share,
            "limit at least": share.map(lambda beta: limits(beta).local, "ignore"),
        }
    )


def _check_share(beta: float) -> None:
    if not 0 <= beta <= 1:
        raise ValueError(f"beta = {beta}: allowed are shares from 0 to 1")


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
