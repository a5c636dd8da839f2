"""Distances to a cone: by hand, then by enumeration in fractions, then another solver;
and solvers that are wrong, which must be found out.

The enumeration knows no tolerance: the nearest point is the projection onto the span of
some generators, and whether it is the nearest is a question of signs.
"""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from scipy.optimize import lsq_linear

from flatminima.theory.certificates import cone_distance
from flatminima.theory.certificates.cone_distance import (
    distance_bounds,
    distance_to_cone,
)
from tests.theory.examples import seeds

QUADRANT = np.eye(2)


def corners(count):
    """Generators and points that are corners of a cube, as in a certificate of xor."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield rng.choice([-1.0, 1.0], size=(6, 10)), rng.choice([-1.0, 1.0], size=6)


def dot(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def solve_exactly(matrix, right):
    """Gauss and Jordan in fractions; None if the matrix is singular."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for k in range(len(rows)):
        pivot = next((i for i in range(k, len(rows)) if rows[i][k] != 0), None)
        if pivot is None:
            return None
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [value / rows[k][k] for value in rows[k]]
        for i in range(len(rows)):
            if i != k:
                factor = rows[i][k]
                rows[i] = [
                    a - factor * b for a, b in zip(rows[i], rows[k], strict=True)
                ]
    return [row[-1] for row in rows]


def exact_squared_distance(generators, point):
    """By trying every independent set of generators, for integers."""
    columns = [[Fraction(int(value)) for value in column] for column in generators.T]
    b = [Fraction(int(value)) for value in point]
    for size in range(len(b) + 1):
        for chosen in combinations(columns, size):
            gram = [[dot(one, other) for other in chosen] for one in chosen]
            mu = solve_exactly(gram, [dot(one, b) for one in chosen])
            if mu is None or any(value < 0 for value in mu):
                continue
            parts = [
                [value * entry for entry in g]
                for value, g in zip(mu, chosen, strict=True)
            ]
            w = [entry - sum(part[i] for part in parts) for i, entry in enumerate(b)]
            if all(dot(column, w) <= 0 for column in columns):
                return dot(w, w)
    raise AssertionError("every finitely generated cone has a nearest point")


def test_the_quadrant_by_hand():
    assert distance_to_cone(QUADRANT, np.array([3.0, 4.0])) == 0
    assert distance_to_cone(QUADRANT, np.array([3.0, -4.0])) == 4
    assert distance_to_cone(QUADRANT, np.array([-3.0, -4.0])) == 5
    assert distance_to_cone(QUADRANT, np.zeros(2)) == 0
    assert distance_to_cone(np.empty((2, 0)), np.array([3.0, 4.0])) == 5
    assert distance_to_cone(np.zeros((2, 3)), np.array([3.0, 4.0])) == 5


def test_dependent_generators_are_solved():
    """Corners of a cube, of which scipy's nnls alone fails for some."""
    for generators, point in corners(600):
        found = distance_to_cone(generators, point)
        best = lsq_linear(generators, point, (0, np.inf), method="bvls", tol=1e-14)
        assert found == pytest.approx(np.sqrt(2 * best.cost), abs=1e-8)


@pytest.mark.parametrize("instance", [0, 1, 178])
def test_corners_in_fractions(instance):
    """The last is one at which nnls stops short on processors without AVX-512."""
    generators, point = list(corners(instance + 1))[-1]
    exact = exact_squared_distance(generators, point)
    assert distance_to_cone(generators, point) ** 2 == pytest.approx(float(exact))


@given(seed=seeds)
def test_integers_in_fractions(seed):
    rng = np.random.default_rng(seed)
    generators = rng.integers(-2, 3, size=(3, int(rng.integers(1, 8)))).astype(float)
    point = rng.integers(-2, 3, size=3).astype(float)
    exact = exact_squared_distance(generators, point)
    low, high, met = distance_bounds(generators * rng.uniform(1e-3, 1e3), point)
    assert met
    assert low * (1 - 1e-12) <= float(exact) ** 0.5 <= high + 1e-9
    assert high == pytest.approx(float(exact) ** 0.5, abs=1e-8)


def only(monkeypatch, *solvers):
    monkeypatch.setattr(cone_distance, "SOLVERS", solvers)


WRONG = {
    # the residual (-1, -4) makes no acute angle with a generator, but mu is too large
    "not complementary": [4.0, 0.0],
    "not dual feasible": [2.0, 0.0],
    "zero": [0.0, 0.0],
    "not a number": [np.nan, 0.0],
    "infinite": [np.inf, 0.0],
}


@pytest.mark.parametrize("mu", WRONG.values(), ids=WRONG)
def test_a_wrong_answer_is_repaired(monkeypatch, mu):
    """The distance from (3, -4) to the quadrant is 4, whatever nnls says."""
    right = cone_distance.nnls

    def wrong(generators, point):
        return (
            (np.array(mu), 0.0) if generators is QUADRANT else right(generators, point)
        )

    monkeypatch.setattr(cone_distance, "nnls", wrong)
    assert distance_to_cone(QUADRANT, np.array([3.0, -4.0])) == pytest.approx(4)


