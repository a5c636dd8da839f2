"""Every word of every rule, on tables made by hand, at its threshold and beside it."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from flatminima.claims import decide, making, register, report
from flatminima.claims import words as claims_words
from flatminima.claims.model import Claim, Rule
from flatminima.claims.report import Report, Verdict, few_seeds, shortfall
from flatminima.data.load import train_and_test
from flatminima.statistics import intervals, targets
from flatminima.sweeps.table import COMMITTED
from tests.tables import runs, some

KEYS = [
    "id",
    "chapter",
    "source",
    "origin",
    "statement",
    "rule",
    "verdict",
    "effect",
    "low",
    "high",
    "n",
    "scale",
    "reported",
    "note",
    "rule_fixed",
]
RULES = {
    "high": Rule(kind="share"),
    "low": Rule(kind="share", says=False),
    "one-hot": Rule(kind="share", metric="single_active", words="one-hot share"),
    "more": Rule(kind="beats"),
    "same": Rule(kind="equals", tolerance=0.05),
    "positive": Rule(kind="associated", metric="tau", words="τ"),
    "rank": Rule(kind="associated", metric="tau", words="τ", within=(-1, 1)),
    "sloping": Rule(kind="estimated", metric="tau", words="τ", within=(-1, 1)),
    "flatter": Rule(kind="beats", metric="trace", lower_is_better=True, words="trace"),
    "few": Rule(kind="share", min_seeds=5),
    "explained": Rule(kind="share", metric="test_r2"),
    "cosine": Rule(kind="share", metric="alignment"),
    "tight": Rule(kind="attains"),
    "few-tight": Rule(kind="attains", min_seeds=5),
    "loose": Rule(kind="attains", tight=False),
    "slope": Rule(kind="estimated", metric="slope", words="slope"),
    "exact": Rule(kind="exact", metric="error", tolerance=1e-8, words="worst error"),
    "flattest": Rule(kind="flattest", tolerance=1e-8),
    "open": Rule(kind="not testable", reason="no data can tell"),
}
VARIED = [0.90 + 0.01 * k for k in range(10)]


def above(x: float) -> float:
    return float(np.nextafter(x, math.inf))


def below(x: float) -> float:
    return float(np.nextafter(x, -math.inf))


@pytest.fixture(autouse=True)
def rules(monkeypatch):
    """Claims of the tests' own, under the thresholds of the book."""
    thresholds, _ = register.load()
    own = {
        name: Claim(
            id=name,
            chapter="xor",
            source="000: Fig. 1",
            origin="source",
            statement="x < y & z.",
            rule_fixed="after pilot",
            rule=rule,
            note="few seeds may decide it" if rule.min_seeds else "",
            reported="✓",
        )
        for name, rule in RULES.items()
    }
    for module in (making, report):
        monkeypatch.setattr(module, "load", lambda: (thresholds, own))


@pytest.fixture
def interval(monkeypatch):
    """Make the interval of every mean a given one."""

    def give(low: float, high: float) -> None:
        for module in (decide, intervals):
            monkeypatch.setattr(module, "of_mean", lambda *_: (low, high))

    return give


# --- shares -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "if_high", "if_low"),
    [
        (1.0, 1.0, "holds", "fails"),
        (above(0.95), 0.99, "holds", "fails"),
        (0.95, 0.99, "holds", "fails"),
        (below(0.95), 0.99, "partly", "fails"),
        (0.90, 0.99, "partly", "fails"),
        (0.90, 0.90, "partly", "holds"),
        (below(0.90), 0.99, "undecided", "undecided"),
        (0.50, above(0.90), "undecided", "undecided"),
        (0.50, 0.90, "fails", "holds"),
        (0.50, below(0.90), "fails", "holds"),
        (0.0, 0.0, "fails", "holds"),
    ],
)
def test_words_of_a_share(interval, low, high, if_high, if_low):
    interval(low, high)
    table = runs(test_accuracy=VARIED)
    verdict = decide.share("high", table)
    assert (verdict.verdict, verdict.low, verdict.high) == (if_high, low, high)
    assert verdict.effect == pytest.approx(0.945)
    assert verdict.note == ""
    assert decide.share("low", table).verdict == if_low


def test_a_share_is_read_at_the_last_checkpoint():
    verdict = decide.share("high", runs(test_accuracy=1.0))
    assert (verdict.verdict, verdict.effect, verdict.n) == ("holds", 1.0, 10)


def test_fewer_than_ten_seeds_decide_nothing():
    verdict = decide.share("high", runs(9, test_accuracy=1.0))
    assert (verdict.verdict, verdict.n) == ("undecided", 9)
    assert verdict.note == "9 seeds; a verdict needs 10"
    assert verdict.low > 0.99


def test_a_rule_may_need_fewer_seeds():
    assert decide.share("few", runs(5, test_accuracy=1.0)).verdict == "holds"
    verdict = decide.share("few", runs(4, test_accuracy=1.0))
    assert (verdict.verdict, verdict.note) == (
        "undecided",
        "few seeds may decide it; 4 seeds; a verdict needs 5",
    )


