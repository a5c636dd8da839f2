"""Two-layer networks whose units are added, f = sum_j phi(w_j . x), phi = t + t^3.

The second layer is held at ones, as in Gatmiry, Li, Reddi and Jegelka, "Simplicity Bias
via Global Convergence of Sharpness Minimization" (ICML 2024, arXiv 2410.16401). With
phi' > 0 and phi''' > 0 the least trace has a certificate: let g = phi'^2 o phi^-1. Then
g' = 2 phi'' o phi^-1 increases, so g is convex, and by Jensen's inequality

    sum_j phi'(w_j . x_i)^2 = sum_j g(phi(w_j . x_i)) >= m g(y_i / m)

for m units that sum to y_i, with equality where all pre-activations agree.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from flatminima.flows.diagonal import check_data
from flatminima.flows.factorisation import JacobianTangent
from flatminima.flows.model import Theta


@dataclass(frozen=True)
class Summed:
    """The network over a training set; theta is W (width x d), by rows.

    Attributes:
        x: inputs, one a row.
        y: labels.
        width: hidden units.

    Raises:
        ValueError: if x and y differ in length or hold what is not finite, or the width
            is below 1.

    >>> model = Summed(np.array([[1.0]]), np.array([4.0]), width=2)
    >>> round(model.least_trace(), 9), model.trace(np.array([1.0, 1.0]))
    (32.0, 32.0)
    """

    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]
    width: int

    def __post_init__(self) -> None:
        check_data("x", self.x, self.y)
        if self.width < 1:
            raise ValueError(f"width = {self.width}: must be at least 1")

    def _hidden(self, theta: Theta) -> Float[np.ndarray, "n width"]:
        return self.x @ theta.reshape(self.width, -1).T

    @property
    def _lengths(self) -> Float[np.ndarray, "n 1"]:
        return np.sum(self.x**2, axis=1, keepdims=True)

    def tangent(self, theta: Theta) -> JacobianTangent:
        """The network around theta: grad f_i = (phi'_ij x_i)."""
        t = self._hidden(theta)
        rows = (1 + 3 * t**2)[:, :, None] * self.x[:, None, :]
        return JacobianTangent(np.sum(t + t**3, axis=1), rows.reshape(len(t), -1))

    def trace(self, theta: Theta) -> float:
        """(1/n) sum_ij |x_i|^2 phi'_ij^2."""
        t = self._hidden(theta)
        return float(np.sum(self._lengths * (1 + 3 * t**2) ** 2) / len(t))

    def trace_gradient(self, theta: Theta) -> Theta:
        """(2/n) sum_i |x_i|^2 phi'_ij phi''_ij x_i."""
        t = self._hidden(theta)
        slope = self._lengths * (1 + 3 * t**2) * 6 * t
        return (2 / len(t) * (slope.T @ self.x)).ravel()

    def least_trace(self) -> float:
        """The lower bound (1/n) sum_i |x_i|^2 m phi'(phi^-1(y_i / m))^2.

        It is attained where the inputs are linearly independent.
        """
        each = [_inverse(value) for value in self.y / self.width]
        slopes = (1 + 3 * np.array(each) ** 2) ** 2
        return float(self.width * np.mean(self._lengths[:, 0] * slopes))


def _inverse(value: float) -> float:
    """The real root of t + t^3 = value, by the hyperbolic form of Cardano's formula."""
    scale = 2 / np.sqrt(3)
    return float(scale * np.sinh(np.arcsinh(1.5 * np.sqrt(3) * value) / 3))
