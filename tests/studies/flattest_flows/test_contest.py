"""The contenders are the flows that they are called, with the columns of claims."""

import numpy as np
import pandas as pd
import pytest

from flatminima.claims import decide
from flatminima.results.collecting import collect
from flatminima.results.reading import Committed, load
from flatminima.runs.flow.manifold import ON_THE_SET
from flatminima.runs.flow.moves import moves
from flatminima.sources.wen_li_ma import scale_of_flow
from flatminima.studies.flattest_flows import contest
from flatminima.studies.flattest_flows import tables as flow_tables
from flatminima.sweeps.sweep import fetch, sweep
from flatminima.sweeps.table import COMMITTED, over_seeds

SMALL = {
    "d": 4,
    "n": 8,
    "width": 16,
    "start_epochs": 20,
    "iterations": 6,
    "smoothing": 0.02,
    "wider": 0.1,
    "sam_share": 1e-5,
}


@pytest.fixture(scope="module")
def small():
    return contest.contenders("bias", **SMALL, measure_every=2)


def test_contenders(small):
    *flows, sam = small
    assert (flows, sam) == (
        ["naive", "naive, true trace", "kink-aware", "kink-aware, wider"],
        "1-SAM",
    )
    kinds = [(small[k].kind, small[k].control, small[k].smoothing) for k in flows]
    assert kinds == [
        ("naive", "own", 0.02),
        ("naive", "true", 0.02),
        ("kink_aware", "true", 0.02),
        ("kink_aware", "true", 0.1),
    ]
    starts = {small[name].start for name in flows}
    (start,) = starts
    assert (start.rule, start.num_steps) == ("SGD", 160)
    assert small[sam].rule == "1-SAM" and small[sam].dtype == "float32"
    assert small[sam].num_steps == 16 + 32  # 2e5 and 4e5 epochs of 8
    for config in (start, small[sam]):
        assert (config.d, config.n, config.width) == (4, 8, 16)
        assert config.architecture == "bias"
    no_bias = contest.contenders("no_bias", **SMALL)
    assert no_bias["naive"].start.architecture == "no_bias"
    assert no_bias[sam].architecture == "no_bias"
    sim_ln = contest.contenders("sim_ln", **SMALL)
    held = [*(sim_ln[name] for name in flows), sim_ln["naive"].start, sim_ln[sam]]
    assert [config.radius for config in held] == [10.0] * 6
    assert sim_ln[sam].rule == "1-SAM, projected"


def test_contest_has_the_columns_of_claims(small):
    seeds = contest.seed_pairs(3, 2)
    tables = contest.contest(small, seeds, 4)
    assert list(tables) == list(small)
    for name, table in tables.items():
        last = table[table["last"]]
        assert last["data_seed"].tolist() == last["init_seed"].tolist() == [3, 4]
        assert last[["rising_share", "jump_share"]].notna().all(axis=None)
        if name != "1-SAM":
            assert last["output_error"].le(ON_THE_SET).all()
            verdict = decide.attains("flat-naive-attains", table)
            scale = (
                "scaled-down: d = 4, n = 8, width 16, a flow of at most 6 iterations"
            )
            assert verdict.scale == scale
    cell = small["1-SAM"].with_seeds(4, 4)
    row = tables["1-SAM"].iloc[-1]
    assert row["rising_share"] == moves(cell, fetch(cell), 4).rising_share
    summary = flow_tables.ends(tables)
    assert summary.index.tolist() == list(small)
    assert summary.loc["1-SAM", "rising, accepted":].isna().all()
    reasons = flow_tables.reasons(tables)
    assert "1-SAM" not in reasons.index
    assert (reasons.drop(columns="median iterations").sum(axis=1) == 2).all()


def test_committed_flows_end_and_were_measured_as_they_were_run(small, tmp_path):
    one, seeds = {"naive": small["naive"]}, contest.seed_pairs(3, 2)
    collect(over_seeds(one.values(), seeds), tmp_path / "flows.jsonl")
    kept = contest.contest(one, seeds, 1, load(tmp_path / "flows.jsonl"))
    run = contest.contest(one, seeds, 1)
    assert kept["naive"]["scale"].str.endswith(COMMITTED).all()
    assert len(kept["naive"]) < len(run["naive"])
    pd.testing.assert_frame_equal(flow_tables.ends(kept), flow_tables.ends(run))
    marks = [config.measure_every for config in one.values()]
    there = [flow_tables.along(tables, marks) for tables in (kept, run)]
    pd.testing.assert_frame_equal(*there)