@pytest.mark.parametrize(("seeds", "said"), [(1, "1 seed"), (3, "3 seeds")])
def test_too_few_are_said_in_words(seeds, said):
    verdict = decide.share("high", runs(seeds, test_accuracy=1.0))
    assert verdict.note == f"{said}; a verdict needs 10"
    assert few_seeds(verdict) == (seeds, 10)


def test_a_share_of_variance_may_be_negative_and_is_of_no_points():
    table = runs(test_r2=-0.5, test_accuracy=math.nan, data="ball", d=10)
    verdict = decide.share("explained", table)
    assert (verdict.verdict, verdict.low, verdict.high) == ("fails", -0.5, -0.5)
    verdict = decide.share("explained", runs(test_r2=VARIED))
    assert verdict.low < verdict.effect < verdict.high
    verdict = decide.share("explained", runs(test_r2=[*[1.0] * 9, 0.5]))
    assert verdict.low < 0.9 < verdict.high == 1.0  # no variance is explained twice


def test_a_diverged_seed_counts_as_zero():
    # 2 of 10 is one in five: still decided, and they pull the mean down
    table = runs(test_accuracy=0.9, diverged=some(2))
    verdict = decide.share("low", table)
    assert (verdict.effect, verdict.n) == (pytest.approx(0.72), 10)
    assert verdict.verdict == "undecided"  # the interval reaches 1
    assert verdict.note.startswith("2 of 10 runs diverged (")
    table = runs(test_accuracy=0.5, diverged=some(2))
    assert decide.share("low", table).verdict == "holds"


# 10b of the paper, and what it would be with other seeds
TWO = [0.922, 0.943, 0.852, 0.682, 0.672, 0.692, 0.926, 0.953, 0.995, 1.0]


def test_two_groups_are_told_by_their_seeds():
    verdict = decide.share("high", runs(test_accuracy=TWO))
    assert (verdict.effect, verdict.n) == (0.3, 10)
    # Clopper and Pearson (1934): 3 of 10 at .95
    assert (verdict.low, verdict.high) == pytest.approx((0.0667, 0.6525), abs=5e-5)
    assert verdict.verdict == "fails"
    assert verdict.note == (
        "the seeds fall into two groups, so their share decides: 3 of 10 seeds "
        "generalise, with at least 0.95; by seed 1.000, 0.995, 0.953, 0.943, 0.926, "
        "0.922, 0.852, 0.692, 0.682, 0.672"
    )
    assert "where the seeds fall into two groups" in verdict.rule
    (words,) = Report([verdict])._repr_mimebundle_()[report.WORDS_MIME]
    assert words["measured"] == "share of seeds that generalise .30 [.07, .65]"
    assert decide.share("low", runs(test_accuracy=TWO)).verdict == "holds"


@pytest.mark.parametrize(
    ("good", "high", "low"),
    [
        (10, "holds", "fails"),  # one group: the pooled points
        (9, "undecided", "undecided"),  # a single seed apart is none either
        (8, "undecided", "undecided"),
        (7, "undecided", "undecided"),
        (6, "fails", "holds"),
        (2, "fails", "holds"),
        (0, "fails", "holds"),
    ],
)
def test_seeds_that_generalise_decide_as_points_do(good, high, low):
    table = runs(test_accuracy=[*[1.0] * good, *[0.6] * (10 - good)])
    assert decide.share("high", table).verdict == high
    assert decide.share("low", table).verdict == low


def test_twenty_seeds_can_almost_generalise():
    def verdict(good, of):
        accuracy = [*[1.0] * good, *[0.6] * (of - good)]
        return decide.share("high", runs(of, test_accuracy=accuracy))

    assert verdict(18, 20).verdict == "undecided"
    assert verdict(198, 200).verdict == "holds"
    assert verdict(192, 200).verdict == "partly"
    assert verdict(170, 200).verdict == "fails"


def test_a_cosine_is_no_share_of_seeds():
    cosines = decide.share("cosine", runs(alignment=[*[1.0] * 5, *[0.6] * 5]))
    assert cosines.effect == pytest.approx(0.8)
    assert cosines.note == ""
    assert "two groups" not in cosines.rule


def test_more_than_one_in_five_diverged_decides_nothing():
    for count in (3, 10):
        table = runs(test_accuracy=0.1, diverged=some(count))
        verdict = decide.share("low", table)
        assert verdict.verdict == "undecided"
        assert verdict.note.startswith(f"{count} of 10 runs diverged (")
    assert verdict.effect == 0


# Newcombe, Statistics in Medicine 17 (1998), table I, method 3; d and n are chosen
# so that 2^d - n held-out points times the seeds is his denominator.
@pytest.mark.parametrize(
    ("right", "d", "n", "seeds", "low", "high"),
    [
        (81, 9, 249, 1, 0.2553, 0.3662),
        (15, 8, 108, 1, 0.0624, 0.1605),
        (0, 5, 12, 1, 0.0, 0.1611),
        (1, 5, 3, 1, 0.0061, 0.1718),
        (0, 2, 2, 10, 0.0, 0.1611),  # pooled over seeds
    ],
)
def test_equal_seeds_give_the_wilson_interval(right, d, n, seeds, low, high):
    accuracy = right / ((2**d - n) * seeds)
    verdict = decide.share("high", runs(seeds, test_accuracy=accuracy, d=d, n=n))
    assert verdict.low == pytest.approx(low, abs=5e-5)
    assert verdict.high == pytest.approx(high, abs=5e-5)


