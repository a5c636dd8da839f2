"""Distance from a point to a finitely generated cone, safe from above."""

import numpy as np
from jaxtyping import Float
from scipy.optimize import lsq_linear, nnls

STATIONARY = 1e-9
"""Largest cosine between the residual and a generator at an optimum."""


def distance_to_cone(
    generators: Float[np.ndarray, "r k"], point: Float[np.ndarray, " r"]
) -> float:
    """min ||G mu - b|| over mu >= 0, computed from a mu and so never below it.

    scipy's `nnls` is fast, but where generators are dependent it can stop short of
    the optimum and report a residual that its own mu does not have (scipy 1.17). So
    its residual is not used, its optimality is checked, and `lsq_linear` takes over
    where that fails.

    Args:
        generators: columns of G.
        point: b.
    """
    if generators.shape[1] == 0:
        return float(np.linalg.norm(point))
    try:
        mu, _ = nnls(generators, point)
    except RuntimeError:  # too many iterations
        mu = np.zeros(generators.shape[1])
    residual = point - generators @ mu
    size = np.linalg.norm(generators, axis=0) * np.linalg.norm(point)
    if np.all(generators.T @ residual <= STATIONARY * size):
        return float(np.linalg.norm(residual))
    other = lsq_linear(generators, point, (0, np.inf), method="bvls", tol=1e-14).x
    other_residual = point - generators @ np.maximum(other, 0.0)
    return float(min(np.linalg.norm(residual), np.linalg.norm(other_residual)))
