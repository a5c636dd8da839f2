"""Gradient flow of the loss, by scipy's adaptive solvers.

dtheta/dt = -grad L, L = (1/2n) sum_i (f_i - y_i)^2. LSODA, the default, changes by
itself to a stiff method where the Gram matrix is ill conditioned.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.integrate
from jaxtyping import Float

from flatminima.flows.model import Fitted, Theta, Times, loss
from flatminima.sharpness.gauss_newton import retract

Reason = Literal["interpolates", "stationary", "time", "diverged", "gave up"]

NEAR = 1e-12
"""Loss, over that of outputs of 0, from which Gauss-Newton takes over: what it moves
differs from what is left of the flow by a square of a residual of about 1e-6."""

FAR = 1e6
"""Norm of theta, over that of the start plus 1, at which a flow has diverged."""


@dataclass(frozen=True)
class Settled:
    """Where gradient flow ends.

    Attributes:
        theta: the point; the limit if it interpolates.
        loss: L there.
        time: of the flow.
        reason: "interpolates"; "stationary" at a gradient of about 0 and a loss above
            it; "time" if neither came soon enough; "diverged"; "gave up" where the
            solver did.
    """

    theta: Theta
    loss: float
    time: float
    reason: Reason


@dataclass(frozen=True)
class _Stop:
    """An event of scipy's that ends a flow where a value falls to 0."""

    value: Callable[[Theta], float]
    terminal: bool = True

    def __call__(self, _: float, theta: Theta) -> float:
        return self.value(theta)


def descent(model: Fitted, theta: Theta) -> Theta:
    """-grad L."""
    at = model.tangent(theta)
    return at.pull_back((model.y - at.f) / len(model.y))[0]


def gradient_flow(
    model: Fitted,
    start: Theta,
    times: Times,
    *,
    rtol: float = 1e-8,
    atol: float = 1e-12,
    method: str = "LSODA",
) -> Float[np.ndarray, "times D"]:
    """The flow at given times.

    Args:
        model: the model.
        start: at time 0.
        times: at least one, of at least 0, increasing, finite.
        rtol, atol: error allowed in a step, as in scipy's `solve_ivp`.
        method: of `solve_ivp`.

    Raises:
        ValueError: if times are not as above, or the start is not finite.
        FloatingPointError: if the solver does not get to the last time.
    """
    wanted = np.asarray(times, dtype=float)
    increasing = wanted.size and wanted[0] >= 0 and (np.diff(wanted) > 0).all()
    if not (increasing and np.isfinite(wanted).all()):
        raise ValueError(
            f"times = {times}: must increase, from at least 0, and be finite"
        )
    if not np.isfinite(start).all():
        raise ValueError("start: all entries must be finite")
    if wanted[-1] == 0:
        return start[None].copy()
    solved = scipy.integrate.solve_ivp(
        lambda _, theta: descent(model, theta),
        (0.0, wanted[-1]),
        start,
        method=method,
        t_eval=wanted,
        rtol=rtol,
        atol=atol,
    )
    if not solved.success:
        raise FloatingPointError(f"gradient flow stopped: {solved.message}")
    return solved.y.T


def settle(
    model: Fitted,
    start: Theta,
    *,
    max_time: float = 1e4,
    stationary: float = 1e-10,
    rtol: float = 1e-8,
    atol: float = 1e-12,
    method: str = "LSODA",
) -> Settled:
    """Follow gradient flow to its end: Phi(start), if it interpolates.

    Args:
        model: the model.
        start: at time 0.
        max_time: at which to give up.
        stationary: norm of grad L, over the root mean square of the labels, at or
            below which a point that does not interpolate counts as stationary.
        rtol, atol, method: as in `gradient_flow`.

    Raises:
        ValueError: if the start is not finite, or max_time not above 0.
    """
    if not np.isfinite(start).all():
        raise ValueError("start: all entries must be finite")
    if not max_time > 0:
        raise ValueError(f"max_time = {max_time}: must be above 0")
    unit = float(np.mean(model.y**2)) or 1.0
    far = FAR * (1 + float(np.linalg.norm(start)))

    def left(theta: Theta) -> float:
        return loss(model.tangent(theta).f, model.y) / unit - NEAR

    def force(theta: Theta) -> float:
        gradient = float(np.linalg.norm(descent(model, theta)))
        return gradient - stationary * unit**0.5

    def room(theta: Theta) -> float:
        return far - float(np.linalg.norm(theta))

    now, theta = 0.0, start
    if left(start) > 0 and force(start) > 0:
        solved = scipy.integrate.solve_ivp(
            lambda _, at: descent(model, at),
            (0.0, max_time),
            start,
            method=method,
            events=[_Stop(left), _Stop(force), _Stop(room)],
            rtol=rtol,
            atol=atol,
        )
        now, theta = float(solved.t[-1]), solved.y[:, -1]
        if not np.isfinite(theta).all() or room(theta) <= 0:
            return Settled(theta, np.inf, now, "diverged")
        if not solved.success:
            return Settled(theta, loss(model.tangent(theta).f, model.y), now, "gave up")
    still: Reason = "stationary" if force(theta) <= 0 else "time"
    return _ended(model, theta, now, unit, still)


def _ended(
    model: Fitted, theta: Theta, now: float, unit: float, otherwise: Reason
) -> Settled:
    """A point at which the solver stopped, moved onto {f = y} where it is near."""
    value = loss(model.tangent(theta).f, model.y)
    if value <= 2 * NEAR * unit:
        at = retract(
            lambda parameters: model.tangent(parameters[0]),
            (theta,),
            model.y,
            tolerance=1e-24 * unit,
        )
        return Settled(at.parameters[0], at.loss / 2, now, "interpolates")
    return Settled(theta, value, now, otherwise)
