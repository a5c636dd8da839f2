"""A verdict's numbers as a sentence tells them: with their unit and interval.

One format holds everywhere. An effect has as many digits as its interval supports:
its last digit is the first one of half the interval's width, or later where an end
would look like 0 and is not, or a factor's like 1. Per cent are never rounded to tens,
and a share that is not whole is never told as 100 %.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from flatminima.claims.model import Rule
from flatminima.claims.report import Verdict, seeds_that_generalise
from flatminima.claims.sentences import SEEDS, Placeholder
from flatminima.statistics.intervals import SHARES

NO_NUMBER = "(no number)"
SPACE = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
DIGITS = 5
"""Significant digits at most."""

PERCENT_DECIMALS = 3
TINY = 1e-4
"""Numbers below it are told as powers of ten."""

Unit = Literal["plain", "percent", "points"]
AFTER: dict[Unit, str] = {
    "plain": "",
    "percent": f"{SPACE}%",
    "points": f"{SPACE}percentage points",
}


@dataclass(frozen=True)
class Effect:
    """A number with its interval and unit; null where there is none."""

    value: float | None
    low: float | None
    high: float | None
    unit: Unit = "plain"

    def through(self, function: Callable[[float], float]) -> "Effect":
        """All ends through a monotone function; the interval is turned if it falls."""
        value, low, high = (
            None if end is None else function(end)
            for end in (self.value, self.low, self.high)
        )
        if function(1.0) < function(0.0):
            low, high = high, low
        return Effect(value, low, high, self.unit)


def tell(verdict: Verdict, rule: Rule, asked: Placeholder) -> str:
    """The text that a placeholder of a verdict stands for.

    Args:
        verdict: the decided claim.
        rule: of this claim, for the unit.
        asked: which number, and how it is shown.

    Returns:
        The effect with its unit and interval, such as "79 % (74 to 83 %)", or the
        one end that is asked for; `NO_NUMBER` if the verdict has none.
    """
    effect = Effect(verdict.effect, verdict.low, verdict.high, unit_of(rule))
    if rule.logarithmic:
        effect = effect.through(lambda x: 10.0**x)
    for view in asked.views:
        if view == SEEDS:
            return _of_seeds(verdict)
        if view == "one-in":
            return f"1 in {1 / effect.value:.0f}" if effect.value else NO_NUMBER
        effect = _viewed(effect, view, verdict.n)
    if effect.unit != "plain":
        effect = effect.through(lambda x: round(100 * x, 9))
    power = last_digit(effect)
    if "exp" in asked.views:
        power = _apart_from_one(effect, power)
    if asked.end == "n":
        return str(verdict.n)
    if asked.end == "low":
        return _one(effect.low, power, effect.unit)
    if asked.end == "high":
        return _one(effect.high, power, effect.unit)
    text = _one(effect.value, power, effect.unit)
    if asked.end == "effect" or effect.value is None:
        return text
    return f"{text} {_interval(effect, power)}".rstrip()


def _of_seeds(verdict: Verdict) -> str:
    """Such as "3 of 10 seeds", where their share decides."""
    found = seeds_that_generalise(verdict)
    return f"{found[0]} of {found[1]} seeds" if found else NO_NUMBER


def unit_of(rule: Rule) -> Unit:
    """What the effect of a rule is told in.

    >>> unit_of(Rule(kind="share")), unit_of(Rule(kind="beats"))
    ('percent', 'points')
    """
    if rule.kind == "share":
        return "percent" if rule.metric in SHARES else "plain"
    if rule.kind in ("beats", "equals"):
        return "points" if rule.metric in SHARES else "plain"
    if rule.kind == "associated":
        return "points" if rule.metric.startswith("test accuracy") else "plain"
    if rule.kind in ("exact", "flattest"):
        shares = ("share", "accuracy")
        return "percent" if rule.metric.startswith(shares) else "plain"
    return "plain"


def last_digit(effect: Effect) -> int:
    """The power of ten of the last digit that an effect is told with.

    >>> last_digit(Effect(78.8, 74.4, 83.3)), last_digit(Effect(1.025, 1.023, 1.027))
    (0, -3)
    """
    value = effect.value
    if value is None:
        return -2
    ends = [end for end in (effect.low, effect.high) if end is not None]
    width = abs(ends[-1] - ends[0]) / 2 if len(ends) == 2 else 0.0
    if len(ends) == 1:
        width = abs(ends[0] - value)
    power = 0
    if width:
        power = _power(width)
    elif value:
        power = _power(value) - (2 if abs(value) >= TINY else 1)
    # whether an end is 0 may decide a claim, so only that is told as 0
    power = min([power, *(_power(end) for end in [value, *ends] if end)])
    if effect.unit != "plain":  # tens could move an end across a threshold
        power = min(power, 0)
    if effect.unit == "percent" and 0 < value < 100:
        power = min(power, _power(100 - value))
    largest = max(abs(end) for end in [value, *ends])
    if effect.unit == "percent":
        return max(power, -PERCENT_DECIMALS)
    return max(power, _power(largest) - DIGITS + 1) if largest else power


def _apart_from_one(effect: Effect, power: int) -> int:
    """A last digit at which no end of a factor looks like 1 unless it is.

    At 1 a factor says that there is no effect, as a difference does at 0.
    """
    ends = [effect.low, effect.high]
    near = [end for end in ends if end is not None and end != 1 and round(end) == 1]
    return min([power, *(_power(end - 1) for end in near)])


def number(value: float, power: int) -> str:
    """A number up to a power of ten; one that is exactly whole has no decimals.

    >>> number(0.78792, -2), number(-1.0, -3), number(1234.0, 2)
    ('0.79', '−1', '1200')
    """
    sign = MINUS if value < 0 else ""
    size = abs(value)
    if size and not TINY <= size < 10**DIGITS:
        exponent = _power(size)
        decimals = max(exponent - power, 0)
        if float(f"{size / 10.0**exponent:.{decimals}f}") >= 10:
            exponent += 1
        mantissa = f"{size / 10.0**exponent:.{decimals}f}"
        high = str(exponent).translate(SUPERSCRIPTS)
        return f"{sign}{mantissa}{SPACE}{TIMES}{SPACE}10{high}"
    if power > 0:
        size = round(size, -power)
    text = f"{size:.{0 if size == round(size) else max(-power, 0)}f}"
    return sign + text if float(text) else text


def _viewed(effect: Effect, view: str, n: int) -> Effect:
    value = effect.value
    if view == "abs":
        return effect.through(lambda x: -x) if value and value < 0 else effect
    if view == "rest":
        return effect.through(lambda x: 1 - x)
    if view == "exp":
        return effect.through(math.exp)
    if view == "count":
        count = None if value is None else float(round(value * n))
        return Effect(count, None, None)
    units: dict[str, Unit] = {unit: unit for unit in AFTER}
    return replace(effect, unit=units[view])


def _one(value: float | None, power: int, unit: Unit) -> str:
    if value is None:
        return NO_NUMBER
    text = number(value, power)
    if unit == "percent" and value < 100 <= float(text.strip(MINUS).split(SPACE)[0]):
        text = f"over{SPACE}{number(100 - 10.0**power, power)}"
    after = AFTER[unit]
    return text + (after.removesuffix("s") if text == "1" else after)


def _interval(effect: Effect, power: int) -> str:
    after = AFTER["percent"] if effect.unit == "percent" else ""
    ends = [
        None if end is None else number(end, power) for end in (effect.low, effect.high)
    ]
    low, high = ends
    if low is None and high is None:
        return ""
    if low is None:
        return f"(at most {high}{after})"
    if high is None:
        return f"(at least {low}{after})"
    return "" if low == high else f"({low} to {high}{after})"


def _power(size: float) -> int:
    """Of the leading digit."""
    return math.floor(math.log10(abs(size)))
