"""The tidy table: a row a run and checkpoint, the same for every kind of run."""

import importlib
from collections.abc import Iterable, Sequence
from itertools import product
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from flatminima.checks import at_least
from flatminima.runs.kind import Run, RunConfig

C = TypeVar("C", bound=RunConfig)
Seeds = int | Sequence[int] | Sequence[tuple[int, int]]
"""A count of seeds, or the seeds, or pairs of them; see `seed_pairs`."""


SEEDS = ["data_seed", "init_seed"]

COMMITTED = ", committed"
"""How the scale of committed runs ends."""

DIVERGED = "the run diverged"
ALL_DIVERGED = "every run diverged"
NOT_HELD_OUT = "no point is held out, so nothing can be said of generalising"
NOT_NEAR = "no run comes near interpolation"
NO_BOUND = "no bound is known"


def per_seed(table: pd.DataFrame, metric: str, diverged: float = np.nan) -> pd.Series:
    """A metric at the last checkpoint of every seed of one setting.

    Args:
        table: rows of one setting from `sweep`.
        metric: column.
        diverged: value of the seeds that met NaN or inf.

    Returns:
        Series indexed by (data_seed, init_seed).

    Raises:
        ValueError: if a seed has more than one last checkpoint: the rows are of
            more than one setting.
    """
    last = table[table["last"]].set_index(SEEDS)
    if last.index.has_duplicates:
        raise ValueError("the rows are of more than one setting: select one first")
    return last[metric].where(~last["diverged"], diverged)


def median(values: pd.Series) -> float:
    """The median of the entries that are not NaN; NaN without a warning if none is.

    Before pandas 3 the median of nothing but NaN warns, and pages show warnings.
    """
    return float(values.dropna().median())


def why_missing(table: pd.DataFrame, metric: str) -> str:
    """Why no run of a table has a metric at its end, in words.

    Args:
        table: from `sweep`, of any settings.
        metric: column; "ratio" is the trace after retraction over its bound.

    Returns:
        One of the reasons of this module, or that there is no value; empty if some
        run has one.
    """
    last = table[table["last"]]
    if not last.empty and last["diverged"].all():
        return ALL_DIVERGED
    ends = last[~last["diverged"]]
    column = "retracted_trace" if metric == "ratio" else metric
    values = ends[column] if column in ends else pd.Series(dtype=float)
    if metric == "ratio" and values.notna().any() and ends["bound"].isna().all():
        return NO_BOUND
    if values.notna().any():
        return ""
    if column.startswith("test_") and (ends["test_points"] == 0).all():
        return NOT_HELD_OUT
    return NOT_NEAR if column == "retracted_trace" else f"no run has a {column}"


def near_interpolating(table: pd.DataFrame) -> pd.DataFrame:
    """Checkpoints whose trace can be compared with the bound at interpolation.

    Returns:
        The rows that were retracted, with a column `ratio` = trace over bound.
    """
    rows = table.dropna(subset=["retracted_trace"])
    return rows.assign(ratio=rows["retracted_trace"] / rows["bound"])


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


def epoch_at(table: pd.DataFrame, step: int) -> float:
    """Passes over the data after some updates, also where every run diverged before.

    Args:
        table: from `sweep`, of runs with one n and one batch size.
        step: number of updates.
    """
    n, batch = table[["n", "batch"]].iloc[0]
    return float(step * {"one": 1, "full": n}.get(batch, batch) / n)


def as_rows(
    values: pd.Series, metric: str, said: str, given: float | None = None
) -> pd.DataFrame:
    """Measured numbers as the rows of runs that claims take, one a seed.

    Args:
        values: by seed; NaN counts as diverged.
        metric: what to call them.
        said: the scale.
        given: a number in place of all of them, for what they are compared with.
    """
    return pd.DataFrame(
        {
            "data_seed": values.index,
            "init_seed": values.index,
            "last": True,
            "diverged": values.isna().to_numpy(),
            "rule": "measured",
            "num_steps": 0,
            "scale": said,
            metric: values.to_numpy(float) if given is None else given,
        }
    )


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
    seeds = pd.MultiIndex.from_frame(last[SEEDS])
    earlier = per_seed(early, metric, 0.0).reindex(seeds).to_numpy()
    end = per_seed(table, metric, 0.0).reindex(seeds).to_numpy()
    return last.assign(earlier=earlier, change=end - earlier)


def seed_pairs(seeds: Seeds) -> list[tuple[int, int]]:
    """Pairs (data_seed, init_seed), however they were given.

    Args:
        seeds: a count, for the seeds 0, 1, ...; or the seeds themselves, such as
            `range(100, 110)`, each of which draws data and initialisation; or pairs.

    Raises:
        ValueError: if there is no seed, or one is neither an integer of at least 0
            nor a pair of such.

    >>> seed_pairs(2), seed_pairs(range(5, 7)), seed_pairs([(0, 3)])
    ([(0, 0), (1, 1)], [(5, 5), (6, 6)], [(0, 3)])
    """
    if not isinstance(seeds, Sequence) or isinstance(seeds, str):
        at_least("seeds", seeds, 1)
        seeds = range(seeds)
    if not seeds:
        raise ValueError("seeds = []: at least 1 is needed")
    pairs = []
    for k, seed in enumerate(seeds):
        pair = tuple(seed) if isinstance(seed, Sequence) else (seed, seed)
        if len(pair) != 2:
            raise ValueError(
                f"seeds[{k}] = {seed!r}: must be an integer or a pair of them"
            )
        for one in pair:
            at_least(f"seeds[{k}]", one, 0)
        data_seed, init_seed = map(int, pair)
        pairs.append((data_seed, init_seed))
    return pairs


def over_seeds(configs: Iterable[C], seeds: Seeds) -> list[C]:
    """Every config under every seed.

    Args:
        configs: runs whose seeds are to be replaced.
        seeds: as in `seed_pairs`.

    Raises:
        ValueError: as in `seed_pairs`.
    """
    pairs = seed_pairs(seeds)
    return [config.with_seeds(*pair) for config in configs for pair in pairs]


def crossed(count: int, first: int = 0) -> list[tuple[int, int]]:
    """All pairs (data_seed, init_seed) of some seeds.

    Args:
        count: number of seeds of each kind.
        first: the first of them; the others follow it.

    Raises:
        ValueError: if there is no seed, or the first is below 0.
    """
    at_least("crossed", count, 1)
    at_least("first_seed", first, 0)
    seeds = range(first, first + count)
    return list(product(seeds, seeds))


def tidy(config: RunConfig, run: Run) -> pd.DataFrame:
    """The rows that one run adds to a sweep's table.

    Beside its history: the columns of its config, `rule`, `scale` (how it compares
    with the source's own runs), `last` and `diverged`.
    """
    table = run.history.copy()
    for position, (name, value) in enumerate(described(config).items()):
        table.insert(position, name, value)
    table["last"] = table.index == len(table) - 1
    table["diverged"] = run.diverged_at is not None
    return table


def described(config: RunConfig) -> dict[str, Any]:
    """What every row of a run says of it: the columns of its config, rule and scale."""
    source = importlib.import_module(config.source)
    return config.columns | {"rule": config.rule, "scale": source.scale(config)}
