"""What the walks found, in tables and in numbers of one seed each."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from flatminima.statistics.intervals import mean_interval
from flatminima.studies.open_2_1.exact import REACHED
from flatminima.sweeps.table import SEEDS, median, per_seed

MATCHED = 0.005
"""Relative difference of two traces up to which they are compared."""

ON_A_KINK = 1e-6
"""Margin of a pre-activation up to which a network is on a kink, up to rounding."""

LEAST = 1e-2
"""Gap to the pattern's own minimum up to which a network is there."""

GLOBAL, LOCAL, KINK, OTHER, NONE = (
    "global minimum",
    "local minimum",
    "on a kink",
    "neither",
    "no start",
)
FOUND = (GLOBAL, LOCAL, KINK, OTHER, NONE)
"""What a walk can have found."""


def found(table: pd.DataFrame) -> pd.Series:
    """What each run ended at, one of `FOUND`.

    "local minimum": above the bound by more than `REACHED`, off all kinks, and within
    `LEAST` of the certified minimum of its pattern. "no start": training did not come
    near f = y.

    Args:
        table: rows of runs of `CellConfig`.
    """
    last = table[table["last"]].set_index(SEEDS)
    ratio = last["retracted_trace"] / last["bound"]
    gap = last["retracted_trace"] / last["cell_bound"] - 1
    words = np.select(
        [
            last["diverged"] | ratio.isna(),
            ratio <= REACHED,
            last["margin"] <= ON_A_KINK,
            gap <= LEAST,
        ],
        [NONE, GLOBAL, KINK, LOCAL],
        OTHER,
    )
    return pd.Series(words, index=last.index)


def ratio(table: pd.DataFrame) -> pd.Series:
    """Trace over bound at the end, by seed; NaN without a start."""
    return per_seed(table, "retracted_trace") / per_seed(table, "bound")


def matched(
    table: pd.DataFrame, other: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of the seeds whose traces agree up to `MATCHED` at the end.

    Args:
        table, other: rows of one setting each.

    Returns:
        Both, without the other seeds. All of them if none agrees, with a value in no
        metric, so that nothing is decided.
    """
    apart = (ratio(table) / ratio(other) - 1).abs()
    kept = apart.index[apart <= MATCHED]

    def part(rows: pd.DataFrame) -> pd.DataFrame:
        same = rows[rows.set_index(SEEDS).index.isin(kept)]
        return same if len(kept) else rows.assign(test_accuracy=np.nan, breadth=np.nan)

    return part(table), part(other)


def number_matched(table: pd.DataFrame, other: pd.DataFrame) -> int:
    """Seeds that `matched` keeps."""
    apart = (ratio(table) / ratio(other) - 1).abs()
    return int((apart <= MATCHED).sum())


def short(table: pd.DataFrame) -> Float[np.ndarray, " seeds"]:
    """ln(trace / bound / `REACHED`), one a seed that started."""
    return np.log(ratio(table).dropna() / REACHED).to_numpy()


def indicator(words: pd.Series, wanted: str) -> Float[np.ndarray, " seeds"]:
    """Whether a run found it, minus a half, of those that stopped short."""
    stopped = words[~words.isin([GLOBAL, NONE])]
    return (stopped == wanted).to_numpy(dtype=float) - 0.5


def escapes(tables: Iterable[pd.DataFrame]) -> Float[np.ndarray, " runs"]:
    """Relative fall of the trace by one new unit, of all certified local minima."""
    falls = []
    for table in tables:
        words = found(table)
        falls.append(per_seed(table, "escape")[words == LOCAL].dropna())
    return pd.concat(falls).to_numpy() if falls else np.empty(0)


def with_reached(table: pd.DataFrame) -> pd.DataFrame:
    """With a column that is 1 where the global minimum was reached."""
    there = (table["retracted_trace"] / table["bound"] <= REACHED).astype(float)
    return table.assign(reached=there)


def association(
    tables: Mapping[str, pd.DataFrame], names: Iterable[str]
) -> Float[np.ndarray, " seeds"]:
    """Kendall's tau of breadth and accuracy over settings, for each seed.

    Only ends within `MATCHED` of the bound take part.

    Args:
        tables: by name.
        names: of the settings.
    """
    parts = []
    for name in names:
        flat = (ratio(tables[name]) - 1).abs() <= MATCHED
        parts.append(
            pd.DataFrame(
                {
                    "breadth": per_seed(tables[name], "breadth"),
                    "accuracy": per_seed(tables[name], "test_accuracy"),
                }
            )[flat]
        )
    taus = [
        stats.kendalltau(rows["breadth"], rows["accuracy"]).statistic
        for _, rows in pd.concat(parts).groupby(level=SEEDS)
        if len(rows) > 2
    ]
    return np.array([tau for tau in taus if np.isfinite(tau)])


def ends(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A row a setting: how flat, how right, how broad, and what was found.

    Args:
        tables: by name; those of softplus have no pattern.
    """
    rows = {}
    for name, table in tables.items():
        mean, low, high = mean_interval(table, "test_accuracy")
        row: dict[str, Any] = {
            "seeds": len(per_seed(table, "test_accuracy")),
            "trace / bound": median(ratio(table)),
            "accuracy": mean,
            "low": low,
            "high": high,
        }
        if "breadth" in table:
            row["breadth"] = median(per_seed(table, "breadth"))
            row["firings lost"] = median(per_seed(table, "lost"))
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def effects(
    tables: Mapping[str, pd.DataFrame], pairs: Mapping[str, tuple[str, str]]
) -> pd.DataFrame:
    """How many seeds of each comparison have traces that match.

    Args:
        tables: by name.
        pairs: treatment and control, by what is asked.
    """
    rows = [
        {
            "comparison": asked,
            "treatment": one,
            "control": other,
            "seeds": len(per_seed(tables[one], "test_accuracy")),
            "matched": number_matched(tables[one], tables[other]),
        }
        for asked, (one, other) in pairs.items()
    ]
    return pd.DataFrame(rows).set_index("comparison")


def counts(
    tables: Mapping[tuple[str, int, int, float], pd.DataFrame],
) -> pd.DataFrame:
    """A row a walk, size and width: how many runs found what.

    Args:
        tables: of `runs.grid`, by (walk, d, n, share).
    """
    rows = []
    for (walk, d, n, share), table in tables.items():
        words = found(table)
        row = {"walk": walk, "d": d, "n": n, "width / n": share}
        row |= {"median trace / bound": median(ratio(table))}
        rows.append(row | {word: int((words == word).sum()) for word in FOUND})
    return pd.DataFrame(rows).set_index(["walk", "d", "n", "width / n"])
