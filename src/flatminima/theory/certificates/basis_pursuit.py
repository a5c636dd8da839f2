"""Basis pursuit, the sparse end of implicit bias, with its certificate."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog


@dataclass(frozen=True)
class BasisPursuit:
    """min ||beta||_1 subject to X beta = y.

    Attributes:
        beta: the minimiser, shape (d,); one of them if there are several.
        value: its l1 norm.
        bound: y . lambda for a dual feasible lambda, a lower bound on the minimum.
    """

    beta: Float[np.ndarray, " d"]
    value: float
    bound: float

    @property
    def gap(self) -> float:
        """value - bound: the minimum lies between the two."""
        return self.value - self.bound


def basis_pursuit(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]
) -> BasisPursuit:
    """Solve basis pursuit by HiGHS (Chen, Donoho & Saunders 1998).

    The dual is max y . lambda subject to |X^T lambda| <= 1. The solver's lambda is
    scaled until it is feasible, so the bound holds whatever the solver did.

    Args:
        x: inputs.
        y: targets.

    Raises:
        ValueError: if no beta solves X beta = y.

    >>> basis_pursuit(np.array([[1.0, 2.0]]), np.array([4.0])).beta.tolist()
    [0.0, 2.0]
    """
    d = x.shape[1]
    solved = linprog(np.ones(2 * d), A_eq=np.hstack([x, -x]), b_eq=y, method="highs")
    if solved.x is None:
        raise ValueError(f"no beta solves X beta = y: {solved.message}")
    beta = solved.x[:d] - solved.x[d:]
    dual = np.asarray(solved.eqlin.marginals)
    dual = dual / max(1.0, float(np.abs(x.T @ dual).max()))
    return BasisPursuit(beta, float(np.abs(beta).sum()), float(y @ dual))
