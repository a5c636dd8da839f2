"""Effects, counts and sources in words, each kind of rule by hand."""

import math
import re

import pytest

from flatminima.claims.model import Rule
from flatminima.claims.quantities import (
    ALONG,
    QUANTITIES,
    SOURCES,
    counted,
    effect_in_words,
    quantity,
    source_in_words,
)
from flatminima.claims.register import load
from flatminima.claims.rounding import NONE, numbers

TAU = "-(Kendall tau of trace over bound and test accuracy)"
SLOPE = "log-log slope of d log d minus that of n against d at a test MSE of 0.25"
NEEDS = "log of the n that convex search needs over the n that 1-SAM needs"
FLATTER = Rule(kind="beats", metric="retracted_trace", lower_is_better=True)


def words(rule: Rule, effect, low=None, high=None) -> str:
    return effect_in_words(rule, effect, low, high, load()[0])


@pytest.mark.parametrize(
    ("rule", "numbers", "said"),
    [
        (Rule(kind="share"), (0.79, 0.741, 0.83), "accuracy .79 [.74, .83]"),
        (Rule(kind="share", metric="test_r2"), (-0.5, -0.7, -0.3), "R² −.50"),
        (Rule(kind="beats"), (0.21, 0.17, 0.25), "accuracy higher by .21 [.17, .25]"),
        (Rule(kind="beats"), (-0.21, -0.25, -0.17), "accuracy lower by .21 [.17, .25]"),
        (Rule(kind="beats"), (-0.01, -0.04, 0.02), "accuracy lower by .01 [−.02, .04]"),
        (Rule(kind="beats"), (0.0, 0.0, 0.0), "accuracy higher by 0 [0, 0]"),
        (
            Rule(kind="equals", tolerance=0.05),
            (-0.01, -0.0504, 0.02),
            "accuracy lower by .0100 [−.0200, .0504]",
        ),
        (FLATTER, (12.34, 11.2, 13.5), "trace lower by 12.3 [11.2, 13.5]"),
        (FLATTER, (-12.34, -13.5, -11.2), "trace higher by 12.3 [11.2, 13.5]"),
        (Rule(kind="associated", metric=TAU), (-0.3, -0.4, -0.2), "accuracy −.30 [−.4"),
        (
            Rule(kind="associated", metric="test accuracy at matched trace"),
            (-0.05, -0.08, -0.02),
            "accuracy at equal trace lower by .05 [.02, .08]",
        ),
        (
            Rule(kind="estimated", metric=SLOPE),
            (0.3, 0.1, 0.5),
            "exponent of n below that of d log d by .30 [.10, .50]",
        ),
        (
            Rule(kind="estimated", metric=SLOPE),
            (-0.3, None, -0.1),
            "exponent of n above that of d log d by .30 [.10, …]",
        ),
        (
            Rule(kind="estimated", metric=NEEDS),
            (math.log(1.5), math.log(1.25), None),
            "convex search over 1-SAM, 1.5 [1.25, …]",
        ),
        (
            Rule(kind="attains"),
            (1.025, 1.02, 1.03),
            "trace over bound 1.025 [1.020, 1.030]",
        ),
        (Rule(kind="exact", metric="|f - y|"), (1.9e-14,), "worst error 2e−14"),
        (Rule(kind="exact", metric="|f - y|"), (0.0,), "worst error 0"),
        (Rule(kind="flattest"), (0.5,), "accuracy of the worst flattest network .5"),
        (
            Rule(kind="crosses", along="bias_input"),
            (0.52, 0.4, 0.6),
            "crossing at bias input .52 [.40, .60]",
        ),
        (
            Rule(kind="crosses", along="eps", logarithmic=True),
            (-3, -4, -2),
            "crossing at floor ε .001 [.0001, .01]",
        ),
        (
            Rule(kind="settles", along="eps", logarithmic=True),
            (-0.25, -0.5, 0.25),
            "crossing in floor ε lower by .25 [−.25, .50] decades",
        ),
        (
            Rule(kind="settles", along="bias_input"),
            (0.25, 0.0, 0.5),
            "crossing in bias input higher by .25 [0, .50]",
        ),
        (Rule(kind="exact", metric="new", words="gap"), (0.25,), "gap .25"),
        (Rule(kind="beats", words="speed"), (-1, -2, 0), "speed lower by 1.00 [0, 2"),
    ],
)
def test_an_effect_says_what_it_measures_and_which_way(rule, numbers, said):
    assert said in words(rule, *numbers)


@pytest.mark.parametrize("kind", ["share", "beats", "attains", "flattest"])
def test_no_effect_is_a_dash(kind):
    assert words(Rule(kind=kind), None) == NONE


