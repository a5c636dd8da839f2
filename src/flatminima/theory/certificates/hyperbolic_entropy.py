"""The hyperbolic entropy, which gradient flow on diagonal networks minimises.

    phi_c(beta) = sum_j [beta_j asinh(beta_j / c) - sqrt(beta_j^2 + c^2) + c]

from a start with c = 2 alpha^2 for beta = u^2 - v^2 and alpha^2 / 2 for beta = u v
(Woodworth et al. 2020, Theorem 1, up to a factor and a constant). Near 0 it is
|beta|^2 / 2c, far out |beta| log(2 |beta| / c).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

TOLERANCE = 1e-13
"""Norm of the dual gradient, in units of y, at which the solver stops."""


@dataclass(frozen=True)
class EntropyMinimum:
    """min phi_c(beta) subject to X beta = y.

    Attributes:
        beta: the minimiser, shape (d,).
        value: phi_c(beta).
        bound: the dual value, a lower bound on the minimum.
        residual: max |X beta - y|.
    """

    beta: Float[np.ndarray, " d"]
    value: float
    bound: float
    residual: float

    @property
    def gap(self) -> float:
        """value - bound."""
        return self.value - self.bound


def entropy(
    beta: Float[np.ndarray, "*batch d"], c: float
) -> Float[np.ndarray, "*batch"]:
    """phi_c(beta), which is 0 at 0.

    Args:
        beta: coefficients, along the last axis.
        c: scale, above 0.
    """
    each = beta * np.arcsinh(beta / c) - np.sqrt(beta**2 + c**2) + c
    return np.asarray(each.sum(axis=-1))


def minimise_entropy(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], c: float
) -> EntropyMinimum:
    """Solve the programme by Newton steps in a trust region, on its dual.

    The dual is max_lambda y . lambda - c sum_j (cosh(x_j . lambda) - 1), smooth and
    concave in n variables, with beta_j = c sinh(x_j . lambda), x_j the columns. The
    solver is scipy's, begun at a large c and led down to the one that is asked for.

    Args:
        x: inputs, of full row rank.
        y: targets.
        c: scale, above 0.

    Raises:
        ValueError: if c is not above 0, if an entry is not finite, or if the solver
            does not reach X beta = y, as where x has not full row rank.
    """
    if not (np.isfinite(c) and c > 0):
        raise ValueError(f"c = {c!r}: must be above 0 and finite")
    for name, given in (("x", x), ("y", y)):
        if not np.isfinite(given).all():
            raise ValueError(f"{name}: all entries must be finite")
    size = float(np.abs(y).max()) or 1.0
    scale = max(c, size)
    dual = np.linalg.lstsq(x @ x.T, y / scale, rcond=None)[0]
    while True:
        try:
            dual = _newton(x, y, scale, dual, size)
        except np.linalg.LinAlgError as error:
            rank = np.linalg.matrix_rank(x)
            raise ValueError(
                f"the entropy at c = {c!r} was not minimised ({error}): x has rank "
                f"{rank}, needed is {len(x)}"
            ) from error
        if scale == c:
            break
        smaller = max(c, scale / 10)
        dual, scale = dual * _stretch(scale, smaller, size), smaller
    beta = c * np.sinh(x.T @ dual)
    residual = float(np.abs(x @ beta - y).max())
    if not residual <= 1e-8 * size:
        raise ValueError(f"the entropy at c = {c!r} was not minimised: {residual:.1e}")
    bound = float(y @ dual - c * np.sum(np.cosh(x.T @ dual) - 1.0))
    return EntropyMinimum(beta, float(entropy(beta, c)), bound, residual)


def _stretch(scale: float, smaller: float, size: float) -> float:
    """By how much asinh(size / c) grows as c falls: a first guess of the dual."""
    return float(np.arcsinh(size / smaller) / np.arcsinh(size / scale))


def _newton(
    x: np.ndarray, y: np.ndarray, c: float, start: np.ndarray, size: float
) -> np.ndarray:
    """Damped Newton steps on the dual by scipy, then plain ones to the last digits."""

    def value(dual: np.ndarray) -> float:
        with np.errstate(over="ignore"):
            return float(c * np.sum(np.cosh(x.T @ dual) - 1.0) - y @ dual)

    def slope(dual: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            return c * (x @ np.sinh(x.T @ dual)) - y

    def hessian(dual: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore", invalid="ignore"):
            return c * (x * np.cosh(x.T @ dual)) @ x.T

    found = minimize(
        value,
        start,
        jac=slope,
        hess=hessian,
        method="trust-exact",
        options={"gtol": TOLERANCE * size, "maxiter": 500},
    ).x
    for _ in range(5):
        step = np.linalg.solve(hessian(found), slope(found))
        better = found - step
        if np.abs(slope(better)).max() >= np.abs(slope(found)).max():
            break
        found = better
    return found
