"""What the runs say: pairs, rank correlations, tests and orders, one number a seed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flatminima.runs.images.config import NAMES
from flatminima.studies.minimum_sharpness.runs import ADAPTIVE, DATA, NETS, OPTIMISERS
from flatminima.sweeps.table import SEEDS

SHARP = "minimum_sharpness"
OWN = "sam_sharpness"
"""The sharpness that SAM lowers: the rise of the loss within its radius."""

CELL = ["data", "net", "optimiser", *SEEDS]
REPORTED_ORDER = ("sgd", "adabound", "adam", "phb", "adashift", "adagrad")
"""Of the report's means, on both data sets (section III.D)."""

WIDE = 4
"""Runs of a group below which no rank correlation is taken within it."""


def ends(table: pd.DataFrame) -> pd.DataFrame:
    """One row a run: at the target, or at its end where it did not get there.

    Args:
        table: from `sweep`, or of committed runs.

    Returns:
        With the columns `gap` (training accuracy minus test accuracy), `sam`,
        `adaptive` and `converged`.
    """
    at_target = table["at_target"] == 1
    key = ["data", "net", "norm", "optimiser", "rho", "lr", *SEEDS]
    arrived = table[at_target][key].drop_duplicates().assign(arrived=True)
    marked = table.merge(arrived, on=key, how="left")
    lost = marked["last"] & marked["arrived"].isna()
    rows = marked[(marked["at_target"] == 1) | lost].copy()
    return rows.assign(
        gap=rows["train_accuracy"] - rows["test_accuracy"],
        sam=rows["rho"] > 0,
        adaptive=rows["optimiser"].isin(ADAPTIVE),
        converged=(rows["reached"] == 1) & ~rows["diverged"],
        last=True,
    ).drop(columns="arrived")


def pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """SAM beside its optimiser alone, where both converged.

    Returns:
        A row a pair: `gain` in test accuracy, and `ratio` of minimum sharpness, SAM's
        over the other's.
    """
    rows = rows[rows["converged"]]
    plain, sam = (rows[rows["sam"] == which].set_index(CELL) for which in (False, True))
    both = plain.merge(
        sam, left_index=True, right_index=True, suffixes=("_plain", "_sam")
    )
    gain = both["test_accuracy_sam"] - both["test_accuracy_plain"]
    ratio = both[f"{SHARP}_sam"] / both[f"{SHARP}_plain"]
    return pd.DataFrame({"gain": gain, "ratio": ratio}).reset_index()


def shares(found: pd.DataFrame) -> pd.DataFrame:
    """Share of pairs in which SAM is better, by seed: `accurate` and `flat`."""
    if found.empty:
        return pd.DataFrame({"accurate": [], "flat": []}, dtype=float)
    better = found.assign(accurate=found["gain"] > 0, flat=found["ratio"] < 1)
    return better.groupby(SEEDS)[["accurate", "flat"]].mean().astype(float)


def taus(
    rows: pd.DataFrame,
    measure: str = SHARP,
    sam: bool | None = None,
    other: str = "gap",
    *,
    within: str = "",
) -> pd.Series:
    """Kendall's tau of a measure and the gap, by data set and seed.

    Args:
        rows: from `ends`; runs that did not converge are left out.
        measure: column.
        sam: within SAM, within plain runs, or over both together.
        other: column in place of the gap.
        within: a column, such as the network. Then a tau is taken among the runs that
            agree in it, and the mean of these is returned.

    Returns:
        Indexed by data set and seeds; without those with fewer than `WIDE` runs.
    """
    rows = rows[rows["converged"]]
    if sam is not None:
        rows = rows[rows["sam"] == sam]

    def tau(part: pd.DataFrame) -> float:
        if len(part) < WIDE:
            return np.nan
        return float(stats.kendalltau(part[measure], part[other]).statistic)

    key = ["data", *SEEDS]
    if within:
        return _by(rows, [*key, within], tau).groupby(level=key).mean()
    return _by(rows, key, tau)


def significance(rows: pd.DataFrame) -> np.ndarray:
    """.05 minus the p-value of minimum sharpness and gap, the largest of a seed."""
    rows = rows[rows["converged"]]

    def p(part: pd.DataFrame) -> float:
        if len(part) < WIDE:
            return np.nan
        return float(stats.kendalltau(part[SHARP], part["gap"]).pvalue)

    each = _by(rows, ["data", *SEEDS], p)
    return 0.05 - each.groupby(level=SEEDS).max().to_numpy(float)


