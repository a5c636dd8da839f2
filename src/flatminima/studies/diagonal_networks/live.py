"""What the experiment in the chapter's page holds, and the numbers that it shows."""

from typing import Any

import numpy as np

from flatminima.data.regression import sparse
from flatminima.models import diagonal
from flatminima.theory.certificates.basis_pursuit import basis_pursuit
from flatminima.theory.certificates.hyperbolic_entropy import minimise_entropy

N, D, SPARSITY, SEED = 12, 30, 3, 100
"""The first data set of the chapter."""

PLANE_X, PLANE_Y = (1.0, 2.0), 1.0
"""One example with two inputs: all interpolators are a line."""


def data() -> dict[str, Any]:
    """Both problems, the truth of the larger, and its ends.

    Returns:
        plane (x, y); x, y and truth; and l1 and l2, the least norms of interpolators.
    """
    problem = sparse(N, D, SPARSITY, SEED, signs=False)
    least_l2 = np.linalg.pinv(problem.x) @ problem.y
    return {
        "plane": {"x": list(PLANE_X), "y": PLANE_Y},
        "x": problem.x.tolist(),
        "y": problem.y.tolist(),
        "truth": problem.truth.tolist(),
        "l1": basis_pursuit(problem.x, problem.y).value,
        "l2": float(np.linalg.norm(least_l2)),
    }


def numbers(alpha: float) -> dict[str, float]:
    """What the page shows at a start, by the engine.

    Args:
        alpha: u and v at the start, above 0.

    Returns:
        beta-1 and beta-2 of the end on the plane, and of the larger problem l1 and l2
        (norms of the end) and error (distance from the truth, whose norm is 1).

    Raises:
        ValueError: if alpha is not above 0, or a programme is not solved.
    """
    c = diagonal.entropy_scale(diagonal.Model(D, True), alpha)
    plane = minimise_entropy(np.array([PLANE_X]), np.array([PLANE_Y]), c).beta
    problem = sparse(N, D, SPARSITY, SEED, signs=False)
    beta = minimise_entropy(problem.x, problem.y, c).beta
    return {
        "beta-1": float(plane[0]),
        "beta-2": float(plane[1]),
        "l1": float(np.abs(beta).sum()),
        "l2": float(np.linalg.norm(beta)),
        "error": float(np.linalg.norm(beta - problem.truth)),
    }
