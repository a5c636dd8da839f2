"""Least-squares problems with more unknowns than equations, and their solutions.

L(x) = ||A x - b||^2, as in the open-problems talk: its gradient is 2 A^T (A x - b) and
its Hessian 2 A^T A.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float

from flatminima.data.streams import generator


@dataclass(frozen=True)
class Problems:
    """Independent problems of one size, one a seed.

    Attributes:
        a: matrices A, shape (seeds, n, d), entries N(0, 1).
        b: right sides, N(0, 1).
        start: x0, N(0, 1).
    """

    a: Float[np.ndarray, "seeds n d"]
    b: Float[np.ndarray, "seeds n"]
    start: Float[np.ndarray, "seeds d"]

    @property
    def sharpness(self) -> Float[np.ndarray, " seeds"]:
        """lambda_max of the Hessian, twice the largest singular value squared."""
        return np.asarray(2 * np.linalg.norm(self.a, 2, axis=(1, 2)) ** 2)

    @property
    def closest(self) -> Float[np.ndarray, "seeds d"]:
        """x0 + A^+ (b - A x0)."""
        missed = self.b - _times(self.a, self.start)
        return self.start + _times(np.linalg.pinv(self.a), missed)

    @property
    def travel(self) -> Float[np.ndarray, " seeds"]:
        """||A^+ (b - A x0)||, the unit of all distances here."""
        return np.asarray(np.linalg.norm(self.closest - self.start, axis=1))

    def repeated(self, times: int) -> "Problems":
        """Each problem several times in a row."""
        return Problems(*(np.repeat(v, times, axis=0) for v in vars(self).values()))


def draw(seeds: Sequence[int], n: int, d: int) -> Problems:
    """Gaussian problems.

    Args:
        seeds: one a problem.
        n: equations.
        d: unknowns.
    """
    parts = []
    for seed in seeds:
        rng = generator(seed, "data")
        parts.append(
            (
                rng.standard_normal((n, d)),
                rng.standard_normal(n),
                generator(seed, "init").standard_normal(d),
            )
        )
    return Problems(*(np.array(values) for values in zip(*parts, strict=True)))


def distances(
    problems: Problems, x: Float[np.ndarray, "seeds d"]
) -> dict[str, Float[np.ndarray, " seeds"]]:
    """Where some points lie, in units of ||A^+ (b - A x0)||.

    Returns:
        distance, from x0 + A^+ (b - A x0); off, from x0 plus the row space of A; and
        residual, ||A x - b|| over its value at x0.
    """
    moved = x - problems.start
    inside = _times(np.linalg.pinv(problems.a), _times(problems.a, moved))
    unit = problems.travel
    missed = _times(problems.a, x) - problems.b
    at_start = _times(problems.a, problems.start) - problems.b
    with np.errstate(invalid="ignore", over="ignore"):
        return {
            "distance": np.linalg.norm(x - problems.closest, axis=1) / unit,
            "off": np.linalg.norm(moved - inside, axis=1) / unit,
            "residual": np.linalg.norm(missed, axis=1)
            / np.linalg.norm(at_start, axis=1),
        }


def nearest_by_null_space(
    a: Float[np.ndarray, "n d"],
    b: Float[np.ndarray, " n"],
    start: Float[np.ndarray, " d"],
) -> Float[np.ndarray, " d"]:
    """The solution of A x = b that is nearest to x0, without a pseudo-inverse.

    A pivoted QR factorisation gives a solution with n entries that are not 0. All
    others differ from it by the null space, in which a projection finds the nearest.

    Args:
        a: of full row rank, n below d.
        b: right side.
        start: x0.
    """
    n, d = a.shape
    q, r, order = scipy.linalg.qr(a, pivoting=True, mode="economic")
    basic = np.zeros(d)
    basic[order[:n]] = scipy.linalg.solve_triangular(r[:, :n], q.T @ b)
    null = scipy.linalg.null_space(a)
    return np.asarray(basic + null @ (null.T @ (start - basic)))


def ridge(
    problems: Problems, decay: Float[np.ndarray, " seeds"]
) -> Float[np.ndarray, "seeds d"]:
    """Minimisers of ||A x - b||^2 + decay ||x||^2, which depend on no start.

    Args:
        problems: the problems.
        decay: one a problem, above 0.
    """
    n = problems.a.shape[1]
    transposed = np.swapaxes(problems.a, 1, 2)
    gram = problems.a @ transposed + decay[:, None, None] * np.eye(n)
    dual = np.linalg.solve(gram, problems.b[..., None])[..., 0]
    return _times(transposed, dual)


def printed(
    a: Float[np.ndarray, "n d"],
    b: Float[np.ndarray, " n"],
    start: Float[np.ndarray, " d"],
) -> Float[np.ndarray, " d"]:
    """(A^T A)^-1 A^T (b - A x0) + x0 of the talk, by a numerical inverse.

    Where A^T A is singular its inverse does not exist. Rounding then often hides that,
    and what comes back has no meaning; infinite numbers if the zeros are exact.
    """
    gram = a.T @ a
    try:
        inverse = np.linalg.inv(gram)
    except np.linalg.LinAlgError:
        inverse = np.full_like(gram, np.inf)
    with np.errstate(invalid="ignore"):
        return np.asarray(inverse @ (a.T @ (b - a @ start)) + start)


def _times(a: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A x of every problem."""
    return np.asarray((a @ x[..., None])[..., 0])