@pytest.mark.parametrize("lower_is_better", [False, True])
@pytest.mark.parametrize("first", [2.0, 3.0, 5.0])
def test_the_direction_is_that_of_the_first_setting(first, lower_is_better):
    """Against `claims.beats`: its effect is positive where the first setting wins."""
    second = 3.0
    rule = Rule(kind="beats", lower_is_better=lower_is_better, words="x")
    effect = second - first if lower_is_better else first - second
    said = words(rule, effect, effect, effect)
    if first != second:
        assert f"x {'higher' if first > second else 'lower'} by" in said
    assert f"{abs(first - second):.2f}".lstrip("0") in said or " 0 [0, 0]" in said


@pytest.mark.parametrize(
    ("given", "marks", "said"),
    [
        ((0.9987, 0.9981, 0.9992), [], ".9987 [.9981, .9992]"),
        ((0.95, 0.9, 1.0), [], ".95 [.90, 1.00]"),
        ((0.97, 0.9496, 0.99), [0.95], ".9700 [.9496, .9900]"),
        ((0.97, 0.9504, 0.99), [0.95], ".9700 [.9504, .9900]"),
        ((0.97, 0.95, 0.99), [0.95], ".97 [.95, .99]"),
        ((0.04, 0.0003, 0.08), [0.0], ".0400 [.0003, .0800]"),
        ((1e-9, 1e-9, 1e-9), [0.0], "0 [0, 0]"),  # decimals have an end
        ((123.4, 100.0, 150.0), [], "123 [100, 150]"),
        ((0.1 + 0.2, 0.3, 0.1 + 0.2), [0.0], ".30 [.30, .30]"),
        ((1.0, None, 2.0), [], "1.00 […, 2.00]"),
        ((1.0, None, None), [], "1"),
        ((0.1004, None, None), [0.1], ".1004"),
        ((0.12345, None, None), [], ".123"),
        ((2e-9, None, None), [1e-8], "2e−9"),
        ((1.04e-8, None, None), [1e-8], "1.04e−8"),
        ((-0.5, None, None), [], "−.5"),
        ((2.5e7, None, None), [], "2e7"),
        ((3e10, None, None), [], "3e10"),
        ((3e-10, None, None), [], "3e−10"),
        ((0.001234, None, None), [], ".00123"),
        ((0.000567, None, None), [], ".0006"),
        ((1234.0, None, None), [], "1.23e3"),
        ((12345.0, None, None), [], "1e4"),
        ((1234.6, 1000.0, 2000.0), [], "1235 [1000, 2000]"),
        ((0.0, -0.3, 0.3), [], "0 [−.30, .30]"),
        ((0.5, 0.4999999, 0.5000001), [], ".500000 [.500000, .500000]"),
        ((0.52, 0.4996, 0.6), [0.5], ".5200 [.4996, .6000]"),
        ((1.0, 0.0, None), [], "1.00 [0, …]"),
        ((0.5, 0.4895, 0.5105), [], ".50 [.49, .51]"),  # half the width is .0105
        ((0.5, 0.4905, 0.5095), [], ".500 [.490, .509]"),  # and here .0095
    ],
)
def test_numbers_have_the_digits_that_they_deserve(given, marks, said):
    assert numbers(*given, marks) == said


def test_a_lone_end_is_rounded_by_itself():
    assert numbers(0.012345, 0.0012345, 123.45, lone=True) == ".0123 [.00123, 123]"
    assert numbers(0.012345, 0.0012345, 123.45) == ".01 [0, 123.45]"


@pytest.mark.parametrize(
    ("rule", "effect", "said"),
    [
        (Rule(kind="attains"), (1.0502,), "1.0502"),
        (Rule(kind="flattest"), (0.9004,), ".9004"),
        (Rule(kind="exact", metric="|f - y|", tolerance=1e-8), (1.04e-8,), "1.04e−8"),
        (Rule(kind="exact", metric="|f - y|", tolerance=0.2), (0.2004,), ".2004"),
        (Rule(kind="beats"), (0.04, 0.0003, 0.08), ".0400 [.0003, .0800]"),
        (Rule(kind="associated", metric=TAU), (0.04, 0.0003, 0.08), "[.0003, .0800]"),
        (Rule(kind="estimated", metric=SLOPE), (0.04, 0.0003, 0.08), "[.0003, .0800]"),
        (Rule(kind="share"), (0.02, 0.0003, 0.08), ".0200 [.0003, .0800]"),
        (Rule(kind="share"), (0.85, 0.8, 0.8996), ".8500 [.8000, .8996]"),
        (Rule(kind="share"), (0.97, 0.9496, 0.99), ".9700 [.9496, .9900]"),
        # the crossing is compared with the ends of its grid, which are not known here
        (Rule(kind="crosses", along="eps"), (0.04, 0.0003, 0.08), ".04 [0, .08]"),
    ],
)
def test_no_number_is_rounded_onto_a_threshold_of_its_rule(rule, effect, said):
    assert words(rule, *effect).endswith(said)