def test_large_cubes_pool_ten_thousand_points_a_seed():
    verdict = decide.share("high", runs(test_accuracy=1.0))
    z = stats.norm.ppf(0.975)
    assert verdict.low == pytest.approx(1e5 / (1e5 + z**2), rel=1e-12)


def test_a_share_of_training_examples_pools_those():
    verdict = decide.share("one-hot", runs(single_active=1.0, n=7))
    z = stats.norm.ppf(0.975)
    assert verdict.low == pytest.approx(70 / (70 + z**2), rel=1e-12)


def test_no_held_out_points_decide_nothing():
    verdict = decide.share("high", runs(test_accuracy=math.nan, d=4, n=16))
    assert verdict.verdict == "undecided"
    assert (verdict.effect, verdict.low, verdict.high) == (None, None, None)
    assert verdict.note == (
        "10 of 10 seeds have no test_accuracy; no point is held out, so nothing can be "
        "said of generalising"
    )


# --- one setting against another ----------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (5e-324, 0.2, "holds"),
        (0.0, 0.2, "undecided"),
        (-0.1, 0.2, "undecided"),
        (-0.2, 0.0, "undecided"),
        (-0.2, -5e-324, "fails"),
    ],
)
def test_words_of_a_comparison(interval, low, high, word):
    interval(low, high)
    assert decide.beats("more", runs(), runs()).verdict == word
    assert decide.beats("flatter", runs(), runs()).verdict == word
    assert decide.associated("positive", np.zeros(10), "scale").verdict == word


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.0, 0.0, "holds"),
        (-0.05, 0.05, "holds"),
        (above(0.0), 0.05, "partly"),
        (-0.05, below(0.0), "partly"),
        (below(-0.05), 0.04, "undecided"),
        (-0.04, above(0.05), "undecided"),
        (0.05, 0.1, "undecided"),
        (above(0.05), 0.1, "fails"),
        (-0.1, below(-0.05), "fails"),
        (math.nan, math.nan, "undecided"),
    ],
)
def test_words_of_two_settings_that_should_be_the_same(interval, low, high, word):
    interval(low, high)
    assert decide.equals("same", runs(), runs()).verdict == word


def test_the_same_needs_seeds_that_were_trained():
    first, second = runs(test_accuracy=VARIED), runs(test_accuracy=VARIED[::-1])
    verdict = decide.equals("same", first, second)
    assert (verdict.verdict, verdict.effect) == ("holds", pytest.approx(0, abs=1e-12))
    assert "within 0.05 either way holds" in verdict.rule
    assert decide.equals("same", first[:-2], second).verdict == "undecided"
    lost = runs(test_accuracy=VARIED, diverged=some(3))
    assert decide.equals("same", lost, lost).verdict == "undecided"
    nothing = runs(test_accuracy=math.nan, n=2**5, d=5)
    verdict = decide.equals("same", nothing, nothing)
    assert (verdict.verdict, verdict.n) == ("undecided", 0)
    assert "no point is held out" in verdict.note


@pytest.mark.parametrize("margin", [0.0, -1.0, math.inf])
def test_the_same_needs_a_margin(margin):
    with pytest.raises(ValueError, match="tolerance = .*must be above 0 and finite"):
        Rule(kind="equals", tolerance=margin)


@pytest.mark.parametrize(
    ("gain", "word"), [(0.1, "holds"), (0.0, "undecided"), (-0.1, "fails")]
)
def test_the_same_difference_at_every_seed(gain, word):
    ours, theirs = [a + gain for a in VARIED], VARIED
    verdict = decide.beats("more", runs(test_accuracy=ours), runs(test_accuracy=theirs))
    assert verdict.verdict == word
    assert (verdict.effect, verdict.n) == (pytest.approx(gain), 10)
    less = decide.beats("flatter", runs(trace=theirs), runs(trace=ours))
    assert (less.verdict, less.effect) == (word, pytest.approx(gain))


def test_pairs_are_made_by_seed_not_by_row(rng):
    # seeds differ by far more than the settings do
    base = rng.normal(size=20)
    gain = 0.1 + 0.01 * rng.normal(size=20)
    first = runs(20, test_accuracy=list(base + gain))
    second = runs(20, test_accuracy=list(base))
    verdict = decide.beats("more", first, second)
    assert verdict.verdict == "holds"
    assert verdict.effect == pytest.approx(gain.mean())
    expected = stats.ttest_1samp(gain, 0).confidence_interval(0.95)
    width = expected.high - expected.low
    assert verdict.low == pytest.approx(expected.low, abs=0.1 * width)
    assert verdict.high == pytest.approx(expected.high, abs=0.1 * width)
    shuffled = second.sample(frac=1, random_state=1)
    again = decide.beats("more", first, shuffled)
    assert again.effect == pytest.approx(verdict.effect, rel=1e-12)
    assert (again.low, again.high) == pytest.approx((verdict.low, verdict.high))