@pytest.mark.filterwarnings("ignore:diverged")
@pytest.mark.filterwarnings("ignore:.*overflow:RuntimeWarning")
def test_a_run_that_diverges_has_no_moves(small):
    config = small["1-SAM"].model_copy(update={"lr": 1e4, "phases": ()})
    tables = contest.contest({"1-SAM": config}, [(0, 0)], 4)
    assert tables["1-SAM"]["diverged"].all()
    assert tables["1-SAM"][["rising_share", "jump_share"]].isna().all(axis=None)
    assert flow_tables.ends(tables).loc["1-SAM", "test accuracy"] == 0


@pytest.mark.usefixtures("pandas_2")
def test_ends_where_no_seed_comes_near_interpolation(small):
    tables = contest.contest({"naive": small["naive"]}, [(0, 0)], 1)
    lost = {"retracted_trace": np.nan, "rising_share": np.nan}
    row = flow_tables.ends({"naive": tables["naive"].assign(**lost)}).loc["naive"]
    assert row[["trace / bound", "rising"]].isna().all()


def test_ends_are_medians_and_intervals(small):
    tables = contest.contest({"naive": small["naive"]}, [(0, 0), (1, 1)], 1)
    last = tables["naive"][tables["naive"]["last"]]
    row = flow_tables.ends(tables).loc["naive"]
    ratio = last["retracted_trace"] / last["bound"]
    assert row["trace / bound"] == pytest.approx(np.median(ratio))
    assert row["test accuracy"] == pytest.approx(last["test_accuracy"].mean())
    assert row["low"] <= row["test accuracy"] <= row["high"]
    assert row["rising"] == last["rising_share"].median()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wider": 0.02}, "wider = 0.02: must be above smoothing = 0.02"),
        ({"start_epochs": 0}, "start_epochs = 0: must be an integer of at least 1"),
        ({"n": 0}, "greater than or equal to 1"),
        ({"iterations": 0}, "greater than or equal to 1"),
        ({"sam_share": 0.0}, "epochs_factor = 0.0: must be above 0"),
    ],
)
def test_bad_values(changes, message):
    with pytest.raises(ValueError, match=message):
        contest.contenders("bias", **(SMALL | changes))


def test_bad_architecture_and_seeds():
    with pytest.raises(ValueError, match="architecture = 'deep': allowed are bias, no"):
        contest.contenders("deep", **SMALL)
    assert contest.seed_pairs(5, 2) == [(5, 5), (6, 6)]
    with pytest.raises(ValueError, match="first = -1: must be an integer of at least"):
        contest.seed_pairs(-1, 2)
    with pytest.raises(ValueError, match="seeds = 0: must be an integer of at least 1"):
        contest.seed_pairs(0, 0)


@pytest.mark.parametrize(
    ("arguments", "scale"),
    [
        ((30, 100, 500, 200), "paper: d = 30, n = 100, width 500, a flow of at most"),
        ((30, 100, 200, 200), "scaled-down: d = 30, n = 100, width 200, a flow"),
    ],
)
def test_scale_of_a_flow(arguments, scale):
    assert scale_of_flow(*arguments).startswith(scale)


def test_a_longer_flow_goes_on_from_where_the_shorter_one_was(small):
    config = small["naive"]
    more = contest.longer(config, 3)
    assert more.max_iterations == 18
    assert more.model_copy(update={"max_iterations": 6}) == config
    short, long = fetch(config).history, fetch(more).history
    measured = long[long["step"] <= 6][["step", "trace", "ratio"]]
    np.testing.assert_array_equal(measured, short[["step", "trace", "ratio"]])


def test_a_flow_is_not_made_shorter(small):
    with pytest.raises(ValueError, match="times = 0: must be"):
        contest.longer(small["naive"], 0)


def test_committed_runs_of_the_same_size_stand_for_1_sam(small):
    here = small["1-SAM"]
    table = sweep([here], [(3, 3)])
    other = table.assign(n=9)
    kept = contest.kept_sam(Committed([], [other, table]), here, [(5, 5)])
    assert kept["data_seed"].unique().tolist() == [3]
    own = contest.kept_sam(Committed([], [other]), here, [(5, 5)])
    assert own["data_seed"].unique().tolist() == [5]
