"""What the walks found, in tables and in numbers of one seed each."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from flatminima.results.reading import Committed
from flatminima.runs.kind import RunConfig
from flatminima.statistics.intervals import mean_interval
from flatminima.studies.open_2_1 import exact
from flatminima.studies.open_2_1.exact import REACHED
from flatminima.studies.open_2_1.runs import Key
from flatminima.sweeps.table import SEEDS, as_rows, median, per_seed

Grid = Mapping[Key, pd.DataFrame]

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
        table: rows of runs of `PatternConfig`.
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


def local(table: pd.DataFrame) -> Float[np.ndarray, " seeds"]:
    """Whether a run that stopped short is at a local minimum, minus a half."""
    words = found(table)
    stopped = words[~words.isin([GLOBAL, NONE])]
    return (stopped == LOCAL).to_numpy(dtype=float) - 0.5


def escapes(tables: Iterable[pd.DataFrame]) -> Float[np.ndarray, " runs"]:
    """Relative fall of the trace by one new unit, of all certified local minima."""
    falls = []
    for table in tables:
        words = found(table)
        falls.append(per_seed(table, "escape")[words == LOCAL].dropna())
    return pd.concat(falls).to_numpy() if falls else np.empty(0)


def with_kinks(table: pd.DataFrame) -> pd.DataFrame:
    """With a column that is 1 where a run stands on a kink."""
    return table.assign(on_a_kink=(table["margin"] <= ON_A_KINK).astype(float))


def room(table: pd.DataFrame) -> Float[np.ndarray, " seeds"]:
    """`REACHED` minus trace over bound, one a seed."""
    return REACHED - ratio(table).dropna().to_numpy()


def scale(table: pd.DataFrame) -> str:
    """What a sweep says of the scale of a setting."""
    return str(table["scale"].iloc[0])


def narrow(grid: Grid) -> pd.DataFrame:
    """The runs with the most inputs for their examples, of a width next to n/2."""
    d, n = max({(d, n) for d, n, _ in grid}, key=lambda case: case[0] / case[1])
    there = [share for *case, share in grid if case == [d, n]]
    return grid[d, n, min(there, key=lambda share: abs(np.log(share / 0.5)))]


def wide(grid: Grid) -> pd.Series:
    """Share of the sizes on which the minimum is reached at the largest width.

    Args:
        grid: tables of `runs.grid`.

    Returns:
        One number a seed.
    """
    largest = {(d, n): share for d, n, share in sorted(grid, key=lambda key: key[2])}
    there = [
        ratio(grid[d, n, share]).le(REACHED).astype(float)
        for (d, n), share in largest.items()
    ]
    mean = pd.concat(there, axis=1).mean(axis=1)
    return mean.set_axis(mean.index.get_level_values(0))


def orthonormal_short(table: pd.DataFrame, n: int) -> Float[np.ndarray, " seeds"]:
    """ln(ratio / `REACHED`) at the width next to n/2, one a start.

    Args:
        table: from `exact.orthonormal`.
        n: examples.
    """
    widths = table["width"].unique()
    width = min(widths, key=lambda m: abs(np.log(2 * m / n)))
    return np.log(table.loc[table["width"] == width, "ratio"] / REACHED).to_numpy()


def widest_reached(table: pd.DataFrame, said: str) -> pd.DataFrame:
    """Rows of claims: whether a start reaches the minimum at the largest width."""
    rows = table[table["width"] == table["width"].max()].set_index("seed")
    return as_rows(rows["reached"].astype(float), "reached", said)


def agreement(table: pd.DataFrame, said: str) -> pd.DataFrame:
    """Rows of claims: share of the widths at which the pattern foretells the end."""
    same = (table["reached"] == table["predicted"]).astype(float)
    return as_rows(same.groupby(table["seed"]).mean(), "agrees", said)


def beside_wendel(
    table: pd.DataFrame, n: int, said: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of claims: share of the widths that a pattern allows, and Wendel's mean.

    Args:
        table: from `exact.orthonormal`.
        n: examples.
        said: the scale.
    """
    share = table["predicted"].astype(float).groupby(table["seed"]).mean()
    chances = [exact.wendel(n, int(width)) for width in table["width"].unique()]
    given = float(np.mean(chances))
    return (
        as_rows(share, "predicted", said),
        as_rows(share, "predicted", said, given=given),
    )


def orthonormal(table: pd.DataFrame, n: int) -> pd.DataFrame:
    """A row a width: medians and shares over starts, beside Wendel's theorem.

    Args:
        table: from `exact.orthonormal`.
        n: examples.
    """
    rows = table.groupby("width").agg(
        starts=("seed", "size"),
        median_ratio=("ratio", "median"),
        reached=("reached", "mean"),
        predicted=("predicted", "mean"),
    )
    rows.insert(0, "width / n", rows.index / n)
    rows["Wendel's theorem"] = [exact.wendel(n, int(width)) for width in rows.index]
    return rows.rename(
        columns={
            "median_ratio": "median trace / bound",
            "predicted": "pattern allows it",
        }
    )


def against_prediction(table: pd.DataFrame) -> Float[np.ndarray, " starts"]:
    """|ratio over predicted ratio - 1| of the counterexample."""
    return (table["ratio"] / table["predicted"] - 1).abs().to_numpy()


def gaps(table: pd.DataFrame) -> Float[np.ndarray, " starts"]:
    """Gap to the certified minimum of the pattern, infinite on a kink."""
    off = table["margin"] > ON_A_KINK
    return table["gap"].abs().where(off, np.inf).to_numpy()


def excess(table: pd.DataFrame) -> Float[np.ndarray, " starts"]:
    """Ratio - 1 of the smooth units, infinite where no start was landed."""
    return (table["ratio"] - 1).fillna(np.inf).to_numpy()


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


def cost(kept: Committed, config: RunConfig, name: str) -> pd.DataFrame:
    """Seconds of one thread that the committed runs of a setting took, start included.

    Args:
        kept: runs of a chapter.
        config: the setting.
        name: of the setting, for the table.
    """
    wanted = config.with_seeds(0, 0)
    seconds = [
        row["provenance"]["seconds"]
        for row, made in zip(kept.rows, kept.configs, strict=True)
        if made.with_seeds(0, 0) == wanted
    ]
    row: dict[str, float] = {"runs": len(seconds)}
    if seconds:
        middle = float(np.median(seconds))
        row |= {"median seconds": middle, "longest, seconds": max(seconds)}
    return pd.DataFrame([row], index=[name]).round(1)


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
            "treatment": one,
            "control": other,
            "seeds": len(per_seed(tables[one], "test_accuracy")),
            "matched": number_matched(tables[one], tables[other]),
        }
        for one, other in pairs.values()
    ]
    return pd.DataFrame(rows).set_index(["treatment", "control"])


def counts(grid: Grid) -> pd.DataFrame:
    """A row a size and width: how many runs found what.

    Args:
        grid: tables of `runs.grid`.
    """
    rows = []
    for (d, n, share), table in grid.items():
        words = found(table)
        row = {"d": d, "n": n, "width / n": share}
        row |= {"median trace / bound": median(ratio(table))}
        rows.append(row | {word: int((words == word).sum()) for word in FOUND})
    return pd.DataFrame(rows).set_index(["d", "n", "width / n"])
