"""What the runs say: lengths chosen on some seeds, and the ends of the others."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from flatminima.results.reading import of_one_scale
from flatminima.runs.images.around import COLUMNS, LENGTHS, RADII
from flatminima.runs.images.config import ImageConfig
from flatminima.sources.reading_group import NEVER, TUNING
from flatminima.statistics.tuning import best, ends_of, of_seeds, without_seeds
from flatminima.studies.adversarial.runs import INPUTS, RHO

NAMES = {
    "plain": "plain",
    "random": "random directions",
    "weights": "SAM",
    "inputs": "moved images",
}
"""What figures and tables call the arms."""

ARMS = tuple(NAMES)
RADIUS, LARGER = RADII[2], RADII[3]
RISE, RANDOM_RISE = f"rise_all_{RADIUS}", f"random_{LARGER}"
EIGENVALUE = "largest_eigenvalue"
ATTACK, NOISE = f"adversarial_{LENGTHS[2]}", f"noisy_{LENGTHS[3]}"
ATTACKED_IN_TRAINING = 1.0
"""How far images are moved in the runs that attacks are tried on."""

MEASURED = ["test_accuracy", *COLUMNS, "log_rise", "log_eigenvalue"]


def gathered(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """The last rows of the committed runs that decide, with logarithms; or none.

    Args:
        tables: of committed runs.

    Returns:
        With `arm`, one of `ARMS`, and `alike`, whether the run stops at one loss.
    """
    fields = list(ImageConfig.model_fields)
    names = [*fields, "train_loss", "test_accuracy", "reached", "scale"]
    none = pd.DataFrame(columns=[*names, "last", "diverged", *COLUMNS])
    rows = of_one_scale(tables) if tables else none
    rows = rows[rows["last"].astype(bool)]
    return with_logarithms(rows.reindex(columns=list(none.columns)))


def with_logarithms(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with their arm, and logarithms where there is something to take them of."""
    moved = rows["rho"].astype(float) > 0
    positive = {name: rows[name].astype(float) for name in (RISE, EIGENVALUE)}
    positive = {name: values.where(values > 0) for name, values in positive.items()}
    return rows.assign(
        arm=rows["perturbed"].where(moved, "plain"),
        alike=rows["target_loss"].astype(float) > NEVER,
        diverged=rows["diverged"].astype(bool),
        log_rise=np.log(positive[RISE]),
        log_eigenvalue=np.log(positive[EIGENVALUE]),
    )


def chosen(rows: pd.DataFrame, arm: str) -> float:
    """The length of an arm that is best for accuracy on the seeds of `TUNING`.

    Args:
        rows: from `gathered`.
        arm: "weights", "random" or "inputs".
    """
    own = rows[(rows["arm"] == arm) & ~rows["alike"]]
    return best(of_seeds(own, TUNING), ["rho"])[0]


def of(
    rows: pd.DataFrame, arm: str, rho: float = 0.0, *, chose: bool = False
) -> pd.DataFrame:
    """The ends of an arm at a length after all epochs, of the seeds that are compared.

    Args:
        rows: from `gathered`.
        arm: one of `ARMS`; "plain" has no length.
        rho: the length.
        chose: whether to take the seeds of `TUNING` in their place.
    """
    own = (rows["arm"] == arm) & (rows["rho"] == rho) & ~rows["alike"]
    kept = of_seeds if chose else without_seeds
    return ends_of(kept(rows[own], TUNING), MEASURED)


def whole(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The arms after all epochs, by the names of `ARMS`.

    SAM has its best radius, random directions have the same length, and images are
    moved by `ATTACKED_IN_TRAINING`.
    """
    rho = chosen(rows, "weights")
    lengths = {"plain": 0.0, "random": rho, "weights": rho}
    lengths["inputs"] = ATTACKED_IN_TRAINING
    return {arm: of(rows, arm, lengths[arm]) for arm in ARMS}


def tuned(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The arms after all epochs, each with the length that is best for its accuracy."""
    return {
        arm: of(rows, arm, 0.0 if arm == "plain" else chosen(rows, arm)) for arm in ARMS
    }


def alike(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The arms where their training loss first was at most one value.

    A run that never gets there is compared by nothing: its measures are NaN.
    """
    lengths = {"plain": 0.0, "random": RHO, "weights": RHO, "inputs": INPUTS}
    found = {}
    for arm, rho in lengths.items():
        own = rows[(rows["arm"] == arm) & (rows["rho"] == rho) & rows["alike"]]
        own = without_seeds(own, TUNING).copy()
        own.loc[own["reached"] != 1, MEASURED] = np.nan
        found[arm] = ends_of(own, MEASURED)
    return found


def live_arms(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The ends of the live runs, by the names of those of `ARMS` that there are."""
    rows = with_logarithms(table[table["last"]])
    return {arm: rows[rows["arm"] == arm] for arm in ARMS if (rows["arm"] == arm).any()}


def by_length(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean test accuracy of every arm and length: those that choose, and the others."""
    rows = rows[~rows["alike"]]
    group = np.where(rows["data_seed"].isin(TUNING), "seeds that choose", "others")
    each = rows.assign(group=group, accuracy=rows["test_accuracy"].astype(float))
    wide = each.pivot_table("accuracy", ["arm", "rho"], "group")
    wide = wide.rename(index=NAMES, level="arm").rename_axis(["arm", "length"])
    return wide.rename_axis(columns=None).round(4)


def summary(arms: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Means over seeds, a row an arm."""
    names = {
        "train_loss": "training loss",
        "test_accuracy": "accuracy",
        ATTACK: "attacked",
        NOISE: "noisy",
        EIGENVALUE: "largest eigenvalue",
        RISE: "rise along an ascent",
        RANDOM_RISE: "rise at random",
    }
    means = {
        arm: rows.reindex(columns=list(names)).astype(float).mean()
        for arm, rows in arms.items()
    }
    table = pd.DataFrame(means).T.rename(columns=names, index=NAMES)
    return table.rename_axis("arm").round(4)
