"""Damped Newton for smooth convex functions of few variables."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Oracle = Callable[[np.ndarray], tuple[float, np.ndarray, np.ndarray]]
"""From u, shape (p,), to value, gradient (p,) and Hessian (p, p)."""


@dataclass(frozen=True)
class Minimum:
    """Where Newton's method stopped.

    Attributes:
        u: the point, shape (p,).
        value: of the function there.
        iterations: Newton steps taken.
        decrement: half the square of Newton's decrement relative to the value: about
            the relative distance to the infimum.
    """

    u: Float[np.ndarray, " p"]
    value: float
    iterations: int
    decrement: float


def minimise(
    oracle: Oracle,
    start: Float[np.ndarray, " p"],
    *,
    tolerance: float = 1e-14,
    max_iterations: int = 500,
) -> Minimum:
    """Least value of a convex, positive function by damped Newton.

    Steps are halved until the function falls by a quarter of what the slope promises
    (Boyd & Vandenberghe 2004, section 9.5). Directions in which the Hessian is null
    are left alone. Where the infimum is reached only at infinity, the value is near it.

    Args:
        oracle: value, gradient and Hessian.
        start: where to begin.
        tolerance: of the decrement relative to the value.
        max_iterations: after which the point is taken as it is.

    Raises:
        FloatingPointError: if the function is not finite at the start.
    """
    u = np.array(start, float)
    value, gradient, hessian = oracle(u)
    if not np.isfinite(value):
        raise FloatingPointError(f"the function is {value} at the start")
    decrement = 0.0
    for iteration in range(max_iterations):
        direction = -np.linalg.lstsq(hessian, gradient, rcond=1e-14)[0]
        promise = -float(gradient @ direction)
        decrement = promise / 2 / value if value > 0 else 0.0
        if decrement <= tolerance:
            return Minimum(u, float(value), iteration, float(decrement))
        # longer steps in log coordinates overflow before they are refused
        step = min(1.0, 8.0 / max(np.abs(direction).max(), 1e-300))
        while step > 1e-12:
            ahead = oracle(u + step * direction)
            if ahead[0] <= value - 0.25 * step * promise:
                break
            step /= 2
        else:
            return Minimum(u, float(value), iteration, float(decrement))
        u = u + step * direction
        value, gradient, hessian = ahead
    return Minimum(u, float(value), max_iterations, float(decrement))
