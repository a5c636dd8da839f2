"""Numbers in sentences: unit, digits and interval, against numbers worked by hand."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatminima.claims.effects import (
    NO_NUMBER,
    Effect,
    last_digit,
    number,
    tell,
    unit_of,
)
from flatminima.claims.model import Rule
from flatminima.claims.register import load
from flatminima.claims.report import Verdict
from flatminima.claims.sentences import Placeholder, Sentence

SHARE = Rule(kind="share")
BEATS = Rule(kind="beats")
ATTAINS = Rule(kind="attains")
CROSSES = Rule(kind="crosses", along="eps", logarithmic=True)


def exact(metric: str) -> Rule:
    return Rule(kind="exact", metric=metric, words="deviation")


def verdict(effect, low=None, high=None, n=10) -> Verdict:
    return Verdict(
        *("a", "c", "000: Fig. 2", "source", "It is so.", "rule", "holds"),
        *(effect, low, high, n, "quick", None, "", "before"),
    )


def told(rule, asked, effect, low=None, high=None, n=10) -> str:
    """The text of a placeholder; ordinary spaces for those that do not break."""
    parts = tuple(asked.split("."))[1:]
    text = tell(verdict(effect, low, high, n), rule, Placeholder("a", parts))
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("rule", "numbers", "text"),
    [
        (SHARE, (0.78792, 0.7442, 0.8330), "79 % (74 to 83 %)"),
        (SHARE, (0.99482, 0.98778, 0.99991), "99.5 % (98.8 to 100.0 %)"),
        (SHARE, (0.99998, 0.99994, 1.0), "99.998 % (99.994 to 100 %)"),
        (SHARE, (1.0, 0.9999616, 1.0), "100 % (99.996 to 100 %)"),
        (SHARE, (0.0, 0.0, 0.0038), "0 % (0 to 0.4 %)"),
        (SHARE, (0.9999999, None, None), "over 99.999 %"),
        (SHARE, (0.5, 0.5, 0.5), "50 %"),
        (BEATS, (0.2069, 0.16529, 0.24716), "21 percentage points (17 to 25)"),
        (BEATS, (-0.0456, -0.0687, -0.0217), "−5 percentage points (−7 to −2)"),
        (BEATS, (0.01, 0.0, 0.02), "1 percentage point (0 to 2)"),
        (BEATS, (0.01, 0.0004, 0.02), "1 percentage point (0.04 to 2)"),
        (ATTAINS, (1.0251, 1.02333, 1.02679), "1.025 (1.023 to 1.027)"),
        (ATTAINS, (1.00034, 1.00033, 1.00037), "1.0003 (1.0003 to 1.0004)"),
        (ATTAINS, (69.97, 68.23, 72.11), "70 (68 to 72)"),
        (ATTAINS, (1.5, 1.25, None), "1.5 (at least 1.2)"),
        (ATTAINS, (1.5, None, 1.75), "1.5 (at most 1.8)"),
        (ATTAINS, (None, None, None), NO_NUMBER),
        (ATTAINS, (None, 1.0, 2.0), NO_NUMBER),
        (CROSSES, (-2.0, -3.0, -1.0), "0.010 (0.001 to 0.100)"),
        (exact("|f - y|"), (3.1e-15, None, None), "3.1 × 10⁻¹⁵"),
        (exact("|f - y|"), (9.98e-5, None, None), "1.0 × 10⁻⁴"),
        (exact("share of x"), (4 / 15, None, None), "26.7 %"),
        (ATTAINS, (1234567.0, None, None), "1.23 × 10⁶"),
        (ATTAINS, (1234.0, 900.0, 1600.0), "1200 (900 to 1600)"),
    ],
)
def test_effects(rule, numbers, text):
    assert told(rule, "a", *numbers) == text


@pytest.mark.parametrize(
    ("rule", "asked", "text"),
    [
        (SHARE, "a.effect", "79 %"),
        (SHARE, "a.low", "74 %"),
        (SHARE, "a.high", "83 %"),
        (SHARE, "a.n", "10"),
        (SHARE, "a.rest", "21 % (17 to 26 %)"),
        (SHARE, "a.rest.high", "26 %"),
        (SHARE, "a.plain", "0.79 (0.74 to 0.83)"),
        (SHARE, "a.count", "8"),
        (SHARE, "a.one-in", "1 in 1"),
        (BEATS, "a.percent.effect", "79 %"),
        (ATTAINS, "a.exp.effect", "2.20"),
        (ATTAINS, "a.abs", "0.79 (0.74 to 0.83)"),
    ],
)
def test_parts(rule, asked, text):
    assert told(rule, asked, 0.78792, 0.7442, 0.8330) == text


@pytest.mark.parametrize(
    ("effect", "low", "high", "text"),
    [
        (0.78, 0.18, 2.78, "2.2 (1.2 to 16.1)"),
        (0.78, -0.5, 2.78, "2.2 (0.6 to 16.1)"),
        (0.78, 0.0, 2.78, "2 (1 to 16)"),
        (3.45, 2.95, 4.16, "30 (20 to 60)"),
    ],
)
def test_a_factor_whose_end_is_not_one_is_not_told_as_one(effect, low, high, text):
    assert told(ATTAINS, "a.exp", effect, low, high) == text


@pytest.mark.parametrize(
    ("rule", "asked", "text"),
    [
        (ATTAINS, "a.points", "79 percentage points (74 to 83)"),
        (ATTAINS, "a.percent", "79 % (74 to 83 %)"),
        (ATTAINS, "a.exp", "2.20 (2.10 to 2.30)"),
        (BEATS, "a.plain", "0.79 (0.74 to 0.83)"),
        (ATTAINS, "a.rest.percent", "21 % (17 to 26 %)"),
        (SHARE, "a.count.n", "10"),
    ],
)
def test_views_change_the_unit_or_the_number_with_its_interval(rule, asked, text):
    assert told(rule, asked, 0.78792, 0.7442, 0.8330) == text


def test_an_end_without_an_estimate_has_two_decimals():
    """As of a crossing that is censored."""
    assert told(ATTAINS, "a.low", None, 1.2544, None) == "1.25"
    assert told(SHARE, "a.high", None, None, 0.789544) == "78.95 %"


def test_seeds_that_generalise_are_told_by_their_number_and_that_of_all():
    groups = replace(verdict(0.3, 0.07, 0.65), note="so: 3 of 10 seeds generalise")
    asked = Placeholder("a", ("seeds",))
    assert tell(groups, SHARE, asked) == "3 of 10 seeds"
    assert tell(verdict(0.3, 0.07, 0.65), SHARE, asked) == NO_NUMBER


@pytest.mark.parametrize(
    ("numbers", "unit", "power"),
    [
        ((None, None, None), "plain", -2),
        ((0.0, None, None), "plain", 0),
        ((0.0, 0.0, 0.0), "plain", 0),
        ((0.5, None, None), "plain", -3),  # three digits of a number by itself
        ((1e-4, None, None), "plain", -6),
        ((9e-5, None, None), "plain", -6),  # and two of a tiny one
        ((12345.0, None, None), "plain", 2),
        ((10.0, 8.9, 10.8), "plain", -1),  # half the width is .95
        ((10.0, 8.9, 11.1), "plain", 0),
        ((1.5, 1.25, None), "plain", -1),
        ((1.5, None, 2.75), "plain", 0),
        ((3.0, 3.0, None), "plain", -2),
        ((0.5, 0.004, 1.0), "plain", -3),  # an end that is not 0
        ((0.5, 0.0, 1.0), "plain", -1),
        ((12345.6, 12345.52, 12345.68), "plain", 0),  # five digits at most
        ((50.0, 20.0, 80.0), "percent", 0),  # never tens
        ((50.0, 20.0, 80.0), "points", 0),
        ((50.0, 20.0, 80.0), "plain", 1),
        ((500.0, 200.0, 800.0), "plain", 2),
        ((99.996, 99.9, 100.0), "percent", -3),
        ((99.999996, 99.9, 100.0), "percent", -3),  # three decimals at most
        ((99.996, 99.9, 100.0), "points", -2),
        ((100.0, 99.9, 100.0), "percent", -2),
    ],
)
def test_the_last_digit_is_that_of_half_the_width(numbers, unit, power):
    assert last_digit(Effect(*numbers, unit)) == power


@pytest.mark.parametrize(
    ("value", "power", "text"),
    [
        (12.0, -3, "12"),
        (12.5, -3, "12.500"),
        (0.0, -3, "0"),
        (-0.004, -2, "0.00"),  # no minus before nothing
        (-0.006, -2, "−0.01"),
        (126.0, 1, "130"),
        (126.0, 0, "126"),
        (1e-4, -5, "0.00010"),
        (9.94e-5, -6, "9.9 × 10⁻⁵"),
        (9.94e-5, -5, "1 × 10⁻⁴"),
        (-2e-7, 0, "−2 × 10⁻⁷"),
        (99999.0, 0, "99999"),
        (100000.0, 3, "1.00 × 10⁵"),
        (-3e6, 7, "−3 × 10⁶"),
    ],
)
def test_a_number_is_plain_from_a_ten_thousandth_to_a_hundred_thousand(
    value, power, text
):
    assert number(value, power).replace("\N{NO-BREAK SPACE}", " ") == text


def test_a_negative_difference_is_turned_with_its_interval():
    numbers = (-0.0456, -0.0687, -0.0217)
    assert told(BEATS, "a.abs", *numbers) == "5 percentage points (2 to 7)"
    assert told(BEATS, "a.abs", -0.02, -0.05, 0.01) == "2 percentage points (−1 to 5)"


def test_parts_of_what_has_no_number():
    for part in ("effect", "low", "high", "count", "one-in", "abs", "rest", "exp"):
        assert told(SHARE, f"a.{part}", None) == NO_NUMBER
    assert told(SHARE, "a.one-in", 0.0) == NO_NUMBER
    assert told(SHARE, "a.one-in", 0.1) == "1 in 10"


def test_what_is_told_in_which_unit():
    matched = Rule(kind="associated", metric="test accuracy at matched trace")
    metric = "-(Kendall tau of trace and test accuracy)"
    tau = Rule(kind="associated", metric=metric, words="rank correlation")
    assert unit_of(matched) == "points"
    assert unit_of(tau) == "plain"
    assert unit_of(Rule(kind="share", metric="test_r2")) == "plain"
    assert unit_of(Rule(kind="beats", metric="retracted_trace")) == "plain"
    assert unit_of(Rule(kind="equals", tolerance=0.05)) == "points"
    # positions on an axis, whatever the metric that falls there
    assert unit_of(Rule(kind="crosses", along="bias_input")) == "plain"
    assert unit_of(Rule(kind="attains")) == "plain"


def test_every_claim_of_the_book_can_be_told():
    for claim in load()[1].values():
        text = tell(verdict(0.5, 0.25, 0.75), claim.rule, Placeholder(claim.id, ()))
        assert re.match(r"\d", text)


finite = st.floats(-1e9, 1e9, allow_nan=False).filter(lambda x: abs(x) > 1e-12)


def read(text: str) -> float:
    """A told number back."""
    plain = text.replace("\N{MINUS SIGN}", "-").replace("\N{NO-BREAK SPACE}", "")
    if "×10" in plain:
        digits = plain.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-"))
        mantissa, power = digits.split("×10")
        return float(mantissa) * 10.0 ** int(power)
    return float(plain)


@given(finite, st.integers(-15, 6))
def test_a_number_is_told_to_its_last_digit(value, power):
    text = number(value, power)
    leading = len(f"{abs(value):.0f}")
    allowed = max(10.0**power, 10.0 ** (leading - 16)) / 2
    if abs(value) < 1e-4 or abs(value) >= 1e5:  # one digit is always told
        allowed = max(allowed, abs(value) / 2)
    assert abs(read(text) - value) <= allowed * (1 + 1e-9)


@given(finite, st.floats(0, 1e3), st.floats(0, 1e3))
def test_an_interval_is_told_wide_enough_to_see(value, below, above):
    effect = Effect(value, value - below, value + above)
    power = last_digit(effect)
    half = (effect.high - effect.low) / 2
    assert 10.0**power <= max(half, abs(value), *map(abs, (effect.low, effect.high)))
    largest = max(abs(value), abs(effect.low), abs(effect.high))
    assert largest / 10.0**power < 1e5 * (1 + 1e-9)


@given(st.floats(0, 1, exclude_max=True))
def test_no_share_below_one_is_told_as_all(share):
    text = told(SHARE, "a", share)
    assert text != "100 %" or share * 100 > 100 - 1e-9
    assert text.endswith("%")


@given(st.floats(-1, 1), st.floats(0, 0.5), st.floats(0, 0.5))
def test_the_rest_and_the_share_add_up_to_the_digit(value, below, above):
    effect, low, high = value, value - below, value + above
    rest = tell(verdict(effect, low, high), ATTAINS, Placeholder("a", ("rest", "low")))
    if rest != NO_NUMBER:
        power = last_digit(Effect(1 - effect, 1 - high, 1 - low))
        assert abs(read(rest) - (1 - high)) <= 10.0**power


def test_a_placeholder_of_a_sentence_is_told():
    sentence = Sentence(says="{a.rest.effect}", **{"for": {"a": "holds"}})
    (asked,) = sentence.placeholders()
    assert tell(verdict(0.75), SHARE, asked) == "25\N{NO-BREAK SPACE}%"
