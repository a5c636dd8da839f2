"""The diagonal network of depth three, f = <u v w, z>, in closed form."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from flatminima.flows.diagonal import check_data
from flatminima.flows.factorisation import JacobianTangent
from flatminima.flows.model import Theta


@dataclass(frozen=True)
class Cubic:
    """The model over a training set; theta is u, v and w, so D = 3d.

    Attributes:
        z: inputs, one a row.
        y: labels.

    Raises:
        ValueError: if z and y differ in length or hold what is not finite.

    >>> model = Cubic(np.array([[1.0, -1.0]]), np.array([3.0]))
    >>> float(model.trace(np.array([1.0, 0.0, 2.0, 0.0, 3.0, 0.0])))
    49.0
    """

    z: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]

    def __post_init__(self) -> None:
        check_data("z", self.z, self.y)

    @property
    def moments(self) -> Float[np.ndarray, " d"]:
        """(1/n) sum_i z_ij^2."""
        return np.mean(self.z**2, axis=0)

    def tangent(self, theta: Theta) -> JacobianTangent:
        """The model around theta: grad f_i = (z_i v w, z_i u w, z_i u v)."""
        u, v, w = theta.reshape(3, -1)
        jacobian = np.hstack([self.z * (v * w), self.z * (u * w), self.z * (u * v)])
        return JacobianTangent(self.z @ (u * v * w), jacobian)

    def trace(self, theta: Theta) -> float:
        """sum_j m_j (v^2 w^2 + u^2 w^2 + u^2 v^2), m_j of `moments`."""
        u, v, w = theta.reshape(3, -1) ** 2
        return float(self.moments @ (v * w + u * w + u * v))

    def trace_gradient(self, theta: Theta) -> Theta:
        """2 m u (v^2 + w^2), and the like of v and of w."""
        squares = theta.reshape(3, -1) ** 2
        others = squares.sum(axis=0) - squares
        return (2 * self.moments * theta.reshape(3, -1) * others).ravel()
