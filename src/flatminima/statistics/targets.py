"""How far outputs are from their targets, in units of the targets.

The targets of the squared loss on xor are +-1, those of the smoothed logistic loss
+-log((1 - s) / s), and those of other data what they are. A limit on the distance means
the same for all only if it is held against their size. Outputs of 0 are at distance 1.
"""

from functools import lru_cache

import numpy as np
import pandas as pd

from flatminima.data.load import train_and_test
from flatminima.models.losses import Logistic, Squared
from flatminima.sweeps.table import per_seed


def relative_error(table: pd.DataFrame, diverged: float = np.nan) -> pd.Series:
    """Mean squared distance of the outputs to their targets over that of outputs of 0.

    Args:
        table: rows of one setting from `sweep`.
        diverged: value of the seeds that met NaN or inf.

    Returns:
        At the last checkpoint, indexed by (data_seed, init_seed).
    """
    error = per_seed(table, "output_error", diverged=diverged)
    last = table[table["last"]]
    sizes = [
        mean_square(
            str(row.get("loss", "squared")),
            float(row.get("label_smoothing", 0.0)),
            str(row.get("data", "xor")),
            int(row["n"]),
            int(row["d"]),
            int(row["data_seed"]),
        )
        for _, row in last.iterrows()
    ]
    return error / np.array(sizes)


@lru_cache(maxsize=512)
def mean_square(
    loss: str, smoothing: float, data: str, n: int, d: int, seed: int
) -> float:
    """The mean square of the targets of a training set.

    Args:
        loss: "squared" or "logistic".
        smoothing: of the labels, for the logistic loss.
        data, n, d, seed: of the training set.
    """
    formula = Logistic(smoothing) if loss == "logistic" else Squared()
    # those of xor are +-1, flipped or not
    ball = data == "ball"
    labels = train_and_test("ball", n, d, seed)[0].y if ball else np.ones(1)
    return float(np.mean(formula.target(labels) ** 2))
