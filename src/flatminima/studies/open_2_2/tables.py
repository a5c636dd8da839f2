"""The largest learning rate within a tolerance, and its powers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from flatminima.claims.register import load
from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.open_2_2.runs import BASE, FULL, MODELS, Setting


def largest(rows: pd.DataFrame, tolerance: float, *, column: str = "distance") -> float:
    """The lr at which a distance crosses a tolerance, log-log between grid points.

    Args:
        rows: of one setting and seed.
        tolerance: above 0.
        column: which distance.

    Returns:
        NaN where it does not cross inside the grid: there the grid, not the run, would
        decide.
    """
    ordered = rows.sort_values("lr")
    lr, value = np.log(ordered["lr"]), np.log(ordered[column].clip(lower=1e-300))
    above = np.flatnonzero(value.to_numpy() > np.log(tolerance))
    if not len(above) or above[0] == 0:
        return np.nan
    k = above[0]
    low, high = value.iloc[k - 1], value.iloc[k]
    share = (np.log(tolerance) - low) / (high - low)
    return float(np.exp(lr.iloc[k - 1] + share * (lr.iloc[k] - lr.iloc[k - 1])))


def limits(table: pd.DataFrame, tolerance: float) -> pd.DataFrame:
    """One row a setting and seed: the largest lr, measured and from the clock alone.

    Returns:
        largest, predicted (NaN where the grid has no crossing), power (slope of log
        distance on log lr), and what the instance is.
    """
    columns = [
        *(
            "setting",
            "seed",
            "trace",
            "sharpness",
            "curvature",
            "size",
            "noise",
            "reach",
        )
    ]
    if table.empty:
        return pd.DataFrame(columns=[*columns, "largest", "predicted", "power"])
    rows = []
    for (name, seed), each in table.groupby(["setting", "seed"], sort=False):
        row = {"setting": name, "seed": seed} | each.iloc[0][columns[2:]].to_dict()
        row["largest"] = largest(each, tolerance)
        row["predicted"] = largest(each, tolerance, column="predicted")
        row["power"] = slope(each["lr"], each["distance"])
        rows.append(row)
    return pd.DataFrame(rows)


def slope(x: pd.Series, y: pd.Series) -> float:
    """Least-squares slope of log y on log x; NaN with fewer than two values of x."""
    known = np.isfinite(x) & np.isfinite(y) & (x > 0) & (y > 0)
    logs = np.log(x[known].to_numpy(float)), np.log(y[known].to_numpy(float))
    if len(logs[0]) < 2 or np.ptp(logs[0]) == 0:
        return np.nan
    return float(np.polyfit(*logs, 1)[0])


def powers(found: pd.DataFrame, sweep: Sequence[Setting], along: str) -> pd.Series:
    """Power of the largest lr in what a sweep varies, by seed; NaN where one lacks.

    Args:
        found: from `limits`.
        sweep: its settings.
        along: column of what it varies.
    """
    names = [each.name for each in sweep]
    rows = found[found["setting"].isin(names)]
    return pd.Series(
        {
            seed: slope(each[along], each["largest"])
            if each["largest"].notna().all() and len(each) == len(names)
            else np.nan
            for seed, each in rows.groupby("seed")
        },
        dtype=float,
    ).rename_axis("seed")


def by_seed(rows: pd.DataFrame, column: str, setting: str) -> pd.Series:
    """A column of one setting, by seed."""
    chosen = rows[rows["setting"] == setting]
    return chosen.set_index("seed")[column].astype(float)


def products(found: pd.DataFrame, setting: str, unit: str = "trace") -> pd.Series:
    """log10 of the largest lr times a curvature, by seed."""
    chosen = by_seed(found, "largest", setting) * by_seed(found, unit, setting)
    return chosen.map(np.log10)


def decades(found: pd.DataFrame, column: str) -> pd.Series:
    """log10 of a column of the base, by seed."""
    return by_seed(found, column, BASE).map(np.log10)


def metric_of(claim: str) -> str:
    """The column that the rule of a claim reads."""
    return load()[1][claim].rule.metric


def number(found: pd.DataFrame) -> pd.Series:
    """The largest lr of the base times its trace, by seed."""
    return by_seed(found, "largest", BASE) * by_seed(found, "trace", BASE)


def gains(table: pd.DataFrame, column: str, rate: float) -> pd.Series:
    """log2 of the distance over another one at one rate: the least of the models.

    Args:
        table: from `runs.table`.
        column: the other distance; for "sharp" that of all examples.
        rate: lr times reach.
    """
    rows = table[np.isclose(table["rate"], rate)]
    names = (FULL,) if column == "sharp" else MODELS
    each = {
        name: np.log2(by_seed(rows, "distance", name) / by_seed(rows, column, name))
        for name in names
    }
    return pd.DataFrame(each).min(axis=1, skipna=False).dropna()


def least_power(found: pd.DataFrame) -> pd.Series:
    """Power of the distance in lr: the least of the three models, by seed."""
    each = {name: by_seed(found, "power", name) for name in MODELS}
    return pd.DataFrame(each).min(axis=1, skipna=False).dropna()


def mean_power(found: pd.DataFrame) -> pd.Series:
    """Power of the distance in lr: the mean of the three models, by seed."""
    each = {name: by_seed(found, "power", name) for name in MODELS}
    return pd.DataFrame(each).mean(axis=1, skipna=False).dropna()


def room(found: pd.DataFrame) -> pd.Series:
    """log10 of 2 / lambda_max over the largest lr of the base, by seed."""
    largest_lr = by_seed(found, "largest", BASE)
    return (2 / by_seed(found, "sharpness", BASE) / largest_lr).map(np.log10).dropna()


def fits(
    found: pd.DataFrame, sweeps: dict[str, list[Setting]], along: dict[str, str]
) -> pd.DataFrame:
    """Power of the largest lr in what each sweep varies, with its interval.

    Args:
        found: from `limits`.
        sweeps: from `runs.settings`.
        along: column that each sweep varies.
    """
    rows = {}
    for name, column in along.items():
        values = powers(found, sweeps[name], column).dropna()
        low, high = of_mean(values.to_numpy(), thresholds())
        rows[name] = {
            "power": values.mean(),
            "low": low,
            "high": high,
            "seeds": len(values),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
