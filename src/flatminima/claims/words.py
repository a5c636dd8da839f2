"""Rules in words, for the scorecard."""

from flatminima.claims.model import Rule
from flatminima.statistics.intervals import SHARES
from flatminima.statistics.thresholds import Thresholds


def describe(rule: Rule, t: Thresholds) -> str:
    """The rule in words, for the scorecard."""
    percent = f"{t.level:.0%}"
    if rule.kind == "share":
        words = (
            f"low >= {t.high} holds, low >= {t.almost} partly, high <= {t.low} fails"
            if rule.says
            else f"high <= {t.low} holds, low >= {t.low} fails"
        )
        return (
            f"mean {rule.metric} over seeds at the last checkpoint, {percent} "
            f"interval: {words}, otherwise undecided{_in_groups(rule, t)}"
        )
    if rule.kind == "beats":
        order = "second minus first" if rule.lower_is_better else "first minus second"
        return (
            f"mean difference of {rule.metric} ({order}, paired by seeds), {percent} "
            "interval: above 0 holds, below 0 fails, otherwise undecided"
        )
    if rule.kind == "equals":
        return (
            f"mean difference of {rule.metric} (first minus second, paired by seeds), "
            f"{percent} interval: with 0 in it and within {rule.tolerance:g} either "
            "way holds, within that but without 0 partly, beyond that fails, otherwise "
            "undecided"
        )
    if rule.kind == "associated":
        return (
            f"mean over seeds of {rule.metric}, {percent} interval: above 0 holds, "
            "below 0 fails, otherwise undecided"
        )
    if rule.kind == "attains":
        above = "fails" if rule.tight else "undecided"
        return (
            "mean squared distance of the raw outputs to their targets <= "
            f"{t.interpolates} of the targets' mean square for every seed and median "
            f"trace after retraction over bound <= {t.bound_ratio}: holds, otherwise "
            f"{above}; a seed so near that was not retracted is compared with the "
            "bound at its own outputs"
        )
    if rule.kind == "estimated":
        return (
            f"{rule.metric}, {percent} interval over seeds: above 0 holds, "
            "below 0 fails, otherwise undecided"
        )
    if rule.kind == "exact":
        return f"worst {rule.metric} over instances <= {rule.tolerance:g}"
    if rule.kind == "flattest":
        return (
            f"a construction with trace over bound - 1 <= {rule.tolerance:g} and "
            f"accuracy <= {t.low} refutes it; otherwise undecided"
        )
    if rule.kind in ("crosses", "settles"):
        name = f"log10({rule.along})" if rule.logarithmic else rule.along
        where = f"{name} at which mean {rule.metric} first falls below {t.low}"
        if rule.kind == "crosses":
            return (
                f"{where}, {percent} interval over seeds: inside the grid holds, "
                "no crossing at one end of it fails, otherwise undecided"
            )
        return (
            f"shift, between the last two training lengths, of the {where}, paired "
            f"by seeds, {percent} interval: with 0 in it and within one grid step "
            "either way holds, without 0 fails, otherwise undecided"
        )
    return "none"


def _in_groups(rule: Rule, t: Thresholds) -> str:
    """What a share is where the seeds fall into two groups."""
    if rule.metric not in SHARES:
        return ""
    return (
        f"; where the seeds fall into two groups, the share of those with at least "
        f"{t.high} in place of the mean"
    )
