"""What the runs say: gains and largest eigenvalues, one number a seed."""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.runs.images.around import largest_eigenvalue
from flatminima.runs.images.config import ImageConfig
from flatminima.runs.images.problem import bare, data, network
from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.architectures.runs import (
    ARMS,
    SCALES,
    Arm,
    config,
    configs_of,
)
from flatminima.sweeps.sweep import fetch
from flatminima.sweeps.table import COMMITTED, SEEDS

EIGENVALUE = "largest_eigenvalue"
LOG = "log_eigenvalue"
DATA = {
    "fashion_mnist": "Fashion-MNIST",
    "fashion_mnist_subset": "Fashion-MNIST, subset",
    "cifar10": "CIFAR-10",
}
"""What tables call the data sets."""


@dataclass(frozen=True)
class Part:
    """Which runs are meant.

    Attributes:
        set_name: how the name of their data set begins.
        to_the_end: whether training went on after the target.
        decay: weight decay.
    """

    set_name: str = "fashion"
    to_the_end: bool = True
    decay: float = 0.0


ENDS = Part()
TARGETS = Part(to_the_end=False)
CIFAR = Part("cifar")


def name(row: pd.Series) -> str:
    """The arm that a run belongs to."""
    return next(
        name
        for name, arm in ARMS.items()
        if (arm.net, arm.optimiser) == (row["net"], row["optimiser"])
    )


def ends(table: pd.DataFrame) -> pd.DataFrame:
    """One row a run: where it ended.

    Args:
        table: from `runs.live`, or of committed runs.

    Returns:
        With the columns `arm`, `sam`, `accuracy` in per cent, and `log_eigenvalue`.
        The last two are NaN for what diverged, and for a run that was to stop at the
        target and never got there.
    """
    return _named(table[table["last"]])


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    missed = ~rows["to_the_end"].astype(bool) & (rows["reached"] == 0)
    alive = ~(rows["diverged"].astype(bool) | missed)
    value = rows[EIGENVALUE] if EIGENVALUE in rows else pd.Series(np.nan, rows.index)
    return rows.assign(
        arm=[name(row) for _, row in rows.iterrows()],
        sam=rows["rho"] > 0,
        accuracy=100 * rows["test_accuracy"].where(alive),
        **{LOG: np.log(value.where(alive & (value > 0)))},
    )


def of(rows: pd.DataFrame, arm: str, *, sam: bool, part: Part = ENDS) -> pd.DataFrame:
    """The rows of one setting, a row a seed.

    Args:
        rows: from `ends`.
        arm: a name of `ARMS`.
        sam: with SAM or without.
        part: of the runs.
    """
    return rows[
        (rows["arm"] == arm)
        & (rows["sam"] == sam)
        & rows["data"].str.startswith(part.set_name)
        & (rows["to_the_end"] == part.to_the_end)
        & (rows["weight_decay"] == part.decay)
    ]


def said(rows: pd.DataFrame, part: Part = ENDS) -> str:
    """The scale of some runs, for the scorecard; of committed ones also their seeds.

    Without the target loss, which not all of them have.

    Args:
        rows: from `ends`; at least one.
        part: of the runs; all count where it has none.
    """
    named = rows[rows["data"].str.startswith(part.set_name)]
    chosen = named if len(named) else rows
    scale = re.sub(r", target [^,]+", "", chosen["scale"].iloc[0])
    seeds = chosen["data_seed"]
    committed = scale.endswith(COMMITTED)
    return scale + f", seeds {seeds.min()} to {seeds.max()}" * committed


def change(
    rows: pd.DataFrame, arm: str, metric: str = "accuracy", part: Part = ENDS
) -> pd.Series:
    """What SAM adds to a number, by seed: that of SAM minus that of the plain run.

    Args:
        rows: from `ends`.
        arm: a name of `ARMS`.
        metric: column.
        part: of the runs.

    Returns:
        Of the seeds that have both.
    """
    with_sam, plain = (
        of(rows, arm, sam=sam, part=part).set_index(SEEDS)[metric]
        for sam in (True, False)
    )
    return (with_sam - plain).dropna()


def more(
    rows: pd.DataFrame,
    first: str,
    second: str,
    metric: str = "accuracy",
    part: Part = ENDS,
) -> Float[np.ndarray, " seeds"]:
    """By how much more SAM adds to one arm than to another, one number a seed."""
    one, other = (change(rows, arm, metric, part) for arm in (first, second))
    return (one - other).dropna().to_numpy(float)


def sharper(
    rows: pd.DataFrame, first: str, second: str, part: Part = ENDS
) -> Float[np.ndarray, " seeds"]:
    """Log of the largest eigenvalue of one arm over that of another, without SAM."""
    one, other = (
        of(rows, arm, sam=False, part=part).set_index(SEEDS)[LOG]
        for arm in (first, second)
    )
    return (one - other).dropna().to_numpy(float)