@pytest.mark.parametrize("mu", WRONG.values(), ids=WRONG)
def test_a_wrong_answer_that_nobody_repairs_is_refused(monkeypatch, mu):
    only(monkeypatch, lambda *_: np.array(mu))
    point = np.array([3.0, -4.0])
    low, high, met = distance_bounds(QUADRANT, point)
    assert low <= 4 <= high
    if met:  # a relaxation made up for the solver
        assert high == pytest.approx(4)
    else:
        with pytest.raises(ArithmeticError, match="proved is only that their cone is"):
            distance_to_cone(QUADRANT, point)


def test_negative_multipliers_are_no_point_of_the_cone(monkeypatch):
    """G (3, -4) = b: a distance of 0, if it were allowed."""
    only(monkeypatch, lambda *_: np.array([3.0, -4.0]))
    assert distance_to_cone(QUADRANT, np.array([3.0, -4.0])) == 4


def test_solvers_that_fail_are_passed_over(monkeypatch):
    def fails(error):
        def solver(*_):
            raise error

        return solver

    failures = fails(RuntimeError("iterations")), fails(np.linalg.LinAlgError("svd"))
    only(monkeypatch, *failures)
    with pytest.raises(ArithmeticError, match="between 0 and 5 away"):
        distance_to_cone(QUADRANT, np.array([3.0, -4.0]))
    only(monkeypatch, *failures, cone_distance._bounded)
    assert distance_to_cone(QUADRANT, np.array([3.0, -4.0])) == 4


@pytest.mark.parametrize("solver", cone_distance.SOLVERS)
def test_every_solver_by_itself(monkeypatch, solver, rng):
    """Well-conditioned generators, with points outside of their cone."""
    only(monkeypatch, solver)
    for _ in range(20):
        generators = np.abs(rng.normal(size=(5, 4)))
        point = rng.normal(size=5) - 1.0
        best = lsq_linear(generators, point, (0, np.inf), method="bvls", tol=1e-14)
        found = distance_to_cone(generators, point)
        assert found == pytest.approx(np.sqrt(2 * best.cost), rel=1e-7)


def test_generators_of_very_different_lengths(rng):
    """As where active examples do not span: 1e6 along one direction, 1 elsewhere.

    In some frame G = [(1, -1e6, 0), (0, 1, 0), (0, 0, 1)] and b = (1, -1e6, -1/2), so
    that mu = (1, 0, 0) and only the last entry is out of reach.
    """
    for _ in range(50):
        frame = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        generators = frame @ [[1.0, 0.0, 0.0], [-1e6, 1.0, 0.0], [0.0, 0.0, 1.0]]
        point = frame @ [1.0, -1e6, -0.5]
        assert distance_to_cone(generators, point) == pytest.approx(0.5, rel=1e-8)


@pytest.mark.parametrize(
    ("mu", "low", "high"),
    [
        ([0.0, 0.0], 4.0, 5.0),  # nothing in use: the relaxation finds the first
        ([4.0, 0.0], 4.0, 17**0.5),  # the first in use, and too much of it
        ([2.0, 0.0], 4.0, 17**0.5),
        ([0.0, 2.0], 0.0, 5.0),  # the second is in use, which is of no help
    ],
)
def test_a_relaxation_proves_what_the_answer_does_not(monkeypatch, mu, low, high):
    """Of (3, -4) and the quadrant, from one wrong answer alone."""
    only(monkeypatch, lambda *_: np.array(mu))
    found = distance_bounds(QUADRANT, np.array([3.0, -4.0]))
    assert found.low == pytest.approx(low, abs=1e-12)
    assert found.high == pytest.approx(min(high, 5.0), rel=1e-7)


def test_a_relaxation_takes_up_generators_one_after_the_other(monkeypatch):
    """From mu = 0 the three edges of an octant are all taken up."""
    only(monkeypatch, lambda generators, _: np.zeros(generators.shape[1]))
    found = distance_bounds(np.eye(5)[:, :3], np.array([1.0, 2.0, 3.0, 4.0, -12.0]))
    assert found.low == pytest.approx(160**0.5)
    assert not found.met


@pytest.mark.parametrize(("off", "met"), [(0.5e-8, True), (3e-8, False)])
def test_bounds_meet_within_a_hundred_millionth(monkeypatch, off, met):
    """A point of the cone that is too far by a share, beside the exact lower bound."""
    height = 4 * np.sqrt((1 + off) ** 2 - 1)
    only(monkeypatch, lambda *_: np.array([3.0 + height, 0.0]))
    found = distance_bounds(QUADRANT, np.array([3.0, -4.0]))
    assert found.high / 4 - 1 == pytest.approx(off, rel=1e-3)
    assert found.met == met


@pytest.mark.parametrize(("off", "met"), [(4e-9, True), (6e-9, False)])
def test_a_billionth_of_the_point_is_no_distance(monkeypatch, off, met):
    """The point (3, 4) of norm 5 is in the cone."""
    only(monkeypatch, lambda *_: np.array([3.0 - off, 4.0]))
    found = distance_bounds(QUADRANT, np.array([3.0, 4.0]))
    assert found.met == met
    assert found.low == 0
