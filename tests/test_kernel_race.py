"""The raced kernels compute what the engine's does; their speed is not tested."""

import json

import numpy as np
import pytest
from benchmarks.kernels import engine, machine, race, screened

from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import State, initial_state
from flatminima.runs.mlp.train import advance
from flatminima.studies.speed.tables import RACE


def tiny(architecture) -> Config:
    return Config(architecture=architecture, d=6, n=9, width=33, rho=0.05)


@pytest.mark.parametrize("name", race.CANDIDATES)
def test_candidate_equals_engine(name):
    # long enough for the lists of screened units to be made again
    config = tiny("bias")
    state = initial_state(config)
    _, w, v = race.take(race.CANDIDATES[name], config, state, 403)
    after = advance(state, config, 403)
    for ours, theirs in zip(after.params, (w[:, :33], v[:33]), strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-9, atol=1e-11)


def test_screening_misses_no_active_unit():
    # units stay unlisted only below the bound, wherever w moves within it
    config = tiny("no_bias")
    units = np.ascontiguousarray(initial_state(config).params[0].T)
    x = race.problem(config).inputs
    rng = np.random.default_rng(0)
    allowed = rng.uniform(0, 0.04, len(units))
    z0 = np.empty((9, 33))
    lists, counts = np.empty((9, 34), np.uint32), np.empty(9, np.int64)
    screened.screen(units, x, z0, allowed, 1e-12, lists, counts)
    assert (counts < 33).any()
    for _ in range(50):
        move = rng.normal(size=units.shape)
        move *= (np.sqrt(allowed) / np.linalg.norm(move, axis=1))[:, None]
        on = x @ (units + move).T > 0
        for i in range(9):
            assert set(np.flatnonzero(on[i])) <= set(lists[i, : counts[i]].tolist())


def test_another_computation_is_refused(monkeypatch):
    config = tiny("bias")
    state = initial_state(config)
    race.check_same(config, state)
    monkeypatch.setitem(race.CANDIDATES, "none", type(engine)("none"))
    race.CANDIDATES["none"].run = lambda *args: None
    with pytest.raises(AssertionError, match="none differs by"):
        race.check_same(config, state)


def test_race_rows():
    config = tiny("bias")
    rows = race.race(config, initial_state(config), num_steps=20, repeats=1)
    assert [row["candidate"] for row in rows] == list(race.CANDIDATES)
    assert all(row["microseconds"] > 0 for row in rows)
    assert 0 < rows[0]["active_least"] <= rows[0]["active_mean"] < 33


def test_activity_by_hand():
    config = Config(architecture="no_bias", d=2, n=4, width=3)
    state = initial_state(config)
    w = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    who = race.activity(config, State((w, state.params[1]), 0))
    # unit 0 is on at two of the four signs, unit 1 at none, unit 2 at one
    assert who["dead_units"] == 1
    assert who["active_mean"] == pytest.approx(3 / 4)
    assert who["active_most"] == 2
    assert who["active_least"] == 0
    assert who["examples_of_a_unit"] == 1.0


def test_committed_race_is_complete():
    result = json.loads(RACE.read_text())
    assert set(result["candidates"]) == set(race.CANDIDATES)
    seen = {
        (row["architecture"], row["dtype"], row["when"], row["candidate"])
        for row in result["rows"]
    }
    assert len(seen) == len(result["rows"]) == 3 * 2 * 3 * len(race.CANDIDATES)
    for dtype in ("float64", "float32"):
        assert set(result["gigabytes_a_second"][dtype]) == set(machine.LEVELS)
        assert result["peak_1e9_products_a_second"][dtype] > 0


def test_peak_is_a_speed():
    assert machine.peak("float32") > 0
