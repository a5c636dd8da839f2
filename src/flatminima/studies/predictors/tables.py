"""What the networks say, in tables and in numbers of one seed each."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from flatminima.runs.nets.predictors import MEASURES
from flatminima.statistics import ranking
from flatminima.statistics.thresholds import thresholds
from flatminima.sweeps.table import SEEDS

NAMES = {
    "random": "random number",
    "parameters": "parameters",
    "final_loss": "final loss",
    "steps_to_target": "steps to the target",
    "weight_norm": "norm of the weights",
    "distance": "distance from the start",
    "frobenius": "Frobenius norms",
    "spectral": "spectral norms",
    "path_norm": "path norm",
    "inverse_margin": "inverse margin",
    "path_norm_margin": "path norm / margin",
    "spectral_margin": "spectral norms / margin",
    "trace": "trace",
    "lambda_max": "λ_max",
    "ball": "ε-sharpness",
    "box": "Keskar's box",
    "pac_bayes": "PAC-Bayes",
    "pac_bayes_relative": "PAC-Bayes, relative",
    "adaptive": "adaptive",
    "normalised": "normalised",
    "minimum": "minimum",
    "description": "description length",
    "description_relative": "description, relative",
}
"""What the measures are called, by column."""

FAMILIES = {
    "control": ("random", "parameters", "final_loss", "steps_to_target"),
    "norm": ("weight_norm", "distance", "frobenius", "spectral", "path_norm"),
    "margin": ("inverse_margin", "path_norm_margin", "spectral_margin"),
    "sharpness": MEASURES[12:],
}

KINDS = ("overall", "granulated", "worst")
GAP = "gap"


def usable(rows: pd.DataFrame) -> pd.DataFrame:
    """The networks that count."""
    return rows[rows["excluded"] == ""]


def exclusions(rows: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """The settings that lost networks, why, how many, and their mean training loss.

    Args:
        rows: of one design, from `runs.evidence`.
        axes: its hyper-parameters.
    """
    lost = rows[rows["excluded"] != ""]
    parts = lost.groupby(["excluded", "data", *axes], sort=True)
    table = parts.agg(networks=("gap", "size"), train_loss=("train_loss", "mean"))
    return table.reset_index().rename(columns={"excluded": "reason"})


def overall_by_seed(
    rows: pd.DataFrame,
    measure: str,
    groups: Sequence[str] = ("data",),
    target: str = GAP,
) -> pd.Series:
    """Tau of a measure and the gap for each seed, the mean over groups.

    Args:
        rows: of one design; excluded networks are left out.
        measure: column.
        groups: columns within which networks are compared.
        target: column in place of the gap.

    Returns:
        Indexed by seeds, those of all rows; NaN where a seed has no pair.
    """
    table = ranking.overall(usable(rows), measure, target, groups)
    return _over_all_seeds(rows, table)


def granulated_by_seed(
    rows: pd.DataFrame, measure: str, axes: Sequence[str], target: str = GAP
) -> pd.Series:
    """The same of the granulated coefficient, the mean over slices along all axes."""
    table = ranking.slices(usable(rows), measure, target, axes, ["data"])
    return _over_all_seeds(rows, table)


def _over_all_seeds(rows: pd.DataFrame, table: pd.DataFrame) -> pd.Series:
    seeds = pd.MultiIndex.from_frame(rows[SEEDS].drop_duplicates())
    if table.empty:
        return pd.Series(np.nan, index=seeds, dtype=float)
    return table.mean(axis=1).reindex(seeds)


def as_runs(values: pd.Series, scale: str) -> pd.DataFrame:
    """One number a seed as a table of runs, as `decide.equals` takes it.

    Args:
        values: indexed by seeds.
        scale: for the scorecard.

    Returns:
        A row a seed with the column `tau`.
    """
    rows = values.rename("tau").rename_axis(SEEDS).reset_index()
    return rows.assign(last=True, diverged=False, scale=scale)


def worst(
    rows: pd.DataFrame, measure: str, axes: Sequence[str], target: str = GAP
) -> tuple[float, float, float]:
    """Tau in the worst slice, a data set and a hyper-parameter, with its interval."""
    table = ranking.slices(usable(rows), measure, target, axes, ["data"])
    return ranking.worst(table, thresholds().level)


def coefficients(rows: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """The three kinds of tau of every measure, with intervals over seeds.

    Args:
        rows: of the main design, from `runs.evidence`.
        axes: its hyper-parameters.

    Returns:
        A row a measure and kind: measure, name, family, kind, tau, low, high.
    """
    level, found = thresholds().level, []
    families = {m: family for family, names in FAMILIES.items() for m in names}
    kept = usable(rows)
    for measure in MEASURES:
        sliced = ranking.slices(kept, measure, GAP, axes, ["data"])
        over_all = ranking.overall(kept, measure, GAP, ["data"])
        numbers = (
            ranking.mean_over_seeds(over_all, level),
            ranking.mean_over_seeds(sliced, level),
            ranking.worst(sliced, level),
        )
        named = (measure, NAMES[measure], families[measure])
        found += [
            (*named, kind, *number) for kind, number in zip(KINDS, numbers, strict=True)
        ]
    columns = ["measure", "name", "family", "kind", "tau", "low", "high"]
    return pd.DataFrame(found, columns=columns)


def shuffled_coefficients(rows: pd.DataFrame) -> pd.DataFrame:
    """Tau of every measure pooled over the shares of labels, and within a share.

    Args:
        rows: of the shuffled design, from `runs.evidence`.

    Returns:
        As `coefficients`, with the kinds "pooled" and "within".
    """
    level, found, kept = thresholds().level, [], usable(rows)
    families = {m: family for family, names in FAMILIES.items() for m in names}
    groups = {"pooled": ["data"], "within": ["data", "label_shuffle"]}
    for measure in MEASURES:
        for kind, names in groups.items():
            table = ranking.overall(kept, measure, GAP, names)
            number = ranking.mean_over_seeds(table, level)
            named = (measure, NAMES[measure], families[measure])
            found.append((*named, kind, *number))
    columns = ["measure", "name", "family", "kind", "tau", "low", "high"]
    return pd.DataFrame(found, columns=columns)


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    """A table of coefficients to be read: a row a measure, by name, a column a kind.

    Its last column says how far a measure survives: "everywhere", where its worst
    slice lies above 0, "on average", where its granulated coefficient does, or "within"
    a share of labels; else nothing.
    """
    text = [
        f"{t:+.2f} [{low:+.2f}, {high:+.2f}]" if np.isfinite(t) else "–"
        for t, low, high in table[["tau", "low", "high"]].to_numpy(float)
    ]
    kinds = list(dict.fromkeys(table["kind"]))
    wide = table.assign(text=text).pivot_table(
        index=["family", "name"], columns="kind", values="text", aggfunc="first",
        sort=False,
    )[kinds]  # fmt: skip
    lows = table.pivot_table(
        index=["family", "name"], columns="kind", values="low", aggfunc="first",
        sort=False, dropna=False,
    ).reindex(index=wide.index)  # fmt: skip
    words = pd.Series("", index=wide.index)
    for kind, word in (
        ("granulated", "on average"),
        ("worst", "everywhere"),
        ("within", "within"),
    ):
        if kind in lows:
            words[lows[kind] > 0] = word
    table = wide.assign(survives=words).reset_index().set_index("name")
    return table.rename_axis(index=None, columns=None)


def spans(rows: pd.DataFrame) -> np.ndarray:
    """By how much the test errors of a data set span more than .1, for each seed.

    The smaller of the data sets.
    """
    parts = usable(rows).groupby([*SEEDS, "data"])["test_error"]
    span = (parts.max() - parts.min() - 0.1).unstack("data")
    return span.min(axis=1).to_numpy(float)


def balance(rows: pd.DataFrame) -> np.ndarray:
    """Median over networks of minimum sharpness over the trace, minus .8, by seed.

    It is at most 1, and 1 where no rescaling of layers lowers the trace.
    """
    kept = usable(rows)
    ratio = (kept["minimum"] / kept["trace"]).groupby([kept[name] for name in SEEDS])
    return ratio.median().to_numpy(float) - 0.8


def spread(rows: pd.DataFrame) -> pd.DataFrame:
    """How many networks of each data set count, and from where to where they err.

    Over all seeds, in points of test error.
    """
    parts = usable(rows).groupby("data")["test_error"]
    table = 100 * parts.agg(["min", "median", "max"])
    table["span"] = table["max"] - table["min"]
    lost = rows.groupby("data")["excluded"].agg(lambda why: int((why != "").sum()))
    table.insert(0, "networks", parts.size())
    table.insert(1, "excluded", lost)
    return table.round(1).reset_index()


def effects(rows: pd.DataFrame, axes: Sequence[str]) -> pd.DataFrame:
    """What every hyper-parameter does to the test error; see `ranking.effects`."""
    level = thresholds().level
    return ranking.effects(usable(rows), "test_error", axes, ["data"], level)


def weakest(table: pd.DataFrame, axes: Sequence[str]) -> tuple[float, float, float]:
    """The effect of the hyper-parameter of which least is known that it has one.

    Args:
        table: from `effects`.
        axes: all hyper-parameters; one that is not in the table has no effect known.

    Returns:
        Size of the effect on the data set where it is clearest, with its interval; NaN
        if there is none.
    """
    found = []
    for axis in axes:
        rows = table[table["axis"] == axis]
        signs = np.sign(rows["effect"].to_numpy(float))
        ends = np.sort(signs[:, None] * rows[["low", "high"]].to_numpy(float), axis=1)
        if not len(rows) or np.isnan(ends).all():
            return np.nan, np.nan, np.nan
        clearest = int(np.nanargmax(ends[:, 0]))
        size = abs(float(rows["effect"].iloc[clearest]))
        found.append((size, float(ends[clearest, 0]), float(ends[clearest, 1])))
    return min(found, key=lambda each: each[1])


def repeated(committed: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The networks of this build beside the committed ones of the same config and seed.

    Args:
        committed: ends of committed networks, from `runs.evidence`.
        table: of this build, from `runs.live`.

    Returns:
        For gap and every measure, how many networks both have and the largest
        difference, relative to the spread of the measure over the committed ones.
    """
    keys = [*SEEDS, "data", "label_shuffle", "lr", "batch", "width", "depth"]
    keys += ["weight_decay", "dropout"]
    ends = table[table["last"] & ~table["diverged"]]
    ends = ends.assign(gap=ends["train_accuracy"] - ends["test_accuracy"])
    names = [GAP, *MEASURES]
    both = committed[keys + names].merge(ends[keys + names], on=keys)
    rows = []
    for name in names:
        difference = (both[f"{name}_x"] - both[f"{name}_y"]).abs()
        spread = committed[name].std()
        worst_of = float(difference.max() / spread) if spread > 0 else float("nan")
        rows.append((NAMES.get(name, name), len(difference), worst_of))
    return pd.DataFrame(rows, columns=["number", "networks", "largest difference"])
