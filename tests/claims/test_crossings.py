"""Every word of the two kinds of rule, on tables made by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from flatminima.claims import making, register
from flatminima.claims import words as claims_words
from flatminima.claims.crossings import crosses, crossings, curves, in_words, settles
from flatminima.claims.model import Claim, Rule
from flatminima.statistics.crossing import Interval
from tests.tables import runs

RULES = {
    "c": Rule(kind="crosses", along="bias_input"),
    "eps": Rule(kind="crosses", along="eps", logarithmic=True),
    "settled": Rule(kind="settles", along="bias_input"),
    "share": Rule(kind="share"),
}
GRID = [0.0, 1.0, 2.0]
WAVE = 0.01 * np.sin(np.arange(10))


@pytest.fixture(autouse=True)
def rules(monkeypatch):
    """Claims of the tests' own, under the thresholds of the book."""
    thresholds, _ = register.load()
    text = {"chapter": "hinge", "source": "000", "origin": "ours", "statement": "So."}
    text["rule_fixed"] = "before"
    own = {name: Claim(id=name, rule=rule, **text) for name, rule in RULES.items()}
    monkeypatch.setattr(making, "load", lambda: (thresholds, own))


def line(*means: float, field: str = "bias_input", count: int = 10, **columns):
    """Runs over a grid: the mean accuracy at each value, spread over the seeds."""
    grid = GRID if field == "bias_input" else [10.0**x for x in GRID]
    return pd.concat(
        [
            runs(
                count,
                test_accuracy=[float(mean + x) for x in WAVE[:count]],
                epoch=30.0,
                **{field: value},
                **columns,
            )
            for value, mean in zip(grid, means, strict=True)
        ],
        ignore_index=True,
    )


def test_curves_are_of_last_checkpoints_by_seed_and_value():
    table = line(1.0, 0.8, 0.6).sample(frac=1, random_state=0)
    grid, values = curves(table, "bias_input")
    assert grid.tolist() == GRID
    np.testing.assert_allclose(values, np.add.outer(WAVE, [1.0, 0.8, 0.6]))
    grid, _ = curves(line(1.0, 0.8, 0.6, field="eps"), "eps", logarithmic=True)
    np.testing.assert_allclose(grid, GRID)


def test_a_run_that_diverged_is_wrong_everywhere():
    _, values = curves(line(1.0, 0.8, 0.6, diverged=True), "bias_input")
    assert np.all(values == 0)


def test_gaps_and_impossible_logarithms_are_refused():
    table = line(1.0, 0.8, 0.6)
    with pytest.raises(ValueError, match="has a gap"):
        curves(table.iloc[2:], "bias_input")
    with pytest.raises(ValueError, match="must be above 0 for a logarithm"):
        curves(table, "bias_input", logarithmic=True)


@pytest.mark.parametrize(
    ("means", "word"),
    [
        ((1.0, 0.95, 0.8), "holds"),
        ((1.0, 1.0, 0.95), "fails"),
        ((0.6, 0.6, 0.5), "fails"),
        ((1.0, 0.95, 0.9), "undecided"),
        ((0.9, 0.5, 0.5), "undecided"),
        ((math.nan, 0.5, 0.5), "undecided"),
    ],
)
def test_crosses(means, word):
    verdict = crosses("c", line(*means))
    assert verdict.verdict == word
    assert verdict.n == 10
    if word == "holds":
        assert verdict.low < verdict.effect < verdict.high
        np.testing.assert_allclose(verdict.effect, 1.0 + 1 / 3, atol=0.05)
        assert verdict.note == ""
    else:
        assert verdict.low is None or verdict.high is None
        assert verdict.note


def test_crosses_on_a_logarithmic_grid_reports_the_logarithm():
    verdict = crosses("eps", line(1.0, 0.8, 0.8, field="eps"))
    assert verdict.verdict == "holds"
    np.testing.assert_allclose(verdict.effect, 0.5, atol=0.05)
    assert "log10(eps)" in verdict.rule


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ((1.0, 0.8, 0.5), (1.0, 0.8, 0.5), "holds"),
        ((1.0, 1.0, 0.85), (1.0, 0.5, 0.5), "fails"),
        # a step that is small and sure is a step
        ((1.0, 0.8, 0.5), (0.95, 0.8, 0.5), "fails"),
        ((1.0, 0.8, 0.5), (1.0, 0.81, 0.5), "fails"),
        ((1.0, 0.8, 0.5), (1.0, 0.95, 0.85), "fails"),
        ((1.0, 1.0, 1.0), (1.0, 0.8, 0.5), "undecided"),
        ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), "undecided"),
    ],
)
def test_settles(before, after, word):
    verdict = settles("settled", line(*before), line(*after))
    assert verdict.verdict == word
    missing = before == (1.0, 1.0, 1.0)
    assert ("missing" in verdict.note) == missing
    if word == "fails":
        assert verdict.low > 0 or verdict.high < 0


