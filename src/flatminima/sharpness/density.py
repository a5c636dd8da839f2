"""The density of a spectrum that does not fit, by stochastic Lanczos quadrature.

A random probe and m Lanczos steps give a Gauss quadrature of the spectral measure that
the probe sees; its mean over probes is that of the density (Golub and Meurant 1994;
Ubaru, Chen and Saad 2017, algorithm 1). Every number carries its standard error over
probes. What m steps leave out, the quadrature's own error, is not in it: raise m until
nothing moves.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from flatminima.checks import at_least
from flatminima.sharpness.estimate import Estimate
from flatminima.sharpness.products import Products
from flatminima.sharpness.trace import mean, rademacher


@dataclass(frozen=True)
class Density:
    """Nodes and weights of one quadrature a probe; the weights of a probe sum to 1.

    Attributes:
        nodes: Ritz values; padded with 0 where Lanczos ended early.
        weights: squared first entries of the eigenvectors; 0 where padded.
        size: rows of the matrix, D.
    """

    nodes: Float[np.ndarray, "probes steps"]
    weights: Float[np.ndarray, "probes steps"]
    size: int

    def trace_of(self, function: Callable[[np.ndarray], np.ndarray]) -> Estimate:
        """Tr f(A) = sum f(lambda_j), with its standard error over probes.

        Args:
            function: f, of an array; finite at all nodes, and at 0.
        """
        return mean(self.size * (self.weights * function(self.nodes)).sum(axis=1))

    def share_below(self, level: float) -> Estimate:
        """Share of the eigenvalues at most `level`, with its standard error."""
        return mean((self.weights * (self.nodes <= level)).sum(axis=1))

    def smooth(
        self, grid: Float[np.ndarray, " points"], width: float
    ) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
        """Density at the points of a grid, every node widened to a Gaussian.

        Args:
            grid: where.
            width: standard deviation of the Gaussian, above 0.

        Returns:
            Density, whose integral is 1, and its standard error.
        """
        if not width > 0:
            raise ValueError(f"width = {width}: must be above 0")
        apart = (grid[:, None, None] - self.nodes) / width
        bells = np.exp(-(apart**2) / 2) / (width * np.sqrt(2 * np.pi))
        each = (bells * self.weights).sum(axis=2)
        return each.mean(axis=1), each.std(axis=1, ddof=1) / np.sqrt(len(self.nodes))


def density(
    operator: Products, *, probes: int = 8, steps: int = 64, seed: int = 0
) -> Density:
    """The density of the eigenvalues of a symmetric matrix.

    All probes take a step in one vectorised product. Lanczos vectors are
    orthogonalised against all before them, so memory is probes x steps x D.

    Args:
        operator: A.
        probes: Rademacher vectors, at least 2.
        steps: of Lanczos a probe, at least 1; more than D are D.
        seed: of the probes.
    """
    at_least("probes", probes, 2)
    at_least("steps", steps, 1)
    size = operator.shape[0]
    steps = min(steps, size)
    start = rademacher(np.random.default_rng(seed), size, probes) / np.sqrt(size)
    nodes, weights = np.zeros((2, probes, steps))
    for i, (alpha, beta) in enumerate(_lanczos(operator, start, steps)):
        values, vectors = np.linalg.eigh(
            np.diag(alpha) + np.diag(beta, 1) + np.diag(beta, -1)
        )
        nodes[i, : len(values)] = values
        weights[i, : len(values)] = vectors[0] ** 2
    return Density(nodes, weights, size)


def _lanczos(
    operator: Products, start: Float[np.ndarray, "D probes"], steps: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Diagonal and off-diagonal of every probe's tridiagonal matrix.

    A probe whose Krylov space is exhausted ends there.
    """
    size, probes = start.shape
    basis = np.zeros((probes, steps, size))
    alpha, beta = np.zeros((probes, steps)), np.zeros((probes, steps))
    length = np.full(probes, steps)
    alive = np.arange(probes)
    basis[:, 0] = start.T
    for step in range(steps):
        ahead = (operator @ basis[alive, step].T).T
        alpha[alive, step] = (ahead * basis[alive, step]).sum(axis=1)
        scale = np.linalg.norm(ahead, axis=1)
        for row, probe in enumerate(alive):
            before = basis[probe, : step + 1]
            for _ in range(2):  # twice is enough (Parlett, "The symmetric eigenvalue
                ahead[row] -= (before @ ahead[row]) @ before  # problem", 6.9)
        if step + 1 == steps:
            break
        norm = np.linalg.norm(ahead, axis=1)
        going = norm > 1e-12 * np.maximum(scale, np.abs(alpha[alive]).max(initial=0))
        length[alive[~going]] = step + 1
        alive, ahead, norm = alive[going], ahead[going], norm[going]
        if not len(alive):
            break
        beta[alive, step] = norm
        basis[alive, step + 1] = ahead / norm[:, None]
    return [(a[:m], b[: m - 1]) for a, b, m in zip(alpha, beta, length, strict=True)]
