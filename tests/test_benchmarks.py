"""The benchmark compares like with like; how fast anything is, is not tested."""

import numpy as np
import pytest
from benchmarks import peer, sam_step
from benchmarks.bandwidth import scale, seconds_a_pass

from flatminima.config import Config
from flatminima.train import State, initial_state

KEYS = [
    "name",
    "unit",
    "ours",
    "peer",
    "peer_name",
    "ratio",
    "limit",
    "limit_ratio",
    "dtype",
    "machine",
]


def tiny(architecture="bias", **fields) -> Config:
    return Config(architecture=architecture, d=4, n=5, width=6, rho=0.05, **fields)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_row(dtype):
    row = sam_step.row(tiny(dtype=dtype), num_steps=20, peer_steps=3, repeats=1)
    assert list(row) == KEYS
    assert row["name"] == "1-SAM step, 2-MLP-Bias"
    assert row["dtype"] == dtype
    assert row["ratio"] == pytest.approx(row["peer"] / row["ours"])
    assert row["limit_ratio"] == pytest.approx(row["ours"] / row["limit"])
    assert row["machine"]


@pytest.mark.parametrize("architecture", sam_step.TITLES)
def test_same_run(architecture):
    sam_step.check_same_run(tiny(architecture))


def test_another_run_is_refused(monkeypatch):
    def elsewhere(config):
        start = initial_state(config)
        return State(start.params, start.step + 1)

    loop = peer.Loop
    monkeypatch.setattr(
        peer, "Loop", lambda config, start: loop(config, elsewhere(config))
    )
    with pytest.raises(AssertionError, match="the two runs differ by"):
        sam_step.check_same_run(tiny())


def test_bandwidth_loop_touches_everything():
    a = np.arange(5.0)
    scale(a, np.array([2.0, 3.0]))
    np.testing.assert_array_equal(a, 6 * np.arange(5.0))
    assert seconds_a_pass(10, "float32", passes=3, repeats=2) > 0
