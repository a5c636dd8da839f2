"""The benchmark compares like with like; how fast anything is, is not tested."""

import json
from concurrent.futures import Future

import numpy as np
import pytest
from benchmarks import limits, peer, sam_step, scale
from benchmarks.limits import seconds_a_pass
from benchmarks.work import work

from flatminima.plots.style import ARCHITECTURES
from flatminima.runs import loop
from flatminima.runs.kind import State
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import initial_state
from flatminima.studies.scale import costs
from flatminima.sweeps import executors
from flatminima.sweeps.sweep import Part, run_all
from flatminima.sweeps.table import over_seeds

KEYS = [
    "name",
    "unit",
    "ours",
    "peer",
    "peer_name",
    "ratio",
    "limit",
    "limit_ratio",
    "products",
    "peak",
    "arithmetic",
    "arithmetic_ratio",
    "dtype",
    "machine",
]


def tiny(architecture="bias", **fields) -> Config:
    return Config(architecture=architecture, d=4, n=5, width=6, rho=0.05, **fields)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_row(dtype):
    config = tiny(dtype=dtype)
    row = sam_step.row(config, num_steps=20, peer_steps=3, repeats=1)
    assert list(row) == KEYS
    assert row["name"] == "1-SAM step, 2-MLP-Bias"
    assert row["dtype"] == dtype
    assert row["ratio"] == pytest.approx(row["peer"] / row["ours"])
    assert row["limit_ratio"] == pytest.approx(row["ours"] / row["limit"])
    assert row["machine"]
    # 1e9 products a second are 1e3 a microsecond
    assert row["products"] == work(config, initial_state(config))["products"] > 0
    assert row["arithmetic"] == pytest.approx(row["products"] / row["peak"] / 1e3)
    assert row["arithmetic_ratio"] == pytest.approx(row["ours"] / row["arithmetic"])


@pytest.mark.parametrize("architecture", sam_step.FIGURES)
def test_same_run(architecture):
    small = {"gamma_init": 0.3} if architecture == "sim_bn" else {}
    sam_step.check_same_run(tiny(architecture, **small))


def test_same_run_of_four_layers():
    sam_step.check_same_run(tiny("deep", depth=4))


def test_dead_units_of_the_peer_stay_dead():
    config = tiny("sim_bn", gamma_init=0.3)
    w, gamma, v = initial_state(config).params
    w[:, 0], w[-1, 0] = 0, -1
    plain = peer.Loop(config, State({"w": w, "gamma": gamma, "v": v}, 0))
    plain.run(20)
    after = plain.net.get()
    np.testing.assert_array_equal(after[0][:, 0], w[:, 0])
    assert all(np.isfinite(p).all() for p in after)
    assert not np.allclose(after[0], w)


def test_settings_are_the_sources_own():
    assert set(sam_step.FIGURES) == set(ARCHITECTURES)
    for architecture in sam_step.FIGURES:
        config = sam_step.setting(architecture, "float32")
        assert (config.architecture, config.dtype) == (architecture, "float32")
        assert (config.width, config.batch) == (500, "one")
        assert config.rho > 0


def test_another_run_is_refused(monkeypatch):
    def elsewhere(config):
        start = initial_state(config)
        return State(start.arrays, start.step + 1)

    plain = peer.Loop
    monkeypatch.setattr(
        peer, "Loop", lambda config, start: plain(config, elsewhere(config))
    )
    with pytest.raises(AssertionError, match="the two runs differ by"):
        sam_step.check_same_run(tiny())


def test_bandwidth_loop_touches_everything():
    a = np.arange(5.0)
    limits.scale(a, np.array([2.0, 3.0]))
    np.testing.assert_array_equal(a, 6 * np.arange(5.0))
    assert seconds_a_pass(10, "float32", passes=3, repeats=2) > 0


# --- sweeps ---------------------------------------------------------------------


FEW = scale.Plan(
    steps=(10, 20),
    full_steps=(5,),
    widths=(4, 8),
    ds=(4,),
    seeds=(1, 2),
    empty=5,
    equal=2,
    cell_seconds=0.0,
    spread_seeds=1,
    spread_epochs=1,
    spread_full=2,
    repeats=1,
)


@pytest.fixture
def small_cell(monkeypatch):
    monkeypatch.setattr(scale, "CELL", tiny(num_steps=20, num_checkpoints=3))


@pytest.mark.usefixtures("small_cell")
def test_measurements_of_sweeps(tmp_path):
    result = scale.measure(FEW, places=["threads"])
    file = tmp_path / "scale.json"
    file.write_text(json.dumps(result, allow_nan=False))
    found = costs.read(file)
    assert "older" not in found.origin
    assert len(found.cells) == 2 + 1 + 2 + 1
    assert found.cells["width"].tolist() == [6, 6, 6, 4, 8, 6]
    assert len(found.spread) == 6
    assert found.overhead[["place", "workers", "cells"]].to_numpy().tolist() == [
        ["threads", 1, 4]
    ]
    (row,) = found.overhead.itertuples()
    assert row.overhead == pytest.approx(row.between - row.alone)
    assert found.client["without_sync"] > 0 and found.client["seconds"] > 0
    assert found.sweeps["kind"].value_counts().to_dict() == {
        "training": 2,
        "measuring": 2,
        "growing": 4,
    }
    assert (found.sweeps["seconds"] > 0).all()
    assert found.interrupts["place"].tolist() == ["threads"]
    assert (found.interrupts["seconds"] > 0).all()


def test_a_sweep_that_ends_otherwise_is_not_timed():
    with pytest.raises(
        RuntimeError,
        match="(?s)ended with 1: .*workers = 0: must be an integer of at least 1",
    ):
        scale._seconds_to_end({"workers": 0})


def test_a_timed_sweep_computes_everything_in_a_store_of_its_own(store, monkeypatch):
    configs = over_seeds([tiny(num_steps=5, num_checkpoints=2)], 3)
    run_all(configs)
    computed = []
    proceed = loop.proceed

    def counted(config, run, pause):
        computed.append(config)
        return proceed(config, run, pause)

    monkeypatch.setattr(loop, "proceed", counted)
    before = sorted(store.iterdir())
    with executors.threads(1) as pool:
        timing = scale.timed_sweep(configs, pool)
    assert computed == configs
    assert sorted(store.iterdir()) == before
    assert len(timing.gaps) == 2
    assert 0 < sum(timing.gaps) < timing.wall


def test_workers_that_take_no_task_are_given_up():
    future = Future()
    future.set_result(Part(None, {}, {"process": 0}))
    pool = executors.Pool(lambda *_: future, lambda: 2, lambda: None)
    with pytest.raises(RuntimeError, match="1 of 2 workers took tasks"):
        scale.warm(pool, 2, tiny())
