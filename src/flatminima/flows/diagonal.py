"""The quadratic model f = <u^2 - v^2, z> (a diagonal linear network), in closed form.

The squares are taken entry by entry. It is the sparse example of Li, Wang and Arora
(ICLR 2022, arXiv 2110.06914).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from flatminima.flows.model import Theta


@dataclass(frozen=True)
class Diagonal:
    """The model over a training set; theta is u and then v, so D = 2d.

    Attributes:
        z: inputs, one a row.
        y: labels.

    Raises:
        ValueError: if z and y differ in length or hold what is not finite, or y is not
            1-D.

    >>> model = Diagonal(np.array([[1.0, -1.0]]), np.array([3.0]))
    >>> float(model.trace(np.array([2.0, 0.0, 0.0, 1.0])))
    20.0
    """

    z: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]

    def __post_init__(self) -> None:
        check_data("z", self.z, self.y)

    def tangent(self, theta: Theta) -> "DiagonalTangent":
        """The model around theta."""
        d = self.z.shape[1]
        return DiagonalTangent(self.z, theta[:d], theta[d:])

    def trace(self, theta: Theta) -> float:
        """(4/n) sum_ij z_ij^2 (u_j^2 + v_j^2): for z = +-1, 4 (|u|^2 + |v|^2)."""
        return 0.5 * float(theta @ self.trace_gradient(theta))

    def trace_gradient(self, theta: Theta) -> Theta:
        """(8/n) sum_i z_ij^2 times u_j, and times v_j."""
        weights = 8 * np.mean(self.z**2, axis=0)
        return np.concatenate([weights, weights]) * theta

    def beta(self, theta: Theta) -> Float[np.ndarray, " d"]:
        """The linear map u^2 - v^2."""
        d = self.z.shape[1]
        return theta[:d] ** 2 - theta[d:] ** 2


@dataclass(frozen=True)
class DiagonalTangent:
    """The quadratic model around (u, v): grad f_i = 2 (z_i u, -z_i v)."""

    z: Float[np.ndarray, "n d"]
    u: Float[np.ndarray, " d"]
    v: Float[np.ndarray, " d"]

    @property
    def f(self) -> Float[np.ndarray, " n"]:
        """Outputs."""
        return self.z @ (self.u**2 - self.v**2)

    def gram(self) -> Float[np.ndarray, "n n"]:
        """4 Z diag(u^2 + v^2) Z^T."""
        return (4 * (self.u**2 + self.v**2) * self.z) @ self.z.T

    def pull_back(self, c: Float[np.ndarray, " n"]) -> tuple[Theta]:
        """sum_i c_i grad f_i."""
        back = 2 * (c @ self.z)
        return (np.concatenate([back * self.u, -back * self.v]),)

    def push(self, p: Theta) -> Float[np.ndarray, " n"]:
        """grad f_i . p."""
        d = len(self.u)
        return self.z @ (2 * (self.u * p[:d] - self.v * p[d:]))


def check_data(name: str, inputs: np.ndarray, y: np.ndarray) -> None:
    """Refuse a training set that is empty, ragged or not finite, or has wide labels.

    Args:
        name: of the inputs.
        inputs: one an entry of the first axis.
        y: labels.

    Raises:
        ValueError: naming the argument and what is allowed.
    """
    if len(inputs) != len(y) or not len(y):
        raise ValueError(
            f"{name}, y: must have as many entries, and at least one, not "
            f"{len(inputs)}, {len(y)}"
        )
    if np.ndim(y) != 1:
        raise ValueError(f"y: must be 1-D, not of shape {np.shape(y)}")
    for given, called in ((inputs, name), (y, "y")):
        if not np.isfinite(given).all():
            raise ValueError(f"{called}: all entries must be finite")
