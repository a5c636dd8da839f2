"""Targets that are sparse, of low rank, or twelve points on a line.

Every function draws from its own stream of the seed, but for `published_sparse`, which
makes the very numbers of a published notebook.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from flatminima.data.streams import generator

NUM_TEST_POINTS = 1000
"""Held-out rows of the sparse problems, as in the notebook."""


@dataclass(frozen=True)
class Regression:
    """A linear measurement of something unknown, without noise.

    Attributes:
        x: inputs, shape (n, features).
        y: targets, shape (n,).
        test_x, test_y: held-out rows and their targets; none where the error is known
            in closed form.
        truth: what was measured, flat, shape (features,).
    """

    x: Float[np.ndarray, "n features"]
    y: Float[np.ndarray, " n"]
    test_x: Float[np.ndarray, "tests features"]
    test_y: Float[np.ndarray, " tests"]
    truth: Float[np.ndarray, " features"]


def published_sparse(n: int, d: int, sparsity: int, seed: int) -> Regression:
    """The sparse problem of Andriushchenko & Flammarion (2022), by their own draws.

    numpy's legacy generator draws the rows of x, then those of the test set, from
    N(0, I), then beta from N(0, 1). It is cut after its first entries; its size is
    |beta| / ||beta||.

    Args:
        n: training rows.
        d: inputs.
        sparsity: entries of beta that are not 0.
        seed: of the legacy generator; 0 in the notebook.
    """
    rng = np.random.RandomState(seed)
    mean, covariance = np.zeros(d), np.eye(d)
    x = rng.multivariate_normal(mean, covariance, n)
    test_x = rng.multivariate_normal(mean, covariance, NUM_TEST_POINTS)
    beta = rng.randn(d)
    beta[sparsity:] = 0.0
    beta = np.abs(beta) / np.linalg.norm(beta)
    return Regression(x, x @ beta, test_x, test_x @ beta, beta)


def sparse(n: int, d: int, sparsity: int, seed: int, *, signs: bool) -> Regression:
    """A sparse linear target of norm 1, of both signs, at random places.

    Args:
        n: training rows.
        d: inputs.
        sparsity: entries of beta that are not 0.
        seed: draws everything.
        signs: whether the inputs are independent signs, as in the open-problems talk,
            in place of N(0, 1).
    """
    rng = generator(seed, "train")

    def rows(count: int) -> np.ndarray:
        if signs:
            return 2.0 * rng.integers(0, 2, (count, d)) - 1.0
        return rng.standard_normal((count, d))

    beta = np.zeros(d)
    beta[rng.permutation(d)[:sparsity]] = rng.standard_normal(sparsity)
    beta /= np.linalg.norm(beta)
    x, test_x = rows(n), rows(NUM_TEST_POINTS)
    return Regression(x, x @ beta, test_x, test_x @ beta, beta)


def low_rank(n: int, d: int, rank: int, seed: int, *, commuting: bool) -> Regression:
    """Measurements <M, A_i> of a d x d matrix of low rank and Frobenius norm 1.

    Args:
        n: measurements.
        d: rows and columns.
        rank: of M.
        seed: draws everything.
        commuting: whether all A_i, and M, are symmetric with the same eigenvectors, and
            M is then positive semi-definite; else entries of A_i are N(0, 1) and M is a
            product of two Gaussian factors.

    Returns:
        The problem, its rows A_i / 1 flattened row by row, without test rows: for
        Gaussian A the mean squared error is the squared Frobenius distance to M.
    """
    rng = generator(seed, "train")
    if commuting:
        basis, _ = np.linalg.qr(rng.standard_normal((d, d)))
        weights = np.zeros(d)
        weights[:rank] = np.abs(rng.standard_normal(rank))
        truth = (basis * weights) @ basis.T
        x = np.einsum("ik,nk,jk->nij", basis, rng.standard_normal((n, d)), basis)
    else:
        left, right = rng.standard_normal((2, d, rank))
        truth = left @ right.T
        x = rng.standard_normal((n, d, d))
    truth = truth.reshape(-1) / np.linalg.norm(truth)
    x = x.reshape(n, -1)
    nothing = np.empty((0, d * d))
    return Regression(x, x @ truth, nothing, np.empty(0), truth)


POINTS_X = np.arange(-5.5, 6.0) / 4 + 0.07
POINTS_Y = 0.345 + np.array([-2, 1.5, 0, 0, 2, 1, 0, -1, 0, 1, 2, -1])


def points_on_a_line() -> Regression:
    """The twelve points of Andriushchenko & Flammarion's figure of a ReLU network."""
    nothing = np.empty((0, 1))
    return Regression(
        POINTS_X[:, None].copy(),
        POINTS_Y.copy(),
        nothing,
        np.empty(0),
        np.full(1, np.nan),
    )
