"""Moves of training, counted a second time by one long call and autograd's trace."""

from itertools import pairwise

import numpy as np
import pytest

from flatminima.runs.flow.moves import Moves, moves
from flatminima.runs.mlp import problem as mlp_problem
from flatminima.runs.mlp import train
from flatminima.runs.mlp.config import Config
from flatminima.sharpness.retraction import retract
from tests.theory.dense import dense_trace

SAM = Config(architecture="bias", d=4, n=8, width=12, lr=0.02, rho=0.1, num_steps=4000)


def retracted(config, run, updates):
    """Networks on {f = y} after 0, ..., `updates` further updates."""
    problem = mlp_problem.problem(config)
    found = []
    for k in range(updates + 1):
        state = mlp_problem.State(run.params, run.step)
        state = train.advance(state, config, k) if k else state
        at = retract(problem.model, *state.params, problem.inputs, problem.y)
        assert at.converged
        found.append((at.w, at.v))
    return problem, found


def test_counts_are_those_of_one_long_call_and_autograd():
    run = train.run(SAM)
    problem, found = retracted(SAM, run, 12)
    x, y = problem.inputs[:, :-1], problem.y
    traces = [dense_trace("bias", w, v, x, y) for w, v in found]
    risings = np.diff(traces) > 0
    held = []
    for (w, _), (w_new, v_new) in pairwise(found):
        h, before = np.maximum(problem.inputs @ w_new, 0), problem.inputs @ w > 0
        second = before @ v_new**2 * np.sum(problem.inputs**2, axis=1)
        held.append(2 * np.mean(np.sum(h**2, axis=1) + second))
    jumps = risings & (np.array(held) < traces[:-1])
    counted = moves(SAM, run, 12)
    assert counted == Moves(12, 0, int(risings.sum()), int(jumps.sum()))
    assert 0 < counted.risings < 12
    assert counted.rising_share == risings.mean()
    assert counted.jump_share == jumps.mean()


def test_tiny_steps_do_not_jump():
    still = SAM.model_copy(update={"lr": 1e-9})
    assert moves(still, train.run(SAM), 10).jumps == 0


def test_a_network_that_cannot_interpolate_fails():
    """One unit without bias: antipodal points of one label are out of reach."""
    config = Config(architecture="no_bias", d=2, n=4, width=1, num_steps=10)
    counted = moves(config, train.run(config), 3)
    assert counted == Moves(3, 3, 0, 0)


def test_no_updates():
    with pytest.raises(ValueError, match="updates = 0: at least 1 is needed"):
        moves(SAM, train.run(SAM), 0)
