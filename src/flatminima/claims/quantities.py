"""Verdicts in words: what an effect measures, which way it points, where it is from.

The scorecard keeps numbers and short names, which programs read. Pages show what this
module makes of them: "accuracy lower by .21 [.17, .25]", "slides, Figure 2".
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flatminima.claims.rounding import NONE, numbers

if TYPE_CHECKING:  # rules.py refuses metrics that this module has no words for
    from flatminima.claims.model import Rule
    from flatminima.statistics.thresholds import Thresholds


@dataclass(frozen=True)
class Quantity:
    """What a metric is called on a page.

    Attributes:
        name: with its unit, if it has one.
        above: between name and number, where the number is a difference above 0.
        below: where it is a difference below 0, whose size is then shown.
        logarithm: whether the number is a natural logarithm, shown as what it is of.
    """

    name: str
    above: str = ""
    below: str = ""
    logarithm: bool = False


SEEDS = Quantity("share of seeds that generalise")
WORST = Quantity("worst error")
RELATIVE = Quantity("worst relative error")
RANKS = Quantity("Kendall's τ of flatness and accuracy")
UNDER_D_LOG_D = Quantity(
    "exponent of n", "below that of d log d by", "above that of d log d by"
)
OVER_D_LOG_D = Quantity(
    "exponent of n", "above that of d log d by", "below that of d log d by"
)
KERNEL_OVER_SAM = Quantity(
    "exponent of n",
    "larger for the kernel than for 1-SAM by",
    "smaller for the kernel than for 1-SAM by",
)
SAM_OVER_DECAY = Quantity(
    "exponent of n",
    "larger for 1-SAM than for SGD + wd by",
    "smaller for 1-SAM than for SGD + wd by",
)
NOT_ALL_RIGHT = "share of points where not every flattest network is right"

QUANTITIES = {
    "test_accuracy": Quantity("accuracy"),
    "test_r2": Quantity("R²"),
    "retracted_trace": Quantity("trace"),
    "rising_share": Quantity("share of rising steps"),
    "memorising": Quantity("share of examples with a unit of their own"),
    "alignment": Quantity("mean cosine"),
    "as_predicted": Quantity("share of runs as predicted"),
    "accuracy of the worst flattest construction": Quantity(
        "accuracy of the worst flattest network"
    ),
    # one number a seed
    "-(Kendall tau of trace over bound and test accuracy)": RANKS,
    "minus Kendall's tau of trace / bound and test accuracy over bias inputs": RANKS,
    "minus Kendall's tau of trace / bound and test accuracy over floors": RANKS,
    "test accuracy at matched trace": Quantity(
        "accuracy at equal trace", "higher by", "lower by"
    ),
    # one number from all seeds
    "log-log slope of d log d minus that of n against d at a test MSE of 0.25": (
        UNDER_D_LOG_D
    ),
    "log-log slope of d log d minus that of n against d at a zero-one error of 0.1": (
        UNDER_D_LOG_D
    ),
    "log-log slope of n against d at a test MSE of 0.25 minus that of d log d": (
        OVER_D_LOG_D
    ),
    "log-log slope of n against d at a zero-one error of 0.1 minus that of d log d": (
        OVER_D_LOG_D
    ),
    "log-log slope of n against d at a test MSE of 0.25 (kernel minus 1-SAM)": (
        KERNEL_OVER_SAM
    ),
    "log-log slope of n against d at a zero-one error of 0.1 (kernel minus 1-SAM)": (
        KERNEL_OVER_SAM
    ),
    "log-log slope of n against d at a test MSE of 0.25 (1-SAM minus SGD + wd)": (
        SAM_OVER_DECAY
    ),
    "log-log slope of n against d at a zero-one error of 0.1 (1-SAM minus SGD + wd)": (
        SAM_OVER_DECAY
    ),
    "log of the n that 1-SAM needs over the n that SGD + wd needs": Quantity(
        "points needed, 1-SAM over SGD + wd,", logarithm=True
    ),
    "log of the n that 1-SAM needs over the n that it needs from the small start": (
        Quantity("points needed, usual over small start,", logarithm=True)
    ),
    "log of the n that convex search needs over the n that 1-SAM needs": Quantity(
        "points needed, convex search over 1-SAM,", logarithm=True
    ),
    # the worst of several instances
    "share of points that are not vertices": Quantity("share of points off a vertex"),
    "error of interpolation or of Definition 2.2": WORST,
    "|trace / certified bound - 1|": RELATIVE,
    "|zero-one error - (1 - distinct / 2^d)|": WORST,
    "interpolation error, |trace / bound - 1| or zero-one error": WORST,
    "interpolation error, |trace / certified bound - 1| or error of Definition 2.2": (
        WORST
    ),
    "|trace / bound - 1|": RELATIVE,
    "|trace / bound - 1| or interpolation error": WORST,
    "|trace / bound - 1| on P_xor, where R^2 = d": RELATIVE,
    "|zero-one error - max(1 - n/2^d, 0)|": WORST,
    "least zero-one error of a network of width n, at n = 1 and n = 2": Quantity(
        "least zero-one error at width n"
    ),
    "|trace / formula - 1|": RELATIVE,
    "share of (d, n) with n >= d log d at which the rate is negative": Quantity(
        "share of sizes with a negative rate"
    ),
    "certified lower bound on the least trace over 4 sqrt(d) - 1": Quantity(
        "share by which the least trace exceeds 4 √d"
    ),
    "share of variations with another verdict than the base (one that is undecided "
    "leaves the claim undecided)": Quantity("share of variations decided otherwise"),
    "share of a run's flipped labels that its network does not give back": Quantity(
        "largest share of flipped labels not fitted"
    ),
    "largest difference of the two sides": Quantity("largest difference"),
    "zero-one error on the whole cube": Quantity("zero-one error"),
    "|f - y|": WORST,
    "|trace - bound|": Quantity("distance of the trace from the bound"),
    "share of the second layer's pre-activations that are exactly 0": Quantity(
        "share of pre-activations on a kink"
    ),
    "trace - bound": Quantity("largest trace minus bound"),
    "|certified lower bound / formula - 1| on cubes of 2, 3 and 4 inputs": RELATIVE,
    "worst of |certified lower bound / formula - 1| on cubes of 2, 3 and 4 inputs and "
    "|trace / formula - 1| at a first layer 1e6 times as large": RELATIVE,
    "|numerical minimiser - formula|": WORST,
    "|formula / trace - 1|": RELATIVE,
    "|bound / trace - 1| at the generalising network": RELATIVE,
    "|Pr(y f > 0) - zero-one error| of the generalising network": WORST,
    "worst of |f - y|, |trace / bound - 1| and zero-one error over all sets of three "
    "points": WORST,
    "|fitted power of d - 1/2|": Quantity("distance of the power from 1/2"),
    "share of a column's squared norm in other neurons": Quantity(
        "largest share of a column in other neurons"
    ),
    "divergence of a seed (0 or 1)": Quantity("divergence of a seed (0 no, 1 yes)"),
    "share of the cube on which the output is 0/0": Quantity(
        "share of the cube without an output"
    ),
    "|optimum or proved lower bound / (4 sqrt(d + 1)) - 1|": RELATIVE,
    "trace of the network / proved lower bound - 1": Quantity(
        "share by which the trace exceeds the bound"
    ),
    "share, over all training sets of that size and all points held out, at which not "
    "every network within 0.1 % of the least trace is right": Quantity(NOT_ALL_RIGHT),
    "share of held-out points with a bounded range of outputs": Quantity(
        "share of points with a bounded range of outputs"
    ),
}
"""What the metrics of the claims are called. A rule's own `words` come first."""

