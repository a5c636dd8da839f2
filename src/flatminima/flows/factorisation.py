"""Matrix factorisation f = <A, U V^T>, in closed form.

Ding, Drusvyatskiy, Fazel and Harchaoui, "Flat minima generalize for low-rank matrix
recovery" (arXiv 2203.03756).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from flatminima.flows.diagonal import check_data
from flatminima.flows.model import Theta


@dataclass(frozen=True)
class Factorisation:
    """The model over a training set; theta is U (p x r) and then V (q x r), by rows.

    Attributes:
        a: measurements A_i.
        y: labels.
        rank: number of columns r of the factors.

    Raises:
        ValueError: if a and y differ in length or hold what is not finite, or the
            rank is below 1.
    """

    a: Float[np.ndarray, "n p q"]
    y: Float[np.ndarray, " n"]
    rank: int

    def __post_init__(self) -> None:
        check_data("a", self.a, self.y)
        if self.rank < 1:
            raise ValueError(f"rank = {self.rank}: must be at least 1")

    def split(
        self, theta: Theta
    ) -> tuple[Float[np.ndarray, "p r"], Float[np.ndarray, "q r"]]:
        """The factors."""
        _, p, q = self.a.shape
        cut = p * self.rank
        return theta[:cut].reshape(p, -1), theta[cut:].reshape(q, -1)

    @cached_property
    def moments(self) -> tuple[Float[np.ndarray, "p p"], Float[np.ndarray, "q q"]]:
        """P = (1/n) sum A_i A_i^T and Q = (1/n) sum A_i^T A_i."""
        n = len(self.a)
        left = np.einsum("ijk,ilk->jl", self.a, self.a) / n
        return left, np.einsum("ikj,ikl->jl", self.a, self.a) / n

    def tangent(self, theta: Theta) -> "JacobianTangent":
        """The model around theta: grad f_i = (A_i V, A_i^T U)."""
        u, v = self.split(theta)
        n = len(self.a)
        by_u = self.a @ v
        by_v = np.swapaxes(self.a, 1, 2) @ u
        jacobian = np.hstack([by_u.reshape(n, -1), by_v.reshape(n, -1)])
        return JacobianTangent(by_u.reshape(n, -1) @ u.ravel(), jacobian)

    def trace(self, theta: Theta) -> float:
        """(1/n) sum (|A_i V|^2 + |A_i^T U|^2) = <U, P U> + <V, Q V>."""
        return 0.5 * float(theta @ self.trace_gradient(theta))

    def trace_gradient(self, theta: Theta) -> Theta:
        """2 P U and 2 Q V."""
        (left, right), (u, v) = self.moments, self.split(theta)
        return 2 * np.concatenate([(left @ u).ravel(), (right @ v).ravel()])


@dataclass(frozen=True)
class JacobianTangent:
    """A model around a point, by its outputs and their Jacobian."""

    f: Float[np.ndarray, " n"]
    jacobian: Float[np.ndarray, "n D"]

    def gram(self) -> Float[np.ndarray, "n n"]:
        """J J^T."""
        return self.jacobian @ self.jacobian.T

    def pull_back(self, c: Float[np.ndarray, " n"]) -> tuple[Theta]:
        """J^T c."""
        return (c @ self.jacobian,)

    def push(self, p: Theta) -> Float[np.ndarray, " n"]:
        """J p."""
        return self.jacobian @ p
