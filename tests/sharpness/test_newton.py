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


def test_a_parabola_takes_one_step():
    found = minimise(lambda u: (1 + u @ u, 2 * u, 2 * np.eye(2)), np.array([3.0, 4.0]))
    assert found.iterations == 1
    assert found.value == 1
    np.testing.assert_allclose(found.u, 0, atol=1e-15)


def test_500_steps_at_most():
    """Of u^4 a step takes a third of the way, and the value falls for ever."""

    def oracle(u):
        far = 1e70 * u  # so that the value is not rounded to 0
        return far[0] ** 4, 4e70 * far**3, 12e140 * far[:, None] ** 2

    found = minimise(oracle, np.ones(1), max_iterations=7)
    assert found.iterations == 7
    assert found.u[0] == pytest.approx((2 / 3) ** 7)
    # half the square of the decrement over the value: (4 u^3)^2 / (12 u^2) / 2 / u^4
    assert found.decrement == pytest.approx(2 / 3)
    last = minimise(oracle, np.ones(1))
    assert last.iterations == 500
    assert last.u[0] == pytest.approx((2 / 3) ** 500)
