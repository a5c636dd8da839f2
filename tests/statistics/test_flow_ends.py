"""How well flows fit, against a rewrite, and where a flow has no end."""

import numpy as np
import pytest

from flatminima.runs.flow.config import FlowConfig
from flatminima.runs.kind import Run
from flatminima.runs.mlp import problem as mlp_problem
from flatminima.runs.mlp.config import Config
from flatminima.statistics.flow_ends import output_error, with_output_error
from flatminima.sweeps.sweep import fetch, sweep

START = Config(architecture="bias", d=4, n=8, width=16, num_steps=160)
FLOW = FlowConfig(start=START, kind="naive", max_iterations=3)


def by_hand(config, w, v):
    setting = mlp_problem.problem(config.start)
    f = np.maximum(setting.inputs @ w, 0) @ v
    return np.mean((f - setting.y) ** 2)


def test_an_output_error_is_that_of_the_end():
    config = FLOW.with_seeds(3, 3)
    run = fetch(config)
    assert output_error(config, run) <= 1e-18
    w, v = run.params
    off = Run(run.history, {"w": w, "v": 1.1 * v}, run.step)
    assert output_error(config, off) == pytest.approx(by_hand(config, w, 1.1 * v))
    assert output_error(config, off) == pytest.approx(0.01, rel=1e-6)


def test_a_flow_without_a_start_has_none():
    assert np.isnan(
        output_error(FLOW, Run(fetch(FLOW).history, {}, 160, diverged_at=160))
    )


def test_the_last_row_of_every_seed_has_its_own():
    seeds = [(4, 4), (3, 3)]
    table = with_output_error(sweep([FLOW], seeds), FLOW, seeds)
    assert table.loc[~table["last"], "output_error"].isna().all()
    last = table[table["last"]].set_index("data_seed")["output_error"]
    for seed in (3, 4):
        config = FLOW.with_seeds(seed, seed)
        assert last[seed] == output_error(config, fetch(config))
    assert last[3] != last[4]
