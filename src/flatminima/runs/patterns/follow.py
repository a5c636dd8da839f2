"""From a config to where its walk stopped, and what is there."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from flatminima.data.streams import generator
from flatminima.measures.predictions import outputs, sign_errors
from flatminima.runs import loop
from flatminima.runs.flow.descent import descend
from flatminima.runs.flow.manifold import Manifold, Point
from flatminima.runs.flow.run import REASONS
from flatminima.runs.kind import Divergence, Run
from flatminima.runs.mlp import problem as mlp_problem
from flatminima.runs.mlp import train
from flatminima.runs.patterns.config import PatternConfig
from flatminima.theory.certificates.activation_cell import cell, multipliers
from flatminima.theory.constructions.memorising_networks import memorising_bias

Config = PatternConfig
"""What `results` builds a config by."""

TRIED = 0.1
"""Factor on both layers of a memoriser's unit that is tried as a way out. It then makes
a hundredth of its example's label."""


def modules(config: PatternConfig) -> tuple[str, ...]:
    """The modules that a run of this config reaches everything else from."""
    return (__name__, *train.modules(config.start))


def proceed(config: PatternConfig, run: Run | None, pause: Callable[[], bool]) -> Run:
    """All of it, as a sweep wants it; a run is short and takes no pause.

    Returns:
        The run, with one row for its start and one for its end. Columns: step (0 or the
        iterations of the walk); output_error (mean squared error before the start was
        moved onto {f = y}; at the end what is left after it); landed (the distance of
        that move over the norm of the weights); retracted_trace and bound; reason (why
        the walk stopped, a number of `flow.run.REASONS`; NaN without a walk);
        test_accuracy; those of `activation_cell.Cell` as cell_bound, margin, breadth
        and steepest; lost and gained (share of the start's firings that are gone, and
        new ones over their number); escape (relative fall of the trace by one new unit,
        see `escape`). If training diverges or ends too far from {f = y}, the run counts
        as diverged.
    """
    try:
        w, v = _begin(config)
    except Divergence as divergence:
        return _lost(config, divergence.step)
    setting = mlp_problem.problem(config.start)
    manifold = Manifold(setting.model, setting.inputs, setting.y)
    start = manifold.land(w, v)
    if start is None:
        return _lost(config, config.num_steps)
    f = setting.architecture.forward(setting.model, w, v, setting.inputs)
    moved = np.sqrt(np.sum((start.w - w) ** 2) + np.sum((start.v - v) ** 2))
    facts = {
        "output_error": float(np.mean((f - setting.y) ** 2)),
        "landed": float(moved / start.norm),
    }
    rows = [{"step": 0, **facts, "reason": np.nan} | _view(config, start, start)]
    end, step, reason = start, 1, np.nan
    if config.walk != "none":
        flow = descend(setting.architecture, manifold, start.w, start.v, config.rules)
        found = manifold.land(flow.w, flow.v)
        assert found is not None  # a flow ends on the set
        end, reason = found, float(REASONS.index(flow.reason))
        step = max(1, int(flow.history["iteration"].iloc[-1]))
        facts["output_error"] = float(np.mean((end.gradients.f - setting.y) ** 2))
    rows.append({"step": step, **facts, "reason": reason} | _view(config, start, end))
    return Run(pd.DataFrame(rows), {"w": end.w, "v": end.v}, step)


def _lost(config: PatternConfig, step: int) -> Run:
    """A run without a start on {f = y}."""
    rows = loop.run(config.start).history[["step", "output_error"]].iloc[:1]
    return Run(rows, {}, step, diverged_at=step)


def _begin(config: PatternConfig) -> tuple[np.ndarray, np.ndarray]:
    """Weights before they are moved onto {f = y}, in float64."""
    first = config.start
    state = mlp_problem.initial_state(first)
    if config.begin == "memoriser":
        return _memoriser(config)
    longest = train.steps_per_call(first)
    while config.begin == "end" and state.step < first.num_steps:
        state = train.advance(state, first, min(longest, first.num_steps - state.step))
    w, v = (p.astype(np.float64) for p in state.params)
    return w, v


def _memoriser(config: PatternConfig) -> tuple[np.ndarray, np.ndarray]:
    """One unit an example, units of zero weights, and the perturbation."""
    setting = mlp_problem.problem(config.start)
    few_w, few_v = memorising_bias(setting.inputs[:, :-1], setting.y)
    w, v = np.zeros((len(few_w), config.start.width)), np.zeros(config.start.width)
    w[:, : len(few_v)], v[: len(few_v)] = few_w, few_v
    rng = generator(config.start.init_seed, "perturbation")
    for part in (w, v):
        part += (
            config.noise * np.sqrt(np.mean(part**2)) * rng.standard_normal(part.shape)
        )
    return w, v


def _view(config: PatternConfig, start: Point, end: Point) -> dict[str, float]:
    """What is told of a point: accuracy, and what its pattern allows."""
    setting = mlp_problem.problem(config.start)
    found = cell(end.gradients, end.v, setting.y)
    before, after = (at.gradients.z > 0 for at in (start, end))
    fired = max(1, int(before.sum()))
    f = outputs(setting.architecture, setting.model, (end.w, end.v), setting.test.x)
    return {
        "retracted_trace": end.trace,
        "bound": setting.architecture.lower_bound(
            setting.model, end.gradients.input_sq, setting.y
        ),
        "test_accuracy": 1.0 - sign_errors(f, setting.test.y),
        "cell_bound": found.bound,
        "margin": found.margin,
        "breadth": found.breadth,
        "steepest": found.steepest,
        "lost": int((before & ~after).sum()) / fired,
        "gained": int((after & ~before).sum()) / fired,
        "escape": escape(config, end),
    }


def escape(config: PatternConfig, at: Point) -> float:
    """By how much one new unit lowers the trace, relatively.

    The unit fires on one example alone, the one for which `activation_cell.Cell` says
    that it pays most. It is small, and the network is moved back onto {f = y}.

    Returns:
        The fall of the trace over the trace; NaN without a bias, where such a unit need
        not exist, or where the network does not land.
    """
    setting = mlp_problem.problem(config.start)
    if config.start.architecture != "bias":
        return np.nan
    price = multipliers(at.gradients, at.v) * np.sign(setting.y)
    best = int(np.argmax(price / np.sqrt(at.gradients.input_sq)))
    few_w, few_v = memorising_bias(setting.inputs[:, :-1], setting.y)
    w = np.column_stack([at.w, TRIED * few_w[:, best]])
    v = np.append(at.v, TRIED * few_v[best])
    there = Manifold(setting.model, setting.inputs, setting.y).land(w, v)
    return np.nan if there is None else 1 - there.trace / at.trace
