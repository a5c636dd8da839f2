"""Who arrives, when, and at what cost."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.results.reading import Committed
from flatminima.runs.race.config import NAMES
from flatminima.studies.open_2 import runs
from flatminima.sweeps.table import COMMITTED, SEEDS

BUDGET_OF = "budget"
QUADRATIC = ("sparse", "weighted", "matrix")
"""Instances whose model is quadratic in its parameters."""


def chosen(table: pd.DataFrame) -> pd.DataFrame:
    """Of every method the arrivals of the setting that was tuned for that target.

    Args:
        table: rows of the race, from `runs.live` or committed ones.

    Returns:
        Rows of `runs.arrivals`, one for each instance, method, target and seed.
    """
    found = runs.arrivals(table)
    kept = []
    for (instance, method, target), setting in runs.tuned().items():
        mask = (found["instance"] == instance) & (found["method"] == method)
        mask &= found["target"] == target
        for name, value in setting.items():
            mask &= found[name] == value if name in found else False
        kept.append(found[mask])
    return pd.concat(kept, ignore_index=True)


def spent(arrived: pd.DataFrame, target: float) -> pd.DataFrame:
    """Full gradients by instance and seed, a column a method.

    One that did not arrive has its whole budget, which favours it.

    Args:
        arrived: from `chosen`.
        target: one of `runs.TARGETS`.
    """
    rows = arrived[arrived["target"] == target]
    rows = rows.assign(paid=rows["evaluations"].fillna(rows[BUDGET_OF]))
    return rows.pivot_table(index=["instance", *SEEDS], columns="method", values="paid")


def lead(
    arrived: pd.DataFrame, target: float, first: str, others: Sequence[str]
) -> Float[np.ndarray, " seeds"]:
    """Mean over instances of ln(full gradients of the best of others / of the first).

    Args:
        arrived: from `chosen`.
        target: one of `runs.TARGETS`.
        first: the method that is asked about.
        others: of which the best is taken, seed by seed and instance by instance.

    Returns:
        One number a seed, above 0 where the first is faster; none if a method is
        missing.
    """
    paid = spent(arrived, target)
    there = [name for name in others if name in paid]
    if first not in paid or not there:
        return np.empty(0)
    ratio = (paid[there].min(axis=1) / paid[first]).map(np.log).dropna()
    return ratio.groupby(SEEDS).mean().to_numpy()


def medians(arrived: pd.DataFrame, target: float) -> pd.DataFrame:
    """Median full gradients, with the failures in brackets.

    A median is over all seeds, those that do not arrive counted as later than all. It
    is a dash where half of them or more do not.

    Args:
        arrived: from `chosen`.
        target: one of `runs.TARGETS`.

    Returns:
        A row a method, a column an instance, as text.
    """
    rows = arrived[arrived["target"] == target]
    cells = {}
    for (method, instance), each in rows.groupby(["method", "instance"]):
        late = each["evaluations"].fillna(np.inf)
        middle, failed = float(np.median(late)), int(np.isinf(late).sum())
        text = "–" if np.isinf(middle) else f"{middle:,.0f}"
        cells[method, instance] = text + (f" [{failed}]" if failed else "")
    table = pd.Series(cells, dtype=object).unstack()
    return _named(table)


def failures(arrived: pd.DataFrame) -> pd.DataFrame:
    """How many runs of each method do not arrive, by target, of how many.

    Args:
        arrived: from `chosen`.
    """
    lost = arrived.assign(lost=arrived["evaluations"].isna())
    counts = lost.groupby(["method", "target"])["lost"].sum().unstack()
    counts = counts[[target for target in runs.TARGETS if target in counts]]
    counts.columns = [f"{percent(t)} not reached" for t in runs.TARGETS if t in counts]
    whole = lost.groupby(["method", "target"])["lost"].count().unstack().iloc[:, 0]
    counts["runs"] = whole
    counts.index = pd.Index([NAMES[str(name)] for name in counts.index])
    order = [NAMES[name] for name in runs.METHODS if NAMES[name] in counts.index]
    return counts.loc[order].astype(int)


def percent(target: float) -> str:
    """A target in words: "1 %"."""
    return f"{100 * target:g} %"


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """With the methods and instances that are there, in order, by their names."""
    rows = [name for name in runs.METHODS if name in table.index]
    columns = [name for name in runs.SIZES if name in table.columns]
    table = table.loc[rows, columns].fillna("")
    table.index = pd.Index([NAMES[name] for name in rows])
    table.columns = pd.Index([runs.LABELS[name] for name in columns])
    return table


def certificates(table: pd.DataFrame) -> pd.DataFrame:
    """The certified minimum and the largest gap of every instance that has runs.

    Args:
        table: rows of the race.

    Returns:
        A row an instance: how it is certified, the median bound over seeds, the
        largest relative gap, and how many seeds.
    """
    columns = ["instance", "bound", "gap", *SEEDS]
    ends = table.reindex(columns=columns).dropna(subset=["bound"])
    by = ends.groupby("instance")
    shown = pd.DataFrame(
        {
            "least trace, median": by["bound"].median(),
            "largest gap": by["gap"].max().abs(),
            "seeds": by["data_seed"].nunique(),
        }
    )
    shown.insert(0, "certified by", [CERTIFIED[str(name)] for name in shown.index])
    order = [name for name in runs.SIZES if name in shown.index]
    shown = shown.loc[order]
    shown.index = pd.Index([runs.LABELS[name] for name in order])
    return shown


def worst_gaps(certified: pd.DataFrame) -> Float[np.ndarray, " instances"]:
    """The largest gaps of `certificates`; infinite where no run knows its bound."""
    gaps = certified["largest gap"].to_numpy(dtype=float)
    return gaps if gaps.size else np.array([np.inf])


def scale(table: pd.DataFrame) -> str:
    """What claims are decided by, in words; of committed runs also their seeds.

    Args:
        table: rows of the race.
    """
    count, budget = table["instance"].nunique(), int(table["budget"].max())
    text = f"ours: {count} problems, {budget} full gradients"
    if str(table["scale"].iloc[0]).endswith(COMMITTED):
        seeds = table["data_seed"]
        text += f"{COMMITTED}, seeds {seeds.min()} to {seeds.max()}"
    return text


CERTIFIED: Mapping[str, str] = {
    "sparse": "basis pursuit, dual point",
    "weighted": "basis pursuit, dual point",
    "matrix": "nuclear norm, dual point",
    "cubic": "power norm, dual point",
    "bias": "proved bound, attained",
    "no_bias": "all activation cones, dual point",
}


def gd_excess(arrived: pd.DataFrame) -> Float[np.ndarray, " seeds"]:
    """ln of the least final ratio of gradient descent on any instance over 1.05."""
    rows = arrived[(arrived["method"] == runs.CONTROL) & arrived["final"].notna()]
    return np.log(rows.groupby(SEEDS)["final"].min() / 1.05).to_numpy()


def unsolved(arrived: pd.DataFrame, instance: str) -> Float[np.ndarray, " seeds"]:
    """ln of the least ratio of any method on an instance over 1.01, one a seed."""
    rows = arrived[(arrived["instance"] == instance) & arrived["least"].notna()]
    return np.log(rows.groupby(SEEDS)["least"].min() / 1.01).to_numpy()


def flatter(
    arrived: pd.DataFrame, instance: str, first: str, other: str
) -> Float[np.ndarray, " seeds"]:
    """ln of the least ratio of another method over that of the first, one a seed.

    Args:
        arrived: from `chosen`.
        instance: on which.
        first, other: methods; above 0 where the first gets flatter.
    """
    rows = arrived[(arrived["instance"] == instance) & arrived["least"].notna()]
    least = rows.groupby([*SEEDS, "method"])["least"].min().unstack()
    if first not in least or other not in least:
        return np.empty(0)
    return (least[other] / least[first]).dropna().map(np.log).to_numpy(dtype=float)


def within(
    arrived: pd.DataFrame,
    method: str,
    target: float,
    scale: str,
    instances: Sequence[str] = tuple(runs.SIZES),
) -> pd.DataFrame:
    """Share of instances on which a method arrives, a row a seed, as claims take it.

    A seed without a run of the method on these has no share.

    Args:
        arrived: from `chosen`.
        method: whose.
        target: one of `runs.TARGETS`.
        scale: of the runs.
        instances: of which.
    """
    rows = arrived[(arrived["method"] == method) & (arrived["target"] == target)]
    rows = rows[rows["instance"].isin(instances)]
    there = rows["evaluations"].notna().astype(float)
    share = there.groupby([rows[s] for s in SEEDS]).mean()
    share = share.reindex(arrived.groupby(SEEDS).size().index)
    table = share.rename("arrived").reset_index()
    return table.assign(last=True, diverged=False, scale=scale)


def seconds(committed: Committed, arrived: pd.DataFrame, target: float) -> pd.DataFrame:
    """Median seconds to a target, of committed runs, a row a method.

    A run's seconds on one thread, times the share of its full gradients that it had
    spent when it arrived. Descents are compiled; penalties and what stays on {f = y}
    are numpy.

    Args:
        committed: the committed runs.
        arrived: from `chosen` over the same runs.
        target: one of `runs.TARGETS`.
    """
    rates: dict[tuple[str, str, int], list[float]] = {}
    for row, table in zip(committed.rows, committed.tables, strict=True):
        last = table.iloc[-1]
        key = (last["instance"], last["method"], last["data_seed"])
        if last["evaluations"] > 0:
            rate = row["provenance"]["seconds"] / last["evaluations"]
            rates.setdefault(key, []).append(rate)
    rows = arrived[arrived["target"] == target].copy()
    keys = zip(rows["instance"], rows["method"], rows["data_seed"], strict=True)
    rows["rate"] = [float(np.mean(rates.get(key, [np.nan]))) for key in keys]
    rows["seconds"] = (rows["evaluations"] * rows["rate"]).fillna(np.inf)
    middle = rows.groupby(["method", "instance"])["seconds"].median().unstack()
    text = middle.map(lambda s: "–" if not np.isfinite(s) else f"{s:.2g}")
    return _named(text)


def live_beside_committed(
    live: pd.DataFrame, committed: pd.DataFrame, target: float
) -> pd.DataFrame:
    """Full gradients to a target of this build's runs, and of committed ones.

    Args:
        live: from `chosen` over the runs of this build.
        committed: the same over committed runs.
        target: one of `runs.TARGETS`.

    Returns:
        A row a run of this build whose setting and seed is committed.
    """
    keys = ["instance", "method", "budget", *SEEDS]
    both = live[live["target"] == target].merge(
        committed[committed["target"] == target],
        on=keys,
        suffixes=(", this build", ", committed"),
    )
    text = {
        whose: both[f"evaluations, {whose}"].map(
            lambda spent: f"{spent:,.0f}" if np.isfinite(spent) else "–"
        )
        for whose in ("this build", "committed")
    }
    shown = pd.DataFrame(
        {
            "problem": both["instance"].map(runs.LABELS),
            "method": both["method"].map(NAMES),
            "seed": both["data_seed"],
            **text,
        }
    )
    return shown.set_index(["problem", "method", "seed"])
