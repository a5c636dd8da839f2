"""epsilon-sharpness: the worst rise of the loss within a ball.

    phi_eps(theta) = max_{||d||_2 <= eps} L(theta + d) - L(theta).

Exact for quadratics, by a trust-region problem; by projected ascent otherwise. The
first step of that ascent is SAM's.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import brentq
from torch import Tensor

from flatminima.checks import at_least
from flatminima.sharpness.ascent import Neighbourhood, Worst, ascend
from flatminima.sharpness.landscape import Landscape


@dataclass(frozen=True)
class QuadraticRise:
    """The largest g.d + d'Hd/2 over a ball.

    Attributes:
        value: the rise.
        displacement: a d that reaches it, shape (D,).
        multiplier: mu >= 0 with (mu I - H) d = g and mu (||d|| - eps) = 0; with
            mu I - H positive semidefinite that certifies the maximum.
        hard: whether d needed a part along the top eigenvectors, to which g is
            orthogonal.
    """

    value: float
    displacement: Float[np.ndarray, " D"]
    multiplier: float
    hard: bool


def quadratic_rise(
    gradient: Float[np.ndarray, " D"], hessian: Float[np.ndarray, "D D"], radius: float
) -> QuadraticRise:
    """max_{||d|| <= radius} g.d + d'Hd/2, exactly.

    With H = Q diag(h) Q' the maximiser has (mu - h_i) (Q'd)_i = (Q'g)_i for one mu >=
    max(h_1, 0), at which ||d|| = radius or mu = 0: the secular equation of the
    trust-region problem (Conn, Gould & Toint 2000, chapter 7). Where g is orthogonal
    to the top eigenvectors and d at mu = h_1 is too short, any of them fills it up.

    Args:
        gradient: g.
        hessian: H, symmetric.
        radius: above 0.

    Raises:
        ValueError: if the radius is not above 0.
    """
    if not radius > 0:
        raise ValueError(f"radius = {radius}: must be above 0")
    gradient = np.asarray(gradient, float)
    hessian = np.asarray(hessian, float)
    h, q = np.linalg.eigh((hessian + hessian.T) / 2)
    g = q.T @ gradient
    top = max(h[-1], 0.0)
    size = max(np.abs(h).max(initial=0.0), np.linalg.norm(g) / radius)
    if size == 0:
        return QuadraticRise(0.0, np.zeros_like(g), 0.0, False)
    near = top - h <= 1e-13 * size
    gaps = np.where(near, 0.0, top - h)
    rest = np.where(near, 0.0, g / np.where(near, 1.0, gaps))
    room = radius**2 - rest @ rest
    along = float(np.linalg.norm(g[near]))
    if along <= 1e-15 * size * radius and room >= 0:
        hard = bool(h[-1] > 0)
        d = rest.copy()
        if hard:
            d[-1] += np.sqrt(room)
        mu = top
    else:
        mu = top + _shift(g[~near], gaps[~near], along, radius)
        hard = False
        d = g / (mu - top + gaps)
        d *= radius / np.linalg.norm(d)
    value = float(g @ d + 0.5 * (h * d) @ d)
    return QuadraticRise(value, q @ d, float(mu), hard)


def _shift(
    g: Float[np.ndarray, " far"],
    gaps: Float[np.ndarray, " far"],
    along: float,
    radius: float,
) -> float:
    """The s >= 0 with along^2 / s^2 + sum g^2 / (s + gaps)^2 = radius^2."""

    def longer(s: float) -> float:
        top = along / s if along else 0.0
        return radius - float(np.hypot(top, np.linalg.norm(g / (s + gaps))))

    low = along / radius
    high = float(np.hypot(along, np.linalg.norm(g))) / radius
    # rounding may put a root that is an end of the bracket on its wrong side
    if longer(low) >= 0:
        return low
    high *= 1 + 1e-12
    return float(brentq(longer, low, high, xtol=1e-300, rtol=1e-15, maxiter=500))


def ball(radius: float) -> Neighbourhood:
    """The set ||d||_2 <= radius, for `ascend`.

    Raises:
        ValueError: if the radius is not above 0.
    """
    if not radius > 0:
        raise ValueError(f"radius = {radius}: must be above 0")
    tiny = torch.finfo(torch.float64).tiny

    def farthest(g: Tensor) -> Tensor:
        return radius * g / g.norm(dim=-1, keepdim=True).clamp(min=tiny)

    def project(d: Tensor) -> Tensor:
        return d / (d.norm(dim=-1, keepdim=True) / radius).clamp(min=1.0)

    return Neighbourhood(project, farthest)


def sam_sharpness(at: Landscape, radius: float) -> Worst:
    """L(theta + radius g / ||g||) - L(theta), g = grad L: SAM's one step up.

    The first-order maximiser over the ball (Foret et al. 2021). It may be
    negative, and is 0 where g is 0.
    """
    d = ball(radius).farthest(at.gradient())
    rise = float(at.loss(at.theta + d) - at.loss())
    return Worst(rise, d, (rise,), 2, True)


def ball_sharpness(
    at: Landscape,
    radius: float,
    generator: torch.Generator,
    *,
    restarts: int = 8,
    num_steps: int = 200,
    starts: Float[Tensor, "more D"] | None = None,
) -> Worst:
    """max_{||d|| <= radius} L(theta + d) - L(theta), by projected ascent.

    The first restart begins with SAM's step, the others at random points of the
    sphere. So the value is at least that of `sam_sharpness`, and at most the supremum;
    `spread` says how far the restarts are apart.

    Args:
        at: the landscape, at theta.
        radius: above 0.
        generator: of the random starts.
        restarts: climbs, at least 1.
        num_steps: of a climb, at most.
        starts: further displacements to climb from.

    Raises:
        ValueError: if the radius is not above 0, or a number is below 1.
    """
    within = ball(radius)
    at_least("restarts", restarts, 1)
    shape = (restarts - 1, at.size)
    random = torch.randn(shape, generator=generator, dtype=at.theta.dtype)
    first = within.farthest(torch.cat([at.gradient()[None], random]))
    if starts is not None:
        first = torch.cat([first, starts.to(first)])
    return ascend(at, within, first, num_steps)
