"""The least nuclear norm among interpolating matrices, and the flattest factorisation.

min ||M||_* subject to <A_i, M> = y_i is a semidefinite programme. Its dual is

    max y . nu   subject to   || sum_i nu_i A_i ||_2 <= 1,

and any such nu proves y . nu <= ||M||_* for every interpolating M (Recht, Fazel and
Parrilo, "Guaranteed minimum-rank solutions of linear matrix equations via nuclear norm
minimization", SIAM Review 52, 2010, Section 2). So what comes back here needs no
trust in the solver.

The factorisation f_i = <U V^T, A_i> has at an interpolating point

    (1/n) sum_i ||grad f_i||^2 = <U, P U> + <V, Q V>,
    P = (1/n) sum_i A_i A_i^T,   Q = (1/n) sum_i A_i^T A_i.

Over all U V^T = M its least value is 2 ||P^{1/2} M Q^{1/2}||_*, by the variational form
of the nuclear norm. So the flattest of all interpolating factorisations has the M of a
nuclear-norm programme with the measurements P^{-1/2} A_i Q^{-1/2}.
"""

from dataclasses import dataclass

import clarabel
import numpy as np
import scipy.linalg
from jaxtyping import Float
from scipy import sparse

ACCURACY = 1e-10
"""Asked of the solver: gap and residuals."""

INTERPOLATES = 1e-8
"""Largest |<A_i, M> - y_i| of a solution, in units of the largest |y_i|."""

NEGLIGIBLE = 1e-12
"""Share of the largest eigenvalue up to which one of P or Q counts as 0."""


@dataclass(frozen=True)
class NuclearNorm:
    """A solution, and a lower bound on all others.

    Attributes:
        matrix: M.
        value: the norm that was minimised, at M.
        nu: dual feasible, up to the rounding of one norm.
        bound: the dual value, which no interpolating M goes below.
        error: max |<A_i, M> - y_i|.
    """

    matrix: Float[np.ndarray, "p q"]
    value: float
    nu: Float[np.ndarray, " n"]
    bound: float
    error: float

    @property
    def gap(self) -> float:
        """value - bound, at least 0 but for rounding and `error`."""
        return self.value - self.bound


def nuclear_norm(
    a: Float[np.ndarray, "n p q"], y: Float[np.ndarray, " n"]
) -> NuclearNorm:
    """Solve min ||M||_* subject to <A_i, M> = y_i, and certify it.

    Clarabel solves the dual, whose variables are the n numbers nu, with the constraint
    [[I, N], [N^T, I]] >= 0 for N = sum_i nu_i A_i. Its multiplier has -M / 2 in the
    corner.

    Args:
        a: measurements.
        y: their values.

    Raises:
        ValueError: if an entry is not finite, the lengths differ, or no M interpolates.
        ArithmeticError: if the solver finds no optimum.
    """
    _check(a, y)
    n, p, q = a.shape
    rows = a.reshape(n, -1)
    size = float(np.abs(y).max(initial=0.0))
    if size == 0.0:
        return NuclearNorm(np.zeros((p, q)), 0.0, np.zeros(n), 0.0, 0.0)
    nearest = np.linalg.lstsq(rows, y, rcond=None)[0]
    if np.abs(rows @ nearest - y).max() > INTERPOLATES * size:
        raise ValueError("y: no matrix has these measurements")
    nu, corner = _dual(a, y / size)
    matrix = size * corner.ravel()
    # the solver's matrix interpolates up to its tolerance only
    matrix += np.linalg.lstsq(rows, y - rows @ matrix, rcond=None)[0]
    nu = nu / max(1.0, float(np.linalg.norm(np.tensordot(nu, a, 1), 2)))
    found = matrix.reshape(p, q)
    return NuclearNorm(
        matrix=found,
        value=float(np.linalg.norm(found, "nuc")),
        nu=nu,
        bound=float(y @ nu),
        error=float(np.abs(rows @ matrix - y).max()),
    )