def gap_ranges(rows: pd.DataFrame) -> pd.Series:
    """Largest minus smallest gap, by data set and seed."""
    rows = rows[rows["converged"]]

    def spread(part: pd.DataFrame) -> float:
        return float(np.ptp(part["gap"])) if len(part) >= WIDE else np.nan

    return _by(rows, ["data", *SEEDS], spread)


def of_data(values: pd.Series, data: str) -> np.ndarray:
    """The numbers of one data set, one a seed; none where it has none."""
    names = values.index.get_level_values("data").str.startswith(data)
    return values[names].to_numpy(float)


def difference(first: pd.Series, second: pd.Series) -> np.ndarray:
    """One number a seed: the first minus the second, the mean over data sets."""
    apart = (first - second).dropna()
    return apart.groupby(level=SEEDS).mean().to_numpy(float)


def over_data(values: pd.Series) -> np.ndarray:
    """One number a seed, the mean over data sets."""
    return values.groupby(level=SEEDS).mean().to_numpy(float)


def between_data(values: pd.Series, first: str, second: str) -> np.ndarray:
    """By seed, the number of one data set minus that of another."""
    wide = values.unstack("data") if len(values) else pd.DataFrame()
    columns = [
        [name for name in wide.columns if name.startswith(data)]
        for data in (first, second)
    ]
    if not all(columns):
        return np.array([])
    return (wide[columns[0][0]] - wide[columns[1][0]]).dropna().to_numpy(float)


def kolmogorov_smirnov(rows: pd.DataFrame, measure: str) -> pd.Series:
    """p-value of adaptive against other optimisers, plain, by data set and seed."""
    rows = rows[rows["converged"] & ~rows["sam"]]

    def p(part: pd.DataFrame) -> float:
        groups = [part[part["adaptive"] == which][measure] for which in (True, False)]
        if min(map(len, groups)) < WIDE:
            return np.nan
        return float(stats.ks_2samp(*groups).pvalue)

    return _by(rows, ["data", *SEEDS], p)


def separable(rows: pd.DataFrame) -> pd.Series:
    """Share of runs on their side of the best line between SAM and plain runs.

    The line is that of logistic regression in the gap and the logarithm of minimum
    sharpness, by data set and seed.
    """
    rows = rows[rows["converged"] & (rows[SHARP] > 0)]

    def right(part: pd.DataFrame) -> float:
        if part["sam"].value_counts().reindex([True, False], fill_value=0).min() < WIDE:
            return np.nan
        x = np.column_stack([np.log(part[SHARP]), part["gap"]])
        line = make_pipeline(StandardScaler(), LogisticRegression(C=1e4))
        return float(line.fit(x, part["sam"]).score(x, part["sam"]))

    return _by(rows, ["data", *SEEDS], right)


def best(rows: pd.DataFrame) -> pd.Series:
    """Share of networks of which SAM with PHB is the most accurate, by seed."""
    rows = rows[rows["converged"]]

    def share(part: pd.DataFrame) -> float:
        wins = []
        for _, cell in part.groupby(["data", "net"]):
            if len(cell) >= WIDE:
                top = cell.nlargest(1, "test_accuracy")
                wins.append(float((top["sam"] & (top["optimiser"] == "phb")).all()))
        return float(np.mean(wins)) if wins else np.nan

    return _by(rows, SEEDS, share)


