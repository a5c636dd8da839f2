"""The interpolating set {f = y}: landing on it, and its tangent space."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from jaxtyping import Float

from flatminima.runs.flow.trace import interpolation_trace
from flatminima.sharpness.closed_form import Gradients, per_example_gradients
from flatminima.sharpness.retraction import retract

INTERPOLATES = 1e-18
"""Mean squared error up to which a point counts as on the set."""

SINGULAR = 1e-13
"""Relative size below which a direction of the Gram matrix counts as null."""


@dataclass(frozen=True)
class Point:
    """A network on the interpolating set.

    Attributes:
        w, v: parameters.
        gradients: of every example.
        trace: Tr Hess L, exact.
    """

    w: Float[np.ndarray, "inputs width"]
    v: Float[np.ndarray, " width"]
    gradients: Gradients
    trace: float

    @property
    def norm(self) -> float:
        """Euclidean norm over all parameters."""
        return float(np.sqrt(np.sum(self.w**2) + np.sum(self.v**2)))


@dataclass(frozen=True)
class Manifold:
    """{(w, v): f(x_i) = y_i for all i}, the first layer's norm held if wanted.

    Attributes:
        model: constants of the architecture.
        inputs: rows x'.
        y: labels.
        radius: norm of the first layer; 0 lets it move. Only for Sim-LN, whose
            outputs do not depend on it while ||h|| > eps.

    Raises:
        ValueError: if a radius is given for another architecture, or is not in
            [0, inf).
    """

    model: Any
    inputs: Float[np.ndarray, "n inputs"]
    y: Float[np.ndarray, " n"]
    radius: float = 0.0

    def __post_init__(self):
        check_radius(self.radius, invariant="eps" in self.model._fields)

    def land(
        self, w: Float[np.ndarray, "inputs width"], v: Float[np.ndarray, " width"]
    ) -> Point | None:
        """The retraction of (w, v), or None if it does not get to f = y.

        With a radius, the first layer is rescaled after the retraction, which
        keeps f.
        """
        at = retract(self.model, w, v, self.inputs, self.y)
        if not at.converged:
            return None
        scale = self.radius / np.linalg.norm(at.w) if self.radius > 0 else 1.0
        first = scale * at.w
        gradients = per_example_gradients(self.model, first, at.v, self.inputs)
        # Rescaling may have brought ||h|| below eps.
        if not np.mean((gradients.f - self.y) ** 2) <= INTERPOLATES:
            return None
        return Point(first, at.v, gradients, interpolation_trace(gradients))

    def project(
        self,
        point: Point,
        dw: Float[np.ndarray, "inputs width"],
        dv: Float[np.ndarray, " width"],
    ) -> tuple[Float[np.ndarray, "inputs width"], Float[np.ndarray, " width"]]:
        """p - J^T (J J^T)^+ J p, with J the gradients of f_1, ..., f_n.

        J is never formed: its rows are (x'_i g_i^T, u_i). With a radius, the part
        along the first layer is taken out as well; it is orthogonal to all rows.

        Args:
            point: where.
            dw, dv: the vector p.
        """
        u, g = point.gradients.u, point.gradients.g
        gram = u @ u.T + (g @ g.T) * (self.inputs @ self.inputs.T)
        along = u @ dv + np.einsum("ij,ij->i", g, self.inputs @ dw)
        coefficients = _solve(gram, along)
        dw = dw - self.inputs.T @ (coefficients[:, None] * g)
        if self.radius > 0:
            dw -= point.w * (np.sum(dw * point.w) / self.radius**2)
        return dw, dv - coefficients @ u


def check_radius(radius: float, *, invariant: bool) -> None:
    """Refuse a norm at which a first layer cannot be held.

    Args:
        radius: the norm; 0 for none.
        invariant: whether the outputs do not depend on the first layer's scale.

    Raises:
        ValueError: naming the value and what is allowed.
    """
    if not 0 <= radius < np.inf:
        raise ValueError(f"radius = {radius}: allowed are finite values of at least 0")
    if radius > 0 and not invariant:
        raise ValueError(
            f"radius = {radius}: only sim_ln keeps its outputs when the first layer "
            "is rescaled; elsewhere 0 is allowed"
        )


def _solve(gram: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Least-norm solution; by Cholesky's factor where that is safe."""
    try:
        factor = scipy.linalg.cho_factor(gram, lower=True)
        pivots = np.diag(factor[0]) ** 2
        if pivots.min() > SINGULAR * pivots.max():
            return scipy.linalg.cho_solve(factor, right)
    except scipy.linalg.LinAlgError:
        pass
    return scipy.linalg.lstsq(gram, right, cond=SINGULAR)[0]
