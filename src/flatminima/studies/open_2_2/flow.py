"""The limiting flow of an instance, two that know the learning rate, and distances."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.interpolate import CubicSpline

from flatminima.flows.diagonal import Diagonal, DiagonalTangent
from flatminima.flows.model import Theta
from flatminima.flows.sharpness_flow import sharpness_flow
from flatminima.studies.open_2_2.models import Instance, reach

FURTHER = 2.5
"""How far the flow is followed, over the length of the runs: a fast clock needs it."""

KNOTS = 20
"""Times at which the flow is kept; between them a cubic spline."""

RTOL = 1e-6
"""Of the flow: small beside every distance that is measured."""

LOST = 10.0
"""The distance of a run that diverged, over the length of the flow's path."""

FINE = 400
"""Pieces of the flow's path among which the nearest point is looked for."""

Times = Float[np.ndarray, " points"]

Path = Float[np.ndarray, "points D"]


@dataclass(frozen=True)
class Flow:
    """The limiting flow of an instance.

    Attributes:
        tau: time at which the runs end.
        last: until which the flow is known.
        spline: the path over time.
        reach: the curvature that a batch meets, over time.
        length: |Y(tau) - Y(0)|.
        c: its factor.
    """

    tau: float
    last: float
    spline: CubicSpline
    reach: CubicSpline
    length: float
    c: float


def follow(instance: Instance, noise: float, batch: int, share: float) -> Flow | None:
    """The flow dY = -c grad_Gamma Tr with c = noise^2 / (4 b).

    The runs end at tau = share Tr / (c |grad_Gamma Tr|^2), by which the trace had
    fallen by that share if its slope stayed as it is at the start.

    Args:
        instance: the model at its start.
        noise: by which labels are moved.
        batch: examples of a step; 0 for all.
        share: of the trace.

    Returns:
        None where the trace has no slope along {f = y}, or the flow cannot be followed.
    """
    c = noise**2 / (4 * (batch or len(instance.model.y)))
    if not instance.speed > 0:
        return None
    tau = share * instance.trace / (c * instance.speed**2)
    times = np.linspace(0, FURTHER * tau, KNOTS + 1)
    found = sharpness_flow(
        instance.model, instance.start, c=c, times=times[1:], rtol=RTOL
    )
    if len(found.at) < KNOTS:
        return None
    at = np.vstack([instance.start, found.at])
    spline = CubicSpline(times, at)
    met = CubicSpline(times, [reach(instance.model, theta, batch) for theta in at])
    length = float(np.linalg.norm(spline(tau) - at[0]))
    return Flow(tau, float(times[-1]), spline, met, length, c)


def clock(flow: Flow, lr: float, taus: Times) -> Times:
    """Times of the flow at which SGD is by its own clock.

    d tau' / d tau = 1 / (1 - lr reach / 2): the outputs move with the noise, and what
    moves the weights is not the noise delta alone but r - delta, r = f - y.

    For one example a step, linear outputs and examples of equal |grad f_i|^2 = Tr this
    is exact at stationarity: |theta - theta*|^2 changes by -2 lr r_i (r_i - delta) +
    lr^2 Tr (r_i - delta)^2, whose mean is 0 only if E (r_i - delta)^2 =
    delta^2 / (1 - lr Tr / 2). For other batches it is right to first order in lr.
    """
    fine = np.linspace(0, taus[-1], 201)
    now, at = 0.0, [0.0]
    for step in np.diff(fine):
        left = 1 - lr * float(flow.reach(min(now, flow.last))) / 2
        now = now + step / left if left > 0 else np.inf
        at.append(min(now, flow.last))
    return np.interp(taus, fine, at)