def test_both_seeds_make_the_pair():
    second = runs().assign(init_seed=lambda t: t["init_seed"] + 1)
    with pytest.raises(ValueError, match="more: the two settings have no seed in"):
        decide.beats("more", runs(), second)


def test_only_common_seeds_count():
    verdict = decide.beats("more", runs(12, test_accuracy=0.7), runs(10))
    assert (verdict.n, verdict.verdict) == (10, "holds")
    verdict = decide.beats("more", runs(12, test_accuracy=0.7), runs(9))
    assert (verdict.n, verdict.verdict) == (9, "undecided")


def test_a_diverged_run_has_no_accuracy_but_loses():
    # 0.7 against 0.5, but against 0 at two of ten seeds
    verdict = decide.beats("more", runs(test_accuracy=0.7), runs(diverged=some(2)))
    assert verdict.effect == pytest.approx((8 * 0.2 + 2 * 0.7) / 10)
    assert (verdict.verdict, verdict.n) == ("holds", 10)
    assert verdict.note.startswith("2 of 20 runs diverged (")


def test_a_diverged_run_has_no_trace():
    table = runs(12, trace=1.0, diverged=some(2, 12))
    verdict = decide.beats("flatter", table, runs(12))
    assert (verdict.effect, verdict.n, verdict.verdict) == (1.0, 10, "holds")
    assert verdict.note.startswith("2 of 24 runs diverged (")


def test_more_than_one_in_five_of_either_setting_decides_nothing():
    good, bad = runs(20, test_accuracy=0.7), runs(20, diverged=some(5, 20))
    for first, second in ((good, bad), (bad, good)):
        verdict = decide.beats("more", first, second)
        assert verdict.verdict == "undecided"
        assert verdict.note.startswith("5 of 40 runs diverged (")
    edge = runs(20, diverged=some(4, 20))
    assert decide.beats("more", good, edge).verdict == "holds"


def test_a_setting_that_always_diverges_is_reported():
    verdict = decide.beats("flatter", runs(diverged=True), runs())
    assert (verdict.verdict, verdict.n) == ("undecided", 0)
    assert (verdict.effect, verdict.low, verdict.high) == (None, None, None)
    assert "10 of 20 runs diverged" in verdict.note


def test_a_comparison_needs_ten_seeds():
    verdict = decide.beats("more", runs(9, test_accuracy=0.9), runs(9))
    assert (verdict.verdict, verdict.low) == ("undecided", pytest.approx(0.4))


@pytest.mark.filterwarnings("error")
def test_a_statistic_that_no_seed_has():
    verdict = decide.associated("positive", np.array([]), "scale")
    assert (verdict.verdict, verdict.n, verdict.effect) == ("undecided", 0, None)
    assert verdict.note == "no seed has a value"


@pytest.mark.parametrize(("count", "word"), [(9, "undecided"), (10, "holds")])
def test_a_positive_statistic(count, word):
    verdict = decide.associated("positive", np.linspace(0.1, 0.9, count), "somewhere")
    assert (verdict.verdict, verdict.scale) == (word, "somewhere")
    assert verdict.effect == pytest.approx(0.5)


def test_an_interval_stays_within_what_the_number_can_be():
    found = np.array([0.9, 0.1, 1.0])
    low, high = intervals.of_mean(found, register.load()[0])
    assert low < -1 and high > 1
    verdict = decide.associated("rank", found, "somewhere")
    assert (verdict.low, verdict.high) == (-1.0, 1.0)
    verdict = decide.associated("positive", found, "somewhere")
    assert (verdict.low, verdict.high) == (low, high)
    verdict = decide.estimated("sloping", (0.5, -0.5, 1.2), 10, "somewhere")
    assert (verdict.low, verdict.high) == (-0.5, 1.0)


# --- bounds -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "loss", "if_tight", "if_loose"),
    [
        (1.0, 0.0, "holds", "holds"),
        (1.05, 1e-2, "holds", "holds"),
        (above(1.05), 1e-2, "fails", "undecided"),
        (1.05, [*[1e-2] * 9, above(1e-2)], "fails", "undecided"),
        (1.0, [*[1e-2] * 9, math.nan], "fails", "undecided"),
    ],
)
def test_words_of_a_bound(ratio, loss, if_tight, if_loose):
    table = runs(retracted_trace=ratio, output_error=loss)
    verdict = decide.attains("tight", table)
    assert (verdict.verdict, verdict.effect) == (if_tight, ratio)
    assert decide.attains("loose", table).verdict == if_loose


def test_a_run_interpolates_by_its_outputs_and_not_by_its_loss():
    # the smoothed logistic loss has a floor near one half
    floor = runs(train_loss=0.5004, output_error=1e-3, retracted_trace=1.0)
    assert decide.attains("tight", floor).verdict == "holds"
    far = runs(train_loss=1e-3, output_error=0.5, retracted_trace=1.0)
    assert decide.attains("tight", far).verdict == "fails"