def flattest(a: Float[np.ndarray, "n p q"], y: Float[np.ndarray, " n"]) -> NuclearNorm:
    """The least (1/n) sum_i ||grad f_i||^2 over interpolating factorisations.

    It is tr Hess L of L = (1/2n) sum_i (f_i - y_i)^2 there, and half of that without
    the 1/2. It is attained if the factors have as many columns as M has rank, by
    `balanced_factors`.

    Args:
        a: measurements.
        y: their values.

    Returns:
        The M, with value 2 ||P^{1/2} M Q^{1/2}||_* and its lower bound. nu proves it:
        y . nu is the bound and || sum nu_i P^{-1/2} A_i Q^{-1/2} ||_2 <= 2.

    Raises:
        ValueError, ArithmeticError: as `nuclear_norm`.
    """
    _check(a, y)
    left, right = (_inverse_root(moment) for moment in moments(a))
    scaled = nuclear_norm(left @ a @ right, y)
    matrix = left @ scaled.matrix @ right
    n = len(y)
    return NuclearNorm(
        matrix=matrix,
        value=2 * scaled.value,
        nu=2 * scaled.nu,
        bound=2 * scaled.bound,
        error=float(np.abs(a.reshape(n, -1) @ matrix.ravel() - y).max(initial=0.0)),
    )


def moments(
    a: Float[np.ndarray, "n p q"],
) -> tuple[Float[np.ndarray, "p p"], Float[np.ndarray, "q q"]]:
    """P = (1/n) sum A_i A_i^T and Q = (1/n) sum A_i^T A_i."""
    left = np.einsum("ijk,ilk->jl", a, a) / len(a)
    return left, np.einsum("ikj,ikl->jl", a, a) / len(a)


def balanced_factors(
    a: Float[np.ndarray, "n p q"], matrix: Float[np.ndarray, "p q"], width: int
) -> tuple[Float[np.ndarray, "p width"], Float[np.ndarray, "q width"]]:
    """U and V with U V^T = M, the flattest of all that have this product.

    From P^{1/2} M Q^{1/2} = X S Y^T: U = P^{-1/2} X S^{1/2}, V = Q^{-1/2} Y S^{1/2}.

    Args:
        a: measurements, whose P and Q have full rank or contain those of M.
        matrix: M.
        width: columns, at least the rank of M.

    Raises:
        ValueError: if `width` is below the rank.
    """
    left, right = moments(a)
    x, s, y = np.linalg.svd(_root(left) @ matrix @ _root(right), full_matrices=False)
    rank = int(np.sum(s > NEGLIGIBLE * s[0]))
    if width < rank:
        raise ValueError(f"width = {width}: must be at least the rank, {rank}")
    kept = min(width, len(s))
    u, v = np.zeros((len(left), width)), np.zeros((len(right), width))
    u[:, :kept] = _inverse_root(left) @ x[:, :kept] * np.sqrt(s[:kept])
    v[:, :kept] = _inverse_root(right) @ y[:kept].T * np.sqrt(s[:kept])
    return u, v


def _check(a: np.ndarray, y: np.ndarray) -> None:
    if a.ndim != 3 or len(a) != len(y) or not len(a):
        raise ValueError(
            f"a of shape {a.shape}: must have one matrix for each of the {len(y)} y"
        )
    for name, given in (("a", a), ("y", y)):
        if not np.isfinite(given).all():
            raise ValueError(f"{name}: all entries must be finite")


def _dual(a: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """nu, and M from the multiplier of its constraint."""
    n, p, q = a.shape
    # a positive semidefinite cone holds the upper triangle by columns, off the diagonal
    # times sqrt 2; entry (i, p + k) of N follows those above it
    at = np.arange(p)[:, None] + (p + np.arange(q)) * (p + np.arange(q) + 1) // 2
    rows = np.zeros(((p + q) * (p + q + 1) // 2, n))
    rows[at.ravel()] = -np.sqrt(2.0) * a.reshape(n, -1).T
    identity = np.zeros(len(rows))
    identity[np.cumsum(np.arange(1, p + q + 1)) - 1] = 1.0
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = ACCURACY
    solution = clarabel.DefaultSolver(
        sparse.csc_matrix((n, n)),
        -y,
        sparse.csc_matrix(rows),
        identity,
        [clarabel.PSDTriangleConeT(p + q)],
        settings,
    ).solve()
    if str(solution.status) not in ("Solved", "AlmostSolved"):
        raise ArithmeticError(f"Clarabel ended with status {solution.status}")
    corner = np.array(solution.z)[at] / np.sqrt(2.0)
    return np.array(solution.x), -2.0 * corner


def _root(moment: np.ndarray) -> np.ndarray:
    """Symmetric square root of a positive semidefinite matrix."""
    values, vectors = scipy.linalg.eigh(moment)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def _inverse_root(moment: np.ndarray) -> np.ndarray:
    """The pseudo-inverse of the symmetric square root."""
    values, vectors = scipy.linalg.eigh(moment)
    kept = values > NEGLIGIBLE * values[-1]
    inverse = np.zeros_like(values)
    inverse[kept] = 1.0 / np.sqrt(values[kept])
    return np.asarray((vectors * inverse) @ vectors.T)
