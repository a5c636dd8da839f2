"""Exact trace of the Hessian of a two-layer network, from its gradients.

For L = (1/n) sum l(f_i, y_i),

    Tr Hess L = (1/n) sum_i [ l''_i ||grad f_i||^2 + l'_i tr Hess f_i ],

and ||grad f||^2 = ||df/dv||^2 + ||df/dz||^2 ||x'||^2 because the first layer
enters through z = w.T x'. This holds at interpolation and away from it (Wen,
Li & Ma 2023, Lemma 4.1 is the squared loss at f_i = y_i, where l'' = 2, l' = 0).
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from flatminima.kernels.heads import heads
from flatminima.models.losses import SQUARED, Logistic, Squared, slope


@dataclass(frozen=True)
class Gradients:
    """Outputs of all examples and their gradients in hidden space.

    Attributes:
        f: outputs, shape (n,).
        u: df/dv, shape (n, width).
        g: df/dz, shape (n, width).
        z: pre-activations, shape (n, width).
        input_sq: ||x'||^2, shape (n,).
    """

    f: Float[np.ndarray, " n"]
    u: Float[np.ndarray, "n width"]
    g: Float[np.ndarray, "n width"]
    z: Float[np.ndarray, "n width"]
    input_sq: Float[np.ndarray, " n"]

    @property
    def h(self) -> Float[np.ndarray, "n width"]:
        """relu(z): the hidden layer, but for softplus."""
        return np.maximum(self.z, 0.0)

    @property
    def norm_sq(self) -> Float[np.ndarray, " n"]:
        """||grad f||^2 of every example."""
        first = np.einsum("ij,ij->i", self.g, self.g) * self.input_sq
        return np.einsum("ij,ij->i", self.u, self.u) + first


def per_example_gradients(
    model: Any,
    w: Float[np.ndarray, "inputs width"],
    v: Float[np.ndarray, " width"],
    inputs: Float[np.ndarray, "n inputs"],
) -> Gradients:
    """Outputs and hidden-space gradients of every example, in float64.

    Args:
        model: constants of the architecture.
        w, v: parameters.
        inputs: rows x'.
    """
    z = inputs @ w
    f = np.empty(len(inputs))
    u = np.empty_like(z)
    g = np.empty_like(z)
    heads(model, z, v, f, u, g)
    input_sq = np.einsum("ij,ij->i", inputs, inputs)
    return Gradients(f, u, g, z, input_sq)


def trace_hessian(
    architecture: ModuleType,
    model: Any,
    gradients: Gradients,
    y: Float[np.ndarray, " n"],
    loss: Squared | Logistic = SQUARED,
) -> float:
    """Tr Hess L over (w, v), exact wherever L is twice differentiable.

    Args:
        architecture: module of the architecture, for its Laplacian.
        model: its constants.
        gradients: at the parameters in question.
        y: labels.
        loss: of one example.
    """
    laplacian = architecture.laplacian(
        model, gradients.z, gradients.g, gradients.f, gradients.input_sq
    )
    per_example = loss.curvature(gradients.f) * gradients.norm_sq
    per_example += slope(loss, gradients.f, y) * laplacian
    return float(np.mean(per_example))
