"""What the networks say, on designs whose answer is known."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from flatminima.claims import decide
from flatminima.runs.nets.predictors import MEASURES
from flatminima.studies.predictors import plots, runs, tables

AXES = list(runs.AXES)


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """Ten seeds of the main design, whose gap falls with width and rises with depth."""
    rng = np.random.default_rng(0)
    names = ["data", *AXES, "seed"]
    cells = product(runs.SIZES, *runs.AXES.values(), range(100, 110))
    table = pd.DataFrame(list(cells), columns=names)
    table = table.rename(columns={"seed": "data_seed"})
    table["init_seed"] = table["data_seed"]
    gap = 0.2 - 0.002 * table["width"] + 0.03 * table["depth"]
    table["gap"] = gap + 1e-3 * rng.normal(size=len(table))
    noise = pd.DataFrame(rng.normal(size=(len(table), len(MEASURES))), columns=MEASURES)
    table = pd.concat([table, noise], axis=1)
    table["minimum"] = table["gap"] ** 2
    table["parameters"] = table["width"] ** 2 * table["depth"]
    return table.assign(
        test_error=table["gap"], excluded="", label_shuffle=0.0, scale="a design"
    )


def test_coefficients_know_what_ranks(rows):
    table = tables.coefficients(rows, AXES).set_index(["measure", "kind"])
    for kind in tables.KINDS:
        assert tuple(table.loc[("minimum", kind), ["tau", "low", "high"]]) == (1, 1, 1)
    # constant along four of six axes, right along depth and wrong along width
    found = table.loc[("parameters", "granulated")]
    assert found["tau"] == 0
    assert table.loc[("parameters", "worst"), "tau"] == -1
    random = table.loc[("random", "granulated")]
    assert random["low"] < 0 < random["high"]
    words = tables.in_words(table.reset_index())
    assert words.loc["minimum", "survives"] == "everywhere"
    assert words.loc["parameters", "survives"] == ""
    assert len(words) == len(MEASURES)


def test_families_and_names_are_those_of_the_measures():
    assert list(tables.NAMES) == list(MEASURES)
    assert sum(tables.FAMILIES.values(), ()) == MEASURES


def test_excluded_networks_are_left_out_and_listed(rows):
    lost = rows["width"].eq(16) & rows["depth"].eq(4)
    part = rows.assign(excluded=lost.map({True: "diverged", False: ""}), train_loss=1.0)
    listed = tables.exclusions(part, AXES)
    assert listed["networks"].sum() == lost.sum()
    assert set(listed["reason"]) == {"diverged"}
    assert (tables.usable(part)["depth"] * tables.usable(part)["width"] != 64).all()
    assert tables.exclusions(rows.assign(train_loss=1.0), AXES).empty


def test_numbers_by_seed_keep_every_seed(rows):
    part = rows.assign(excluded=np.where(rows["data_seed"] == 105, "diverged", ""))
    values = tables.overall_by_seed(part, "minimum")
    assert values.isna().sum() == 1
    assert values.dropna().eq(1).all()
    same = tables.as_runs(values, "a design")
    verdict = decide.equals("predictors-path", same, same)
    assert (verdict.n, verdict.effect) == (9, 0)


def test_the_weakest_hyper_parameter(rows):
    table = tables.effects(rows, AXES)
    size, low, high = tables.weakest(table, AXES)
    assert low < 0 < high
    assert size < 1e-3
    strong = ["width", "depth"]
    size, low, high = tables.weakest(table, strong)
    assert low > 0
    assert size == pytest.approx(0.06, abs=1e-3)
    assert np.isnan(tables.weakest(table.iloc[:0], AXES)).all()


def test_a_span_is_that_of_the_narrower_data_set(rows):
    parts = rows.groupby(["data_seed", "data"])["gap"]
    widths = (parts.max() - parts.min()).unstack().min(axis=1) - 0.1
    np.testing.assert_allclose(tables.spans(rows), widths)


def test_pooled_networks_may_be_ranked_and_those_of_one_share_not(rows):
    """Simpson: the measure knows the share, and is wrong within it."""
    part = rows[rows["lr"] == 0.01]
    shares = np.arange(len(part)) // 10 % 4 / 5
    wrong = part.assign(label_shuffle=shares, gap=part["gap"] / 10 + shares)
    wrong["minimum"] = shares - part["gap"] / 10
    table = tables.shuffled_coefficients(wrong).set_index(["measure", "kind"])
    assert table.loc[("minimum", "within"), "tau"] == -1
    assert table.loc[("minimum", "pooled"), "low"] > 0.4


def test_the_same_networks_differ_by_nothing(rows):
    table = rows.assign(
        last=True, diverged=False, train_accuracy=1.0, test_accuracy=1 - rows["gap"]
    )
    found = tables.repeated(rows, table.iloc[:5])
    assert (found["networks"] == 5).all()
    assert found["largest difference"].max() < 1e-12
    moved = tables.repeated(rows, table.iloc[:5].assign(trace=1e3))
    assert moved.set_index("number").loc["trace", "largest difference"] > 100


@pytest.mark.parametrize("count", [0, 1, 64])
def test_figures_stand_any_number_of_networks(rows, count):
    few = rows.iloc[:count]
    plots.coefficients(tables.coefficients(few, AXES))
    plots.effects(tables.effects(few, AXES))
    plots.shuffled(few, tables.shuffled_coefficients(few))


def test_the_spread_counts_networks_and_points(rows):
    lost = rows.assign(excluded=np.where(rows["gap"] > 0.25, "diverged", ""))
    table = tables.spread(lost).set_index("data")
    assert (table["networks"] + table["excluded"] == 640).all()
    kept = lost[(lost["gap"] <= 0.25) & (lost["data"] == "digits")]["gap"]
    span = 100 * (kept.max() - kept.min())
    assert table.loc["digits", "span"] == pytest.approx(span, abs=0.051)
    assert tables.spread(rows.iloc[:0]).empty


def test_balance_is_the_share_of_the_trace_that_rescaling_leaves(rows):
    table = rows.assign(trace=2.0, minimum=1.8)
    np.testing.assert_allclose(tables.balance(table), 0.1)


def test_tau_may_be_that_of_another_target(rows):
    opposed = rows.assign(test_error=-rows["gap"])
    for found in (
        tables.overall_by_seed(opposed, "minimum", target="test_error"),
        tables.granulated_by_seed(opposed, "minimum", AXES, "test_error"),
    ):
        np.testing.assert_allclose(found, -1)
    assert tables.worst(opposed, "minimum", AXES, "test_error") == (-1, -1, -1)
