"""Grids too dear for one sitting: their order, their cost, the budget."""

import json
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from flatminima.data.images.faults import DataFault
from flatminima.results import grids, pieces
from flatminima.runs.cells.config import Arm, CellConfig
from flatminima.runs.images.config import ImageConfig
from flatminima.sweeps.sweep import fetch

TINY = ImageConfig(
    **{"n": 60, "test_n": 30, "size": 8, "width": 2, "batch": 20, "num_epochs": 1},
    **{"sharpness_n": 20, "data_seed": 100, "init_seed": 100},
)
SAM = TINY.model_copy(update={"rho": 0.05})
CHAPTERS = ("minimum-sharpness",)


@pytest.fixture
def study(monkeypatch):
    """A study of two settings and two seeds, planned for a GPU."""
    cells = [
        config.with_seeds(seed, seed) for seed in (100, 101) for config in (TINY, SAM)
    ]
    cells = [config.model_copy(update={"device": "cuda"}) for config in cells]
    module = SimpleNamespace(planned=lambda: cells)
    monkeypatch.setitem(sys.modules, "flatminima.studies.small_grid", module)
    monkeypatch.setitem(sys.modules, "flatminima.studies.small_grid.runs", module)
    return cells


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_s_grid_is_for_a_gpu_and_begins_with_a_fresh_seed(chapter):
    cells = grids.planned(chapter)
    assert len(set(cells)) == len(cells) and cells[0].data_seed >= 100
    assert {config.device for config in cells} == {"cuda"}


@pytest.mark.parametrize(
    ("chapter", "scale", "message"),
    [
        ("nothing", "medium", "chapter = 'nothing': there is no flatminima.studies"),
        ("start", "medium", r"has no planned\(\)"),
        ("minimum-sharpness", "huge", "scale = 'huge': must be one of medium, paper"),
        ("small-grid", "paper", "scale = 'paper': must be one of medium"),
    ],
)
def test_it_refuses(study, chapter, scale, message):
    with pytest.raises(ValueError, match=message):
        grids.planned(chapter, scale)


def test_a_plan_for_a_gpu_runs_on_a_cpu(study):
    coarse = TINY.model_copy(update={"device": "cuda", "precision": "tf32"})
    (moved,) = grids.placed([coarse], "cpu")
    assert moved == TINY
    assert grids.placed(study, "cpu", seeds=1) == [TINY, SAM]
    assert grids.placed(study, "cuda") == study


def test_what_cannot_be_run_here_has_its_reason(monkeypatch):
    def lacking(config):
        return "cifar10 is not there" if config.data == "cifar10" else ""

    monkeypatch.setattr(grids, "lacking", lacking)
    monkeypatch.setattr(grids, "too_few", lambda config: "")
    other = TINY.model_copy(update={"data": "cifar10"})
    found = grids.possible([TINY, other, SAM, other])
    assert found == ([TINY, SAM], ["cifar10 is not there"])


def test_a_set_that_is_here_in_part_says_so(monkeypatch):
    few = SimpleNamespace(train_x=range(50), test_x=range(30))
    monkeypatch.setattr(grids, "images", lambda name: few)
    less = TINY.model_copy(update={"n": 50})
    reason = "n = 60: the fashion_mnist_subset that was found has 50"
    assert grids.possible([TINY, less, SAM]) == ([less], [reason])


def test_a_step_is_timed_once_a_kind():
    wide = TINY.model_copy(update={"width": 3})
    cells = [TINY, SAM, SAM.with_seeds(101, 101), wide]
    each = pieces.steps(cells)
    assert len(each) == 3 and all(step.seconds > 0 for step in each.values())
    table = pieces.pieces(cells, each)
    assert table["rho"].tolist() == [False, True, False]
    assert table["width"].tolist() == [2, 2, 3]
    assert table["runs"].tolist() == [1, 2, 1]
    assert "n" not in table and set(table["timed"]) == {"yes"}


def test_where_time_is_short_a_step_follows_from_its_multiplications():
    each = pieces.steps([SAM, TINY], most=0.0)
    first, second = each[pieces.kind(TINY)], each[pieces.kind(SAM)]
    assert first.timed and not second.timed
    assert second.seconds == pytest.approx(2 * first.seconds)
    assert pieces.pieces([TINY, SAM], each)["timed"].tolist() == ["yes", "no"]


