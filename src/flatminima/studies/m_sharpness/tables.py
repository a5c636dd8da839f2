"""What the committed runs say, one number a seed."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from flatminima.runs.images.config import ImageConfig
from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.m_sharpness.runs import FRESH, Radii
from flatminima.sweeps.table import SEEDS, per_seed

IGNORED = {*SEEDS, "device", "precision"}
"""Fields in which rows of one setting may differ."""

LEAST = 3
"""Values of m below which a seed has no rank correlation."""

MARGIN = 0.005
"""Accuracy up to which an improvement is none."""


def joined(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All committed runs in one table; empty if there are none."""
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def of_scale(rows: pd.DataFrame, base: ImageConfig) -> pd.DataFrame:
    """Those of committed runs whose networks and images have the size of a config's."""
    if rows.empty:
        return rows
    return rows[(rows["width"] == base.width) & (rows["size"] == base.size)]


def said(rows: pd.DataFrame) -> str:
    """The scale of committed runs, with the seeds that decide, for the scorecard."""
    if rows.empty:
        return "no committed run"
    seeds = rows.loc[rows["data_seed"] >= FRESH, "data_seed"]
    scales = rows["scale"].value_counts()
    return f"{scales.index[0]}, seeds {seeds.min()} to {seeds.max()}"


def of(rows: pd.DataFrame, config: ImageConfig) -> pd.DataFrame:
    """The rows of one setting, all its seeds, whatever the device.

    Args:
        rows: of committed runs.
        config: whose seeds do not matter.
    """
    if rows.empty:
        return rows
    chosen = pd.Series(True, index=rows.index)
    for name, value in config.model_dump(exclude=IGNORED).items():
        same = rows[name].isna() if value is None else rows[name] == value
        chosen &= same
    return rows[chosen]


def accuracy(
    rows: pd.DataFrame, config: ImageConfig, *, at_loss: bool = False
) -> pd.Series:
    """Test accuracy of every seed of a setting, indexed by seeds.

    Args:
        rows: of committed runs.
        config: the setting.
        at_loss: where the training loss was that of the config's target, and not at
            the end. A seed that missed it has none; one that diverged has 0 at its
            end.
    """
    found = of(rows, config)
    if found.empty:
        nothing = pd.MultiIndex.from_arrays([[], []], names=SEEDS)
        return pd.Series(dtype=float, index=nothing)
    if at_loss:
        return found[found["at_target"] == 1].set_index(SEEDS)["test_accuracy"]
    return per_seed(found, "test_accuracy", diverged=0.0)


def fresh(values: pd.Series) -> pd.Series:
    """Those of seeds on which no radius was tuned."""
    return values[values.index.get_level_values("data_seed") >= FRESH]


def tuned(values: pd.Series) -> pd.Series:
    """Those of the seeds by which radii are chosen."""
    return values[values.index.get_level_values("data_seed") < FRESH]


def chosen(rows: pd.DataFrame, radii: Radii) -> float | None:
    """The radius with the best accuracy, the mean over the tuning seeds.

    A radius without any run is not among those that were tried.

    Returns:
        None where no tuning seed has a run at every other radius.
    """
    found = pd.DataFrame({rho: accuracy(rows, c) for rho, c in radii.items()})
    below = found.index.get_level_values("data_seed") < FRESH
    tuning = found[below].dropna(axis=1, how="all").dropna()
    if tuning.empty:
        return None
    return float(tuning.columns[int(tuning.mean().to_numpy().argmax())])


def own(rows: pd.DataFrame, radii: Radii, *, at_loss: bool = False) -> pd.Series:
    """Accuracy of fresh seeds at the radius that was chosen; empty without one."""
    best = chosen(rows, radii)
    if best is None:
        return fresh(accuracy(rows.iloc[:0], next(iter(radii.values()))))
    return fresh(accuracy(rows, radii[best], at_loss=at_loss))


def at_radius(
    rows: pd.DataFrame, ladder: Mapping[int, Radii], rho: float
) -> dict[int, pd.Series]:
    """Accuracy of fresh seeds at one radius, by m; of those that have it."""
    return along(rows, ladder, {m: rho for m, radii in ladder.items() if rho in radii})