LOGISTIC = {"loss": "logistic", "label_smoothing": 0.2}  # targets of ±log 4
SQUARE = math.log(4) ** 2


@pytest.mark.parametrize(
    ("error", "ratio", "word"),
    [
        (0.01 * SQUARE, 1.04, "holds"),
        (0.0101 * SQUARE, 1.04, "fails"),
        (0.01 * SQUARE, 1.06, "fails"),
    ],
)
def test_a_distance_is_in_units_of_the_targets(error, ratio, word):
    # as Figure 9b: too far for a retraction, and near for outputs of 1.4
    table = runs(
        output_error=error,
        retracted_trace=math.nan,
        bound=9.0,
        trace=2 * ratio,
        bound_outputs=2.0,
        **LOGISTIC,
    )
    verdict = decide.attains("tight", table)
    assert verdict.verdict == word
    if error <= 0.01 * SQUARE:
        assert verdict.effect == pytest.approx(ratio)
        assert verdict.note == "10 of 10 seeds compared at their own outputs"
    else:
        assert verdict.note == "10 of 10 seeds do not interpolate"


def test_a_seed_that_could_not_be_retracted_is_not_compared_at_its_outputs():
    table = runs(retracted_trace=[math.nan, *[1.0] * 9], trace=1.0, bound_outputs=1.0)
    verdict = decide.attains("tight", table)
    assert "1 seeds could not be retracted" in verdict.note
    assert "own outputs" not in verdict.note
    flow = table.drop(columns="bound_outputs")
    assert decide.attains("tight", flow).note == verdict.note


def test_targets_of_a_ball_are_measured():
    error = 0.01 * targets.mean_square("squared", 0.0, "ball", 40, 3, 0)
    labels = train_and_test("ball", 40, 3, 0)[0].y
    assert error == pytest.approx(0.01 * np.mean(labels**2))
    ball = {"data": "ball", "d": 3, "n": 40, "retracted_trace": 1.0}
    near = decide.attains("few-tight", runs(1, output_error=0.99 * error, **ball))
    assert "do not interpolate" not in near.note
    far = decide.attains("few-tight", runs(1, output_error=1.01 * error, **ball))
    assert "1 of 1 seeds do not interpolate" in far.note


# --- networks that do not fit ---------------------------------------------------


@pytest.mark.parametrize("claim", ["high", "low"])
def test_a_verdict_on_networks_that_do_not_fit_says_so(claim):
    lost = runs(output_error=[0.001] * 6 + [0.9, 0.98, 1.0, 1.0])
    assert decide.share(claim, lost).note == (
        "4 of 10 seeds do not fit their training data: the mean squared error of "
        "their outputs is 0.99 of that of outputs of 0"
    )
    assert decide.share(claim, runs(output_error=0.5)).note == ""
    # in units of the targets
    kept = runs(output_error=0.9, **LOGISTIC)
    assert decide.share(claim, kept).note == ""
    apart = runs(output_error=1.1 * SQUARE, **LOGISTIC)
    assert "10 of 10 seeds do not fit" in decide.share(claim, apart).note


def test_a_share_of_something_else_does_not_speak_of_the_fit():
    assert decide.share("one-hot", runs(single_active=0.5, output_error=1.0)).note == ""


def test_a_bound_is_attained_in_the_median():
    # the mean over seeds would be far above
    trace = [*[1.04] * 6, *[50.0] * 4]
    verdict = decide.attains("tight", runs(retracted_trace=trace))
    assert (verdict.verdict, verdict.effect) == ("holds", pytest.approx(1.04))
    assert (verdict.low, verdict.high) == (pytest.approx(1.04), 50.0)
    few = decide.attains("few-tight", runs(5, retracted_trace=trace[:5]))
    assert (few.verdict, few.low, few.high) == ("holds", None, None)
    trace = [*[1.04] * 5, *[1.08] * 5]  # the median of ten lies between
    assert decide.attains("tight", runs(retracted_trace=trace)).effect == 1.06


def test_each_seed_has_its_own_bound():
    bound = [1.0 + k for k in range(10)]
    trace = [1.02 * b for b in bound]
    verdict = decide.attains("tight", runs(retracted_trace=trace, bound=bound))
    assert verdict.effect == pytest.approx(1.02)


def test_seeds_that_do_not_interpolate_are_counted():
    loss = [0.5, 0.5, *[1e-3] * 8]
    trace = [math.nan, math.nan, *[1.0] * 8]
    verdict = decide.attains("tight", runs(output_error=loss, retracted_trace=trace))
    assert (verdict.verdict, verdict.effect, verdict.n) == ("fails", 1.0, 10)
    assert verdict.note == "2 of 10 seeds do not interpolate"


