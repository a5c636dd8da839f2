"""The sharpness-reduction flow on {f = y}: dtheta/dtau = -c grad_Gamma Tr Hess L.

grad_Gamma is the gradient's part along the tangent space of {f = y}, by the n x n Gram
matrix of the grad f_i. A step is one of an embedded Runge-Kutta pair; its end is
brought back to {f = y} by Gauss-Newton, and it is taken only if its error estimate is
small and the trace has not risen. Projecting after each step keeps the order of the
method (Hairer, Lubich and Wanner, *Geometric Numerical Integration*, IV.4). scipy has
the pairs, but no solver that goes back to a manifold after a step.

The flow is the limit of label-noise SGD: Li, Wang and Arora, "What happens after SGD
reaches zero loss?" (ICLR 2022, arXiv 2110.06914).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.integrate
from jaxtyping import Float

from flatminima.flows.model import Fitted, Smooth, Tangent, Theta, Times
from flatminima.sharpness.gauss_newton import least_norm, retract

Reason = Literal["time", "bound", "flat", "stalled", "steps", "no start"]

INTERPOLATES = 1e-20
"""Mean squared error to which a step is brought back, over that of outputs of 0 or 1,
whichever is more."""

LOOSE = 1e-4
"""Relative error from which on the pair of orders 3 and 2 takes fewer evaluations."""

SMALLEST_STEP = 1e-10
"""A proposal this small, over the first, has stalled."""

ROUNDING = 1e-12
"""Relative rise of the trace that is no rise."""


@dataclass(frozen=True)
class SharpnessFlow:
    """A path on {f = y}.

    Attributes:
        tau: times of the accepted steps, the start's 0 first.
        trace: (1/n) sum |grad f_i|^2 there, which never rises but for rounding.
        error: max |f - y| there.
        gradient: norm of grad_Gamma Tr there.
        at: the path at the wanted times that it reached, one a row.
        theta: where it ended.
        reason: why it ended there: "time", at the last wanted one; "bound", within the
            tolerance of the bound; "flat", at a projected gradient of about 0;
            "stalled", where no step of any size lowers the trace; "steps", after as
            many as allowed; "no start", where the start is not near {f = y}.
    """

    tau: Float[np.ndarray, " steps"]
    trace: Float[np.ndarray, " steps"]
    error: Float[np.ndarray, " steps"]
    gradient: Float[np.ndarray, " steps"]
    at: Float[np.ndarray, "times D"]
    theta: Theta
    reason: Reason


def tangential(at: Tangent, p: Theta) -> Theta:
    """The part of p along {f = const}: p - J^T (J J^T)^+ J p.

    Args:
        at: a model around a point.
        p: a vector.
    """
    return p - at.pull_back(least_norm(at.gram(), at.push(p)))[0]


def reduction(model: Smooth, theta: Theta) -> Theta:
    """-grad_Gamma Tr Hess L at a point of {f = y}."""
    return -tangential(model.tangent(theta), model.trace_gradient(theta))


def land(model: Fitted, theta: Theta) -> Theta | None:
    """The point of {f = y} that Gauss-Newton reaches, or None if it reaches none."""
    unit = max(1.0, float(np.mean(model.y**2)))
    found = retract(
        lambda parameters: model.tangent(parameters[0]),
        (theta,),
        model.y,
        tolerance=INTERPOLATES * unit,
    )
    return found.parameters[0] if found.converged else None


def sharpness_flow(
    model: Smooth,
    start: Theta,
    *,
    c: float = 1.0,
    times: Times = (),
    bound: float = 0.0,
    tolerance: float = 1e-4,
    flat: float = 1e-8,
    rtol: float = 1e-6,
    max_steps: int = 20_000,
) -> SharpnessFlow:
    """Follow the flow from the point of {f = y} that is next to the start.

    Args:
        model: the model.
        start: near {f = y}.
        c: the factor; delta^2 / 4 for label-noise SGD on (f - y - delta_t)^2 / 2 with
            delta_t = +-delta, at tau = lr^2 t.
        times: at which the path is wanted, increasing, each above 0 and finite; without
            any the flow goes on until something else ends it.
        bound: the least trace there is, or 0 if none is known.
        tolerance: stop at trace <= (1 + tolerance) bound.
        flat: stop where |theta| |grad_Gamma Tr| is at most this share of the trace.
            The error of steps keeps the flow away from a minimum by about rtol. So a
            flow without bound or times may take all its steps, unless rtol is as small
            as this.
        rtol: error allowed in a step, relative to |theta|. 1e-2 will do where only
            the end matters.
        max_steps: steps at most, those that are refused too.

    Raises:
        ValueError: if an argument is out of range, or the start is not finite.
    """
    _check(c, times, bound, tolerance, flat, rtol, max_steps)
    if not np.isfinite(start).all():
        raise ValueError("start: all entries must be finite")
    landed = land(model, start)
    if landed is None:
        nothing = np.empty(0)
        none_at = np.empty((0, len(start)))
        return SharpnessFlow(
            nothing, nothing, nothing, nothing, none_at, start, "no start"
        )
    return _Walk(model, landed, c, rtol).go(times, bound, tolerance, flat, max_steps)


class _Walk:
    """A flow on its way: where it is, and how long its next step is."""

    def __init__(self, model: Smooth, theta: Theta, c: float, rtol: float):
        self.model, self.c, self.rtol = model, c, rtol
        # The tableaux of scipy's solvers; the last row of E weighs the end of a step.
        self.pair = scipy.integrate.RK23 if rtol >= LOOSE else scipy.integrate.RK45
        self.theta, self.tau = theta, 0.0
        self.trace = model.trace(theta)
        self.slope = c * reduction(model, theta)
        self.first = self.step = self._first_step()
        self.rows: list[tuple[float, float, float, float]] = []
        self.note()

    def _first_step(self) -> float:
        """A hundredth of |theta| along the slope."""
        speed = float(np.linalg.norm(self.slope))
        return 1e-2 * float(np.linalg.norm(self.theta)) / speed if speed > 0 else 1.0

    def note(self) -> None:
        """Add where the flow is to its history."""
        error = np.abs(self.model.tangent(self.theta).f - self.model.y).max()
        gradient = np.linalg.norm(self.slope) / self.c
        self.rows.append((self.tau, self.trace, float(error), float(gradient)))

    def go(
        self,
        times: Times,
        bound: float,
        tolerance: float,
        flat: float,
        max_steps: int,
    ) -> SharpnessFlow:
        """Walk until something ends it."""
        wanted, kept = list(times), []
        reason: Reason = "steps"
        for _ in range(max_steps):
            if bound > 0 and self.trace <= (1 + tolerance) * bound:
                reason = "bound"
                break
            # A flow that is wanted at given times stands still where it is flat.
            size = np.linalg.norm(self.theta) * np.linalg.norm(self.slope) / self.c
            if size <= flat * self.trace:
                reason = "flat"
                break
            room = wanted[0] - self.tau if wanted else np.inf
            self.advance(room)
            if self.step < SMALLEST_STEP * self.first:
                reason = "stalled"
                break
            if wanted and self.tau >= wanted[0]:
                kept.append(self.theta)
                wanted.pop(0)
                if not wanted:
                    reason = "time"
                    break
        if reason == "flat":
            kept += [self.theta] * len(wanted)
        tau, trace, error, gradient = np.array(self.rows).T
        at = np.array(kept).reshape(-1, len(self.theta))
        return SharpnessFlow(tau, trace, error, gradient, at, self.theta, reason)

    def advance(self, room: float) -> None:
        """Propose a step of at most `room`, and take it if it will do."""
        capped = self.step >= room
        h = min(self.step, room)
        end, error = self._proposed(h)
        landed = land(self.model, end) if np.isfinite(error) else None
        trace = np.inf if landed is None else self.model.trace(landed)
        taken = error <= 1 and trace <= (1 + ROUNDING) * self.trace
        factor = 0.9 * max(error, 1e-8) ** (-1 / (self.pair.error_estimator_order + 1))
        if not taken:
            self.step = h * (float(np.clip(factor, 0.1, 0.5)) if error > 1 else 0.5)
            return
        assert landed is not None
        self.theta = landed
        self.tau = self.tau + h
        self.trace = trace
        self.slope = self.c * reduction(self.model, landed)
        grown = h * float(np.clip(factor, 0.3, 3.0))
        self.step = max(self.step, grown) if capped else grown
        self.note()

    def _proposed(self, h: float) -> tuple[Theta, float]:
        """The end of a step, off {f = y}, and its error over the one allowed."""
        pair = self.pair
        slopes = [self.slope]
        for row in pair.A[1:]:
            inside = sum(a * k for a, k in zip(row, slopes, strict=False))
            slopes.append(self.c * reduction(self.model, self.theta + h * inside))
        end = self.theta + h * sum(b * k for b, k in zip(pair.B, slopes, strict=True))
        slopes.append(self.c * reduction(self.model, end))
        off = h * sum(e * k for e, k in zip(pair.E, slopes, strict=True))
        allowed = self.rtol * max(np.linalg.norm(self.theta), np.linalg.norm(end))
        return end, float(np.linalg.norm(off) / allowed)


def _check(
    c: float,
    times: Times,
    bound: float,
    tolerance: float,
    flat: float,
    rtol: float,
    max_steps: int,
) -> None:
    for name, value in (("c", c), ("rtol", rtol)):
        if not 0 < value < np.inf:
            raise ValueError(f"{name} = {value}: must be above 0 and finite")
    for name, value in (("bound", bound), ("tolerance", tolerance), ("flat", flat)):
        if not 0 <= value < np.inf:
            raise ValueError(f"{name} = {value}: must be at least 0 and finite")
    if max_steps < 1:
        raise ValueError(f"max_steps = {max_steps}: must be at least 1")
    increasing = not len(times) or (times[0] > 0 and (np.diff(times) > 0).all())
    if not (increasing and np.isfinite(times).all()):
        raise ValueError(f"times = {times}: must increase, from above 0, and be finite")
