"""Where convex recovery turns from failure to success, computed from geometry alone.

With Gaussian measurements min f(x) subject to A x = A x* finds x* with probability near
1 if there are more of them than the statistical dimension of the descent cone of f at
x*, and near 0 if there are fewer. That dimension is the infimum over tau of the mean
squared distance of a Gaussian vector to tau times the subdifferential.

Amelunxen, Lotz, McCoy and Tropp, "Living on the edge: phase transitions in convex
programs with random data", Information and Inference 3 (2014), Theorem II and
Propositions 4.5 (l1) and 4.7 (nuclear norm). For l1 the curve is the weak threshold
of Donoho and Tanner.
"""

from collections.abc import Callable

import numpy as np
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import norm

LARGEST_TAU = 20.0
"""Where the search for tau ends; the optimum is at sqrt(2 log(d / k)) or below."""


def sparse_share(share: float) -> float:
    """Examples over dimension at which basis pursuit begins to find a sparse target.

        inf_tau  s (1 + tau^2) + 2 (1 - s) E (g - tau)_+^2,   g ~ N(0, 1).

    Args:
        share: s, of coefficients that are not 0, in (0, 1].

    Raises:
        ValueError: if `share` is out of range.

    >>> round(sparse_share(1.0), 3)
    1.0
    """
    _check("share", share)

    def distance(tau: float) -> float:
        excess = (1 + tau**2) * norm.sf(tau) - tau * norm.pdf(tau)
        return float(share * (1 + tau**2) + 2 * (1 - share) * excess)

    return _least(distance, LARGEST_TAU)


def low_rank_share(share: float) -> float:
    """Measurements over d^2 at which the least nuclear norm begins to find a matrix.

        inf_tau  s + (1 - s) [s (1 + tau^2) + (1 - s) E (u - tau)_+^2],

    u with the quarter-circle density sqrt(4 - u^2) / pi on [0, 2], for large square
    matrices.

    Args:
        share: s, rank over d, in (0, 1].

    Raises:
        ValueError: if `share` is out of range.

    >>> round(low_rank_share(1.0), 3)
    1.0
    """
    _check("share", share)

    def distance(tau: float) -> float:
        excess, _ = quad(
            lambda u: (u - tau) ** 2 * np.sqrt(4 - u**2) / np.pi, min(tau, 2.0), 2.0
        )
        inner = share * (1 + tau**2) + (1 - share) * excess
        return float(share + (1 - share) * inner)

    return _least(distance, 2.0)


def _check(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise ValueError(f"{name} = {value!r}: must be above 0, at most 1")


def _least(distance: Callable[[float], float], largest: float) -> float:
    """The infimum over tau in [0, largest]; the mean distance is convex in tau."""
    found = minimize_scalar(distance, bounds=(0.0, largest), method="bounded")
    return float(min(found.fun, distance(0.0)))
