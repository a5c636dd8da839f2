"""Commuting measurements, where the end of gradient flow is known exactly.

All A_i have the eigenvectors E. Write P = U + V and R = U - V in this basis. Gradient
flow has dP = S P and dR = -S R with S diagonal, so that with diagonal s

    P = e^s P_0,   R = e^{-s} R_0,   U V^T = (P + R)(P - R)^T / 4,

and the diagonal of U V^T, which is all that is measured, is

    w_k = (p_k e^{2 s_k} - r_k e^{-2 s_k}) / 4

with p_k and r_k the squared norms of the rows of P_0 and R_0. s lies in the span of the
measured diagonals, s = B^T nu, so nu minimises the convex function

    (1/8) sum_k (p_k e^{2 s_k} + r_k e^{-2 s_k}) - y . nu.

It is the hyperbolic entropy of a diagonal network, with weights. For U = V = alpha I it
is the entropy of Gunasekar et al. (2017), Theorem 1.
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from jaxtyping import Float
from scipy.optimize import minimize

MOST_STEPS = 300
"""Newton steps on the dual."""

TOLERANCE = 1e-10
"""Of the dual's gradient, in units of the largest measurement."""


FIRST, GROWTH = 2.0, 1.5
"""Logarithms of the scale at which the dual is solved on the way down."""


@dataclass(frozen=True)
class Limit:
    """Where gradient flow ends.

    Attributes:
        matrix: U V^T.
        error: largest |<A_i, U V^T> - y_i|.
    """

    matrix: Float[np.ndarray, "d d"]
    error: float


def eigenbasis(a: Float[np.ndarray, "n d d"]) -> Float[np.ndarray, "d d"]:
    """Common eigenvectors, as columns.

    Args:
        a: symmetric and commuting.

    Raises:
        ValueError: if they have no common eigenvectors.
    """
    weights = np.random.default_rng(0).standard_normal(len(a))
    _, basis = scipy.linalg.eigh(np.tensordot(weights, a, 1))
    turned = basis.T @ a @ basis
    rest = turned - np.einsum("nkk->nk", turned)[:, :, None] * np.eye(a.shape[1])
    if np.abs(rest).max() > 1e-8 * np.abs(turned).max():
        raise ValueError("a: the matrices have no common eigenvectors")
    return np.asarray(basis)


def diagonals(
    a: Float[np.ndarray, "n d d"], basis: Float[np.ndarray, "d d"]
) -> Float[np.ndarray, "n d"]:
    """Eigenvalues of every A_i in the common basis."""
    return np.einsum("ik,nij,jk->nk", basis, a, basis)


def flow_limit(
    a: Float[np.ndarray, "n d d"],
    y: Float[np.ndarray, " n"],
    u: Float[np.ndarray, "d width"],
    v: Float[np.ndarray, "d width"],
    log_alpha: float = 0.0,
) -> Limit:
    """The end of gradient flow from e^log_alpha (U, V), if it interpolates.

    Args:
        a: commuting measurements.
        y: their values.
        u, v: the start, of order one.
        log_alpha: logarithm of its scale, which may be far below that of the smallest
            number.

    Raises:
        ValueError: if the measurements do not commute, or the solver does not end at an
            interpolating matrix.
    """
    basis = eigenbasis(a)
    b = diagonals(a, basis)
    plus, minus = basis.T @ (u + v), basis.T @ (u - v)
    p = np.log((plus**2).sum(axis=1)) + 2 * log_alpha
    r = np.log((minus**2).sum(axis=1)) + 2 * log_alpha
    s = b.T @ _dual(b, y, p, r)
    grown = np.exp(s + log_alpha)[:, None] * plus
    shrunk = np.exp(-s + log_alpha)[:, None] * minus
    matrix = basis @ ((grown + shrunk) @ (grown - shrunk).T / 4) @ basis.T
    error = float(np.abs(np.tensordot(a, matrix, 2) - y).max())
    if not error <= 1e-6 * np.abs(y).max():
        raise ValueError(f"no end of the flow was found: {error:.1e} off")
    return Limit(matrix, error)


def _dual(b: np.ndarray, y: np.ndarray, p: np.ndarray, r: np.ndarray) -> np.ndarray:
    """The minimiser nu, led down from a start of order one."""
    size = float(np.abs(y).max())
    depth = max(0.0, -float(np.concatenate([p, r]).max()))
    nu, before, now = np.zeros(len(y)), 0.0, min(depth, FIRST)
    while True:
        nu = _newton(b, y, p + depth - now, r + depth - now, nu, size)
        if now == depth:
            return nu
        # far down nu grows with the depth, its logarithms in proportion
        before, now = now, min(depth, GROWTH * now)
        nu = nu * now / before


def _newton(
    b: np.ndarray,
    y: np.ndarray,
    p: np.ndarray,
    r: np.ndarray,
    start: np.ndarray,
    size: float,
) -> np.ndarray:
    def parts(nu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        s = b.T @ nu
        with np.errstate(over="ignore"):
            return np.exp(p + 2 * s) / 4, np.exp(r - 2 * s) / 4

    def value(nu: np.ndarray) -> float:
        up, down = parts(nu)
        return float((up + down).sum() / 2 - y @ nu)

    def slope(nu: np.ndarray) -> np.ndarray:
        up, down = parts(nu)
        with np.errstate(invalid="ignore"):
            return np.asarray(b @ (up - down) - y)

    def hessian(nu: np.ndarray) -> np.ndarray:
        up, down = parts(nu)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(2 * (b * (up + down)) @ b.T)

    return np.asarray(
        minimize(
            value,
            start,
            jac=slope,
            hess=hessian,
            method="trust-exact",
            options={"gtol": TOLERANCE * size, "maxiter": MOST_STEPS},
        ).x
    )
