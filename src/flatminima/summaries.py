"""Tables that several chapters show."""

from collections.abc import Mapping

import pandas as pd

from flatminima import claims

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


def at_step(table: pd.DataFrame, step: int) -> pd.DataFrame:
    """The ends of runs, had they all stopped at one of their checkpoints.

    A run that diverged before it keeps its last row and stays diverged.

    Args:
        table: from `sweep`.
        step: a step at which every run that got so far was measured.
    """
    reached = table[table["step"] == step].assign(last=True, diverged=False)
    lost = table[table["last"] & table["diverged"] & (table["step"] < step)]
    return pd.concat([reached, lost], ignore_index=True)


def rule_table(table: pd.DataFrame, step: int | None = None) -> pd.DataFrame:
    """Medians over seeds, one row a rule.

    Args:
        table: of one architecture, from `sweep`.
        step: compare after this many updates; by default at the end of each run.

    Returns:
        Those of `COLUMNS` that were measured there; `interpolate` counts the seeds
        whose training loss is small enough for a retraction, over which trace /
        bound and the distance moved are taken.

    Raises:
        ValueError: if nothing was measured at that step, unless every run
            diverged: the table is then empty.
    """
    rows = table[table["last"] if step is None else table["step"] == step]
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
    medians.insert(2, "interpolate", counts)
    return medians.rename(columns=COLUMNS).rename_axis(None).round(4)


def intervals(table: pd.DataFrame, metrics: Mapping[str, str]) -> pd.DataFrame:
    """Means over seeds at the last checkpoint, with their intervals.

    Args:
        table: rows of one setting from `sweep`.
        metrics: what to call each column of the table.

    Returns:
        A row a metric: mean, low, high and the number of seeds; see
        `claims.mean_interval`.
    """
    rows = [
        (*claims.mean_interval(table, metric), int(table["last"].sum()))
        for metric in metrics
    ]
    columns = ["mean", "low", "high", "seeds"]
    return pd.DataFrame(rows, list(metrics.values()), columns)


def change_since(table: pd.DataFrame, step: int, metric: str) -> pd.DataFrame:
    """A metric at the end of every run minus the same run's at an earlier step.

    Args:
        table: rows of one setting from `sweep`.
        step: a step at which every run was measured.
        metric: column. A diverged run counts as 0 at its end.

    Returns:
        The last rows of the runs, with the columns `earlier` and `change`.

    Raises:
        ValueError: if nothing was measured at that step.
    """
    early = at_step(table, step)
    if early.empty:
        raise ValueError(f"step = {step}: nothing was measured there")
    last = table[table["last"]]
    seeds = pd.MultiIndex.from_frame(last[["data_seed", "init_seed"]])
    earlier = claims.per_seed(early, metric, 0.0).reindex(seeds).to_numpy()
    end = claims.per_seed(table, metric, 0.0).reindex(seeds).to_numpy()
    return last.assign(earlier=earlier, change=end - earlier)
