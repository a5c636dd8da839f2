"""Basis pursuit: vertices by enumeration, and the proof of optimality by itself."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flatminima.theory.certificates.basis_pursuit import basis_pursuit


def instance(seed: int, n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.choice([-1.0, 1.0], (n, d)), rng.standard_normal(n)


def least_by_enumeration(z: np.ndarray, y: np.ndarray) -> float:
    """The least norm over all vertices: a linear programme has its optimum at one."""
    n, d = z.shape
    norms = []
    for columns in combinations(range(d), n):
        part = z[:, columns]
        if np.linalg.matrix_rank(part) == n:
            norms.append(np.abs(np.linalg.solve(part, y)).sum())
    return min(norms)


@pytest.mark.parametrize("seed", range(5))
def test_it_equals_the_best_vertex(seed):
    z, y = instance(seed, 3, 8)
    found = basis_pursuit(z, y)
    assert found.value == pytest.approx(least_by_enumeration(z, y), rel=1e-10)


@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(12, 40))
@example(seed=9, n=12, d=12)  # nu of some thousands
def test_the_certificate_stands_by_itself(seed, n, d):
    z, y = instance(seed, n, d)
    z = z + 0.1 * np.random.default_rng(seed).standard_normal((n, d))
    found = basis_pursuit(z, y)
    # a sum of terms as large as nu is rounded as they are
    rounding = 1e-12 * max(1.0, np.abs(found.nu).max())
    assert np.abs(z.T @ found.nu).max() <= 1 + rounding
    assert found.error <= 1e-8
    assert abs(found.gap) <= 1e-8 * found.value
    other = np.linalg.pinv(z) @ y
    assert found.bound <= np.abs(other).sum() + 1e-12


def test_one_equation_takes_its_largest_input():
    found = basis_pursuit(np.array([[1.0, -4.0, 2.0]]), np.array([2.0]))
    np.testing.assert_allclose(found.beta, [0, -0.5, 0], atol=1e-12)


def test_what_cannot_be_interpolated_is_refused():
    z = np.array([[1.0, 1.0], [1.0, 1.0]])
    with pytest.raises(ValueError, match="y: no linear map"):
        basis_pursuit(z, np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="z: all entries"):
        basis_pursuit(np.array([[np.nan]]), np.array([1.0]))