@pytest.mark.parametrize(("spread", "word"), [(0.02, "holds"), (1.0, "undecided")])
def test_a_crossing_settles_only_within_one_step_of_the_grid(spread, word):
    before, after = line(1.0, 0.8, 0.5), line(1.0, 0.8, 0.5)
    # seeds move either way, as far as the spread says
    ends = (after["bias_input"] == 1.0) & after["last"]
    after.loc[ends, "test_accuracy"] += spread * np.resize([-1.0, 1.0], 10)
    verdict = settles("settled", before, after)
    assert verdict.verdict == word
    assert verdict.low < 0 < verdict.high


def test_settles_refuses_other_grids():
    other = line(1.0, 0.8, 0.5).replace({"bias_input": {2.0: 3.0}})
    with pytest.raises(ValueError, match="differ"):
        settles("settled", line(1.0, 0.8, 0.5), other)


def test_few_seeds_and_diverged_runs_decide_nothing():
    few = line(1.0, 0.95, 0.8, count=9)
    assert crosses("c", few).verdict == "undecided"
    assert settles("settled", few, few).verdict == "undecided"
    lost = line(1.0, 0.95, 0.8, diverged=[k < 3 for k in range(10)])
    verdict = crosses("c", lost)
    assert verdict.verdict == "undecided"
    assert "9 of 30 runs diverged" in verdict.note


def test_a_claim_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="of kind 'share', not 'crosses'"):
        crosses("share", line(1.0, 0.8, 0.5))
    with pytest.raises(ValueError, match="of kind 'crosses', not 'settles'"):
        settles("c", line(1.0, 0.8, 0.5), line(1.0, 0.8, 0.5))


def test_rules_in_words_name_the_level_and_the_field():
    thresholds, _ = register.load()
    for name in ("c", "settled"):
        words = claims_words.describe(RULES[name], thresholds)
        assert "bias_input at which mean test_accuracy first falls below 0.9" in words
        assert "95% interval" in words


def test_crossings_at_every_length():
    table = line(1.0, 0.8, 0.6, field="eps")
    found = crossings(table, "eps", [0, 3000], logarithmic=True)
    assert found["step"].tolist() == [0, 3000]
    assert found["epoch"].tolist() == [0.0, 30.0]
    assert found["estimate"][0] == -np.inf  # nonsense at the start
    np.testing.assert_allclose(found["estimate"][1], 10**0.5, rtol=0.05)
    assert found["low"][1] < found["estimate"][1] < found["high"][1]
    assert found["found"][0].startswith("no crossing: below")


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        ((0.5, 0.25, 1.0), "0.5 [0.25, 1]"),
        ((0.5, 0.25, np.inf), "0.5 [0.25, above to the end]"),
        ((0.5, -np.inf, 0.7), "0.5 [below throughout, 0.7]"),
        (
            (np.inf, 1.5, np.inf),
            "no crossing: above to the end [1.5, above to the end]",
        ),
        ((np.inf, np.inf, np.inf), "no crossing: above to the end"),
        ((-np.inf, -np.inf, -np.inf), "no crossing: below throughout"),
        ((np.nan, -np.inf, np.inf), "unknown: a value is missing"),
    ],
)
def test_in_words(interval, words):
    assert in_words(Interval(*interval)) == words


def test_the_columns_of_the_claims_are_fields_of_a_config():
    from flatminima.claims.register import load
    from flatminima.runs.mlp.config import Config

    for claim in load()[1].values():
        if claim.rule.kind in ("crosses", "settles"):
            assert claim.rule.along in Config.model_fields
            assert claim.rule.metric == "test_accuracy"
    assert register.load()[0].low == 0.9
