"""Tables that several chapters show."""

import pandas as pd

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