def along(
    rows: pd.DataFrame, ladder: Mapping[int, Radii], line: Mapping[int, float]
) -> dict[int, pd.Series]:
    """Accuracy of fresh seeds by m, each at the radius that a line has for it."""
    return {m: fresh(accuracy(rows, ladder[m][rho])) for m, rho in line.items()}


def gain(first: pd.Series, second: pd.Series) -> Float[np.ndarray, " seeds"]:
    """First minus second, of the seeds that both have."""
    return (first - second).dropna().to_numpy(float)


def no_better(
    simple: pd.Series, others: Sequence[pd.Series]
) -> Float[np.ndarray, " seeds"]:
    """By how much the best of others stays below a gain of `MARGIN` on the simple way.

    Args:
        simple: accuracy by seed.
        others: of other ways; the best on average counts.
    """
    there = [each for each in others if len(each)]
    if not there:
        return np.array([])
    best = max(there, key=lambda each: each.mean())
    return gain(simple, best) + MARGIN


def taus(columns: Mapping[int, pd.Series]) -> Float[np.ndarray, " seeds"]:
    """Kendall's tau of accuracy and 1 / m, by seed.

    Args:
        columns: accuracy by m. A seed with fewer than `LEAST` of them has none.
    """
    table = pd.DataFrame(dict(columns))
    found = []
    for _, row in table.iterrows():
        row = row.dropna()
        if len(row) >= LEAST:
            found.append(stats.kendalltau(-row.index.to_numpy(), row).statistic)
    values = np.array(found, dtype=float)
    return values[np.isfinite(values)]


def as_runs(values: pd.Series, scale: str) -> pd.DataFrame:
    """One accuracy a seed as a table of runs, as `decide.equals` takes it.

    Args:
        values: by seeds; where there are none, one seed has NaN.
        scale: for the scorecard.
    """
    if values.empty:
        index = pd.MultiIndex.from_tuples([(FRESH, FRESH)], names=SEEDS)
        values = pd.Series(np.nan, index=index)
    table = values.rename("test_accuracy").rename_axis(SEEDS).reset_index()
    return table.assign(last=True, diverged=False, scale=scale, test_points=1)


def rungs(
    rows: pd.DataFrame, settings: Mapping[object, Radii], name: str
) -> pd.DataFrame:
    """A row a setting: the radius that was chosen, and means over fresh seeds.

    Args:
        rows: of committed runs.
        settings: by what names the row.
        name: of that.

    Returns:
        With whether the radius is at an edge, the least or largest of those that were
        tried, so that a better one may lie beyond; and the share of seeds that met
        the target loss on the way.
    """
    lines = []
    for label, radii in settings.items():
        best = chosen(rows, radii)
        values = own(rows, radii)
        if best is None or values.empty:
            continue
        ends = of(rows, radii[best])
        ends = ends[ends["last"] & (ends["data_seed"] >= FRESH)]
        low, high = of_mean(values.to_numpy(float), thresholds())
        lines.append(
            {
                name: label,
                "radius": best,
                "at an edge": "yes" if best in (min(radii), max(radii)) else "no",
                "seeds": len(values),
                "accuracy": values.mean(),
                "low": low,
                "high": high,
                "training loss": ends["train_loss"].mean(),
                "test loss": ends["test_loss"].mean(),
                "share at the target": ends["reached"].mean(),
            }
        )
    table = pd.DataFrame(lines).round(4)
    return table.set_index(name) if lines else table


def live_summary(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Means over seeds of the live runs, a row a rule.

    Args:
        tables: from `sweep`, by the name of the rule.
    """
    names = {"plain": "without SAM", "batch": "SAM", "micro": "SAM, micro-batches"}
    columns = ["train_loss", "test_loss", "test_accuracy"]
    lines = []
    for key, table in tables.items():
        ends = table[table["last"]]
        means = ends[~ends["diverged"]][columns].mean()
        counts = {"runs": len(ends), "diverged": int(ends["diverged"].sum())}
        lines.append({"rule": names[key], **counts, **means})
    shown = ["training loss", "test loss", "test accuracy"]
    table = pd.DataFrame(lines).rename(columns=dict(zip(columns, shown, strict=True)))
    return table.set_index("rule").round(3)
