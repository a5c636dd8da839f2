"""Damped Newton on convex functions with known minima."""

import numpy as np
import pytest

from flatminima.sharpness.newton import minimise


def exponentials(coefficients, matrix):
    def oracle(u):
        terms = coefficients * np.exp(matrix @ u)
        return terms.sum(), terms @ matrix, (matrix.T * terms) @ matrix

    return oracle


def test_two_exponentials_meet_in_their_geometric_mean():
    oracle = exponentials(np.array([3.0, 12.0]), np.array([[1.0], [-1.0]]))
    found = minimise(oracle, np.zeros(1))
    assert found.value == pytest.approx(2 * 6, rel=1e-13)
    assert found.u[0] == pytest.approx(np.log(2), rel=1e-7)
    assert found.decrement <= 1e-14


@pytest.mark.parametrize("start", [-300.0, 300.0])
def test_from_afar(start):
    oracle = exponentials(np.array([3.0, 12.0]), np.array([[1.0], [-1.0]]))
    assert minimise(oracle, np.array([start])).value == pytest.approx(12, rel=1e-12)


def test_a_null_direction_is_left_alone():
    oracle = exponentials(np.ones(2), np.array([[1.0, 1.0], [-1.0, -1.0]]))
    found = minimise(oracle, np.array([2.0, 1.0]))
    assert found.value == pytest.approx(2, rel=1e-12)
    assert found.u[0] - found.u[1] == pytest.approx(1)


def test_an_infimum_at_infinity_is_approached():
    oracle = exponentials(np.array([5.0, 1.0]), np.array([[1.0], [0.0]]))
    assert minimise(oracle, np.zeros(1)).value == pytest.approx(1, rel=1e-10)


def test_a_start_that_is_not_finite():
    oracle = exponentials(np.ones(1), np.array([[np.inf]]))
    with (
        pytest.raises(FloatingPointError, match="at the start"),
        np.errstate(all="ignore"),
    ):
        minimise(oracle, np.ones(1))