ALONG = {
    "bias_input": "bias input",
    "bias_init_scale": "start of the bias",
    "eps": "floor ε",
}
"""What the fields are called along which a share may cross its threshold."""

SOURCES = {
    "000": "slides",
    "001": "open-problems talk",
    "002": "SAM talk",
    "003": "minimum-sharpness report",
    "paper": "paper",
}
"""What a page calls each source: the slides of Wen, Li and Ma and the paper that they
present, and three more whose numbers the book uses."""

COUNTED = {"exact": ("case", "cases"), "flattest": ("network", "networks")}
"""What `n` counts in every claim of these kinds."""

PLACE = re.compile(rf"\b({'|'.join(SOURCES)})(: |, )")
BETWEEN = re.compile(r"between the ([\w\s-]+), (Figure \S+) and (Figure [^;\s]+)")


def quantity(rule: Rule) -> Quantity:
    """What the effect of a rule is called.

    Args:
        rule: of a claim.

    Raises:
        ValueError: if neither this module nor the rule has words for its metric, or
            this module none for the field that it goes along.
    """
    if rule.kind == "attains":
        return Quantity(rule.words or "trace over bound")
    if rule.kind in ("crosses", "settles"):
        if not rule.words and rule.along not in ALONG:
            raise ValueError(
                f"along = {rule.along!r}: no words for it; give the rule `words`, or "
                f"use one of {', '.join(ALONG)}"
            )
        name = rule.words or ALONG[rule.along]
        if rule.kind == "crosses":
            return Quantity(f"crossing at {name}")
        return Quantity(f"crossing in {name}", "higher by", "lower by")
    if rule.words:
        return Quantity(rule.words)
    if rule.kind == "flattest":
        return QUANTITIES["accuracy of the worst flattest construction"]
    if rule.metric not in QUANTITIES:
        raise ValueError(
            f"metric = {rule.metric!r}: no words for it; give the rule `words`, which "
            "say what its number is"
        )
    return QUANTITIES[rule.metric]


