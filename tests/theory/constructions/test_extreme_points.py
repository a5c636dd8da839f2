"""Extreme points: by hand, then scipy's convex hull, then the cube by enumeration."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from scipy.spatial import ConvexHull

from flatminima.data.xor import hypercube
from flatminima.theory.constructions import extreme_points
from flatminima.theory.constructions.extreme_points import (
    are_vertices,
    distinct,
    separate,
)
from tests.theory.examples import seeds, sphere_points

SQUARE = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])


def margins(x: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """min_{j != i} w_i . (x_i - x_j), pair by pair."""
    n = len(x)
    return np.array(
        [
            min(directions[i] @ (x[i] - x[j]) for j in range(n) if j != i)
            for i in range(n)
        ]
    )


def test_corners_of_a_square_are_separated_by_their_side():
    separation = separate(SQUARE)
    np.testing.assert_allclose(np.linalg.norm(separation.directions, axis=1), 1)
    # w = (1, 1) / sqrt(2) separates a corner from its neighbours by 2 / sqrt(2).
    np.testing.assert_allclose(separation.margins, np.sqrt(2))


@pytest.mark.parametrize(
    "extra", [[1.0, 1.0], [1.0, 0.0], [0.5, 0.1]], ids=["centre", "edge", "inside"]
)
def test_a_point_that_is_no_vertex_is_named(extra):
    x = np.vstack([SQUARE[:2], [extra], SQUARE[2:]])
    assert are_vertices(x).tolist() == [True, True, False, True, True]
    with pytest.raises(ValueError, match="point 2 is no vertex .* of the 5 points"):
        separate(x)


@pytest.mark.parametrize("d", [2, 3])
@given(seed=seeds)
def test_vertices_are_those_of_scipys_hull(d, seed):
    x = np.random.default_rng(seed).normal(size=(12, d))
    assert set(np.flatnonzero(are_vertices(x))) == set(ConvexHull(x).vertices)


@given(seed=seeds)
def test_directions_are_a_certificate(seed):
    x, _ = sphere_points(np.random.default_rng(seed))
    separation = separate(x)
    np.testing.assert_allclose(np.linalg.norm(separation.directions, axis=1), 1)
    if len(x) > 1:
        np.testing.assert_allclose(
            separation.margins, margins(x, separation.directions), rtol=1e-9
        )
    assert np.all(separation.margins > 0)


def test_the_cubes_margin_holds_against_all_its_vertices():
    x = hypercube(4)
    separation = separate(x)
    np.testing.assert_allclose(separation.margins, margins(x, separation.directions))
    part = separate(x[[0, 15]])
    np.testing.assert_array_equal(part.margins, separation.margins[[0, 15]])


def test_the_margin_scales_and_ignores_translation():
    x, _ = sphere_points(np.random.default_rng(1))
    moved = separate(1e3 * x + 7)
    np.testing.assert_allclose(moved.margins, 1e3 * separate(x).margins, rtol=1e-6)


def test_a_single_point_is_extreme():
    assert separate(np.array([[3.0, 4.0]])).margins.tolist() == [np.inf]
    assert are_vertices(np.array([[3.0, 4.0]])).all()


def test_equal_points_are_refused():
    x = np.array([[1.0, 2.0], [0.0, 1.0], [1.0, 2.0]])
    for function in (separate, are_vertices):
        with pytest.raises(ValueError, match="points 0 and 2 are equal: merge"):
            function(x)


def test_a_failing_solver_is_reported(monkeypatch):
    class Failure:
        success = False
        message = "out of time"

    monkeypatch.setattr(extreme_points, "linprog", lambda *_, **__: Failure)
    with pytest.raises(ArithmeticError, match="point 0: out of time"):
        separate(SQUARE)


@pytest.mark.parametrize("weights", [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.5, 0]])
def test_a_solver_that_overlooks_a_direction_is_found_out(monkeypatch, weights):
    """It says that a corner of the square is a mean of the others."""
    answer = SimpleNamespace(
        success=True,
        x=np.zeros(3),
        ineqlin=SimpleNamespace(marginals=-np.array(weights)),
    )
    monkeypatch.setattr(extreme_points, "linprog", lambda *_, **__: answer)
    with pytest.raises(ArithmeticError, match="not proved whether it is a vertex"):
        are_vertices(SQUARE)


def test_distinct_keeps_first_occurrences_in_order():
    x = np.array([[2.0, 0.0], [1.0, 0.0], [2.0, -0.0], [0.0, 5.0]])
    merged = distinct(x, np.array([3.0, -1.0, 3.0, 0.0]))
    np.testing.assert_array_equal(merged.x, x[[0, 1, 3]])
    np.testing.assert_array_equal(merged.y, [3.0, -1.0, 0.0])


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([[1.0], [2.0], [1.0]], [1.0, 0.0, -1.0], "points 0 and 2 .* labels 1 and -1"),
        (np.zeros((0, 2)), np.zeros(0), r"x has shape \(0, 2\)"),
        ([[1.0], [np.nan]], [1.0, 1.0], "must be finite"),
    ],
    ids=["clash", "empty", "nan"],
)
def test_distinct_refuses(x, y, message):
    with pytest.raises(ValueError, match=message):
        distinct(np.asarray(x), np.asarray(y))