def flatter(rows: pd.DataFrame, part: Part = ENDS) -> Float[np.ndarray, " seeds"]:
    """Log of the eigenvalue without SAM over that with it, the mean over the arms with
    Adam, one number a seed that they all have.
    """
    adam = [name for name, arm in ARMS.items() if arm.optimiser == "adam"]
    falls = [-change(rows, arm, LOG, part) for arm in adam]
    return pd.concat(falls, axis=1, join="inner").mean(axis=1).to_numpy(float)


def over_decay(rows: pd.DataFrame, arm: str) -> Float[np.ndarray, " seeds"]:
    """SAM's accuracy minus that of plain runs with the best decay, one number a seed.

    The decay is the one with the best mean over all seeds, which favours plain runs.
    """
    fashion = rows["data"].str.startswith("fashion")
    plain = rows[(rows["arm"] == arm) & ~rows["sam"] & fashion & rows["to_the_end"]]
    wide = plain.pivot(index=SEEDS, columns="weight_decay", values="accuracy")
    if len(wide.columns) < 2:
        return np.array([])
    best = wide[wide.mean().idxmax()]
    with_sam = of(rows, arm, sam=True).set_index(SEEDS)["accuracy"]
    return (with_sam - best).dropna().to_numpy(float)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Every setting: accuracies, SAM's gain, losses and eigenvalues; means over seeds.

    Args:
        rows: from `ends`.
    """
    found = []
    for set_name in dict.fromkeys(rows["data"]):
        for to_the_end in (True, False):
            part = Part(set_name, to_the_end)
            found += [
                _line(rows, arm, part) for arm in ARMS if len(_plain(rows, arm, part))
            ]
    table = pd.DataFrame(found)
    return table.set_index(["data", "stops", "arm"]) if found else table


def _plain(rows: pd.DataFrame, arm: str, part: Part) -> pd.DataFrame:
    return of(rows, arm, sam=False, part=part)


def _line(rows: pd.DataFrame, arm: str, part: Part) -> dict[str, object]:
    plain, with_sam = _plain(rows, arm, part), of(rows, arm, sam=True, part=part)
    gain = change(rows, arm, part=part).to_numpy(float)
    log = change(rows, arm, LOG, part)
    return {
        "data": DATA.get(part.set_name, part.set_name),
        "stops": "at the end" if part.to_the_end else "at the target",
        "arm": arm,
        "plain": round(plain["accuracy"].mean(), 1),
        "SAM": round(with_sam["accuracy"].mean(), 1),
        "gain": _told(gain),
        "training loss": round(plain["train_loss"].mean(), 3),
        "training loss, SAM": round(with_sam["train_loss"].mean(), 3),
        "λ": round(np.exp(plain[LOG].mean()), 1),
        "λ, SAM": round(np.exp(with_sam[LOG].mean()), 1),
        "ratio": round(np.exp(-log.mean()), 2),
        "seeds": len(gain),
    }


def _told(values: Float[np.ndarray, " seeds"]) -> str:
    if not len(values):
        return "none"
    low, high = of_mean(values, thresholds())
    half = f" ± {(high - low) / 2:.1f}" if np.isfinite(low) else ""
    return f"{values.mean():.1f}{half}"


def weights(arm: Arm, scale: str) -> int:
    """How many weights the network of an arm has.

    Args:
        arm: whose.
        scale: a name of `SCALES`.
    """
    net = bare(config(arm, scale, sam=False, **SCALES[scale]))
    return sum(p.numel() for p in net.parameters())


def arms(scale: str) -> pd.DataFrame:
    """The arms, with what was tuned and how many weights each has.

    Args:
        scale: a name of `SCALES`.
    """
    rows = [
        {
            **{"arm": name, "norm": arm.norm, "width": arm.tuned[scale].width},
            "weights": weights(arm, scale),
            "learning rate": arm.tuned[scale].lr,
            "radius": arm.tuned[scale].rho,
        }
        for name, arm in ARMS.items()
    ]
    return pd.DataFrame(rows).set_index("arm")


def with_eigenvalues(table: pd.DataFrame, images: int) -> pd.DataFrame:
    """Live runs with `largest_eigenvalue` in their last rows.

    Args:
        table: from `runs.live`.
        images: of the training set, over which it is measured.
    """
    last = table["last"]
    values = [eigenvalue(run, images) for run in configs_of(table)]
    return table.assign(
        **{EIGENVALUE: pd.Series(values, index=table.index[last], dtype=float)}
    )


def eigenvalue(of_run: ImageConfig, images: int) -> float:
    """The largest eigenvalue of the Hessian where a run ended; NaN if it diverged."""
    run = fetch(of_run)
    if run.diverged_at is not None:
        return np.nan
    problem = data(of_run)
    net = network(of_run, run.arrays)
    return largest_eigenvalue(net, problem.x[:images], problem.y[:images])
