"""Eight ways: what tells them apart, which runs decide, and what is compared."""

import numpy as np
import pandas as pd
import pytest

from flatminima.plots.style import use_style
from flatminima.results import collecting, reading
from flatminima.studies.eight_ways import plots, runs, tables
from flatminima.sweeps.table import over_seeds

SIZE = {"d": 6, "n": 20, "width": 24}
NOTHING = reading.Committed([], [])


def differing(first, second) -> set[str]:
    other = second.model_dump()
    return {name for name, value in first.model_dump().items() if value != other[name]}


def test_kinds_of_training_differ_from_1_sam_in_one_thing():
    found = runs.training(1000, **SIZE)
    usual = found[runs.SAM]
    assert usual.rule == "1-SAM"
    assert differing(usual, found[runs.SAM_SMALL]) == {"init_scale"}
    assert differing(usual, found[runs.FROZEN]) == {"ascent"}
    noisy = found[runs.NOISE]
    assert differing(usual, noisy) == {"rho", "step_noise", "phases"}
    assert (noisy.rho, noisy.step_noise) == (0, runs.NOISE_SIZE)
    (quiet,) = noisy.phases
    assert (quiet.start, quiet.lr) == (970, noisy.lr / 10)


def test_the_flows_start_from_the_same_network():
    naive, aware = runs.flows(12, **SIZE).values()
    assert naive.start == aware.start
    assert (naive.kind, naive.control, aware.kind) == ("naive", "own", "kink_aware")


def test_constructions_are_flattest_and_opposite():
    built = runs.constructed([3, 4], d=6, n=20)
    np.testing.assert_allclose(built["ratio"], 1.0, atol=1e-9)
    by_way = built.groupby("way")["test_accuracy"]
    assert by_way.min()[runs.GENERALISER] == 1.0
    assert by_way.max()[runs.MEMORISER] < 0.9
    assert sorted(built["data_seed"].unique()) == [3, 4]


def test_the_longer_runs_stand_for_a_way(store, tmp_path, monkeypatch):
    monkeypatch.setattr(collecting, "sensitivity", lambda *_: 0.0)
    seeds = range(5, 7)
    longer = runs.training(200, num_checkpoints=3, **SIZE) | runs.flows(8, **SIZE)
    chosen = [longer[runs.NOISE], longer[runs.NAIVE]]
    path = tmp_path / "rows.jsonl"
    collecting.collect(over_seeds(chosen, seeds), path)
    paper = reading.load(path)
    found = runs.run(runs.training(100, num_checkpoints=3, **SIZE), paper, seeds)
    lengths = {way: table["num_steps"].max() for way, table in found.items()}
    assert lengths.pop(runs.NOISE) == 200
    assert set(lengths.values()) == {100}
    flows = runs.run(runs.flows(4, **SIZE), paper, seeds)
    assert flows[runs.NAIVE]["num_steps"].max() == 8
    assert flows[runs.KINK_AWARE]["num_steps"].max() == 4
    assert flows[runs.NAIVE]["data_seed"].unique().tolist() == [5, 6]
    # committed runs of the same length are no longer ones
    same = runs.run(runs.flows(8, **SIZE), paper, range(5, 6))
    assert same[runs.NAIVE]["data_seed"].unique().tolist() == [5]


def test_flows_of_another_size_or_start_are_others(tmp_path, store, monkeypatch):
    monkeypatch.setattr(collecting, "sensitivity", lambda *_: 0.0)
    path = tmp_path / "rows.jsonl"
    flow = runs.flows(4, **SIZE)[runs.NAIVE]
    collecting.collect([flow], path)
    paper = reading.load(path)
    assert not runs.committed_flows(paper, flow).empty
    for other in (
        runs.flows(4, **SIZE)[runs.KINK_AWARE],
        runs.flows(4, **SIZE | {"width": 25})[runs.NAIVE],
        runs.flows(4, start_epochs=90, **SIZE)[runs.NAIVE],
    ):
        assert runs.committed_flows(paper, other).empty
    assert runs.committed_flows(NOTHING, flow).empty


