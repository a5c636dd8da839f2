"""What the experiment in the chapter's page holds, and the numbers that it shows.

The loss (u v - 1)^2 / 2 of the smallest factorisation. Its minima are the hyperbola
u v = 1, where the Hessian has the eigenvalues u^2 + v^2 and 0.
"""

from typing import Any

import numpy as np
from jaxtyping import Float

from flatminima.flows.factorisation import Factorisation
from flatminima.theory.stability.gradient_descent import growth, stable_sharpness

MODEL = Factorisation(np.ones((1, 1, 1)), np.ones(1), 1)
MINIMUM = (2.0, 0.5)
"""A sharp one: its curvature is 4.25, and the least of all is 2."""

START = (2.01, 0.51)
STEPS = 300


def data() -> dict[str, Any]:
    """The minimum, the start beside it, and how many updates are taken."""
    return {"minimum": list(MINIMUM), "start": list(START), "steps": STEPS}


def path(lr: float) -> Float[np.ndarray, "points 2"]:
    """u and v along gradient descent from `START`, until it is lost.

    Args:
        lr: learning rate.
    """
    theta = np.array(START)
    points = [theta]
    for _ in range(STEPS):
        tangent = MODEL.tangent(theta)
        (slope,) = tangent.pull_back(tangent.f - MODEL.y)
        theta = theta - lr * slope
        if not np.abs(theta).max() < LOST:
            break
        points.append(theta)
    return np.array(points)


LOST = 1e3
"""A weight at which a path has left for good."""


def sharpness(theta: Float[np.ndarray, " 2"]) -> float:
    """The largest eigenvalue of the Hessian [[v^2, 2uv - 1], [2uv - 1, u^2]]."""
    u, v = theta
    mixed = 2 * u * v - 1
    return float(np.linalg.eigvalsh(np.array([[v**2, mixed], [mixed, u**2]]))[-1])


def numbers(lr: float) -> dict[str, float]:
    """What the page shows at a learning rate, by the engine.

    Args:
        lr: above 0.

    Returns:
        stable (2 / lr), product (lr times the sharpness of the minimum), growth (of the
        distance from it in an update, at first), updates (taken before the path was
        lost), and loss and sharpness at the last point.

    Raises:
        ValueError: if the learning rate is not above 0.
    """
    lam = sharpness(np.array(MINIMUM))
    points = path(lr)
    tangent = MODEL.tangent(points[-1])
    return {
        "stable": stable_sharpness(lr),
        "product": lr * lam,
        "growth": growth("gradient descent", lr * lam),
        "updates": len(points) - 1,
        "loss": 0.5 * float(np.mean((tangent.f - MODEL.y) ** 2)),
        "sharpness": sharpness(points[-1]),
    }
