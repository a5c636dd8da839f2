"""Numbers of one seed each, from runs whose numbers are chosen."""

import numpy as np
import pandas as pd
import pytest

from flatminima.claims import decide
from flatminima.studies.m_sharpness import plots, runs, tables
from tests.studies.m_sharpness.synthetic import rows

BASE, _ = runs.bases("medium")
LADDER, WAYS = runs.ladder(BASE), runs.ascents(BASE)
PLAIN = runs.plain(BASE)


def better_with_lower_m(config):
    """Accuracy falls with m, and each m has its best radius in the middle."""
    m = config.m or config.batch
    tried = runs.LADDER.get(m, runs.WHOLE)
    best = tried[len(tried) // 2]
    off = abs(np.log2(config.rho / best)) if config.rho else 0
    noise = 0.001 * (config.init_seed % 3)
    base = 0.9 - 0.01 * np.log2(m) if config.rho else 0.7
    return {"test_accuracy": base - 0.002 * off + noise}


@pytest.fixture(scope="module")
def committed():
    _, measured = runs.bases("medium")
    cells = [c for c in runs.planned() if c.n != measured.n]
    return rows(cells, better_with_lower_m)


def test_a_setting_is_found_on_another_device(committed):
    found = tables.of(committed, LADDER[4][0.05])
    assert set(found["device"]) == {"cuda"} and set(found["m"]) == {4}
    assert set(found["init_seed"]) == {*runs.SEEDS, *runs.TUNING}
    assert tables.of(committed, LADDER[4][0.05].model_copy(update={"n": 9})).empty


def test_a_radius_is_chosen_by_the_tuning_seeds_alone(committed):
    assert tables.chosen(committed, LADDER[16]) == 0.05
    tuned = committed["data_seed"] < runs.FRESH
    other = committed["rho"] == 0.025
    moved = committed.copy()
    moved.loc[~tuned & other, "test_accuracy"] = 1.0
    assert tables.chosen(moved, LADDER[16]) == 0.05
    moved.loc[tuned & other, "test_accuracy"] = 1.0
    assert tables.chosen(moved, LADDER[16]) == 0.025
    own = tables.own(committed, LADDER[16])
    assert list(own.index.get_level_values("data_seed")) == list(runs.SEEDS)
    assert tables.own(committed[~tuned], LADDER[16]).empty
    assert tables.chosen(committed[~tuned], LADDER[16]) is None


def test_a_radius_without_runs_was_not_tried(committed):
    some = committed[(committed["m"] != 16) | (committed["rho"] != 0.05)]
    assert tables.chosen(some, LADDER[16]) == 0.025  # the smaller of two as good
    half = (committed["init_seed"] == 1) & (committed["rho"] != 0.05)
    assert tables.chosen(committed[~half], LADDER[16]) == 0.05


def test_at_the_loss_and_at_the_end(committed):
    end = tables.own(committed, LADDER[16])
    met = tables.own(committed, LADDER[16], at_loss=True)
    assert (end - met).to_numpy() == pytest.approx(0.1)


def test_a_run_that_diverged_counts_as_wrong(committed):
    moved = committed.copy()
    moved.loc[moved["init_seed"] == 101, "diverged"] = True
    own = tables.accuracy(moved, LADDER[16][0.1])
    assert own[101, 101] == 0 and own[100, 100] > 0.8


def test_taus(committed):
    own = {m: tables.own(committed, radii) for m, radii in LADDER.items()}
    assert tables.taus(own) == pytest.approx(np.ones(len(runs.SEEDS)))
    turned = {m: -values for m, values in own.items()}
    assert tables.taus(turned) == pytest.approx(-np.ones(len(runs.SEEDS)))
    assert not len(tables.taus({m: own[m] for m in (1, 4)}))
    equal = tables.at_radius(committed, LADDER, runs.EQUAL)
    assert set(equal) == {4, 16, 64, 512}


def test_the_margin_of_no_better():
    index = pd.MultiIndex.from_tuples([(100, 100), (101, 101)])
    simple = pd.Series([0.8, 0.9], index)
    assert tables.no_better(simple, [simple]) == pytest.approx([0.005, 0.005])
    assert (tables.no_better(simple, [simple + 0.01, simple]) < 0).all()
    assert not len(tables.no_better(simple, [simple.iloc[:0]]))


def test_the_equality_is_decided(committed):
    line = tables.along(committed, LADDER, runs.line(BASE))
    one, other = (tables.as_runs(line[m], "committed") for m in (4, 64))
    verdict = decide.equals("m-sharp-line", one, other)
    assert verdict.verdict == "fails" and verdict.effect == pytest.approx(0.042)
    nothing = tables.as_runs(line[4].iloc[:0], "none")
    undecided = decide.equals("m-sharp-line", nothing, nothing)
    assert (undecided.verdict, undecided.n) == ("undecided", 0)


def test_a_table_of_rungs(committed):
    table = tables.rungs(committed, LADDER, "m")
    assert table.loc[16, "radius"] == 0.05 and table.loc[16, "at an edge"] == "no"
    assert (
        table.loc[1, "at an edge"] == "yes"
        and (table["seeds"] == len(runs.SEEDS)).all()
    )
    assert (table["low"] < table["accuracy"]).all()
    assert tables.rungs(committed.iloc[:0], LADDER, "m").empty


@pytest.mark.parametrize("whole", [True, False])
def test_figures_are_drawn(committed, whole):
    shown = committed if whole else pd.DataFrame()
    figures = [
        plots.steps_of_m(shown, LADDER, PLAIN[1]),
        plots.by_ascent(shown, WAYS, PLAIN),
    ]
    for figure in figures:
        marks = sum(len(line.get_xdata()) for a in figure.axes for line in a.lines)
        assert (marks > 0) == whole
        assert bool([t for a in figure.axes for t in a.texts]) == (not whole)


def test_noise_is_drawn():
    squares = pd.DataFrame({0: [1.0, 0.5], 1: [1.0, 0.6]}, index=[1, 2])
    (axis,) = plots.noise(squares).axes
    assert len(axis.lines) == 4
    (axis,) = plots.noise(pd.DataFrame()).axes
    assert [text.get_text() for text in axis.texts] == ["every run diverged"]
