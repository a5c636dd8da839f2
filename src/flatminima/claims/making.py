"""A verdict from a word: what it carries, and what runs cannot decide after all."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from flatminima.claims.model import Claim, Kind
from flatminima.claims.register import load
from flatminima.claims.report import (
    Verdict,
    Word,
    few_seeds_note,
    why_undecided,
)
from flatminima.claims.words import describe
from flatminima.statistics.thresholds import Thresholds
from flatminima.sweeps.table import COMMITTED

NAMED = 5
"""Diverged runs that a note names."""

NO_SEED = "no seed has a value"


def claim_of(claim_id: str, kind: Kind) -> tuple[Thresholds, Claim]:
    """The thresholds of all claims, and a claim.

    Args:
        claim_id: its id.
        kind: that its rule must have.

    Raises:
        KeyError: if there is no such claim.
        ValueError: if its rule is of another kind.
    """
    thresholds, claims = load()
    if claim_id not in claims:
        raise KeyError(f"no claim {claim_id!r} in studies/*/claims.yml")
    claim = claims[claim_id]
    if claim.rule.kind != kind:
        raise ValueError(
            f"{claim_id}: its rule is of kind {claim.rule.kind!r}, not {kind!r}"
        )
    return thresholds, claim


def verdict_of(
    claim: Claim,
    word: Word,
    effect: float | None,
    low: float | None,
    high: float | None,
    n: int,
    scale: str | pd.DataFrame,
) -> Verdict:
    """What is said of a claim, with all that the scorecard has of it.

    Args:
        claim: that is decided.
        word: its verdict.
        effect, low, high: the number that decides and its interval; None where there
            is none or it is not finite.
        n: seeds or instances.
        scale: in words, or runs, which tell it.
    """
    thresholds, _ = load()
    if not isinstance(scale, str):
        scale = _scale(scale)
    return Verdict(
        id=claim.id,
        chapter=claim.chapter,
        source=claim.source,
        origin=claim.origin,
        statement=claim.statement,
        rule=describe(claim.rule, thresholds),
        verdict=word,
        effect=_finite(effect),
        low=_finite(low),
        high=_finite(high),
        n=n,
        scale=scale,
        reported=claim.reported,
        note=claim.note,
        rule_fixed=claim.rule_fixed,
    )


def _scale(table: pd.DataFrame) -> str:
    """The scale of runs; of committed ones also their seeds, which no build chooses."""
    scale = str(table["scale"].iloc[0])
    if scale.endswith(COMMITTED):
        scale += f", seeds {table['data_seed'].min()} to {table['data_seed'].max()}"
    return scale


def guarded(
    verdict: Verdict, thresholds: Thresholds, *settings: pd.DataFrame
) -> Verdict:
    """Withdraw what too few seeds or too many diverged ones cannot decide."""
    verdict = without_diverged(verdict, thresholds, settings)
    rule = load()[1][verdict.id].rule
    needed = rule.min_seeds or thresholds.min_seeds
    if verdict.n < needed:
        few = "" if why_undecided(verdict) else NO_SEED
        if verdict.n:
            few = few_seeds_note(verdict.n, needed, rule.counts)
        note = joined(verdict.note, few)
        verdict = replace(verdict, verdict="undecided", note=note)
    return verdict


def without_diverged(
    verdict: Verdict, thresholds: Thresholds, settings: Sequence[pd.DataFrame]
) -> Verdict:
    """Withdraw what too many diverged runs cannot decide, and name those."""
    ends = [table.loc[table["last"], "diverged"] for table in settings]
    diverged = sum(int(end.sum()) for end in ends)
    if diverged:
        note = f"{diverged} of {sum(map(len, ends))} runs diverged ({_named(settings)})"
        verdict = replace(verdict, note=joined(verdict.note, note))
    if any(end.sum() > thresholds.max_diverged * len(end) for end in ends):
        verdict = replace(verdict, verdict="undecided")
    return verdict


def _named(settings: Sequence[pd.DataFrame]) -> str:
    """The first few diverged runs, by rule and seeds."""
    ends = pd.concat([table[table["last"] & table["diverged"]] for table in settings])
    names = [
        f"{row.rule}, {row.num_steps} updates, data seed {row.data_seed}, init seed "
        f"{row.init_seed}"
        for row in ends.itertuples()
    ]
    return "; ".join(names[:NAMED] + ["…"] * (len(names) > NAMED))


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def joined(*notes: str) -> str:
    """Notes as one, those that say nothing left out.

    >>> joined("a.", "", "b.")
    'a; b.'
    """
    said = [note for note in notes if note]
    return "; ".join([*(note.removesuffix(".") for note in said[:-1]), *said[-1:]])