def deviations(flow: Flow, path: Path, taus: Times, lr: float) -> dict[str, float]:
    """Distances of a projected run to the flow, over the length of the flow's path.

    Args:
        flow: the limiting flow.
        path: the run, projected, NaN from where it diverged.
        taus: when it is looked at.
        lr: its learning rate.

    Returns:
        distance: root mean square over times, at equal tau; own: at the times of
        `clock`; curve: to the nearest point of the flow's path, whenever it is there.
        `LOST` for a run that diverged.
    """
    if not np.isfinite(path).all():
        return dict.fromkeys(("distance", "own", "curve"), LOST)
    fine = flow.spline(np.linspace(0, flow.last, FINE + 1))
    return {
        "distance": apart(path, flow.spline(taus), flow),
        "own": apart(path, flow.spline(clock(flow, lr, taus)), flow),
        "curve": apart(path, nearest(path, fine), flow),
    }


def apart(path: Path, points: Path, flow: Flow) -> float:
    """Root mean square distance, over the length of the flow's path."""
    return float(np.sqrt(np.mean(np.sum((path - points) ** 2, axis=1))) / flow.length)


def nearest(path: Path, line: Float[np.ndarray, "knots D"]) -> Path:
    """The point of a polygon that is next to each point of a path."""
    starts, pieces = line[:-1], np.diff(line, axis=0)
    lengths = np.sum(pieces**2, axis=1)
    found = np.empty_like(path)
    for k, point in enumerate(path):
        along = np.sum((point - starts) * pieces, axis=1)
        share = np.clip(along / np.where(lengths > 0, lengths, 1.0), 0, 1)
        candidates = starts + share[:, None] * pieces
        found[k] = candidates[np.argmin(np.sum((point - candidates) ** 2, axis=1))]
    return found


def predicted(flow: Flow, taus: Times, lr: float) -> float:
    """The distance that the clock alone makes: no run, only the flow."""
    return apart(flow.spline(clock(flow, lr, taus)), flow.spline(taus), flow)


@dataclass(frozen=True)
class LogDeterminant:
    """A quadratic model with -(2 / lr) log det(1 - lr H / 2) in place of Tr H.

    Times a half it is the regulariser of Damian, Ma and Lee (NeurIPS 2021, arXiv
    2106.06530) for label noise; for small lr it is the trace.

    Attributes:
        model: the quadratic model.
        lr: learning rate, below 2 / lambda_max along the flow.
    """

    model: Diagonal
    lr: float

    @property
    def y(self) -> Float[np.ndarray, " n"]:
        """Labels."""
        return self.model.y

    def tangent(self, theta: Theta) -> DiagonalTangent:
        """The model around theta."""
        return self.model.tangent(theta)

    def _left(self, theta: Theta) -> Float[np.ndarray, "n n"]:
        n = len(self.model.y)
        return np.eye(n) - self.lr / 2 * self.model.tangent(theta).gram() / n

    def trace(self, theta: Theta) -> float:
        """-(2 / lr) log det(1 - lr H / 2); infinite where H is too large."""
        sign, value = np.linalg.slogdet(self._left(theta))
        return -2 / self.lr * float(value) if sign > 0 else np.inf

    def trace_gradient(self, theta: Theta) -> Theta:
        """(8/n) (z^T (1 - lr H / 2)^-1 z)_jj times u_j, and times v_j."""
        inverse = np.linalg.inv(self._left(theta))
        weights = 8 * np.einsum("ij,ik,kj->j", self.model.z, inverse, self.model.z)
        return np.concatenate([weights, weights]) / len(self.model.y) * theta


def sharp(instance: Instance, flow: Flow, path: Path, taus: Times, lr: float) -> float:
    """Distance of a run to the flow of `LogDeterminant`; NaN where that has none.

    Args:
        instance: a quadratic model at its start.
        flow: the limiting flow, for its factor and the length of its path.
        path: the run, projected.
        taus: when it is looked at.
        lr: its learning rate.

    Raises:
        ValueError: for another model.
    """
    if not isinstance(instance.model, Diagonal):
        raise ValueError("instance: must be a quadratic model")
    if lr * instance.sharpness >= 2 or not np.isfinite(path).all():
        return np.nan
    model = LogDeterminant(instance.model, lr)
    found = sharpness_flow(model, instance.start, c=flow.c, times=taus, rtol=RTOL)
    return apart(path, found.at, flow) if len(found.at) == len(taus) else np.nan