@pytest.mark.parametrize(
    ("claim", "word"), [("tight", "fails"), ("loose", "undecided")]
)
def test_no_seed_interpolates(claim, word):
    table = runs(output_error=0.5, retracted_trace=math.nan)
    verdict = decide.attains(claim, table)
    assert (verdict.verdict, verdict.effect, verdict.n) == (word, None, 10)
    assert verdict.note == "10 of 10 seeds do not interpolate"


def test_no_seed_interpolates_among_too_few_or_diverged():
    few = runs(2, train_loss=0.5, retracted_trace=math.nan)
    assert decide.attains("tight", few).verdict == "undecided"
    wild = runs(output_error=0.5, retracted_trace=math.nan, diverged=some(3))
    assert decide.attains("tight", wild).verdict == "undecided"


def test_a_diverged_run_attains_nothing():
    # also if it interpolated before it diverged
    verdict = decide.attains("tight", runs(retracted_trace=1.0, diverged=some(1)))
    assert verdict.verdict == "fails"
    assert verdict.note.startswith(
        "1 of 10 seeds do not interpolate; 1 of 10 runs diverged ("
    )


def test_flows_which_have_no_bound_at_their_outputs_attain_too():
    """They end where outputs are targets, and their tables have one bound."""
    flows = runs(retracted_trace=1.04).drop(columns=["bound_outputs"], errors="ignore")
    assert decide.attains("tight", flows).verdict == "holds"


def test_another_column_can_hold_the_trace():
    table = runs(trace=1.0, retracted_trace=9.0)
    assert decide.attains("tight", table, trace="trace").verdict == "holds"


# --- theorems and constructions -----------------------------------------------


@pytest.mark.parametrize(
    ("worst", "word", "effect"),
    [
        (1e-8, "holds", 1e-8),
        (above(1e-8), "fails", above(1e-8)),
        (math.nan, "fails", None),
        (math.inf, "fails", None),
    ],
)
def test_the_worst_instance_decides(worst, word, effect):
    verdict = decide.exact("exact", np.array([0.0, worst, 1e-9]))
    assert (verdict.verdict, verdict.effect, verdict.n) == (word, effect, 3)
    assert (verdict.low, verdict.high, verdict.scale) == (None, None, "exact")


def test_no_instance_is_refused():
    with pytest.raises(ValueError, match="exact: no instance"):
        decide.exact("exact", np.array([]))


@pytest.mark.parametrize(
    ("excess", "accuracy", "word", "effect", "n"),
    [
        ([1e-8], [0.90], "fails", 0.90, 1),
        ([1e-8], [above(0.90)], "undecided", above(0.90), 1),
        ([above(1e-8)], [0.0], "undecided", None, 0),
        ([0.0, 0.0, 1.0], [1.0, 0.5, 0.0], "fails", 0.5, 2),
        ([math.nan], [0.0], "undecided", None, 0),
        ([0.0], [math.nan], "undecided", None, 1),
        ([], [], "undecided", None, 0),
    ],
)
def test_a_construction_can_only_refute(excess, accuracy, word, effect, n):
    verdict = decide.flattest("flattest", np.array(excess), np.array(accuracy))
    assert (verdict.verdict, verdict.effect, verdict.n) == (word, effect, n)


def test_not_testable_says_why():
    verdict = decide.not_testable("open")
    assert (verdict.verdict, verdict.n) == ("not testable", 0)
    assert verdict.note == "no data can tell"


# --- estimates ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (above(0.0), 1.0, "holds"),
        (above(0.0), math.inf, "holds"),
        (0.0, 1.0, "undecided"),
        (-1.0, 0.0, "undecided"),
        (-1.0, below(0.0), "fails"),
        (-math.inf, math.inf, "undecided"),
    ],
)
def test_words_of_an_estimate(low, high, word):
    verdict = decide.estimated("slope", (0.5, low, high), 10, "scale")
    assert (verdict.verdict, verdict.effect, verdict.n) == (word, 0.5, 10)
    assert verdict.low == (low if math.isfinite(low) else None)
    assert verdict.note == ""


def test_an_estimate_that_does_not_exist_decides_nothing():
    verdict = decide.estimated("slope", (math.nan, 0.5, 1.0), 10, "scale")
    assert (verdict.verdict, verdict.effect) == ("undecided", None)
    assert verdict.note == "the runs do not tell it: censored"


def test_an_estimate_from_few_seeds_or_lost_runs_decides_nothing():
    sure = (0.5, 0.4, 0.6)
    few = decide.estimated("slope", sure, 9, "scale")
    assert (few.verdict, few.note) == ("undecided", "9 seeds; a verdict needs 10")
    lost = decide.estimated("slope", sure, 10, "", runs(diverged=some(3)))
    assert lost.verdict == "undecided"
    assert "3 of 10 runs diverged" in lost.note
    most = decide.estimated("slope", sure, 10, "", runs(diverged=some(2)))
    assert most.verdict == "holds"


def test_more_than_one_setting_is_refused():
    both = pd.concat([runs(), runs()])
    with pytest.raises(ValueError, match="more than one setting"):
        decide.share("high", both)