def test_a_share_of_seeds_is_called_so():
    rule, numbers = Rule(kind="share"), (0.3, 0.07, 0.65)
    told = effect_in_words(rule, *numbers, load()[0], of_seeds=True)
    assert told == "share of seeds that generalise .30 [.07, .65]"


def test_an_open_end_of_a_turned_difference_stays_open():
    assert words(Rule(kind="beats"), -0.3, -0.5, None).endswith("by .30 […, .50]")
    assert words(Rule(kind="beats"), 0.3, None, 0.5).endswith("by .30 […, .50]")


def test_a_logarithm_may_have_an_open_end_on_either_side():
    value, end = math.log(2.0), math.log(4.0)
    rule = Rule(kind="estimated", metric=NEEDS)
    assert words(rule, value, None, end).endswith("1-SAM, 2 […, 4]")
    assert words(rule, -value, -end, None).endswith("1-SAM, .5 [.25, …]")
    crossing = Rule(kind="crosses", along="eps", logarithmic=True)
    assert words(crossing, -2.0, None, -1.0).endswith("floor ε .01 […, .1]")


def test_no_number_is_shown_on_the_other_side_of_a_threshold():
    for place in range(1, 200):
        value = 0.9 + place * 1e-3 / 2
        shown = numbers(value, value - 0.05, value + 0.02, [0.9, 0.95])
        for text, truth in zip(
            re.findall(r"1?\.\d+", shown),
            (value, value - 0.05, value + 0.02),
            strict=True,
        ):
            for mark in (0.9, 0.95):
                assert (float(text) >= mark) == (truth >= mark)


# --- metrics ------------------------------------------------------------------


def test_every_claim_has_words_and_no_words_are_idle():
    _, claims = load()
    for claim in claims.values():
        assert quantity(claim.rule).name
    used = {claim.rule.metric for claim in claims.values() if not claim.rule.words}
    assert set(QUANTITIES) - used == set()
    along = {claim.rule.along for claim in claims.values()}
    assert set(ALONG) - along == set()


def test_no_words_show_the_name_of_a_column():
    for words in QUANTITIES.values():
        assert "_" not in words.name
        assert bool(words.above) == bool(words.below)


def test_a_metric_without_words_is_refused():
    with pytest.raises(ValueError, match="metric = 'energy': no words for it; give"):
        Rule(kind="share", metric="energy")
    assert quantity(Rule(kind="share", metric="energy", words="energy")).name
    with pytest.raises(ValueError, match="along = 'lr': .* one of bias_input, .*eps"):
        Rule(kind="crosses", along="lr")
    named = Rule(kind="crosses", along="lr", words="learning rate")
    assert quantity(named).name == "crossing at learning rate"


# --- counts and sources -------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "n", "said"),
    [
        ("share", 10, "10 seeds"),
        ("attains", 1, "1 seed"),
        ("beats", 0, ""),
        ("equals", 10, "10 seeds"),
        ("exact", 20, "20 cases"),
        ("exact", 1, ""),
        ("flattest", 2, "2 networks"),
        ("flattest", 0, ""),
        ("not testable", 0, ""),
    ],
)
def test_what_stands_behind_a_verdict(kind, n, said):
    rule = Rule(kind=kind, along="lr", tolerance=0.1, reason="none", words="a rate")
    assert counted(rule, n) == said


@pytest.mark.parametrize(("n", "said"), [(13, "13 places"), (1, "1 place")])
def test_what_stands_behind_a_verdict_need_not_be_seeds(n, said):
    assert counted(Rule(kind="estimated", counts="places", words="a share"), n) == said


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("000: Fig. 2; paper: Fig. 4b", "slides, Figure 2; paper, Figure 4b"),
        ("control of paper, Fig. 2b", "control of the paper, Figure 2b"),
        ("paper: eq. (5)", "paper, equation (5)"),
        ("remark on 000: Limitations", "remark on the slides, Limitations"),
        (
            "between 000, Fig. 1 and Fig. 2; after paper, Theorem 4.1",
            "between Figure 1 and Figure 2 of the slides; after the paper, Theorem 4.1",
        ),
        ("001: page 3", "open-problems talk, page 3"),
        ("002: page 3; 003: Table 1", "SAM talk, page 3; minimum-sharpness report, "),
        ("a run of 1000: no source", "a run of 1000: no source"),
    ],
)
def test_a_source_is_spelled_out(source, said):
    assert source_in_words(source).startswith(said)


def test_no_page_shows_an_id_of_a_source():
    ids = re.compile(rf"\b({'|'.join(SOURCES)}):|\b00\d\b|Fig\.|eq\.")
    for claim in load()[1].values():
        assert not ids.search(source_in_words(claim.source))


def test_logarithms_are_shown_as_what_they_are_of():
    logs = {name for name in QUANTITIES if name.startswith("log of")}
    assert len(logs) >= 3
    assert logs <= {name for name, words in QUANTITIES.items() if words.logarithm}
