"""The interpolating set {f = y}: landing on it, and its tangent space."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from flatminima.runs.flow.trace import interpolation_trace
from flatminima.sharpness.closed_form import (
    Gradients,
    linearised,
    per_example_gradients,
)
from flatminima.sharpness.gauss_newton import least_norm, retract

ON_THE_SET = 1e-18
"""Mean squared error up to which a point counts as on the set."""


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

    def __post_init__(self) -> None:
        check_radius(self.radius, invariant="eps" in self.model._fields)

    def land(
        self, w: Float[np.ndarray, "inputs width"], v: Float[np.ndarray, " width"]
    ) -> Point | None:
        """The retraction of (w, v), or None if it does not get to f = y.

        With a radius, the first layer is rescaled after the retraction, which
        keeps f.
        """
        at = retract(linearised(self.model, self.inputs), (w, v), self.y)
        if not at.converged:
            return None
        w, v = at.parameters
        first = w * (self.radius / np.linalg.norm(w) if self.radius > 0 else 1.0)
        gradients = per_example_gradients(self.model, first, v, self.inputs)
        # Rescaling may have brought ||h|| below eps.
        if not np.mean((gradients.f - self.y) ** 2) <= ON_THE_SET:
            return None
        return Point(first, v, gradients, interpolation_trace(gradients))

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
        at = point.gradients
        along = at.u @ dv + np.einsum("ij,ij->i", at.g, self.inputs @ dw)
        w_part, v_part = at.pull_back(least_norm(at.gram(), along))
        dw = dw - w_part
        if self.radius > 0:
            dw -= point.w * (np.sum(dw * point.w) / self.radius**2)
        return dw, dv - v_part


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
