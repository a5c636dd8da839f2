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


def final_table(table: pd.DataFrame) -> pd.DataFrame:
    """Medians over seeds at the end of training, one row a rule.

    Args:
        table: of one architecture, from `sweep`.

    Returns:
        The columns of `COLUMNS`; `interpolate` counts the seeds whose training
        loss is small enough for a retraction, over which trace / bound and the
        distance moved are taken.
    """
    last = table[table["last"]].assign(
        ratio=table["retracted_trace"] / table["bound"],
        interpolates=table["retracted_trace"].notna(),
    )
    by_rule = last.groupby("rule", sort=False)
    medians = by_rule[list(COLUMNS)].median().rename(columns=COLUMNS)
    counts = by_rule["interpolates"].sum().astype(str) + " of "
    counts += by_rule["interpolates"].size().astype(str)
    medians.insert(2, "interpolate", counts)
    return medians.round(4)
