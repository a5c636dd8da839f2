"""What the runs from many starts say, in tables and in numbers of one seed each."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from flatminima.claims.report import Verdict, seeds_that_generalise
from flatminima.plots.style import ARCHITECTURES
from flatminima.statistics.intervals import mean_interval
from flatminima.sweeps.table import SEEDS, per_seed

SYMBOLS = {"holds": "✓", "partly": "≈", "fails": "✗", "undecided": "?"}


def beyond_half_the_gap(
    first: pd.DataFrame, changed: pd.DataFrame, second: pd.DataFrame
) -> Float[np.ndarray, " seeds"]:
    """What one change does to the accuracy, minus half of the gap between scenarios.

    Two things differ between the scenarios, the start and the architecture. What a
    change brings depends on whether the other was made before. So the two parts need
    not add up to the gap, and each may exceed its half.

    Args:
        first: rows of one setting, the first scenario.
        changed: the same after one of the two changes.
        second: the second scenario, after both.

    Returns:
        One number for each seed that all three have; one of which a run diverged has
        none.
    """
    before, between, after = (
        per_seed(rows, "test_accuracy") for rows in (first, changed, second)
    )
    return ((between - before) - (after - before) / 2).dropna().to_numpy()


def falls_with_start(table: pd.DataFrame, metric: str) -> Float[np.ndarray, " seeds"]:
    """Minus Kendall's tau between the scale of the start and a metric, for each seed.

    Args:
        table: of one setting, from `runs.Started.table`.
        metric: column, taken at the end.

    Returns:
        One number for each seed that has two values at least. Diverged runs are left
        out.
    """
    ends = table[table["last"] & ~table["diverged"]].dropna(subset=[metric])
    taus = [
        -stats.kendalltau(rows["start"], rows[metric]).statistic
        for _, rows in ends.groupby(SEEDS)
        if len(rows) > 1
    ]
    return np.array([tau for tau in taus if np.isfinite(tau)])


def summary(
    columns: Mapping[str, Mapping[str, Verdict]],
) -> pd.DataFrame:
    """The last column of the source's summary table, from several starts.

    Args:
        columns: by the start, by architecture, the verdict on "1-SAM generalises"
            or on "1-SAM fails to generalise", which is turned around.

    Returns:
        Rows of architectures. A cell has the mark, the accuracy and its interval, or on
        how many seeds it generalises where their share decides.
    """
    cells = {
        start: {
            ARCHITECTURES[name][0]: _cell(verdict) for name, verdict in given.items()
        }
        for start, given in columns.items()
    }
    return pd.DataFrame(cells)


def _cell(verdict: Verdict) -> str:
    word: str = verdict.verdict
    if "fails to" in verdict.statement:
        word = {"holds": "fails", "fails": "holds"}.get(word, word)
    if verdict.effect is None or verdict.low is None or verdict.high is None:
        return SYMBOLS[word]
    if by_share := seeds_that_generalise(verdict):
        return f"{SYMBOLS[word]} right on {by_share[0]} of {by_share[1]} seeds"
    ends = f"{verdict.effect:.3f} [{verdict.low:.3f}, {verdict.high:.3f}]"
    return f"{SYMBOLS[word]} {ends}"


def ends(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Where the runs of several settings end, a row a setting and start.

    Args:
        tables: by name, from `runs.Started.table`.

    Returns:
        Accuracy with its interval over seeds, medians of trace over bound after
        retraction, of training loss and of how far weights and kernel moved, seeds,
        and updates.
    """
    rows = []
    for name, table in tables.items():
        for scale, part in table.groupby("start"):
            last = part[part["last"]]
            mean, low, high = mean_interval(part, "test_accuracy")
            alive = last[~last["diverged"]]
            ratio = (alive["retracted_trace"] / alive["bound"]).dropna()
            rows.append(
                {
                    "setting": name,
                    "start ×": scale,
                    "accuracy": mean,
                    "low": low,
                    "high": high,
                    "trace / bound": ratio.median() if len(ratio) else np.nan,
                    "loss": _median(alive["train_loss"]),
                    "weights moved": _median(alive["weights_moved"]),
                    "kernel moved": _median(alive["kernel_moved"]),
                    "seeds": len(last),
                    "diverged": int(last["diverged"].sum()),
                    "updates": int(last["num_steps"].max()),
                }
            )
    return pd.DataFrame(rows).set_index(["setting", "start ×"])


def _median(values: pd.Series) -> float:
    known = values.dropna()
    return float(known.median()) if len(known) else np.nan
