"""The grid, its order, and the budget of seconds."""

import json
import time

import pytest

from flatminima.data.images.faults import DataFault
from flatminima.runs.images.config import ImageConfig
from flatminima.sources.minimum_sharpness import scale
from flatminima.studies.minimum_sharpness import __main__ as command
from flatminima.studies.minimum_sharpness import runs
from flatminima.sweeps.sweep import fetch

TINY = {
    **{"data": "fashion_mnist_subset", "n": 60, "test_n": 30, "size": 8, "width": 2},
    **{"batch": 20, "num_epochs": 1, "sharpness_n": 20},
}


def tiny(config: ImageConfig) -> ImageConfig:
    return ImageConfig(**(config.model_dump() | TINY))


@pytest.mark.parametrize("data", runs.DATA)
def test_the_grid_is_the_report_s(data):
    found = runs.grid("paper", data)
    assert len(set(found)) == len(found) == 36
    assert {c.target_loss for c in found} == {0.01} and {c.batch for c in found} == {
        128
    }
    for plain, sam in zip(found[::2], found[1::2], strict=True):
        assert sam == plain.model_copy(update={"rho": 0.05}) and plain.rho == 0
    assert {scale(c) for c in found} == {"paper, width 32"}
    assert all(scale(c).startswith("scaled-down") for c in runs.grid("medium", data))


def test_any_beginning_has_whole_seeds():
    configs = runs.grid("medium", nets=["simple"], optimisers=["phb"])
    cells = runs.seed_by_seed(configs, [100, 101])
    assert [c.init_seed for c in cells] == [100, 100, 101, 101]
    assert cells[0].data_seed == 100


@pytest.mark.parametrize(
    "bad", [{"scale": "huge"}, {"scale": "paper", "data": "mnist"}]
)
def test_it_refuses(bad):
    with pytest.raises(ValueError, match="must be one of"):
        runs.grid(**bad)


def test_a_scale_says_which_data_are_not_here(monkeypatch):
    def files(name):
        if name == "cifar10":
            raise DataFault(command.Path("here"), "cifar10 is not there")
        return ()

    monkeypatch.setattr(runs, "files", files)
    cells, absent = runs.planned("medium", [100])
    assert {c.data for c in cells} == {"fashion_mnist"} and len(cells) == 36
    assert absent == ["here: cifar10 is not there"]


def test_what_is_done_and_what_it_cost(store):
    grid = runs.grid("medium", nets=["simple"], optimisers=["phb"])
    one, two = map(tiny, grid)
    fetch(one)
    found = runs.progress([one, two])
    assert (found.done, found.missing) == (1, (two,))
    assert found.seconds["runs"].tolist() == [1]
    assert "1 of 2 runs are finished" in str(found)
    pieces = runs.pieces([one, two])
    assert pieces["rho"].tolist() == [0.0, 0.05]
    assert (pieces["seconds an epoch"] >= 0).all()


def test_a_budget_is_kept(store):
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), runs.stopped_after(0.05):
        time.sleep(30)
    assert time.monotonic() - begun < 10


def test_finished_runs_join_those_that_are_committed(store, tmp_path):
    path = tmp_path / "kept.jsonl"
    grid = runs.grid("medium", nets=["simple"], optimisers=["phb", "sgd"])
    cells = [tiny(config) for config in grid]
    assert command.commit(cells[:2], path) == 2
    first = path.read_text().splitlines()
    assert command.commit(cells[1:3], path) == 3
    lines = path.read_text().splitlines()
    assert lines[0] == first[0]
    assert [json.loads(line)["config"]["optimiser"] for line in lines] == [
        *("phb", "phb", "sgd")
    ]
