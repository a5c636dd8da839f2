"""The flattest diagonal network of depth three, with its proof.

f_i = <u v w, z_i> has at an interpolating point, with m_j = (1/n) sum_i z_ij^2 and
beta = u v w,

    (1/n) sum_i ||grad f_i||^2 = sum_j m_j (v_j^2 w_j^2 + u_j^2 w_j^2 + u_j^2 v_j^2)
                              >= 3 sum_j m_j |beta_j|^{4/3},

by the inequality of arithmetic and geometric means, with equality at |u| = |v| = |w|.
So the minimum is that of a convex programme,

    min 3 sum_j m_j |beta_j|^{4/3}   subject to   Z beta = y,

whose dual is max y . nu - sum_j (Z^T nu)_j^4 / (256 m_j^3), smooth and without
constraints. Every nu gives a lower bound, so what comes back needs no trust in the
solver.
"""

from dataclasses import dataclass

import numpy as np
import scipy.optimize
from jaxtyping import Float

DEPTH_THREE = 4 / 3
"""Power of |beta_j|: 2 (L - 1) / L at depth L = 3."""


@dataclass(frozen=True)
class PowerNorm:
    """A solution, and a lower bound on all others.

    Attributes:
        beta: interpolates.
        value: 3 sum_j m_j |beta_j|^{4/3}.
        nu: a dual point.
        bound: its dual value, which no interpolating beta goes below.
        error: max |Z beta - y|.
    """

    beta: Float[np.ndarray, " d"]
    value: float
    nu: Float[np.ndarray, " n"]
    bound: float
    error: float

    @property
    def gap(self) -> float:
        """value - bound, at least 0 but for rounding and `error`."""
        return self.value - self.bound


def power_norm(z: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> PowerNorm:
    """Solve the programme by its dual, and certify it.

    Args:
        z: inputs, one a row, each column with an entry other than 0.
        y: labels.

    Raises:
        ValueError: if an entry is not finite, a column of z is 0, or no beta
            interpolates.
    """
    for name, given in (("z", z), ("y", y)):
        if not np.isfinite(given).all():
            raise ValueError(f"{name}: all entries must be finite")
    m = np.mean(z**2, axis=0)
    if not (m > 0).all():
        raise ValueError("z: every column must have an entry other than 0")
    if np.abs(z @ np.linalg.lstsq(z, y, rcond=None)[0] - y).max() > 1e-8 * max(
        1.0, float(np.abs(y).max())
    ):
        raise ValueError("y: no linear map of z gives it")
    solved = scipy.optimize.minimize(
        lambda nu: _dual(nu, z, y, m)[0],
        _start(z, y, m),
        jac=lambda nu: _dual(nu, z, y, m)[1],
        hess=lambda nu: (z * (3 / 64 * (nu @ z) ** 2 / m**3)) @ z.T,
        method="trust-exact",
        options={"gtol": 1e-12, "maxiter": 2000},
    )
    nu = solved.x
    # the dual's optimum names a beta that interpolates up to the solver's tolerance
    beta = (nu @ z) ** 3 / (64 * m**3)
    beta += np.linalg.lstsq(z, y - z @ beta, rcond=None)[0]
    return PowerNorm(
        beta=beta,
        value=float(3 * m @ np.abs(beta) ** DEPTH_THREE),
        nu=nu,
        bound=float(-_dual(nu, z, y, m)[0]),
        error=float(np.abs(z @ beta - y).max()),
    )


def _dual(
    nu: np.ndarray, z: np.ndarray, y: np.ndarray, m: np.ndarray
) -> tuple[float, np.ndarray]:
    """Minus the dual value, and its gradient."""
    back = nu @ z
    value = float(np.sum(back**4 / (256 * m**3)) - y @ nu)
    return value, z @ (back**3 / (64 * m**3)) - y


def _start(z: np.ndarray, y: np.ndarray, m: np.ndarray) -> np.ndarray:
    """The dual point whose beta is the least-norm solution, as nearly as can be."""
    beta = np.linalg.lstsq(z, y, rcond=None)[0]
    return np.linalg.lstsq(z.T, 4 * m * np.cbrt(beta), rcond=None)[0]