# --- what a verdict says ------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "call"),
    [
        ("exact", lambda: decide.share("exact", runs())),
        ("high", lambda: decide.beats("high", runs(), runs())),
        ("high", lambda: decide.associated("high", np.ones(10), "")),
        ("high", lambda: decide.attains("high", runs())),
        ("high", lambda: decide.estimated("high", (1.0, 1.0, 1.0), 10, "")),
        ("high", lambda: decide.exact("high", np.ones(10))),
        ("high", lambda: decide.flattest("high", np.ones(1), np.ones(1))),
        ("high", lambda: decide.not_testable("high")),
    ],
)
def test_a_rule_of_another_kind_is_refused(claim, call):
    with pytest.raises(ValueError, match=f"{claim}: its rule is of kind"):
        call()


def test_an_unknown_claim_is_refused():
    with pytest.raises(KeyError, match="hihg"):
        decide.share("hihg", runs())


def every_kind() -> list[Verdict]:
    nothing = runs(output_error=0.5, retracted_trace=math.nan, diverged=True)
    return [
        decide.share("high", runs(test_accuracy=VARIED)),
        decide.share("high", runs(test_accuracy=math.nan)),
        decide.beats("flatter", nothing, runs()),
        decide.associated("positive", np.array([]), "scale"),
        decide.attains("tight", nothing),
        decide.attains("loose", runs()),
        decide.estimated("slope", (math.nan, -math.inf, math.inf), 10, "scale"),
        decide.exact("exact", np.array([math.nan])),
        decide.flattest("flattest", np.array([0.0]), np.array([math.nan])),
        decide.not_testable("open"),
    ]


def test_verdicts_are_json_with_exactly_the_promised_keys():
    shown = Report(every_kind())
    bundle = shown._repr_mimebundle_()
    words = report.WORDS_MIME
    assert set(bundle) == {report.MIME, words, "text/html", "text/plain"}
    text = json.dumps(bundle[report.MIME], allow_nan=False)
    for entry in json.loads(text):
        assert list(entry) == KEYS
    assert [entry["id"] for entry in bundle[words]] == [v.id for v in shown.verdicts]
    for entry in json.loads(json.dumps(bundle[words])):
        assert list(entry) == ["id", "measured", "over", "source", "p"]
    one = shown.verdicts[0]._repr_mimebundle_()
    assert one[report.MIME] == [bundle[report.MIME][0]]
    assert one[words] == [bundle[words][0]]


def columns_of(html: str) -> list[str]:
    return re.findall("<th>(.*?)</th>", html)


def test_tables_escape_statements_and_show_numbers_in_words():
    html = Report(every_kind())._repr_html_()
    assert "x &lt; y &amp; z." in html
    assert 'class="verdict verdict-not-testable"' in html
    assert columns_of(html) == ["claim", "verdict", "measured", "over"]
    assert html.count("<td") == 4 * len(every_kind())
    shown = Report([decide.exact("exact", np.array([2e-9, 1e-9]))])
    assert (
        '<td class="measured">worst error 2e−9</td><td class="over">2 cases</td>'
        in shown._repr_html_()
    )
    assert repr(shown) == "holds: x < y & z. (worst error 2e−9, 2 cases)"
    shown = Report([decide.associated("positive", np.full(10, 0.5), "")])
    assert (
        '>τ .50 [.50,&nbsp;.50]</td><td class="over">10 seeds</td>'
        in shown._repr_html_()
    )
    bundle = shown._repr_mimebundle_()
    assert bundle[report.WORDS_MIME][0]["source"] == "slides, Figure 1"


def test_tables_have_no_empty_column():
    html = Report([decide.not_testable("open")])._repr_html_()
    assert columns_of(html) == ["claim", "verdict"]
    assert "no data can tell" in html
    alone = Report([decide.exact("exact", np.array([2e-9]))])
    assert columns_of(alone._repr_html_()) == ["claim", "verdict", "measured"]
    both = Report([decide.not_testable("open"), *alone.verdicts])
    assert columns_of(both._repr_html_()) == ["claim", "verdict", "measured"]
    assert ">–</td>" in both._repr_html_()


def test_a_note_stands_below_its_claim_and_leaves_no_trace_where_there_is_none():
    few = decide.share("high", runs(9, test_accuracy=1.0))
    html = Report([few, decide.share("high", runs(test_accuracy=1.0))])._repr_html_()
    assert html.count('class="note"') == 1
    assert 'z.<div class="note">9 seeds; a verdict needs 10</div></td>' in html


@pytest.mark.parametrize("count", [1, 5, 6, 10])
def test_a_note_names_the_first_five_runs_that_diverged(count):
    note = decide.share("low", runs(diverged=some(count))).note
    named = [
        f"1-SAM, 3000 updates, data seed {k}, init seed {k}"
        for k in range(min(count, 5))
    ]
    more = "; …" if count > 5 else ""
    assert note == f"{count} of 10 runs diverged ({'; '.join(named)}{more})"


def test_the_scale_of_committed_runs_names_their_seeds():
    kept = runs(test_accuracy=1.0).assign(scale=f"paper: d = 30{COMMITTED}")
    kept["data_seed"] += 100
    assert decide.share("high", kept).scale == (
        f"paper: d = 30{COMMITTED}, seeds 100 to 109"
    )


