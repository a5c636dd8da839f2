"""Committed runs stand for those of a build only if they are all of them."""

import shutil

import pandas as pd
import pytest

from flatminima.results import evidence
from flatminima.results.collecting import collect
from flatminima.results.reading import load
from flatminima.runs.mlp import train
from flatminima.runs.mlp.config import Config
from flatminima.sweeps import sweep
from flatminima.sweeps.table import COMMITTED, over_seeds
from tests.results.test_results import forge, put

SMALL = Config(architecture="bias", d=4, n=5, width=4, num_steps=20, num_checkpoints=3)
OTHER = SMALL.model_copy(update={"lr": 0.02})
SEEDS = range(5, 8)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Three runs of two settings, committed."""
    folder = tmp_path_factory.mktemp("evidence")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLATMINIMA_STORE", str(folder / "store"))
        collect(over_seeds([SMALL, OTHER], SEEDS), folder / "small-quick.jsonl")
    return folder / "small-quick.jsonl"


@pytest.fixture
def computed(monkeypatch):
    """The configs of which a step was computed."""
    seen, advance = set(), train.advance

    def noted(state, config, k):
        seen.add(config)
        return advance(state, config, k)

    monkeypatch.setattr(train, "advance", noted)
    return seen


def test_the_table_is_that_of_a_sweep(path):
    found = evidence.gather(load(path), [OTHER, SMALL], SEEDS)
    table = sweep.sweep([OTHER, SMALL], SEEDS)
    assert set(found.table["scale"]) == {table["scale"].iloc[0] + COMMITTED}
    own = found.table[table.columns].assign(scale=table["scale"])
    pd.testing.assert_frame_equal(own, table)


def test_a_build_computes_a_few_of_them_again(path, computed):
    found = evidence.gather(load(path), [SMALL, OTHER], SEEDS, again=1)
    assert computed == {SMALL.with_seeds(5, 5), OTHER.with_seeds(5, 5)}
    assert (found.kept, found.again, found.same, found.apart) == (6, 2, 2, 0)
    assert "6 runs are committed" in found.origin()
    assert "computed 2 of them again, and 2 ended in the same bits." in found.origin()


def test_a_run_that_ends_elsewhere_is_said(path, tmp_path):
    other = shutil.copytree(path.parent, tmp_path / "other") / path.name
    (row, *_) = load(path).rows
    trace = [value * 1.25 for value in row["history"]["trace"]]
    forge(other, put("history", "trace", value=trace), slice(1))
    found = evidence.gather(load(other), [SMALL], SEEDS)
    assert (found.again, found.same) == (2, 1)
    assert found.apart == pytest.approx(0.2)
    assert "off by more than 20 %" in found.origin()


def test_runs_of_an_older_engine_are_badged(path, tmp_path):
    assert "older engine" not in evidence.gather(load(path), [OTHER], SEEDS).origin()
    other = shutil.copytree(path.parent, tmp_path / "other") / path.name
    forge(other, put("engine", value="0" * 64), slice(2))
    found = evidence.gather(load(other), [SMALL], SEEDS)
    assert found.older == 2
    assert 'class="older-engine">older engine: 2 of 3 runs<' in found.origin()


@pytest.mark.parametrize(
    ("config", "seeds"),
    [(SMALL.model_copy(update={"lr": 0.03}), SEEDS), (SMALL, range(5, 9))],
)
def test_where_one_is_missing_all_are_computed(path, computed, config, seeds):
    found = evidence.gather(load(path), [config], seeds)
    assert len(computed) == len(seeds)
    assert not found.table["scale"].str.endswith(COMMITTED).any()
    assert found.origin() == "This build computed all of these runs."


def test_what_is_to_be_committed_is_computed_and_noted(
    path, computed, tmp_path, monkeypatch
):
    monkeypatch.setenv("FLATMINIMA_RECORD", str(tmp_path / "small.jsonl"))
    found = evidence.gather(load(path), [SMALL], SEEDS)
    assert len(computed) == 3 and found.kept == 0
    assert not (tmp_path / "small.jsonl").exists()
    noted = (tmp_path / "small-quick.jsonl").read_text().splitlines()
    assert len(noted) == 3


def test_no_file_and_no_seed_to_run_again(path):
    assert evidence.quick("no-such-chapter").rows == []
    with pytest.raises(ValueError, match="again = 0: must be"):
        evidence.gather(load(path), [SMALL], SEEDS, again=0)
