"""Basis pursuit, the least l1 norm among interpolating linear maps, with its proof.

min ||beta||_1 subject to Z beta = y is a linear programme. Its dual is max y . nu
subject to ||Z^T nu||_inf <= 1, and any such nu proves y . nu <= ||beta||_1 for every
interpolating beta. So what comes back here needs no trust in the solver.

Chen, Donoho and Saunders, "Atomic decomposition by basis pursuit", SIAM J. Sci. Comput.
20 (1998). Solved by HiGHS, through scipy.
"""

from dataclasses import dataclass

import numpy as np
import scipy.optimize
from jaxtyping import Float


@dataclass(frozen=True)
class BasisPursuit:
    """A solution of basis pursuit and a lower bound on all others.

    Attributes:
        beta: the solution, a vertex: at most n entries are not 0.
        value: ||beta||_1.
        nu: dual feasible, ||Z^T nu||_inf <= 1 in exact arithmetic up to the rounding
            of one product.
        bound: y . nu, which no interpolating beta goes below.
        error: max |Z beta - y|.
    """

    beta: Float[np.ndarray, " d"]
    value: float
    nu: Float[np.ndarray, " n"]
    bound: float
    error: float

    @property
    def gap(self) -> float:
        """value - bound, at least 0 but for rounding."""
        return self.value - self.bound


def basis_pursuit(
    z: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]
) -> BasisPursuit:
    """Solve min ||beta||_1 subject to Z beta = y, and certify it.

    Args:
        z: inputs, one a row.
        y: labels.

    Raises:
        ValueError: if no beta interpolates, or an entry is not finite.
    """
    for name, given in (("z", z), ("y", y)):
        if not np.isfinite(given).all():
            raise ValueError(f"{name}: all entries must be finite")
    solved = scipy.optimize.linprog(
        np.ones(2 * z.shape[1]), A_eq=np.hstack([z, -z]), b_eq=y, method="highs"
    )
    if solved.x is None:
        raise ValueError(f"y: no linear map of z gives it ({solved.message})")
    beta = solved.x[: z.shape[1]] - solved.x[z.shape[1] :]
    nu = np.asarray(solved.eqlin.marginals)
    # the solver's dual is feasible up to its tolerance only
    nu = nu / max(1.0, float(np.abs(z.T @ nu).max(initial=0.0)))
    return BasisPursuit(
        beta=beta,
        value=float(np.abs(beta).sum()),
        nu=nu,
        bound=float(y @ nu),
        error=float(np.abs(z @ beta - y).max(initial=0.0)),
    )
