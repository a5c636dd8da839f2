"""Decide claims on where a metric falls below its threshold along a grid.

The same as `claims`, for the two kinds of rule that need a sweep over the values of
a field. The level is the threshold `low`: above it a share almost is high.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.claims.making import claim_of, guarded, joined, verdict_of
from flatminima.claims.model import Rule
from flatminima.claims.register import load
from flatminima.claims.report import Verdict, Word
from flatminima.statistics.crossing import Interval, crossing, shift
from flatminima.sweeps.table import SEEDS, at_step, epoch_at


class Curves(NamedTuple):
    """A metric along a grid.

    Attributes:
        grid: positions, ascending: values of the field or their logarithms.
        values: the metric at the last checkpoint, one row a seed; 0 for a run that
            diverged.
    """

    grid: Float[np.ndarray, " k"]
    values: Float[np.ndarray, "seeds k"]


def curves(
    table: pd.DataFrame,
    along: str,
    *,
    metric: str = "test_accuracy",
    logarithmic: bool = False,
) -> Curves:
    """The curves of all seeds over the values of a field.

    Args:
        table: of one training rule, from `sweep` or `summaries.at_step`.
        along: the field that varies.
        metric: column.
        logarithmic: whether positions are decimal logarithms.

    Raises:
        ValueError: if a value lacks a seed, or if a logarithm does not exist.
    """
    last = table[table["last"]]
    values = last[metric].where(~last["diverged"], 0.0)
    cells = last.assign(value=values).pivot(index=SEEDS, columns=along, values="value")
    if len(last) < cells.size:
        raise ValueError(f"the table of {along} and seeds has a gap")
    grid = cells.columns.to_numpy(dtype=float)
    if logarithmic and not np.all(grid > 0):
        raise ValueError(f"{along} = {grid[0]}: must be above 0 for a logarithm")
    return Curves(np.log10(grid) if logarithmic else grid, cells.to_numpy())


def crosses(claim_id: str, table: pd.DataFrame) -> Verdict:
    """Decide whether the mean of a share falls below its threshold inside the grid.

    It holds if both ends of the interval of the crossing lie inside the grid, and
    fails if there is no crossing in the mean curve nor, on the same side, in all but
    the upper or lower tail of the resamples. The effect is the crossing, null where
    there is none.

    Args:
        claim_id: a claim whose rule is of kind "crosses".
        table: rows of one training rule over the values of the rule's field.
    """
    thresholds, claim = claim_of(claim_id, "crosses")
    grid, values = curves(table, **_columns(claim.rule))
    found = crossing(
        grid,
        values,
        thresholds.low,
        confidence=thresholds.level,
        resamples=thresholds.resamples,
    )
    if found.closed:
        word: Word = "holds"
    elif np.inf == found.low or -np.inf == found.high:
        word = "fails"
    else:
        word = "undecided"
    verdict = verdict_of(claim, word, *found, len(values), table)
    if not found.closed:
        note = joined(verdict.note, in_words(found))
        verdict = replace(verdict, note=note)
    return guarded(verdict, thresholds, table)


def settles(claim_id: str, before: pd.DataFrame, after: pd.DataFrame) -> Verdict:
    """Decide whether the crossing stays where it is as training grows.

    The effect is its shift between two training lengths, positive to the right. The
    claim holds if the interval of the shift, paired by seeds, contains 0 and lies
    within one step of the grid to either side. It fails if the interval excludes 0:
    a crossing that surely moves has not settled, however short the step, since every
    further doubling may add as much. An interval that contains 0 and is wider decides
    nothing, nor does one that is not finite, as where a crossing is missing.

    Args:
        claim_id: a claim whose rule is of kind "settles".
        before, after: rows of one training rule at two lengths, over the same
            evenly spaced values of the rule's field.

    Raises:
        ValueError: if the values of the field differ.
    """
    thresholds, claim = claim_of(claim_id, "settles")
    grid, first = curves(before, **_columns(claim.rule))
    other, second = curves(after, **_columns(claim.rule))
    if not np.array_equal(grid, other):
        raise ValueError(f"{claim_id}: grids {grid} and {other} differ")
    moved = shift(
        grid,
        first,
        second,
        thresholds.low,
        confidence=thresholds.level,
        resamples=thresholds.resamples,
    )
    step = float(np.max(np.diff(grid), initial=0.0))
    word: Word = "undecided"
    if moved.closed and (moved.low > 0 or moved.high < 0):
        word = "fails"
    elif moved.closed and -step <= moved.low and moved.high <= step:
        word = "holds"
    verdict = verdict_of(claim, word, *moved, len(first), after)
    if not moved.closed:
        note = joined(verdict.note, "the crossing is missing at one of the lengths")
        verdict = replace(verdict, note=note)
    return guarded(verdict, thresholds, before, after)


def crossings(
    table: pd.DataFrame, along: str, steps: Sequence[int], *, logarithmic: bool = False
) -> pd.DataFrame:
    """The crossing of the test accuracy at several training lengths.

    Args:
        table: of one training rule, from `sweep`.
        along: the field that varies.
        steps: checkpoints that every run has.
        logarithmic: whether the crossing is sought along the decimal logarithm.

    Returns:
        A row for each length: step, epoch, the fields of `Interval` at the scale of
        the field, infinite where censored, and `found`, in words.
    """
    thresholds, _ = load()
    rows = []
    for step in steps:
        part = at_step(table, step)
        grid, values = curves(part, along, logarithmic=logarithmic)
        found = crossing(
            grid,
            values,
            thresholds.low,
            confidence=thresholds.level,
            resamples=thresholds.resamples,
        )
        if logarithmic:
            found = Interval(*(10.0**x if np.isfinite(x) else x for x in found))
        row = {"step": step, "epoch": epoch_at(table, step), **found._asdict()}
        rows.append(row | {"found": in_words(found)})
    return pd.DataFrame(rows)


def in_words(found: Interval) -> str:
    """A crossing with its interval, or on which side of the level the curve stays."""
    if np.isnan(found.estimate):
        return "unknown: a value is missing"
    estimate, low, high = (
        "above to the end"
        if end == np.inf
        else "below throughout"
        if end == -np.inf
        else f"{end:.3g}"
        for end in found
    )
    prefix = "" if np.isfinite(found.estimate) else "no crossing: "
    interval = f" [{low}, {high}]" if np.isfinite(found).any() else ""
    return prefix + estimate + interval


def _columns(rule: Rule) -> dict[str, Any]:
    return {
        "along": rule.along,
        "metric": rule.metric,
        "logarithmic": rule.logarithmic,
    }
