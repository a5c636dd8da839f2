"""Decide claims by data.

A function of this module applies one kind of rule to evidence and returns a
`Verdict`. Claims and rules are fixed before the runs, in the `claims.yml` of a study;
no verdict is written by hand anywhere.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.claims.making import (
    claim_of,
    guarded,
    joined,
    verdict_of,
    without_diverged,
)
from flatminima.claims.model import Claim
from flatminima.claims.report import (
    Verdict,
    Word,
    groups_note,
)
from flatminima.statistics.groups import generalising, two_groups
from flatminima.statistics.intervals import SHARES, mean_interval, of_mean, of_median
from flatminima.statistics.targets import relative_error
from flatminima.statistics.thresholds import Thresholds
from flatminima.sweeps.table import ALL_DIVERGED, per_seed, why_missing


def share(claim_id: str, table: pd.DataFrame) -> Verdict:
    """Decide whether a share, such as test accuracy, is high or low.

    The effect is its mean over seeds at the last checkpoint, with the interval of
    `mean_interval`. Where the seeds fall into two groups it is the share of seeds
    that generalise, held against the same thresholds, and the note lists all seeds.
    A diverged seed counts as 0; a seed without a value, as where no point is held
    out, decides nothing.

    Args:
        claim_id: a claim whose rule is of kind "share".
        table: rows of one setting from `sweep`.
    """
    thresholds, claim = claim_of(claim_id, "share")
    metric = claim.rule.metric
    values = per_seed(table, metric, diverged=0.0)
    missing = int(values.isna().sum())
    if missing:
        verdict = verdict_of(claim, "undecided", None, None, None, len(values), table)
        note = f"{missing} of {len(values)} seeds have no {metric}"
        note = joined(verdict.note, note, why_missing(table, metric))
        verdict = replace(verdict, note=note)
        return guarded(verdict, thresholds, table)
    effect, low, high = mean_interval(table, metric)
    apart = metric in SHARES and bool(two_groups(values.to_numpy(float), thresholds))
    if apart:
        effect, low, high, _ = generalising(values.to_numpy(float), thresholds)
    word = (_high if claim.rule.says else _low)(low, high, thresholds)
    verdict = verdict_of(claim, word, effect, low, high, len(values), table)
    if apart:
        note = groups_note(values.to_numpy(float), thresholds)
        verdict = replace(verdict, note=joined(verdict.note, note))
    note = _unfitted(table, metric, thresholds)
    verdict = replace(verdict, note=joined(verdict.note, note))
    return guarded(verdict, thresholds, table)


def _unfitted(table: pd.DataFrame, metric: str, t: Thresholds) -> str:
    """What a verdict on accuracy says of networks that do not fit their data."""
    if not metric.startswith("test_") or "output_error" not in table:
        return ""
    error = relative_error(table)
    unfit = error[error > t.fits]
    if unfit.empty:
        return ""
    return (
        f"{len(unfit)} of {len(error)} seeds do not fit their training data: the mean "
        f"squared error of their outputs is {unfit.median():.2g} of that of outputs of "
        "0"
    )


def _high(low: float, high: float, t: Thresholds) -> Word:
    """Whether a share is high, or almost."""
    if low >= t.high:
        return "holds"
    if low >= t.almost:
        return "partly"
    return "fails" if high <= t.low else "undecided"


def _low(low: float, high: float, t: Thresholds) -> Word:
    """Whether a share is low: one that is almost high contradicts it."""
    if high <= t.low:
        return "holds"
    return "fails" if low >= t.low else "undecided"


def beats(claim_id: str, table: pd.DataFrame, other: pd.DataFrame) -> Verdict:
    """Decide whether the first setting beats the second.

    The effect is the mean of the differences, paired by data and initialisation
    seed, signed so that positive means that the first wins. The claim holds if
    the interval lies above 0 and fails if it lies below. A diverged run has an
    accuracy of 0 and no trace: where lower is better its pair is left out.

    Args:
        claim_id: a claim whose rule is of kind "beats".
        table, other: rows of one setting each, over the same seeds.

    Raises:
        ValueError: if the two settings have no seed in common.
    """
    thresholds, claim = claim_of(claim_id, "beats")
    difference = _paired(claim, table, other)
    verdict = _sign(claim, difference, thresholds, table)
    return guarded(_explained(verdict, claim, table, other), thresholds, table, other)


def equals(claim_id: str, table: pd.DataFrame, other: pd.DataFrame) -> Verdict:
    """Decide whether two settings have the same mean, up to a margin.

    The effect is that of `beats`, and the margin the rule's `tolerance`. The claim
    holds if the interval contains 0 and lies within the margin to either side. One
    that lies within it and excludes 0 shows a difference too small to matter: partly.
    It fails if the interval lies beyond the margin. A wide interval decides nothing,
    so that few seeds never show two settings to be equal.

    Args:
        claim_id: a claim whose rule is of kind "equals".
        table, other: rows of one setting each, over the same seeds.

    Raises:
        ValueError: if the two settings have no seed in common.
    """
    thresholds, claim = claim_of(claim_id, "equals")
    difference = _paired(claim, table, other)
    verdict = _sign(claim, difference, thresholds, table)
    verdict = replace(verdict, verdict=_same(verdict, claim.rule.tolerance))
    return guarded(_explained(verdict, claim, table, other), thresholds, table, other)


def _same(difference: Verdict, margin: float) -> Word:
    """Whether a difference is 0, up to a margin."""
    low, high = difference.low, difference.high
    if low is None or high is None:
        return "undecided"
    if -margin <= low and high <= margin:
        return "holds" if low <= 0 <= high else "partly"
    return "fails" if low > margin or high < -margin else "undecided"


def _paired(
    claim: Claim, table: pd.DataFrame, other: pd.DataFrame
) -> Float[np.ndarray, " seeds"]:
    """By how much the first setting wins, one number a seed that both have."""
    worst = np.nan if claim.rule.lower_is_better else 0.0
    first = per_seed(table, claim.rule.metric, diverged=worst)
    second = per_seed(other, claim.rule.metric, diverged=worst)
    if first.index.intersection(second.index).empty:
        raise ValueError(f"{claim.id}: the two settings have no seed in common")
    difference = (first - second).dropna().to_numpy()
    return -difference if claim.rule.lower_is_better else difference


def _explained(verdict: Verdict, claim: Claim, *tables: pd.DataFrame) -> Verdict:
    """With the reason why no pair has a difference, if none has."""
    if verdict.n:
        return verdict
    whys = {why_missing(each, claim.rule.metric) for each in tables}
    whys -= {ALL_DIVERGED}  # which runs those are is said elsewhere
    return replace(verdict, note=joined(verdict.note, *sorted(whys)))


def associated(
    claim_id: str,
    statistics: Float[np.ndarray, " seeds"],
    scale: str,
    table: pd.DataFrame | None = None,
) -> Verdict:
    """Decide whether a statistic, computed once a seed, is positive.

    Args:
        claim_id: a claim whose rule is of kind "associated".
        statistics: one number a seed, of those that have it.
        scale: for the scorecard.
        table: of the runs behind them, from `sweep`, which says why no seed has it.
    """
    thresholds, claim = claim_of(claim_id, "associated")
    verdict = _sign(claim, statistics, thresholds, scale)
    if table is not None and not len(statistics):
        whys = (why_missing(table, metric) for metric in ("ratio", "test_accuracy"))
        verdict = replace(verdict, note=joined(verdict.note, *dict.fromkeys(whys)))
    return guarded(verdict, thresholds)


def attains(
    claim_id: str, table: pd.DataFrame, trace: str = "retracted_trace"
) -> Verdict:
    """Decide whether training attains the certified lower bound on the trace.

    The effect is the median of trace after retraction over bound, over the seeds
    that were retracted. The claim holds if it is at most `bound_ratio` and every
    seed's raw outputs lie within `interpolates` of their targets, in mean square and
    in units of the targets. For the squared loss and labels of +-1 this distance is the
    training loss; the logistic loss has a floor above 0, so it could not say. Runs
    are retracted from an absolute distance on. A seed that is near enough in units of
    large targets, and was not retracted, is compared with the bound at its own outputs.

    Args:
        claim_id: a claim whose rule is of kind "attains".
        table: rows of one setting from `sweep`.
        trace: column with the trace at interpolation.
    """
    thresholds, claim = claim_of(claim_id, "attains")
    loss = relative_error(table, diverged=np.inf)
    near = loss <= thresholds.interpolates
    ratios = per_seed(table, trace) / per_seed(table, "bound")
    afar = per_seed(table, "output_error") > thresholds.interpolates
    own = near & afar & ratios.isna()
    if own.any():  # a flow, which stays on the set, has no such bound
        at_outputs = per_seed(table, "trace") / per_seed(table, "bound_outputs")
        ratios = ratios.where(~own, at_outputs)
    ratio = ratios.dropna().to_numpy()
    short = int((~near).sum())
    stuck = len(loss) - short - len(ratio)
    low, high = of_median(ratio, thresholds)
    effect = float(np.median(ratio)) if len(ratio) else np.inf
    if short == 0 and effect <= thresholds.bound_ratio:
        word: Word = "holds"
    else:
        word = "fails" if claim.rule.tight else "undecided"
    verdict = verdict_of(claim, word, effect, low, high, len(loss), table)
    if short:
        verdict = replace(
            verdict,
            note=joined(
                verdict.note, f"{short} of {len(loss)} seeds do not interpolate"
            ),
        )
    if own.any():
        note = f"{own.sum()} of {len(loss)} seeds compared at their own outputs"
        verdict = replace(verdict, note=joined(verdict.note, note))
    if stuck > 0:
        note = f"{stuck} seeds could not be retracted"
        verdict = replace(verdict, note=joined(verdict.note, note))
    return guarded(verdict, thresholds, table)


def estimated(
    claim_id: str,
    estimate: tuple[float, float, float],
    seeds: int,
    scale: str,
    *tables: pd.DataFrame,
) -> Verdict:
    """Decide whether a number that is computed from all seeds at once is positive.

    Args:
        claim_id: a claim whose rule is of kind "estimated".
        estimate: the number and the ends of its interval, which may be infinite. If
            the number is NaN, as where the runs cannot tell it, nothing is decided.
        seeds: behind it.
        scale: for the scorecard.
        tables: of the runs behind it, from `sweep`; diverged ones are counted.
    """
    thresholds, claim = claim_of(claim_id, "estimated")
    effect, (low, high) = estimate[0], _cut(claim, *estimate[1:])
    word = _above_zero(low, high)
    verdict = verdict_of(claim, word, effect, low, high, seeds, scale)
    if not np.isfinite(effect):
        note = joined(verdict.note, "the runs do not tell it: censored")
        verdict = replace(verdict, verdict="undecided", note=note)
    return guarded(verdict, thresholds, *tables)


def exact(
    claim_id: str,
    errors: Float[np.ndarray, " instances"],
    scale: str = "exact",
    *tables: pd.DataFrame,
) -> Verdict:
    """Decide a theorem or construction by its worst error over instances.

    Args:
        claim_id: a claim whose rule is of kind "exact".
        errors: one non-negative error for each instance.
        scale: what the instances are.
        tables: of the runs behind them, from `sweep`, one a setting; too many that
            diverged decide nothing.

    Raises:
        ValueError: if there is no instance.
    """
    thresholds, claim = claim_of(claim_id, "exact")
    if not len(errors):
        raise ValueError(f"{claim_id}: no instance to decide it by")
    worst = float(np.max(errors))
    word: Word = "holds" if worst <= claim.rule.tolerance else "fails"
    verdict = verdict_of(claim, word, worst, None, None, len(errors), scale)
    return without_diverged(verdict, thresholds, tables)


def flattest(
    claim_id: str,
    excess: Float[np.ndarray, " instances"],
    accuracy: Float[np.ndarray, " instances"],
    scale: str = "exact",
) -> Verdict:
    """Decide "all flattest minimisers generalise" by verified constructions.

    An interpolating construction whose trace differs from the certified bound by at
    most the tolerance is a flattest minimiser. One that does not generalise refutes
    the claim. Constructions can never prove it.

    Args:
        claim_id: a claim whose rule is of kind "flattest".
        excess: trace over bound minus 1, for each construction.
        accuracy: its accuracy on held-out points.
        scale: what the constructions are.
    """
    thresholds, claim = claim_of(claim_id, "flattest")
    attained = np.abs(excess) <= claim.rule.tolerance
    if attained.any():
        worst = float(np.min(np.asarray(accuracy)[attained]))
        word: Word = "fails" if worst <= thresholds.low else "undecided"
    else:
        worst, word = None, "undecided"
    return verdict_of(claim, word, worst, None, None, int(attained.sum()), scale)


def not_testable(claim_id: str) -> Verdict:
    """Record a claim that no run here can decide, with the reason."""
    _, claim = claim_of(claim_id, "not testable")
    verdict = verdict_of(claim, "not testable", None, None, None, 0, "none")
    return replace(verdict, note=joined(verdict.note, claim.rule.reason))


def _sign(
    claim: Claim,
    values: Float[np.ndarray, " seeds"],
    thresholds: Thresholds,
    scale: str | pd.DataFrame,
) -> Verdict:
    """Whether the mean of one number a seed is above 0."""
    low, high = _cut(claim, *of_mean(values, thresholds))
    effect = float(np.mean(values)) if len(values) else None
    word = _above_zero(low, high)
    return verdict_of(claim, word, effect, low, high, len(values), scale)


def _cut(claim: Claim, low: float, high: float) -> tuple[float, float]:
    """An interval, within what the effect can be."""
    least, largest = claim.rule.within
    return float(np.clip(low, least, largest)), float(np.clip(high, least, largest))


def _above_zero(low: float, high: float) -> Word:
    return "holds" if low > 0 else "fails" if high < 0 else "undecided"
