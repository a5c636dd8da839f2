"""What stands beside the grid: counts of pairs, later epochs, other rates, no norm."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from flatminima.claims.register import load
from flatminima.claims.rounding import numbers
from flatminima.runs.images.config import NAMES
from flatminima.statistics import intervals
from flatminima.studies.minimum_sharpness import runs, tables
from flatminima.studies.minimum_sharpness.runs import ADAPTIVE, SEEDS, TUNING_SEEDS
from flatminima.sweeps.table import SEEDS as SEED_COLUMNS

RULE = ["optimiser", "sam"]
Rates = dict[tuple[str, bool], float]
"""Learning rates by optimiser and whether SAM wraps it."""


def pair_counts(found: pd.DataFrame) -> pd.DataFrame:
    """How often SAM is better, and by how much, a row a data set and one for all.

    Shares have the interval of Clopper and Pearson, as if pairs were independent, and
    ratios that of a median by order statistics.

    Args:
        found: from `tables.pairs`.
    """
    rows = []
    for name, part in [*found.groupby("data"), ("all", found)]:
        gains, ratios = part["gain"].to_numpy(), part["ratio"].to_numpy()
        rows.append(
            {
                "data": name,
                "pairs": len(part),
                "SAM more accurate": _share(int((gains > 0).sum()), len(part)),
                "median gain": _median(gains),
                "SAM flatter": _share(int((ratios < 1).sum()), len(part)),
                "median ratio": _median(ratios),
            }
        )
    return pd.DataFrame(rows)


def _share(count: int, total: int) -> str:
    if not total:
        return ""
    return numbers(count / total, *intervals.of_count(count, total, load()[0]))


def _median(values: np.ndarray) -> str:
    if not len(values):
        return ""
    low, high = intervals.of_median(values, load()[0])
    middle = float(np.median(values))
    if not np.isfinite([low, high]).all():
        return numbers(middle, None, None)
    return numbers(middle, low, high)


def resolution(rows: pd.DataFrame) -> pd.DataFrame:
    """What the test images of a data set can resolve.

    Returns:
        A row a data set: test images; accuracy, the mean over runs; one run, half of
        the 95 % interval of an accuracy over new images; two runs, that of a
        difference, had the two their own images. More seeds make neither smaller.
    """
    lines = []
    for data, part in rows[rows["converged"]].groupby("data"):
        n, p = int(part["test_points"].iloc[0]), float(part["test_accuracy"].mean())
        half = stats.norm.ppf(0.975) * np.sqrt(p * (1 - p) / n)
        lines.append((data, n, p, half, np.sqrt(2) * half))
    names = ["data", "test images", "accuracy", "one run", "two runs"]
    return pd.DataFrame(lines, columns=names).round(4)


def at_epoch(table: pd.DataFrame, epoch: float) -> pd.DataFrame:
    """The rows of one epoch of the runs that went on, as `tables.ends` gives rows.

    A run counts whether or not it reached the target.

    Args:
        table: of committed runs.
        epoch: a multiple of 50.
    """
    here = table["to_the_end"] & (table["at_target"] == 0) & table["epoch"].ge(epoch)
    first = table[here].sort_values("epoch")
    first = first[first["epoch"] < epoch + 1]
    rows = first[np.isfinite(first[tables.SHARP])]
    return rows.assign(
        gap=rows["train_accuracy"] - rows["test_accuracy"],
        sam=rows["rho"] > 0,
        adaptive=rows["optimiser"].isin(ADAPTIVE),
        converged=~rows["diverged"],
        last=True,
    )


def moments(table: pd.DataFrame, every: int = 50) -> pd.DataFrame:
    """Conclusions at the target and at later epochs, of the runs that went on.

    Args:
        table: of committed runs.
        every: epochs from one row to the next.

    Returns:
        A row a moment: pairs, share of them in which SAM is more accurate and flatter,
        median ratio of sharpness, and Kendall's tau of sharpness and gap over all,
        plain and SAM: means over seeds.
    """
    gone_on = table[table["to_the_end"]]
    last = int(gone_on["num_epochs"].max()) if len(gone_on) else 0
    parts = {"at the target": tables.ends(gone_on)} if last else {}
    for epoch in range(every, last + 1, every):
        parts[f"epoch {epoch}"] = at_epoch(gone_on, epoch)
    lines: list[dict[str, Any]] = []
    for name, rows in parts.items():
        found = tables.pairs(rows)
        taus = {
            words: tables.taus(rows, sam=sam).mean()
            for words, sam in (("τ", None), ("τ plain", False), ("τ SAM", True))
        }
        lines.append(
            {
                "moment": name,
                "pairs": len(found),
                "SAM more accurate": (found["gain"] > 0).mean(),
                "SAM flatter": (found["ratio"] < 1).mean(),
                "median ratio": found["ratio"].median(),
                "median gain": found["gain"].median(),
                **taus,
            }
        )
    return pd.DataFrame(lines).round(3)


def chosen(rows: pd.DataFrame) -> Rates:
    """The learning rate of every rule with the best accuracy on the seeds for tuning.

    Only rates count at which all of these seeds reach the target.

    Args:
        rows: from `tables.ends`, of the network that is tuned.
    """
    rows = rows[rows["data_seed"].isin(list(TUNING_SEEDS))]
    best: Rates = {}
    for name in dict.fromkeys(rows["optimiser"]):
        for sam in (False, True):
            part = rows[(rows["optimiser"] == name) & (rows["sam"] == sam)]
            means = part.groupby("lr")[["test_accuracy", "converged"]].mean()
            means = means[means["converged"] == 1]
            if len(means):
                best[name, sam] = float(means.index[means["test_accuracy"].argmax()])
    return best


def tested(rows: pd.DataFrame) -> pd.DataFrame:
    """The fresh seeds that were run at other rates than the default, too.

    Args:
        rows: from `tables.ends`, of the network that is tuned.
    """
    fresh = rows[rows["data_seed"] >= SEEDS[0]]
    return fresh[fresh["data_seed"].isin(fresh[~runs.at_default(fresh)]["data_seed"])]


def at_rates(rows: pd.DataFrame, rates: Rates) -> pd.DataFrame:
    """The rows whose learning rate is that of their rule.

    Args:
        rows: from `tables.ends`.
        rates: as from `chosen`.
    """
    rules = zip(rows["optimiser"], rows["sam"], strict=True)
    wanted = np.array([rates.get(rule, np.nan) for rule in rules], dtype=float)
    return rows[np.isclose(rows["lr"].astype(float), wanted)]


def tuned_and_default(
    tuned: pd.DataFrame, default: pd.DataFrame, live: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean accuracy over rules by seed, of those that arrived at both rates.

    Args:
        tuned, default: rows of one network, a row a rule and seed.
        live: other runs, whose seeds have no accuracy where there are none of these.

    Returns:
        Two tables as `decide.equals` takes them, with the column `accuracy`.
    """
    key = [*RULE, *SEED_COLUMNS]
    kept = [
        rows[rows["converged"]].set_index(key)["test_accuracy"]
        for rows in (tuned, default)
    ]
    both = pd.concat(kept, axis=1, join="inner", keys=["tuned", "default"])
    means = both.groupby(level=SEED_COLUMNS).mean()
    scale = str((default if len(default) else live)["scale"].iloc[0])
    if means.empty:
        seeds = pd.MultiIndex.from_frame(live[SEED_COLUMNS].drop_duplicates())
        means = pd.DataFrame(np.nan, index=seeds, columns=["tuned", "default"])
    first, second = (
        means[name]
        .rename("accuracy")
        .reset_index()
        .assign(last=True, diverged=False, scale=scale)
        for name in ("tuned", "default")
    )
    return first, second