def networks(**accuracy):
    """Networks of all ways over three seeds; accuracy and ratio may be given."""
    rows = [
        {
            "way": way,
            "data_seed": seed,
            "init_seed": seed,
            "ratio": 1.001,
            "test_accuracy": accuracy.get(way, [0.9, 0.8, 0.7])[seed],
        }
        for way in runs.WAYS
        for seed in range(3)
    ]
    return pd.DataFrame(rows)


def test_ends_are_in_order_and_lost_runs_have_no_trace():
    built = networks()[lambda t: t["way"].isin([runs.MEMORISER, runs.GENERALISER])]
    ends = pd.DataFrame(
        {
            "data_seed": [0, 0, 1],
            "init_seed": [0, 0, 1],
            "last": [False, True, True],
            "diverged": [False, False, True],
            "retracted_trace": [9.0, 3.0, 3.0],
            "bound": [2.0, 2.0, 2.0],
            "test_accuracy": [0.1, 0.6, 0.5],
        }
    )
    every = runs.ends({runs.NAIVE: ends, runs.SAM: ends}, built)
    order = list(dict.fromkeys(every["way"]))
    assert order == [w for w in runs.WAYS if w in order]
    mine = every[every["way"] == runs.SAM]
    assert mine["test_accuracy"].tolist() == [0.6, 0.5]
    assert mine["ratio"].tolist()[0] == 1.5
    assert np.isnan(mine["ratio"].tolist()[1])


def test_the_room_is_that_of_the_sharpest_way_of_a_seed():
    every = networks()
    every.loc[(every["way"] == runs.NOISE) & (every["data_seed"] == 1), "ratio"] = 1.02
    np.testing.assert_allclose(runs.room(every), [0.009, -0.01, 0.009])
    every.loc[(every["way"] == runs.NAIVE) & (every["data_seed"] == 2), "ratio"] = (
        np.nan
    )
    np.testing.assert_allclose(runs.room(every), [0.009, -0.01])
    lacking = every[~((every["way"] == runs.SAM) & (every["data_seed"] == 0))]
    np.testing.assert_allclose(runs.room(lacking), [-0.01])


def test_pairs_differ_at_a_level_that_holds_for_all_of_them():
    every = networks(**{runs.SAM: [0.5, 0.4, 0.3], runs.NAIVE: [0.9, 0.95, 0.2]})
    found = tables.differences(every)
    assert len(found) == 28
    sure = found.loc[(runs.MEMORISER, runs.SAM)]
    assert sure["difference"] == pytest.approx(-0.4)
    assert sure["differ"]
    unsure = found.loc[(runs.SAM, runs.NAIVE)]
    one, two, three = 0.4, 0.55, -0.1
    assert unsure["difference"] == pytest.approx((one + two + three) / 3)
    assert not unsure["differ"]
    assert unsure["low"] < -1  # wider than an interval for one pair
    alone = tables.accuracies(every).loc[runs.NAIVE]
    assert alone["test accuracy"] == pytest.approx(2.05 / 3)
    assert 0 <= alone["low"] < alone["least"] + 0.3


def test_what_is_too_sharp_is_hollow():
    use_style()
    every = networks()
    every.loc[(every["way"] == runs.NOISE) & (every["data_seed"] == 1), "ratio"] = 1.02
    top, bottom = plots.eight_ways(every, pd.DataFrame()).axes
    filled = [bool(len(marks.get_facecolor())) for marks in bottom.collections]
    counts = np.array([len(marks.get_offsets()) for marks in bottom.collections])
    assert counts[filled].sum() == 23
    assert counts[~np.array(filled)].sum() == 1
    labels = [text.get_text() for text in bottom.get_xticklabels()]
    assert labels == [plots.LABELS[way] for way in runs.WAYS]
    assert [text.get_text() for text in top.texts] == [
        f"{value:.3f}" for value in tables.accuracies(every)["test accuracy"]
    ]