def effect_in_words(
    rule: Rule,
    effect: float | None,
    low: float | None,
    high: float | None,
    thresholds: Thresholds,
    *,
    of_seeds: bool = False,
) -> str:
    """An effect with what it measures, its direction and its interval.

    A difference is shown by its size, after "higher by" or "lower by", which say how
    the first of the two settings stands to the second.

    Args:
        rule: that the effect was measured for.
        effect: as the verdict has it; None if there is none.
        low, high: ends of its interval; None where it has none.
        thresholds: no number is rounded onto one of these, or across it.
        of_seeds: whether it is the share of seeds that generalise, as where they fall
            into two groups.

    Returns:
        Such as "accuracy .79 [.74, .83]", "trace over bound 1.025 [1.020, 1.030]" or
        "worst error 2e−14"; a dash if there is no effect.
    """
    if effect is None:
        return NONE
    words = SEEDS if of_seeds else quantity(rule)
    name, marks = words.name, _marks(rule, thresholds)
    above, below = words.above, words.below
    if rule.kind in ("beats", "equals"):
        above, below = above or "higher by", below or "lower by"
        if rule.lower_is_better:  # the effect is positive where the first is lower
            above, below = below, above
    if above:
        name = f"{name} {above if effect >= 0 else below}"
        if effect < 0:
            effect, low, high = -effect, _negative(high), _negative(low)
    base = math.e if words.logarithm else 10.0
    raised = words.logarithm or (rule.kind == "crosses" and rule.logarithmic)
    if raised:
        effect = base**effect
        low, high = (end if end is None else base**end for end in (low, high))
        marks = [base**mark for mark in marks]
    unit = " decades" if rule.kind == "settles" and rule.logarithmic else ""
    return f"{name} {numbers(effect, low, high, marks, lone=raised)}{unit}"


def _negative(end: float | None) -> float | None:
    return None if end is None else -end


def _marks(rule: Rule, t: Thresholds) -> list[float]:
    """What a number of this rule is compared with."""
    if rule.kind == "share":
        return [0.0, t.low, t.almost, t.high]
    if rule.kind == "attains":
        return [t.bound_ratio]
    if rule.kind == "flattest":
        return [t.low]
    if rule.kind == "exact":
        return [0.0, rule.tolerance]
    if rule.kind == "equals":
        return [0.0, rule.tolerance]
    return [0.0] if rule.kind in ("beats", "associated", "estimated") else []


def counted(rule: Rule, n: int) -> str:
    """What stands behind a verdict, such as "10 seeds".

    Args:
        rule: of the claim.
        n: how many.

    Returns:
        Nothing where the number says nothing: a single case, or no run at all.
    """
    if rule.kind == "not testable" or n == 0 or (rule.kind in COUNTED and n == 1):
        return ""
    one, many = COUNTED.get(rule.kind, (rule.counts.removesuffix("s"), rule.counts))
    return f"{n} {one if n == 1 else many}"


def source_in_words(source: str) -> str:
    """Where a claim is from, spelled out.

    Args:
        source: as the claims have it.

    >>> source_in_words("000: Fig. 2; paper: Fig. 4b")
    'slides, Figure 2; paper, Figure 4b'
    >>> source_in_words("control, between 000, Fig. 1 and Fig. 2")
    'control, between Figure 1 and Figure 2 of the slides'
    """

    def name(found: re.Match[str]) -> str:
        before = source[: found.start()].rstrip()
        article = "the " if before and not before.endswith((";", ",")) else ""
        return f"{article}{SOURCES[found[1]]}, "

    spelled = PLACE.sub(name, source)
    spelled = re.sub(r"\bFig\. ", "Figure ", spelled)
    spelled = re.sub(r"\beq\. ", "equation ", spelled)
    return BETWEEN.sub(r"between \2 and \3 of the \1", spelled)
