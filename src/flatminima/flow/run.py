"""From a flow's config to its result."""

import numpy as np

from flatminima import train
from flatminima.flow.config import FlowConfig
from flatminima.flow.descent import Flow, descend
from flatminima.flow.manifold import Manifold
from flatminima.theory.zero_one import zero_one_error


def modules(config: FlowConfig) -> tuple[str, ...]:
    """The modules that a flow of this config reaches everything else from."""
    return (__name__, *train.modules(config.start))


def run(config: FlowConfig) -> Flow:
    """Make the start, then follow the flow; pure, and the same bits every time.

    Returns:
        The flow; its history has the further columns test_accuracy (NaN if the
        training set is the whole hypercube), first_layer_norm and
        second_layer_norm (Frobenius) wherever it was measured.

    Raises:
        train.Divergence: if the run that makes the start diverges.
    """
    state = train.initial_state(config.start)
    longest = train.steps_per_call(config.start)
    num_steps = config.start.num_steps if config.trained else 0
    while state.step < num_steps:
        state = train.advance(state, config.start, min(longest, num_steps - state.step))
    problem = train.problem(config.start)

    def measure(w: np.ndarray, v: np.ndarray) -> dict[str, float]:
        error = zero_one_error(
            config.start.architecture,
            w,
            v,
            problem.test.x,
            problem.test.y,
            **problem.model._asdict(),
        )
        return {
            "test_accuracy": 1.0 - error,
            "first_layer_norm": float(np.linalg.norm(w)),
            "second_layer_norm": float(np.linalg.norm(v)),
        }

    return descend(
        problem.architecture,
        Manifold(problem.model, problem.inputs, problem.y, config.radius),
        state.w.astype(np.float64),
        state.v.astype(np.float64),
        config.rules,
        measure,
        config.measure_every,
    )