def tuning_table(rows: pd.DataFrame, rates: Rates) -> pd.DataFrame:
    """A row a rule: default and tuned rate, and what seeds come to at both.

    Args:
        rows: from `tested`; a seed counts where it arrived at both rates.
        rates: from `chosen`.
    """
    lines = []
    for (name, sam), rate in rates.items():
        here = rows[(rows["optimiser"] == name) & (rows["sam"] == sam)]
        here = here[here["converged"]]
        own = runs.at_default(here)
        tuned = here[np.isclose(here["lr"], rate)]
        seeds = set(tuned["data_seed"]) & set(here[own]["data_seed"])
        default, tuned = (
            part[part["data_seed"].isin(seeds)] for part in (here[own], tuned)
        )
        lines.append(
            {
                "rule": ("SAM + " if sam else "") + NAMES[name],
                "default": default["lr"].mean(),
                "tuned": rate,
                "seeds": len(seeds),
                "accuracy at default": default["test_accuracy"].mean(),
                "accuracy at tuned": tuned["test_accuracy"].mean(),
                "sharpness at default": default[tables.SHARP].mean(),
                "sharpness at tuned": tuned[tables.SHARP].mean(),
            }
        )
    return pd.DataFrame(lines).round(4)


def missed(rows: pd.DataFrame, *, at_default: bool) -> np.ndarray:
    """Share of networks and optimisers that miss the target, one number a seed.

    Args:
        rows: from `tables.ends`, without batch norm.
        at_default: count those at the default learning rate; else only those that miss
            it at every rate.
    """
    if at_default:
        rows = rows[runs.at_default(rows)]
    missed = ~rows.groupby([*SEED_COLUMNS, "net", "optimiser"])["converged"].any()
    return missed.groupby(level=SEED_COLUMNS).mean().to_numpy(float)


def without_norm_table(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a network, optimiser and rate: how many runs, arrived and diverged."""
    parts = rows.groupby(["net", "optimiser", "lr"], sort=False)
    table = parts.agg(
        runs=("converged", "size"),
        converged=("converged", "sum"),
        diverged=("diverged", "sum"),
        epochs=("epoch", "mean"),
        train_loss=("train_loss", "mean"),
    ).reset_index()
    table["optimiser"] = table["optimiser"].map(NAMES)
    table = table.round({"epochs": 1, "train_loss": 4})
    return table.rename(columns={"lr": "learning rate", "train_loss": "training loss"})
