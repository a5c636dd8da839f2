"""Laws of the data, and the numbers of the published notebook."""

import numpy as np
import pytest

from flatminima.data.regression import (
    low_rank,
    points_on_a_line,
    published_sparse,
    sparse,
)


def test_the_published_draws_come_in_the_order_of_the_notebook():
    """Again with numpy's global functions, as the notebook has them."""
    data = published_sparse(20, 30, 3, 0)
    legacy = np.random.RandomState(0)
    x = legacy.multivariate_normal(np.zeros(30), np.eye(30), 20)
    legacy.multivariate_normal(np.zeros(30), np.eye(30), 1000)
    beta = legacy.randn(30) * (np.arange(30) < 3)
    np.testing.assert_array_equal(data.x, x)
    np.testing.assert_allclose(data.truth, np.abs(beta) / np.sqrt(beta @ beta))
    np.testing.assert_allclose(data.y, x @ data.truth)
    assert data.test_x.shape == (1000, 30)


@pytest.mark.parametrize("signs", [False, True])
def test_a_sparse_target_has_norm_one_and_its_support(signs):
    data = sparse(2000, 12, 4, 3, signs=signs)
    assert np.count_nonzero(data.truth) == 4
    assert np.linalg.norm(data.truth) == pytest.approx(1.0)
    np.testing.assert_allclose(data.x @ data.truth, data.y)
    second = data.x.T @ data.x / 2000
    np.testing.assert_allclose(second, np.eye(12), atol=4 * np.sqrt(2 / 2000))
    assert set(np.unique(np.abs(data.x))) == {1.0} if signs else True
    another = sparse(2000, 12, 4, 4, signs=signs)
    assert not np.array_equal(another.truth, data.truth)


def test_measurements_of_a_matrix():
    data = low_rank(50, 5, 2, 1, commuting=False)
    truth = data.truth.reshape(5, 5)
    assert np.linalg.matrix_rank(truth) == 2
    assert np.linalg.norm(truth) == pytest.approx(1.0)
    expected = [np.trace(a.reshape(5, 5).T @ truth) for a in data.x]
    np.testing.assert_allclose(data.y, expected)


def test_commuting_measurements_commute():
    data = low_rank(4, 5, 2, 1, commuting=True)
    first, second = data.x[0].reshape(5, 5), data.x[1].reshape(5, 5)
    np.testing.assert_allclose(first @ second, second @ first, atol=1e-12)
    np.testing.assert_allclose(first, first.T, atol=1e-12)
    eigenvalues = np.linalg.eigvalsh(data.truth.reshape(5, 5))
    assert np.sum(eigenvalues > 1e-9) == 2 and eigenvalues.min() > -1e-12


def test_the_twelve_points():
    data = points_on_a_line()
    assert data.x.shape == (12, 1) and len(data.y) == 12
    assert data.x[0, 0] == pytest.approx(-1.305) and data.y[1] == pytest.approx(1.845)
