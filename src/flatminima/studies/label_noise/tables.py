"""Measured numbers as the tables that claims take."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.studies.label_noise.recovery import BATCH, DESCENT, LABEL_NOISE
from flatminima.sweeps.table import per_seed


def known(values: pd.Series) -> Float[np.ndarray, " seeds"]:
    """Without the seeds that have no value."""
    return values.dropna().to_numpy(float)


def reduction_shares(
    tables: dict[str, pd.DataFrame],
) -> Float[np.ndarray, " seeds"]:
    """Share of label noise's reduction of the trace that mini-batches make as well.

    Both beyond what gradient descent makes; one number for each seed of which no run
    diverged.

    Args:
        tables: from `recovery.run`.
    """
    noise, batch, descent = (
        per_seed(tables[name], "trace") for name in (LABEL_NOISE, BATCH, DESCENT)
    )
    shares = (descent - batch) / (descent - noise)
    return known(shares.replace([np.inf, -np.inf], np.nan))


def final(table: pd.DataFrame, metric: str) -> Float[np.ndarray, " seeds"]:
    """A metric at the end of every seed; infinite for those that diverged."""
    return per_seed(table, metric, diverged=np.inf).to_numpy(float)


def ends(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Medians over seeds at the end, a row a rule."""
    rows = {}
    for name, table in tables.items():
        last = table[table["last"] & ~table["diverged"]]
        rows[name] = last[["num_steps", "loss", "trace", "l1", "error"]].median()
    return pd.DataFrame(rows).T
