"""Descent of the trace on {f = y} with the step length of Barzilai and Borwein.

theta <- land(theta - a g), g = grad_Gamma Tr, with a = <s, s> / <s, q> for the last
move s and the change q of g. A flow's explicit steps are bounded by the largest
curvature of the trace along {f = y}; these are not, and cost one gradient each. So that
a long step may raise the trace for once, it is held against the largest of the last few
(Grippo, Lampariello and Lucidi, SIAM J. Numer. Anal. 23, 1986; Raydan, SIAM J. Optim.
7, 1997; on manifolds Iannazzo and Porcelli, IMA J. Numer. Anal. 38, 2018).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from flatminima.flows.model import Smooth, Theta
from flatminima.flows.sharpness_flow import land, reduction

Reason = Literal["bound", "flat", "stalled", "steps", "no start"]

SUFFICIENT = 1e-4
"""Share of the first-order decrease that a step must bring."""

HALVINGS = 25
"""Of a step, before the descent has stalled."""

LONGEST = 0.5
"""Longest move, as a share of |theta|."""


@dataclass(frozen=True)
class Descended:
    """Where a descent ended.

    Attributes:
        theta: the flattest point that it met.
        trace: (1/n) sum |grad f_i|^2 there.
        steps: accepted.
        reason: "bound", within the tolerance of the bound; "flat", at a projected
            gradient of about 0; "stalled", where no step is accepted; "steps", after as
            many as allowed; "no start", where the start is not near {f = y}.
    """

    theta: Theta
    trace: float
    steps: int
    reason: Reason


def spectral_descent(
    model: Smooth,
    start: Theta,
    *,
    bound: float = 0.0,
    tolerance: float = 1e-4,
    flat: float = 1e-8,
    first: float = 1e-2,
    memory: int = 5,
    max_steps: int = 10_000,
) -> Descended:
    """Descend from the point of {f = y} that is next to the start.

    Args:
        model: the model.
        start: near {f = y}.
        bound: the least trace there is, or 0 if none is known.
        tolerance: stop at trace <= (1 + tolerance) bound.
        flat: stop where |theta| |grad_Gamma Tr| is at most this share of the trace.
        first: length of the first move, as a share of |theta|.
        memory: traces of which the largest is what a step is held against.
        max_steps: at most.

    Raises:
        ValueError: if an argument is out of range.
    """
    for name, value in (("first", first), ("tolerance", tolerance), ("flat", flat)):
        if not 0 < value < np.inf:
            raise ValueError(f"{name} = {value}: must be above 0 and finite")
    for name, count in (("memory", memory), ("max_steps", max_steps)):
        if count < 1:
            raise ValueError(f"{name} = {count}: must be at least 1")
    theta = land(model, start)
    if theta is None:
        return Descended(start, np.inf, 0, "no start")
    slope = reduction(model, theta)
    traces = [model.trace(theta)]
    best = (traces[0], theta)
    step = first * _norm(theta) / (_norm(slope) or 1.0)
    for done in range(max_steps):
        if bound > 0 and best[0] <= (1 + tolerance) * bound:
            return Descended(best[1], best[0], done, "bound")
        if _norm(theta) * _norm(slope) <= flat * traces[-1]:
            return Descended(best[1], best[0], done, "flat")
        step = min(step, LONGEST * _norm(theta) / _norm(slope))
        found = _searched(model, theta, slope, step, max(traces[-memory:]))
        if found is None:
            return Descended(best[1], best[0], done, "stalled")
        there, trace = found
        new = reduction(model, there)
        step = _length(there - theta, slope - new, step)
        theta, slope = there, new
        traces.append(trace)
        if trace < best[0]:
            best = (trace, theta)
    return Descended(best[1], best[0], max_steps, "steps")


def _norm(a: Theta) -> float:
    return float(np.linalg.norm(a))


def _length(move: Theta, change: Theta, last: float) -> float:
    """<s, s> / <s, q>; twice the last length where the trace bends down."""
    along = float(move @ change)
    return float(move @ move) / along if along > 0 else 2 * last


def _searched(
    model: Smooth, theta: Theta, slope: Theta, step: float, ceiling: float
) -> tuple[Theta, float] | None:
    """Halve the step until the trace is below the ceiling by enough."""
    squared = float(slope @ slope)
    for _ in range(HALVINGS):
        there = land(model, theta + step * slope)
        if there is not None:
            trace = model.trace(there)
            if trace <= ceiling - SUFFICIENT * step * squared:
                return there, trace
        step *= 0.5
    return None
