"""The inner maximum of SAM: to first order, to second order, and by search.

SAM replaces the loss by max over ||delta|| <= rho of L(w + delta), and takes one step
for the maximum. How good that step is can be asked where the maximum is known.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq


def conjugate(p: float) -> float:
    """q with 1/p + 1/q = 1."""
    if p == 1.0:
        return np.inf
    return 1.0 if np.isinf(p) else p / (p - 1.0)


def dual_step(
    g: Float[np.ndarray, " size"], rho: float, p: float = 2.0
) -> Float[np.ndarray, " size"]:
    """The delta of ||delta||_p <= rho that maximises g . delta.

    delta = rho sign(g) |g|^(q-1) / ||g||_q^(q-1) with 1/p + 1/q = 1, and the maximum
    is rho ||g||_q (Foret et al. 2021, equation 2). For p = 1 all of rho goes to the
    largest entry, the first of several; for p = infinity every entry moves by rho.

    Args:
        g: gradient; where it is 0 so is the step.
        rho: length, above 0.
        p: at least 1; may be infinite.

    Raises:
        ValueError: if rho or p is out of range.

    >>> dual_step(np.array([3.0, -4.0]), 1.0).tolist()
    [0.6, -0.8]
    """
    if not (np.isfinite(rho) and rho > 0):
        raise ValueError(f"rho = {rho!r}: must be above 0 and finite")
    if not p >= 1:
        raise ValueError(f"p = {p!r}: must be at least 1")
    largest = float(np.abs(g).max())
    if largest == 0.0:
        return np.zeros_like(g)
    if p == 1.0:
        step = np.zeros_like(g)
        at = int(np.argmax(np.abs(g)))
        step[at] = rho * np.sign(g[at])
        return step
    power = conjugate(p) - 1.0
    shape = np.sign(g) * (np.abs(g) / largest) ** power
    return rho * shape / np.linalg.norm(shape, p)


def quadratic_step(
    g: Float[np.ndarray, " size"], hessian: Float[np.ndarray, "size size"], rho: float
) -> Float[np.ndarray, " size"]:
    """The delta of ||delta||_2 <= rho that maximises g . delta + delta . H delta / 2.

    The exact solution of the trust-region problem: (mu - H) delta = g with the
    multiplier mu at or above the largest eigenvalue and ||delta|| = rho, or delta
    inside the ball where H is negative definite and its maximum lies there. Where g has
    no part along the top eigenvectors (the hard case), one of these fills up the
    length.

    Args:
        g: gradient.
        hessian: symmetric.
        rho: radius, above 0.
    """
    values, vectors = np.linalg.eigh(-hessian)  # minimise -g . d - d H d / 2
    part = vectors.T @ g
    lowest = float(values[0])
    if lowest > 0:
        inside = part / values
        if np.linalg.norm(inside) <= rho:
            return vectors @ inside

    def length(shift: float) -> float:
        return float(np.linalg.norm(part / (values - lowest + shift)))

    tiny = 1e-14 * max(1.0, float(np.abs(values).max()))
    if length(tiny) <= rho:
        free = values - lowest > tiny
        step = np.zeros_like(part)
        step[free] = part[free] / (values[free] - lowest)
        step[0] += np.sqrt(max(0.0, rho**2 - float(step @ step)))
        return vectors @ step
    high = float(np.linalg.norm(part)) / rho + tiny
    shift = brentq(lambda s: length(s) - rho, tiny, high, xtol=1e-300, rtol=1e-14)
    return vectors @ (part / (values - lowest + shift))


def search(
    loss: Callable[[Float[np.ndarray, "points size"]], Float[np.ndarray, " points"]],
    gradient: Callable[
        [Float[np.ndarray, "points size"]], Float[np.ndarray, "points size"]
    ],
    starts: Float[np.ndarray, "points size"],
    rho: float,
    *,
    steps: int,
) -> float:
    """The largest loss that projected ascent finds in a ball around 0.

    From every start the iterate is put where the gradient points, at length rho:
    delta <- rho g(delta) / ||g(delta)||. That is a step without a size to tune, and it
    is monotone for a convex loss.

    Args:
        loss, gradient: of displacements, for many at once.
        starts: displacements to begin from.
        rho: radius.
        steps: of each ascent.

    Returns:
        The largest loss of all points that were visited.
    """
    points, best = starts, float(loss(starts).max())
    for _ in range(steps):
        g = gradient(points)
        norms = np.linalg.norm(g, axis=1, keepdims=True)
        points = rho * g / np.where(norms > 0, norms, 1.0)
        best = max(best, float(loss(points).max()))
    return best
