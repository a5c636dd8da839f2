"""Exact trace of the Hessian of 2-MLP-Sim-BN, gradients through the statistics.

With u = h / sigma, a_j = v_j gamma_j / sigma_j and, per unit, q = X^T h and the
active set S = {i: z_i > 0}, the gradient of u_i in w is
(1[i in S] x_i - u_i q / (n sigma)) / sigma, and its divergence

    lap u_i = u_i (3 ||q||^2 / (n sigma)^2 - sum_{k in S} ||x_k||^2 / n) / sigma^2
              - 2 1[i in S] x_i . q / (n sigma^3).

f is linear in gamma_j and in v_j, so tr Hess f_i = sum_j v_j gamma_j lap u_ij, and

    Tr Hess L = (1/n) sum_i [ l'' ||grad f_i||^2 + l' tr Hess f_i ]

wherever L is twice differentiable, at interpolation and away from it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from flatminima.models.losses import Loss, slope
from flatminima.sharpness import columns as shared
from flatminima.sharpness.gauss_newton import Parameters


@dataclass(frozen=True)
class Gradients:
    """Outputs of all examples and what their gradients are made of.

    Attributes:
        f: outputs, shape (n,).
        u: normalised activations; 0 at dead units.
        active: z > 0.
        q: X^T h of every unit.
        sigma: root mean square of every unit; 1 at dead ones.
        w, gamma, v: parameters.
        inputs: rows x'.
    """

    f: Float[np.ndarray, " n"]
    u: Float[np.ndarray, "n width"]
    active: Bool[np.ndarray, "n width"]
    q: Float[np.ndarray, "inputs width"]
    sigma: Float[np.ndarray, " width"]
    w: Float[np.ndarray, "inputs width"]
    gamma: Float[np.ndarray, " width"]
    v: Float[np.ndarray, " width"]
    inputs: Float[np.ndarray, "n inputs"]

    @property
    def _first_layer(self) -> tuple[np.ndarray, np.ndarray]:
        """s and b with df_i/dw_j = s_ij x_i - b_ij q_j."""
        slope = self.gamma * self.v / self.sigma
        return self.active * slope, self.u * slope / (len(self.f) * self.sigma)

    @property
    def norm_sq(self) -> Float[np.ndarray, " n"]:
        """||grad f_i||^2 over (w, gamma, v)."""
        s, b = self._first_layer
        input_sq = np.sum(self.inputs**2, axis=1)
        second = self.u**2 @ (self.gamma**2 + self.v**2)
        first = np.sum(s**2, axis=1) * input_sq + b**2 @ np.sum(self.q**2, axis=0)
        return second + first - 2 * np.sum(s * b * (self.inputs @ self.q), axis=1)

    @property
    def laplacian(self) -> Float[np.ndarray, " n"]:
        """tr Hess f_i over (w, gamma, v)."""
        n = len(self.f)
        input_sq = np.sum(self.inputs**2, axis=1)
        q_sq = np.sum(self.q**2, axis=0) / (n * self.sigma) ** 2
        coefficient = (3 * q_sq - input_sq @ self.active / n) / self.sigma**2
        cross = self.active * (self.inputs @ self.q) / (n * self.sigma**3)
        return (self.u * coefficient - 2 * cross) @ (self.gamma * self.v)

    @property
    def second_layer_trace(self) -> float:
        """2 (||v||^2 + ||gamma||^2) over live units: the share of gamma and v.

        The squared loss is meant. At interpolation this is a lower bound on the
        trace; the rest is the share of the first layer, which vanishes as w grows.
        """
        live = self.active.any(axis=0)
        return float(2 * np.sum((self.gamma**2 + self.v**2)[live]))

    def gram(self) -> Float[np.ndarray, "n n"]:
        """grad f_i . grad f_k."""
        s, b = self._first_layer
        mixed = (s * (self.inputs @ self.q)) @ b.T
        gram = (self.u * (self.gamma**2 + self.v**2)) @ self.u.T
        gram += (s @ s.T) * (self.inputs @ self.inputs.T)
        gram += (b * np.sum(self.q**2, axis=0)) @ b.T
        return gram - mixed - mixed.T

    def pull_back(
        self, c: Float[np.ndarray, " n"]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """sum_i c_i grad f_i, as (w, gamma, v)."""
        s, b = self._first_layer
        share = c @ self.u
        first = self.inputs.T @ (c[:, None] * s) - self.q * (c @ b)
        return first, self.v * share, self.gamma * share


def per_example_gradients(
    w: Float[np.ndarray, "inputs width"],
    gamma: Float[np.ndarray, " width"],
    v: Float[np.ndarray, " width"],
    inputs: Float[np.ndarray, "n inputs"],
) -> Gradients:
    """Everything above at given parameters, in float64.

    Args:
        w, gamma, v: parameters.
        inputs: rows x' of the whole training set, which fixes the statistics.
    """
    z = inputs @ w
    h = np.maximum(z, 0.0)
    rms = np.sqrt(np.mean(h**2, axis=0))
    sigma = np.where(rms > 0, rms, 1.0)
    u = h / sigma
    f = u @ (gamma * v)
    return Gradients(f, u, z > 0, inputs.T @ h, sigma, w, gamma, v, inputs)


def linearised(
    model: Any, inputs: Float[np.ndarray, "n inputs"]
) -> Callable[[Parameters], Gradients]:
    """The network around (w, gamma, v), as `gauss_newton.retract` asks for it."""

    def linearise(params: Parameters) -> Gradients:
        w, gamma, v = params
        return per_example_gradients(w, gamma, v, inputs)

    return linearise


def trace_hessian(
    gradients: Gradients,
    slope: Float[np.ndarray, " n"],
    curvature: Float[np.ndarray, " n"] | float = 2.0,
) -> float:
    """Tr Hess L over (w, gamma, v), exact wherever L is twice differentiable.

    Args:
        gradients: at the parameters in question.
        slope: derivative of the loss in f at every example; 2 (f - y) for the
            squared loss without 1/2.
        curvature: its second derivative; 2 for the squared loss.
    """
    return float(np.mean(curvature * gradients.norm_sq + slope * gradients.laplacian))


def columns(
    architecture: ModuleType,
    model: Any,
    loss: Loss,
    params: Parameters,
    inputs: Float[np.ndarray, "n inputs"],
    y: Float[np.ndarray, " n"],
    *,
    interpolates: bool,
) -> dict[str, float]:
    """Sharpness and shape at a checkpoint; see `columns.columns`.

    A unit is taken after its normalisation.
    """
    input_sq = np.sum(inputs**2, axis=1)

    def trace(at: Gradients) -> float:
        return trace_hessian(at, slope(loss, at.f, y), loss.curvature(at.f))

    def bound(f: np.ndarray, curvature: np.ndarray) -> float:
        return architecture.lower_bound(model, input_sq, f, curvature)

    return shared.columns(
        linearised(model, inputs),
        trace,
        bound,
        lambda at: at.u,
        loss,
        params,
        y,
        interpolates=interpolates,
    )
