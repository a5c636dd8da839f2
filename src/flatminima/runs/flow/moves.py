"""Whether the updates of a training rule lower the trace, counted as in a flow."""

from dataclasses import dataclass

import numpy as np

from flatminima.runs.flow.manifold import Manifold, Point
from flatminima.runs.flow.trace import hard, modelled_trace
from flatminima.runs.kind import Run
from flatminima.runs.mlp import problem as mlp_problem
from flatminima.runs.mlp import train
from flatminima.runs.mlp.config import Config


@dataclass(frozen=True)
class Moves:
    """Updates of training, each compared with the one before on {f = y}.

    Attributes:
        updates: how many.
        failed: those after which the network was too far from {f = y}.
        risings: those after which the trace of the retracted network is higher.
        jumps: risings by jumps alone: with the activation pattern of before, the
            trace is lower.
    """

    updates: int
    failed: int
    risings: int
    jumps: int

    @property
    def rising_share(self) -> float:
        """Share of all updates that raise the trace."""
        return self.risings / self.updates

    @property
    def jump_share(self) -> float:
        """Share of all updates that raise it by jumps alone."""
        return self.jumps / self.updates


def moves(config: Config, run: Run, updates: int) -> Moves:
    """Train on from the end of a run, and retract the network after every update.

    A training rule also moves off the set {f = y}, which a flow does not. Retraction
    takes that part out, so the counts can be compared with those of
    `descent.Flow`.

    Args:
        config: of the run, a two-layer network with the squared loss.
        run: where to begin; finished and not diverged.
        updates: how many more, at least 1.

    Raises:
        ValueError: if updates is below 1.
        train.Divergence: if training diverges.
    """
    if updates < 1:
        raise ValueError(f"updates = {updates}: at least 1 is needed")
    problem = mlp_problem.problem(config)
    manifold = Manifold(problem.model, problem.inputs, problem.y, config.radius)
    state = mlp_problem.State(run.params, run.step)
    before = _land(manifold, state)
    failed = risings = jumps = 0
    for _ in range(updates):
        state = train.advance(state, config, 1)
        at = _land(manifold, state)
        if at is None or before is None:
            failed += 1
        elif at.trace > before.trace:
            pattern = hard(manifold.inputs @ before.w).value
            held = modelled_trace(manifold.model, at.v, at.gradients, pattern)
            risings += 1
            jumps += int(held < before.trace)
        before = at
    return Moves(updates, failed, risings, jumps)


def _land(manifold: Manifold, state: mlp_problem.State) -> Point | None:
    w, v = (p.astype(np.float64) for p in state.params)
    return manifold.land(w, v)