def orders(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean test accuracy without SAM, by data set and seed (rows) and optimiser."""
    rows = rows[rows["converged"] & ~rows["sam"]]
    return rows.pivot_table("test_accuracy", ["data", *SEEDS], "optimiser")


def same_order(rows: pd.DataFrame) -> np.ndarray:
    """Kendall's tau of the optimisers' orders on the two data sets, by seed."""
    table, found = orders(rows).dropna(), []
    for _, part in table.groupby(level=SEEDS):
        if len(part) == 2:
            found.append(stats.kendalltau(*part.to_numpy()).statistic)
    return np.array([tau for tau in found if np.isfinite(tau)])


def reported_order(rows: pd.DataFrame) -> pd.Series:
    """Kendall's tau of the order with the report's, by data set and seed.

    The report sorts by the mean and does not say which end is the better one. It is
    taken as from the least accurate up.
    """
    table = orders(rows)
    if table.empty or set(REPORTED_ORDER) - set(table.columns):
        return pd.Series(dtype=float, index=_no_index(["data", *SEEDS]))
    places = np.arange(len(REPORTED_ORDER))
    full = table[list(REPORTED_ORDER)].dropna()
    return full.apply(lambda row: stats.kendalltau(row, places).statistic, axis=1)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a data set, network and optimiser: means over seeds, plain and under SAM.

    Args:
        rows: from `ends`; those that did not converge count under `arrived` alone.

    Returns:
        arrived, as "9/10"; epochs, accuracy, gap and sharpness; each twice.
    """
    cell = ["data", "net", "optimiser"]
    found: dict[str, pd.Series] = {}
    for sam, words in ((False, ""), (True, "SAM ")):
        part = rows[rows["sam"] == sam]
        all_runs = part.groupby(cell, sort=False)["converged"]
        there = part[part["converged"]].groupby(cell, sort=False)
        counts = all_runs.sum().astype(int).astype(str)
        found[f"{words}arrived"] = counts + "/" + all_runs.size().astype(str)
        for name, column, digits in (
            *(("epochs", "epoch", 1), ("accuracy", "test_accuracy", 3)),
            *(("gap", "gap", 3), ("sharpness", SHARP, 1)),
        ):
            found[f"{words}{name}"] = there[column].mean().round(digits)
    table = pd.concat(found, axis=1).reset_index()
    order = [*DATA, *NETS, *OPTIMISERS]  # all other names come after these
    table = table.sort_values(
        cell,
        key=lambda names: names.map(
            lambda name: order.index(name) if name in order else len(order)
        ),
        ignore_index=True,
        kind="stable",
    )
    return table.assign(optimiser=table["optimiser"].map(NAMES))


def _by(
    rows: pd.DataFrame, key: list[str], number: Callable[[pd.DataFrame], Any]
) -> pd.Series:
    """A number of every group that has one."""
    found = {name: number(part) for name, part in rows.groupby(key)}
    if not found:
        return pd.Series(dtype=float, index=_no_index(key))
    series = pd.Series(found, dtype=float)
    series.index = pd.MultiIndex.from_tuples(series.index, names=key)
    return series.dropna()


def _no_index(key: list[str]) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([[] for _ in key], names=key)


def live_summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds of the live runs, a row a rule."""
    parts = rows.groupby(["rule", "norm"], sort=False)
    table = parts.agg(
        runs=("converged", "size"),
        converged=("converged", "sum"),
        epochs=("epoch", "mean"),
        accuracy=("test_accuracy", "mean"),
        gap=("gap", "mean"),
        minimum_sharpness=(SHARP, "mean"),
    )
    table = table.reset_index().round({"epochs": 1, "accuracy": 3, "gap": 3, SHARP: 1})
    return table.rename(columns={SHARP: "minimum sharpness"})


def live_rules(
    rows: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """PHB, SAM + PHB and PHB without batch norm, with `log_sharpness` and `balance`.

    The balance of layers is minimum sharpness over the trace: 1 where no rescaling of
    them lowers it.

    A run that missed the target is compared by nothing: its measures are NaN.
    """
    arrived = rows["converged"]
    sharp = rows[SHARP].where(arrived & (rows[SHARP] > 0))
    rows = rows.assign(
        log_sharpness=np.log(sharp),
        balance=sharp / rows["folded_trace"],
        test_accuracy=rows["test_accuracy"].where(arrived),
    )
    bare = rows["norm"] == "none"
    return (
        rows[~bare & ~rows["sam"]],
        rows[~bare & rows["sam"]],
        rows[bare],
    )


def missed(rows: pd.DataFrame) -> np.ndarray:
    """1 for every seed that did not reach the target, else 0."""
    return (~rows["converged"]).to_numpy(float)


def as_runs(values: pd.Series, rows: pd.DataFrame, scale: str) -> pd.DataFrame:
    """One number a seed as a table of runs, as `decide.equals` takes it.

    Args:
        values: by data set and seed; the mean over data sets counts.
        rows: whose seeds have NaN where there are no values at all.
        scale: for the scorecard.
    """
    each = values.groupby(level=SEEDS).mean()
    if each.empty:
        seeds = pd.MultiIndex.from_frame(rows[SEEDS].drop_duplicates())
        each = pd.Series(np.nan, index=seeds)
    table = each.rename("tau").rename_axis(SEEDS).reset_index()
    return table.assign(last=True, diverged=False, scale=scale)
