"""Tables that several chapters show."""

from collections.abc import Mapping

import pandas as pd

from flatminima.statistics.intervals import mean_interval

COLUMNS = {
    "test_accuracy": "test accuracy",
    "train_loss": "training loss",
    "ratio": "trace / bound",
    "retracted_distance": "distance moved",
    "first_layer_norm": "first-layer norm",
    "second_layer_norm": "second-layer norm",
    "lambda_max": "λ max",
    "single_active": "one-hot share",
}


def rule_table(table: pd.DataFrame, step: int | None = None) -> pd.DataFrame:
    """Medians over seeds, one row a rule.

    Args:
        table: of one architecture, from `sweep`.
        step: compare after this many updates; by default at the end of each run.

    Returns:
        Those of `COLUMNS` that were measured there; `interpolate` counts the seeds
        whose training loss is small enough for a retraction, over which trace /
        bound and the distance moved are taken. Runs that diverged before are no part
        of a median; where there are some, `diverged` counts them.

    Raises:
        ValueError: if nothing was measured at that step, unless every run diverged.
    """
    ends = table[table["last"]]
    lost = (
        ends["diverged"] if step is None else ends["diverged"] & (ends["step"] < step)
    )
    rows = ends[~lost] if step is None else table[table["step"] == step]
    if rows.empty and not table["diverged"].all():
        raise ValueError(f"step = {step}: nothing was measured there")
    rows = rows.assign(
        ratio=rows["retracted_trace"] / rows["bound"],
        interpolates=rows["retracted_trace"].notna(),
    )
    by_rule = rows.groupby("rule", sort=False)
    medians = by_rule[list(COLUMNS)].median()
    medians = medians.loc[:, medians.notna().any() | medians.empty]
    counts = by_rule["interpolates"].sum().astype(str) + " of "
    counts += by_rule["interpolates"].size().astype(str)
    medians.insert(min(2, medians.shape[1]), "interpolate", counts)
    if lost.any():
        of_rule = lost.groupby(ends["rule"], sort=False)
        gone = of_rule.sum().astype(str) + " of " + of_rule.size().astype(str)
        medians = medians.reindex(gone.index)
        medians.insert(0, "diverged", gone)
    return medians.rename(columns=COLUMNS).rename_axis(None).round(4)


def intervals(table: pd.DataFrame, metrics: Mapping[str, str]) -> pd.DataFrame:
    """Means over seeds at the last checkpoint, with their intervals.

    Args:
        table: rows of one setting from `sweep`.
        metrics: what to call each column of the table.

    Returns:
        A row a metric: mean, low, high and the number of seeds; see
        `intervals.mean_interval`.
    """
    rows = [
        (*mean_interval(table, metric), int(table["last"].sum())) for metric in metrics
    ]
    columns = ["mean", "low", "high", "seeds"]
    return pd.DataFrame(rows, list(metrics.values()), columns)
