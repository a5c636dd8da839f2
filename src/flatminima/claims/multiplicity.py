"""How sure verdicts are when many claims are decided at once.

An interval at 95 % misses in 5 of 100 cases, on one side or the other. With a hundred
claims some are decided wrongly by chance. Holm's procedure tells which verdicts stand
if not even one of them may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from flatminima.claims.model import Rule
from flatminima.statistics.thresholds import Thresholds

if TYPE_CHECKING:  # it shows p values
    from flatminima.claims.report import Verdict

DECIDED = ("holds", "partly", "fails")
ABOVE_ZERO = ("beats", "associated", "estimated")


def threshold(rule: Rule, verdict: Verdict, t: Thresholds) -> tuple[float, bool] | None:
    """The number that a decided verdict rests on, and whether the effect is above it.

    Args:
        rule: of the claim.
        verdict: on it.
        t: those of all rules.

    Returns:
        None if no interval was held against a number.
    """
    if verdict.verdict not in DECIDED or verdict.low is verdict.high is None:
        return None
    if rule.kind in ABOVE_ZERO:
        return 0.0, verdict.verdict == "holds"
    if rule.kind != "share":
        return None
    if not rule.says:
        return t.low, verdict.verdict == "fails"
    if verdict.verdict == "fails":
        return t.low, False
    return (t.high if verdict.verdict == "holds" else t.almost), True


def p_value(
    rule: Rule, verdict: Verdict, t: Thresholds, groups: tuple[int, int] | None = None
) -> float | None:
    """One minus the level at which the interval of a verdict would reach its threshold.

    For the share of seeds in two groups it is that of the binomial law. Other intervals
    are widened as Student's interval of as many seeds is.

    Args:
        rule, verdict, t: as for `threshold`.
        groups: seeds that generalise and all seeds, where their share decides.

    Returns:
        None if the verdict was not decided by an interval with a finite end there.
    """
    if (found := threshold(rule, verdict, t)) is None:
        return None
    mark, above = found
    end = verdict.low if above else verdict.high
    if verdict.effect is None or end is None:
        return None
    if groups:
        count, n = groups
        law = stats.binom(n, mark)
        return float(min(1.0, 2 * (law.sf(count - 1) if above else law.cdf(count))))
    reach, margin = abs(end - verdict.effect), abs(mark - verdict.effect)
    if reach == 0:
        return 0.0 if margin else 1.0
    student = stats.t(max(verdict.n - 1, 1))
    return float(2 * student.sf(student.ppf((1 + t.level) / 2) * margin / reach))


def holm(p: Sequence[float], level: float) -> Bool[np.ndarray, " claims"]:
    """Which verdicts stand if the chance that any of them is wrong has to be small.

    Holm's procedure: the smallest p is held against (1 - level) / m, the next one
    against (1 - level) / (m - 1), up to the first that is larger.

    Args:
        p: one a verdict.
        level: of confidence in all of them together.
    """
    values: Float[np.ndarray, " claims"] = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    limits = (1 - level) / np.arange(len(values), 0, -1)
    stands = np.zeros(len(values), dtype=bool)
    stands[order] = np.logical_and.accumulate(values[order] <= limits)
    return stands
