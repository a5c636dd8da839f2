"""Figures of the paper: which runs stand for them, and what the tables say."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from flatminima.claims import decide
from flatminima.claims.report import FIGURE_MIME, Report
from flatminima.measures import alignment
from flatminima.results import collecting, reading
from flatminima.sources.wen_li_ma import figure, figures
from flatminima.studies.paper_figures import runs as paper_figures_runs
from flatminima.studies.paper_figures import units, weights
from flatminima.studies.paper_figures.outcomes import (
    Outcome,
    OutcomeTable,
    outcomes,
    scale,
    weights_outcome,
)
from flatminima.studies.paper_figures.runs import FigureRuns
from flatminima.sweeps.sweep import sweep
from flatminima.sweeps.table import over_seeds
from tests.tables import runs, some

SIZE = {"d": 6, "n": 20, "width": 8, "num_checkpoints": 3}
NOTHING = reading.Committed([], [])


@pytest.fixture(autouse=True)
def no_twins(monkeypatch):
    """Collect without the second run of every setting."""
    monkeypatch.setattr(collecting, "sensitivity", lambda *_: 0.0)


def commit(path, *shares, name="4b", **changes):
    """Two seeds of a figure, at every share, committed."""
    fields = SIZE | {"num_checkpoints": 4} | changes
    configs = [figures([name], share=s, **fields)[name] for s in shares]
    collecting.collect(over_seeds(configs, 2), path)
    return reading.load(path)


def small(name="4b", share=1e-5, **changes):
    return figures([name], share=share, **(SIZE | changes))[name]


# --- committed runs -------------------------------------------------------------


def test_committed_runs_differ_in_length_alone(tmp_path):
    paper = commit(tmp_path / "a.jsonl", 1e-4)
    found = paper_figures_runs.committed_runs(paper, small())
    assert found["num_steps"].unique().tolist() == [1200]
    assert found.loc[found["last"], "init_seed"].tolist() == [0, 1]
    assert len(set(found["engine"])) == 1
    for change in ({"width": 9}, {"lr": 0.02}, {"dtype": "float64"}):
        other = small().model_copy(update=change)
        assert paper_figures_runs.committed_runs(paper, other).empty
    assert paper_figures_runs.committed_runs(paper, small("4a")).empty
    assert paper_figures_runs.committed_runs(NOTHING, small()).empty


def test_rows_that_are_older_than_a_field_have_its_default(tmp_path):
    paper = commit(tmp_path / "a.jsonl", 1e-4)
    for row in paper.rows:
        assert row["config"].pop("step_noise") == 0
    found = paper_figures_runs.committed_runs(paper, small())
    assert found["num_steps"].unique().tolist() == [1200]
    noisy = small().model_copy(update={"step_noise": 0.5})
    assert paper_figures_runs.committed_runs(paper, noisy).empty


def test_phases_tell_settings_apart(tmp_path):
    paper = commit(tmp_path / "a.jsonl", 1e-4)
    config = small()
    later = [phase.model_copy(update={"rho": 0.7}) for phase in config.phases]
    changed = config.model_copy(update={"phases": tuple(later)})
    assert paper_figures_runs.committed_runs(paper, changed).empty


def test_the_longest_committed_runs_stand_for_a_figure(tmp_path):
    paper = commit(tmp_path / "a.jsonl", 2e-5, 1e-4, 5e-5)
    found = paper_figures_runs.committed_runs(paper, small())
    assert found["num_steps"].unique().tolist() == [1200]


def test_a_run_of_a_figure(tmp_path):
    paper = commit(tmp_path / "a.jsonl", 1e-4)
    shown = paper_figures_runs.run(["4a", "4b"], paper, share=1e-5, seeds=3, **SIZE)
    assert list(shown) == ["4a", "4b"]
    pd.testing.assert_frame_equal(shown["4b"].quick, sweep([small()], 3))
    assert [s.committed for s in shown.values()] == [False, True]
    assert shown["4a"].table is shown["4a"].quick
    assert shown["4b"].table is shown["4b"].paper


def test_runs_are_noted_as_ones_to_be_committed(tmp_path, monkeypatch):
    record = tmp_path / "record"
    monkeypatch.setenv("FLATMINIMA_RECORD", str(record))
    paper_figures_runs.run(["4a"], NOTHING, share=1e-5, seeds=2, **SIZE)
    assert len(record.read_text().splitlines()) == 2


@pytest.mark.parametrize(("share", "committed"), [(5e-5, True), (1e-4, False)])
def test_the_longer_runs_decide_and_those_of_the_build_if_equal(
    tmp_path, share, committed
):
    paper = commit(tmp_path / "a.jsonl", 1e-4)
    (shown,) = paper_figures_runs.run(
        ["4b"], paper, share=share, seeds=1, **SIZE
    ).values()
    assert shown.committed is committed
    assert (shown.table is shown.paper) is committed


# --- what a figure says of itself -------------------------------------------------


def shown_4b(**columns) -> FigureRuns:
    config = figure("4b", epochs_factor=0.01)
    table = runs(num_steps=config.num_steps, **columns)
    return FigureRuns("4b", config, table, pd.DataFrame())


def test_share_and_scale_of_a_figure():
    shown = shown_4b()
    assert shown.share(shown.quick) == pytest.approx(0.01)
    assert scale(shown) == "this build, 0.01 of the updates"
    whole = runs(num_steps=60_000_000)
    longer = FigureRuns("4b", shown.config, shown.quick, whole)
    assert scale(longer) == "committed, all of the updates"
    half = FigureRuns("4b", shown.config, shown.quick, runs(num_steps=30_000_000))
    assert scale(half) == "committed, reduced: 0.5 of the updates"
    other = FigureRuns("4b", small(), shown.quick, pd.DataFrame())
    assert scale(other) == "this build, another size"
    ball = figure("7a", epochs_factor=0.1)
    table = runs(num_steps=ball.num_steps)
    found = scale(FigureRuns("7a", ball, table, pd.DataFrame()))
    assert found == "this build, 0.1 of the updates"


@pytest.mark.parametrize(
    ("name", "metric", "setting"),
    [
        ("1a", "test_accuracy", "2-MLP-No-Bias, GD + wd"),
        ("5b", "test_accuracy", "2-MLP-Softplus, 1-SAM"),
        ("7b", "test_r2", "2-MLP-Bias, 1-SAM"),
        ("8a", "test_accuracy", "2-MLP-No-Bias, SGD + wd, batch 10"),
        ("11a", "test_accuracy", "3-layer MLP, SGD + wd"),
    ],
)
def test_metric_and_setting(name, metric, setting):
    shown = FigureRuns(name, figure(name), pd.DataFrame(), pd.DataFrame())
    assert (shown.metric, shown.setting) == (metric, setting)


@pytest.mark.parametrize("share", [1.0, 0.01, 1e-4])
def test_the_early_step_is_one_that_is_measured(share):
    config = figure("4b", epochs_factor=share)
    table = runs(num_steps=config.num_steps)
    shown = FigureRuns("4b", config, table, pd.DataFrame())
    assert paper_figures_runs.early_step(shown) == 400_000 * share
    assert paper_figures_runs.early_step(shown) in config.measure_at


@pytest.mark.parametrize(
    ("share", "n"),
    [(0.07346874118505714, 100), (0.00014369047655485003, 20), (1e-9, 1), (2.8, 7)],
)
def test_the_early_step_is_measured_where_shares_are_not_round(share, n):
    """The share that is left after rounding the phases rounds to another step."""
    config = figure("4b", epochs_factor=share, n=n, d=8)
    table = runs(num_steps=config.num_steps)
    shown = FigureRuns("4b", config, table, pd.DataFrame())
    assert paper_figures_runs.early_step(shown) in config.measure_at


def test_other_figures_have_no_early_step():
    shown = FigureRuns("4a", figure("4a"), runs(), pd.DataFrame())
    with pytest.raises(ValueError, match="name = '4a': no early time"):
        paper_figures_runs.early_step(shown)


@pytest.mark.usefixtures("pandas_2")
def test_phases_are_read_at_their_ends(tmp_path):
    (shown,) = paper_figures_runs.run(
        ["5b"], NOTHING, share=1e-4, seeds=3, **SIZE
    ).values()
    found = paper_figures_runs.phase_table(shown)
    assert found["η"].tolist() == [0.0005, 0.001, 0.005]
    assert found["ρ"].tolist() == [0.05, 0.1, 1.0]
    assert found["until epoch"].tolist() == [10.0, 20.0, 20.5]
    quick = shown.quick
    for phase, epoch in ((1, 10.0), (2, 20.0), (3, 20.5)):
        there = quick[quick["epoch"] == epoch]
        row = found.loc[phase]
        assert row["test accuracy"] == pytest.approx(there["test_accuracy"].mean())
        assert row["output error"] == there["output_error"].median()
    assert found["trace / bound"].isna().all()  # no bound is known for softplus


# --- the table of figures -----------------------------------------------------------


def outcome(**columns) -> Outcome:
    shown = shown_4b(**columns)
    verdict = decide.share("fig-4b", shown.table)
    (row,) = outcomes({"4b": shown}, [verdict]).rows
    assert row.verdict == verdict.verdict
    return row


def test_a_row_has_the_outcome_and_the_trace_beside_its_bound():
    accuracy = [0.6 + 0.01 * k for k in range(10)]
    row = outcome(test_accuracy=accuracy, retracted_trace=22.5, bound=22.0)
    assert (row.figure, row.claim, row.chapter) == ("4b", "fig-4b", "scenario-2")
    assert row.value == pytest.approx(np.mean(accuracy))
    assert row.low < row.value < row.high
    assert (row.trace, row.bound, row.retracted) == (22.5, 22.0, 10)
    assert row.ratio == pytest.approx(22.5 / 22.0)
    assert (row.n, row.verdict) == (10, "holds")
    assert row.reported == "far worse than 4a"


def test_a_ratio_is_of_each_seeds_own_bound():
    bound = [float(2 ** (k % 3)) for k in range(10)]
    row = outcome(retracted_trace=[1.1 * b for b in bound], bound=bound)
    assert row.ratio == pytest.approx(1.1)


def test_only_retracted_seeds_count_if_there_are_any():
    retracted = [30.0, 40.0, *[math.nan] * 8]
    row = outcome(retracted_trace=retracted, bound=20.0, trace=1.0)
    assert (row.trace, row.retracted, row.ratio) == (35.0, 2, 1.75)


def test_iterates_are_compared_with_the_bound_at_their_own_outputs():
    row = outcome(retracted_trace=math.nan, trace=3.0, bound=9.0, bound_outputs=2.0)
    assert (row.trace, row.bound, row.retracted, row.ratio) == (3.0, 2.0, 0, 1.5)
    assert "3 / 2 (at its own outputs) = 1.5" in repr(OutcomeTable([row]))


@pytest.mark.usefixtures("pandas_2")
def test_no_bound_is_known():
    row = outcome(retracted_trace=math.nan, trace=3.0, bound_outputs=math.nan)
    assert (row.trace, row.bound, row.ratio) == (3.0, None, None)
    json.dumps(vars(row), allow_nan=False)


def test_diverged_seeds_have_no_trace_and_no_accuracy():
    row = outcome(test_accuracy=0.8, retracted_trace=5.0, diverged=some(1))
    assert row.value == pytest.approx(0.72)
    assert (row.retracted, row.n) == (9, 10)


def test_every_figure_needs_its_verdict():
    with pytest.raises(KeyError, match="fig-4b"):
        outcomes({"4b": shown_4b()}, [])


def test_what_a_table_shows_and_hands_on():
    shown = shown_4b()
    verdict = decide.share("fig-4b", shown.table)
    table = outcomes({"4b": shown}, Report([verdict]).verdicts)
    bundle = table._repr_mimebundle_()
    (row,) = bundle[FIGURE_MIME]
    json.dumps(row, allow_nan=False)
    assert row["figure"] == "4b"
    assert "<td>far worse than 4a</td>" in bundle["text/html"]
    assert '<span class="verdict verdict-holds">holds</span>' in bundle["text/html"]
    assert "2 / 1 = 2 | this build, 0.01 of the updates, n = 10" in repr(table)
    assert bundle["text/plain"].startswith("4b | 2-MLP-Bias, 1-SAM | far worse")


# --- weights ------------------------------------------------------------------------


def test_weights_are_those_of_the_longer_runs(tmp_path):
    paper = commit(tmp_path / "a.jsonl", 1e-4)
    (shown,) = paper_figures_runs.run(
        ["4b"], paper, share=1e-5, seeds=3, **SIZE
    ).values()
    found = weights.ends(shown)
    longer = small(share=1e-4, num_checkpoints=4)
    expected = units.alignments(longer, 2)
    assert found["init_seed"].tolist() == [0, 1]
    for name in alignment.SUMMARY:
        assert found[name].tolist() == expected[name].tolist()
    pd.testing.assert_frame_equal(
        weights.largest_units(shown, paper),
        units.largest_units(longer.with_seeds(0, 0)),
    )


def test_weights_are_those_of_the_build_where_nothing_is_committed():
    (shown,) = paper_figures_runs.run(
        ["4b"], NOTHING, share=1e-5, seeds=3, **SIZE
    ).values()
    expected = units.alignments(small(), 3)
    pd.testing.assert_frame_equal(weights.ends(shown), expected)
    pd.testing.assert_frame_equal(
        weights.largest_units(shown, NOTHING),
        units.largest_units(small().with_seeds(0, 0)),
    )


def test_weights_are_those_of_the_seeds_of_the_build():
    (shown,) = paper_figures_runs.run(
        ["4b"], NOTHING, share=1e-5, seeds=range(100, 102), **SIZE
    ).values()
    assert weights.ends(shown)["data_seed"].tolist() == [100, 101]
    pd.testing.assert_frame_equal(
        weights.largest_units(shown, NOTHING),
        units.largest_units(small().with_seeds(100, 100)),
    )


def test_a_row_of_weights():
    config = figure("2a", epochs_factor=0.01)
    quick = runs(3, num_steps=config.num_steps, architecture="sim_bn")
    paper = runs(5, num_steps=figure("2a").num_steps, architecture="sim_bn")
    paper["alignment"] = np.where(paper["last"], 0.6, np.nan)
    shown = FigureRuns("2a", config, quick, paper)
    table = weights.ends(shown)
    verdict = decide.share("fig-2b", table)
    row = weights_outcome("2b", verdict, shown, table, "alignment")
    assert row.value == pytest.approx(0.6)
    assert row.scale == "committed, all of the updates"
    assert (row.trace, row.n, row.verdict) == (None, 5, verdict.verdict)


def test_first_layers_are_those_of_the_sources_size(tmp_path):
    size = {"d": 30, "n": 100, "width": 500}
    papers = [
        commit(tmp_path / "a.jsonl", 1e-5, name="1a", **size),
        commit(tmp_path / "b.jsonl", 1e-5, name="4b"),
        commit(tmp_path / "c.jsonl", 1e-5, name="7b", **(size | {"d": 10})),
    ]
    found = weights.first_layers(papers)
    assert found.index.tolist() == ["1a", "7b"]
    assert found["setting"].tolist() == ["2-MLP-No-Bias, GD + wd", "2-MLP-Bias, 1-SAM"]
    assert found["seeds"].tolist() == [2, 2]
    for name, paper, metric in (
        ("1a", papers[0], "test_accuracy"),
        ("7b", papers[2], "test_r2"),
    ):
        ends = pd.concat([table.tail(1) for table in paper.tables])
        expected = ends[[metric, "alignment", "share_4", "share_all"]].mean()
        assert found.loc[name].iloc[1:-1].tolist() == pytest.approx(expected.tolist())
    assert weights.first_layers([NOTHING]).empty
