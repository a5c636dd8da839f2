"""From a flow's config to its result."""

from collections.abc import Callable
from typing import get_args

import numpy as np

from flatminima.measures.predictions import outputs, sign_errors
from flatminima.runs.flow.config import FlowConfig
from flatminima.runs.flow.descent import Flow, Reason, descend
from flatminima.runs.flow.manifold import Manifold
from flatminima.runs.kind import Divergence, Run
from flatminima.runs.mlp import problem as mlp_problem
from flatminima.runs.mlp import train

Config = FlowConfig
"""What `results` builds a flow's config by."""

REASONS = get_args(Reason)
"""Why a flow stopped, by the number in the column `reason` of a run's history."""


def modules(config: FlowConfig) -> tuple[str, ...]:
    """The modules that a flow of this config reaches everything else from."""
    return (__name__, *train.modules(config.start))


def proceed(config: FlowConfig, run: Run | None, pause: Callable[[], bool]) -> Run:
    """A whole flow, as a sweep wants it; flows are short and take no pause.

    Returns:
        The run. Its history has the columns of `descent.Flow`, with the number of
        the iteration as `step`, the size of the step as `step_size` and the
        smoothing in force as `smoothing_now`; those that `follow` adds; the trace,
        which is taken on the manifold, also as `retracted_trace`; and, the same in
        every row, rising_share, jump_share, accepted_rising_share and reason (see
        `REASONS`). If the run that makes the start diverges, or ends where the
        manifold is not reached, the flow counts as diverged at that run's end.
    """
    try:
        flow = follow(config)
    except Divergence as divergence:
        rows = train.run(config.start).history
        return Run(rows, (), divergence.step, diverged_at=divergence.step)
    if flow.history.empty:
        rows, last = train.run(config.start).history, config.start.num_steps
        return Run(rows, (), last, diverged_at=last)
    names = {"iteration": "step", "step": "step_size", "smoothing": "smoothing_now"}
    history = flow.history.rename(columns=names)
    history = history.assign(
        retracted_trace=history["trace"],
        rising_share=flow.rising_share,
        jump_share=flow.jump_share,
        accepted_rising_share=flow.accepted_rising_share,
        reason=REASONS.index(flow.reason),
    )
    return Run(history, (flow.w, flow.v), int(history["step"].iloc[-1]))


def follow(config: FlowConfig) -> Flow:
    """Make the start, then follow the flow; pure, and the same bits every time.

    Returns:
        The flow; its history has the further columns test_accuracy (NaN if the
        training set is the whole hypercube), first_layer_norm and
        second_layer_norm (Frobenius) wherever it was measured.

    Raises:
        train.Divergence: if the run that makes the start diverges.
    """
    state = mlp_problem.initial_state(config.start)
    longest = train.steps_per_call(config.start)
    num_steps = config.start.num_steps if config.trained else 0
    while state.step < num_steps:
        state = train.advance(state, config.start, min(longest, num_steps - state.step))
    problem = mlp_problem.problem(config.start)

    def measure(w: np.ndarray, v: np.ndarray) -> dict[str, float]:
        test = problem.test
        f = outputs(problem.architecture, problem.model, (w, v), test.x)
        return {
            "test_accuracy": 1.0 - sign_errors(f, test.y),
            "first_layer_norm": float(np.linalg.norm(w)),
            "second_layer_norm": float(np.linalg.norm(v)),
        }

    w, v = (p.astype(np.float64) for p in state.params)
    return descend(
        problem.architecture,
        Manifold(problem.model, problem.inputs, problem.y, config.radius),
        w,
        v,
        config.rules,
        measure,
        config.measure_every,
    )