def test_what_is_done_and_what_the_rest_costs(store):
    fetch(TINY)
    twin, each = TINY.with_seeds(101, 101), pieces.steps([TINY, SAM])
    found = grids.progress([TINY, twin, SAM])
    assert list(found.done) == [TINY] and found.missing == (twin, SAM)
    assert "1 of 3 runs are finished here" in str(found)
    assert "2 missing: fashion_mnist_subset, simple (SGD, SAM + SGD)" in str(found)
    words = found.forecast(each)
    most = each[pieces.kind(SAM)].seconds * SAM.num_steps
    assert f"{found.done[TINY]:.0f} s for those" in words
    assert f"at most {most:.0f} s for the others" in words


def test_a_budget_is_kept(store):
    with pytest.raises(KeyboardInterrupt), grids.stopped_after(0.05):
        time.sleep(3600)


@pytest.mark.parametrize(
    ("name", "value"),
    [("budget", value) for value in (0.0, -1.0, np.inf, np.nan)]
    + [(name, value) for name in ("workers", "seeds") for value in (0, -1)],
)
def test_what_cannot_be_is_refused_before_any_work(name, value, tmp_path, monkeypatch):
    monkeypatch.setattr(grids, "planned", None)  # would be called first
    with pytest.raises(ValueError, match=f"{name} = {value}: must be"):
        grids.go_on("switching", tmp_path / "some.jsonl", **{name: value})


def test_finished_runs_join_those_that_are_committed(store, tmp_path):
    path = tmp_path / "kept.jsonl"
    phb = TINY.model_copy(update={"optimiser": "phb"})
    assert grids.commit([TINY, SAM], path) == 2
    first = path.read_text().splitlines()
    assert grids.commit([SAM, phb], path) == 3
    lines = path.read_text().splitlines()
    assert lines[0] == first[0]
    rows = [json.loads(line)["config"] for line in lines]
    assert [row["optimiser"] for row in rows] == ["sgd", "sgd", "phb"]


def test_it_goes_on_where_it_stopped(study, store, tmp_path, monkeypatch, capsys):
    path = tmp_path / "small-grid.jsonl"
    monkeypatch.setattr(
        grids, "run_all", lambda configs, *_, **__: [fetch(c) for c in configs]
    )
    assert grids.go_on("small-grid", path, budget=60, seeds=1) == []
    said = capsys.readouterr().out
    assert "0 of 2 runs are committed" in said and "2 runs are missing" in said
    assert "committed 2 runs" in said
    assert grids.go_on("small-grid", path, budget=60) == []
    said = capsys.readouterr().out
    assert "2 of 4 runs are committed" in said and "committed 4 runs" in said
    assert grids.go_on("small-grid", path, budget=60) == []
    assert "4 of 4 runs are committed" in capsys.readouterr().out


def test_without_data_it_does_nothing_and_says_why(study, tmp_path, monkeypatch):
    def lacking(config):
        return str(DataFault(tmp_path, "it is not there"))

    monkeypatch.setattr(grids, "lacking", lacking)
    (reason,) = grids.go_on("small-grid", tmp_path / "kept.jsonl")
    assert "it is not there" in reason


def test_a_grid_of_another_kind_goes_on_too(store, tmp_path, monkeypatch, capsys):
    """Runs that ask for no data sets and no device, of which nothing is timed."""
    arm = Arm(name="SGD", num_steps=20)
    small = {"data": "ball", "width": 5, "n": 6, "d": 4, "arms": (arm,)}
    cells = [
        CellConfig(architecture=name, **small).with_seeds(seed, seed)
        for seed in (100, 101)
        for name in ("bias", "deep")
    ]
    module = SimpleNamespace(planned=lambda: cells)
    monkeypatch.setitem(sys.modules, "flatminima.studies.small_grid", module)
    monkeypatch.setitem(sys.modules, "flatminima.studies.small_grid.runs", module)
    monkeypatch.setattr(
        grids, "run_all", lambda configs, *_, **__: [fetch(c) for c in configs]
    )
    path = tmp_path / "small-grid.jsonl"
    assert grids.placed(cells, "cuda", seeds=1) == cells[:2]
    assert grids.go_on("small-grid", path, budget=60, seeds=1) == []
    said = capsys.readouterr().out
    assert "1 missing: ball, deep (1 methods)" in said
    assert "0 s for those of which other seeds are finished" in said
    assert grids.go_on("small-grid", path, budget=60) == []
    said = capsys.readouterr().out
    assert "2 of 4 runs are committed" in said and "committed 4 runs" in said
