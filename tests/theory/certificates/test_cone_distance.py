"""Distances to a cone: by hand, then the optimality conditions of a quadratic
programme where scipy's nnls fails."""

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from flatminima.theory.certificates.cone_distance import distance_to_cone


def test_the_quadrant_by_hand():
    quadrant = np.eye(2)
    assert distance_to_cone(quadrant, np.array([3.0, 4.0])) == 0
    assert distance_to_cone(quadrant, np.array([3.0, -4.0])) == 4
    assert distance_to_cone(quadrant, np.array([-3.0, -4.0])) == 5
    assert distance_to_cone(np.empty((2, 0)), np.array([3.0, 4.0])) == 5


def test_dependent_generators_are_solved():
    """Corners of a cube, of which scipy's nnls alone fails for some."""
    rng = np.random.default_rng(0)
    for _ in range(600):
        generators = rng.choice([-1.0, 1.0], size=(6, 10)) / np.sqrt(6)
        point = rng.choice([-1.0, 1.0], size=6) / np.sqrt(6)
        found = distance_to_cone(generators, point)
        best = lsq_linear(generators, point, (0, np.inf), method="bvls", tol=1e-14)
        assert found == pytest.approx(np.sqrt(2 * best.cost), abs=1e-9)
