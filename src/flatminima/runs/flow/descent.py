"""Projected descent of the trace on the interpolating set, in two versions.

Each iteration takes the gradient of the trace, projects it onto the tangent
space of {f = y}, steps against it and returns to f = y by Gauss-Newton
(`sharpness.retraction`). "naive" uses the gradient that automatic differentiation
gives, which is blind to the jumps of the trace at kinks of the ReLU; "kink_aware"
smooths the indicator in the gradient, so that the jumps are felt. Whichever
is used, the trace that is recorded is exact.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.runs.flow.manifold import Manifold, Point
from flatminima.runs.flow.trace import (
    hard,
    modelled_trace,
    smooth,
    trace_gradient,
    widths,
)

FIRST_MOVE = 1e-2
"""Length of the first proposal, as a share of the norm of the parameters."""

GROW, SHRINK = 1.5, 0.5
"""Factors on the step size: after an iteration whose first proposal is accepted,
and after every proposal that is not."""

MAX_REJECTIONS = 20
"""Rejections in succession after which a flow is stalled: the last proposal is
then 1e-6 of the first. A kink-aware flow stalls where what it gains by moving
away from kinks no longer pays for what the smooth part of the trace loses; a
naive one where a kink is in its way."""

COLUMNS = (
    "iteration",
    "trace",
    "distance",
    "path",
    "smoothing",
    "projected_gradient",
    "step",
    "proposals",
    "failed",
    "risings",
    "jumps",
)
"""Of the history, but for those that follow from the bound."""

Reason = Literal["bound", "gradient", "stalled", "iterations", "no start"]

Measure = Callable[[np.ndarray, np.ndarray], dict[str, float]]


@dataclass(frozen=True)
class Rules:
    """How a flow moves, accepts and stops.

    Attributes:
        kind: which gradient is followed.
        control: a proposal is accepted if, after retraction, it lowers the "true"
            trace, or the flow's "own": the trace as its gradient sees it, that is
            with the indicator held (naive) or smoothed (kink-aware).
        smoothing: relative width of the kink-aware indicator (`trace.widths`).
        halvings: how often a stalled kink-aware flow halves that width.
        max_iterations: number of iterations at most.
        tolerance: stop at trace <= (1 + tolerance) times the bound.
        gradient_tolerance: stop where the norm of the projected gradient, times
            that of the parameters, is at most this share of the trace.
    """

    kind: Literal["naive", "kink_aware"]
    control: Literal["true", "own"] = "true"
    smoothing: float = 0.02
    halvings: int = 6
    max_iterations: int = 500
    tolerance: float = 1e-4
    gradient_tolerance: float = 1e-6


@dataclass(frozen=True)
class Flow:
    """A finished flow.

    Attributes:
        history: one row an iteration, the start being iteration 0. Columns:
            iteration; trace (exact), bound, ratio (trace / bound, NaN if that is
            0); distance (from the start) and path (sum of all moves); step (size
            that was accepted, NaN if none was); smoothing; projected_gradient
            (norm where the iteration began, NaN at 0); proposals; failed (those
            that did not get back to f = y); risings (those after which the true
            trace is higher); jumps (risings by jumps alone: with the activation
            pattern of before, the trace is lower); and what the caller measures.
        w, v: final parameters.
        reason: why it stopped: "bound", "gradient", "stalled" or "iterations"; or
            "no start", if (w, v) is not near an interpolating point.
    """

    history: pd.DataFrame
    w: Float[np.ndarray, "inputs width"]
    v: Float[np.ndarray, " width"]
    reason: Reason

    @property
    def rising_share(self) -> float:
        """Share of all proposals, before acceptance, that raise the true trace."""
        return self._share("risings")

    @property
    def jump_share(self) -> float:
        """Share of all proposals that raise it by jumps alone."""
        return self._share("jumps")

    @property
    def accepted_rising_share(self) -> float:
        """Share of the accepted steps after which the true trace is higher.

        0 with control "true"; NaN if no step was accepted.
        """
        accepted = self.history["step"].notna()
        rose = self.history["trace"].diff()[accepted] > 0
        return float(rose.mean()) if accepted.any() else np.nan

    def _share(self, column: str) -> float:
        proposals = self.history["proposals"].sum()
        return float(self.history[column].sum() / proposals) if proposals else np.nan


class _Descent(NamedTuple):
    """A direction, and the objective that it descends."""

    dw: np.ndarray
    dv: np.ndarray
    norm: float
    objective: Callable[[Point], float]


class _Search(NamedTuple):
    """What a line search found; `point` is None if nothing was accepted."""

    point: Point | None
    step: float
    proposals: int
    failed: int
    risings: int
    jumps: int


def descend(
    architecture: ModuleType,
    manifold: Manifold,
    w: Float[np.ndarray, "inputs width"],
    v: Float[np.ndarray, " width"],
    rules: Rules,
    measure: Measure = lambda w, v: {},
    measure_every: int = 50,
) -> Flow:
    """Follow the flow from the retraction of (w, v).

    Args:
        architecture: module of the architecture, for its bound.
        manifold: the interpolating set.
        w, v: parameters near it.
        rules: how to move, accept and stop.
        measure: further columns, from (w, v).
        measure_every: iterations between two calls of `measure`, which is also
            called at the end; rows between hold NaN.

    Raises:
        ValueError: if the smoothing is out of range.
    """
    start = manifold.land(w, v)
    if start is None:
        return Flow(_table([], np.nan), w, v, "no start")
    bound = architecture.lower_bound(
        manifold.model, start.gradients.input_sq, manifold.y
    )
    point, step, path = start, np.nan, 0.0
    smoothing, halvings = rules.smoothing, rules.halvings
    blind = rules.kind == "naive"
    reason: Reason = "iterations"

    def row(iteration: int, norm: float, found: _Search) -> dict[str, float]:
        values = (iteration, point.trace, _distance(point, start), path, smoothing)
        return dict(zip(COLUMNS, (*values, norm, *found[1:]), strict=True))

    nothing = _Search(None, np.nan, 0, 0, 0, 0)
    rows = [row(0, np.nan, nothing) | measure(start.w, start.v)]
    for iteration in range(1, rules.max_iterations + 1):
        if point.trace <= (1 + rules.tolerance) * bound:
            reason = "bound"
            break
        descent = _downhill(manifold, point, None if blind else smoothing)
        if descent.norm * point.norm <= rules.gradient_tolerance * point.trace:
            reason = "gradient"
            break
        if np.isnan(step):
            step = FIRST_MOVE * point.norm / descent.norm
        found = _search(manifold, point, descent, step, true=rules.control == "true")
        if found.point is not None:
            path += _distance(found.point, point)
            point = found.point
            step = found.step * (GROW if found.proposals == 1 else 1.0)
        rows.append(row(iteration, descent.norm, found))
        if iteration % measure_every == 0:
            rows[-1] |= measure(point.w, point.v)
        if found.point is None:
            if blind or halvings == 0:
                reason = "stalled"
                break
            smoothing, halvings, step = smoothing / 2, halvings - 1, np.nan
    rows[-1] |= measure(point.w, point.v)
    return Flow(_table(rows, bound), point.w, point.v, reason)


def _downhill(manifold: Manifold, point: Point, smoothing: float | None) -> _Descent:
    """The projected gradient; naive without a smoothing."""
    z = manifold.inputs @ point.w
    if smoothing is None:
        indicator = hard(z)
    else:
        tau = widths(z, smoothing)
        indicator = smooth(z, tau)

    def objective(at: Point) -> float:
        value = indicator.value
        if smoothing is not None:
            value = smooth(manifold.inputs @ at.w, tau).value
        return modelled_trace(manifold.model, at.v, at.gradients, value)

    dw, dv = trace_gradient(
        manifold.model, point.v, manifold.inputs, point.gradients, indicator
    )
    dw, dv = manifold.project(point, dw, dv)
    norm = float(np.sqrt(np.sum(dw**2) + np.sum(dv**2)))
    return _Descent(dw, dv, norm, objective)


def _search(
    manifold: Manifold, point: Point, descent: _Descent, step: float, *, true: bool
) -> _Search:
    """Shrink the step until the true trace, or the flow's own, is lower."""
    own = descent.objective(point)
    pattern = hard(manifold.inputs @ point.w).value
    failed = risings = jumps = 0
    for proposals in range(1, MAX_REJECTIONS + 1):
        at = manifold.land(point.w - step * descent.dw, point.v - step * descent.dv)
        if at is None:
            failed += 1
        else:
            if at.trace > point.trace:
                held = modelled_trace(manifold.model, at.v, at.gradients, pattern)
                risings += 1
                jumps += held < point.trace
            if (at.trace < point.trace) if true else (descent.objective(at) < own):
                return _Search(at, step, proposals, failed, risings, jumps)
        step *= SHRINK
    return _Search(None, np.nan, MAX_REJECTIONS, failed, risings, jumps)


def _table(rows: list[dict[str, float]], bound: float) -> pd.DataFrame:
    history = pd.DataFrame(rows, columns=None if rows else list(COLUMNS))
    history.insert(2, "bound", bound)
    history.insert(3, "ratio", history["trace"] / bound if bound > 0 else np.nan)
    return history


def _distance(a: Point, b: Point) -> float:
    return float(np.sqrt(np.sum((a.w - b.w) ** 2) + np.sum((a.v - b.v) ** 2)))
