"""What flows and training came to, side by side."""

from collections.abc import Mapping, Sequence

import pandas as pd

from flatminima.runs.flow.run import REASONS
from flatminima.statistics.intervals import mean_interval
from flatminima.sweeps.table import SEEDS, median, per_seed

SHARES = {
    "rising_share": "rising",
    "jump_share": "by jumps",
    "accepted_rising_share": "rising, accepted",
}
"""Columns with shares of proposals or updates, by the name in `ends`."""


LOST = "start diverged"
"""Of a flow whose training diverged or did not come near interpolation."""


def ends(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row a contender, at the end of its runs.

    Args:
        tables: from `contest.contest`.

    Returns:
        seeds; trace / bound (median); test accuracy with low and high (mean and
        interval over seeds, as claims take them; a diverged run counts as 0); rising
        (median share of proposed steps, or of updates, that raise the true trace), by
        jumps, and rising among the accepted ones.
    """
    rows = {}
    for name, table in tables.items():
        accuracy = per_seed(table, "test_accuracy", diverged=0.0)
        mean, low, high = mean_interval(table, "test_accuracy")
        ratio = per_seed(table, "retracted_trace") / per_seed(table, "bound")
        rows[name] = {
            "seeds": len(accuracy),
            "trace / bound": median(ratio),
            "test accuracy": mean,
            "low": low,
            "high": high,
        }
        for column, title in SHARES.items():
            if column in table:
                rows[name][title] = median(per_seed(table, column))
    return pd.DataFrame.from_dict(rows, orient="index")


def along(tables: Mapping[str, pd.DataFrame], steps: Sequence[int]) -> pd.DataFrame:
    """How far flows have come after some iterations.

    Args:
        tables: of flows, from `contest.contest`.
        steps: iterations at which the accuracy was measured. A flow that stopped
            before stays where it ended.

    Returns:
        A row for each flow and number of iterations: the median over seeds of trace
        over bound, and the mean test accuracy with the least of any seed.
    """
    rows = []
    for name, table in tables.items():
        measured = table[~table["diverged"]].dropna(subset=["test_accuracy"])
        for step in steps:
            here = measured[measured["step"] <= step].groupby(SEEDS).last()
            rows.append(
                {
                    "flow": name,
                    "iterations": step,
                    "trace / bound": (here["retracted_trace"] / here["bound"]).median(),
                    "test accuracy": here["test_accuracy"].mean(),
                    "least of a seed": here["test_accuracy"].min(),
                }
            )
    return pd.DataFrame(rows).set_index(["flow", "iterations"])


def reasons(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """How many flows stopped for which reason, and after how many iterations.

    Args:
        tables: from `contest.contest`; those without a `reason` are left out.
    """
    rows = {}
    for name, table in tables.items():
        if "reason" not in table:
            continue
        last = table[table["last"]]
        flows = last[~last["diverged"]]
        counts = flows["reason"].map(lambda number: REASONS[int(number)]).value_counts()
        rows[name] = {
            "median iterations": flows["step"].median(),
            **counts,
            LOST: int(last["diverged"].sum()),
        }
    found = pd.DataFrame.from_dict(rows, orient="index")
    found = found.reindex(columns=["median iterations", *REASONS, LOST]).fillna(0)
    return found.loc[:, (found != 0).any()].astype(int)