def test_few_seeds_are_told_only_of_what_they_leave_undecided():
    few = decide.share("high", runs(9, test_accuracy=1.0))
    assert report.few_seeds(few) == (9, 10)
    assert report.few_seeds(replace(few, verdict="holds")) is None
    assert report.why_undecided(few) == []


def test_scale_says_how_a_run_compares_with_the_sources():
    assert decide.share("high", runs()).scale == (
        "scaled-down: d = 30, n = 100, width 500, 3000 of 60000000 updates"
    )
    assert decide.share("high", runs(num_steps=60_000_000)).scale.startswith("paper:")


def test_shortfall_lists_what_does_not_agree_with_a_source():
    good = decide.share("high", runs(test_accuracy=1.0))
    bad = decide.share("high", runs(test_accuracy=0.5))
    ours = Verdict(**{**vars(bad), "origin": "ours"})
    denied = Verdict(**{**vars(bad), "reported": "✗"})
    found = shortfall(Report([good, bad, denied]), Report([ours]), bad)
    assert found.verdicts == [bad, bad]
    assert repr(found) == "\n".join(["fails: x < y & z. (slides, Figure 1)"] * 2)
    assert "fails</strong>: x &lt; y &amp; z. (slides, Figure 1)</li>" in (
        found._repr_html_()
    )
    nothing = shortfall(Report([good, ours, denied]))
    assert "every verdict on a claim of the source agrees" in nothing._repr_html_()
    assert repr(nothing) == "Every verdict agrees with the source."
    confirmed = Verdict(**{**vars(good), "reported": "✗"})
    assert shortfall(confirmed).verdicts == [confirmed]


def test_rules_in_words_spell_out_every_threshold():
    thresholds, _ = register.load()
    words = {
        name: claims_words.describe(rule, thresholds) for name, rule in RULES.items()
    }
    for name, numbers in {
        "high": ["95%", "low >= 0.95 holds", "low >= 0.9 partly", "high <= 0.9 fails"],
        "low": ["95%", ": high <= 0.9 holds, low >= 0.9 fails, otherwise undecided"],
        "more": ["95%", "test_accuracy (first minus second, paired by seeds)"],
        "flatter": ["95%", "trace (second minus first, paired by seeds)"],
        "tight": ["<= 0.01 of the targets'", "<= 1.05", "otherwise fails"],
        "loose": ["<= 0.01", "<= 1.05", "otherwise undecided"],
        "exact": ["worst error over instances <= 1e-08"],
        "flattest": ["<= 1e-08", "accuracy <= 0.9"],
        "same": ["(first minus second", "95% interval: with 0 in it and within 0.05"],
        "positive": ["mean over seeds of tau, 95% interval: above 0 holds, below 0"],
        "slope": ["slope, 95% interval over seeds: above 0 holds, below 0 fails"],
        "open": ["none"],
    }.items():
        for number in numbers:
            assert number in words[name]


@pytest.mark.parametrize(
    "extra",
    [
        {"thresold": 1},
        {"origin": "theirs"},
        {"rule": {"kind": "shares"}},
        {"rule_fixed": "at the last look"},
    ],
)
def test_a_misspelt_entry_is_refused(extra):
    entry = {
        "id": "a",
        "chapter": "xor",
        "source": "000",
        "origin": "ours",
        "statement": "It is.",
        "rule_fixed": "before",
        "rule": {"kind": "share"},
    }
    Claim(**entry)
    with pytest.raises(ValueError, match=next(iter(extra))):
        Claim(**{**entry, **extra})


# --- why nothing is decided -----------------------------------------------------


def test_a_statistic_that_no_seed_has_says_why():
    none = np.array([])
    wild = decide.associated("positive", none, "scale", runs(diverged=True))
    assert wild.note == "every run diverged"
    cube = runs(test_accuracy=math.nan, d=4, n=16)
    assert "no point is held out" in decide.associated("positive", none, "", cube).note
    far = runs(retracted_trace=math.nan)
    note = decide.associated("positive", none, "", far).note
    assert note == "no run comes near interpolation"


def test_a_comparison_without_held_out_points_says_why():
    cube = runs(test_accuracy=math.nan, d=4, n=16)
    verdict = decide.beats("more", cube, cube)
    assert (verdict.verdict, verdict.n) == ("undecided", 0)
    assert verdict.note == (
        "no point is held out, so nothing can be said of generalising"
    )


@pytest.mark.parametrize(("lost", "word"), [(2, "fails"), (3, "undecided")])
def test_instances_that_are_runs_may_not_diverge(lost, word):
    rows = runs(diverged=some(lost))
    verdict = decide.exact("exact", np.array([1.0, 0.0]), "scale", rows)
    assert verdict.verdict == word
    assert f"{lost} of 10 runs diverged" in verdict.note


def test_a_rule_that_states_no_tolerance_allows_none():
    assert Rule(kind="exact").tolerance == 0
    with pytest.raises(ValueError, match="must be above 0"):
        Rule(kind="equals")
