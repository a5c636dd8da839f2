"""Exact trace of the Hessian of a deep ReLU MLP, layer by layer.

Within one linear region f is linear in every single weight, the others fixed, so
tr Hess f = 0 wherever f is differentiable, and for L = (1/n) sum l(f_i, y_i)

    Tr Hess L = (1/n) sum_i l''(f_i, y_i) ||grad f_i||^2

at interpolation and away from it. The gradient of layer l is h_{l-1} g_l^T, with
h_0 = x' and g_l = df/dz_l, so ||grad f||^2 = sum_l ||h_{l-1}||^2 ||g_l||^2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from flatminima.models.losses import Loss
from flatminima.sharpness import columns as shared
from flatminima.sharpness.gauss_newton import Parameters


@dataclass(frozen=True)
class Gradients:
    """Outputs of all examples and the two factors of each layer's gradient.

    Attributes:
        f: outputs, shape (n,).
        entering: h_{l-1} of every layer l, shapes (n, inputs), (n, width), ...
        leaving: g_l of every layer l, shapes (n, width), ..., (n, 1).
        kink_distance: least |z| over examples, hidden layers and units.
    """

    f: Float[np.ndarray, " n"]
    entering: tuple[np.ndarray, ...]
    leaving: tuple[np.ndarray, ...]
    kink_distance: float

    @property
    def layer_norm_sq(self) -> Float[np.ndarray, "depth n"]:
        """Squared gradient norm of every layer at every example."""
        return np.array(
            [
                np.einsum("ij,ij->i", h, h) * np.einsum("ij,ij->i", g, g)
                for h, g in zip(self.entering, self.leaving, strict=True)
            ]
        )

    def gram(self) -> Float[np.ndarray, "n n"]:
        """grad f_i . grad f_k."""
        factors = zip(self.entering, self.leaving, strict=True)
        return np.sum([(h @ h.T) * (g @ g.T) for h, g in factors], axis=0)

    def pull_back(
        self, c: Float[np.ndarray, " n"]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """sum_i c_i grad f_i, as (w, middle, v)."""
        first, *square, last = [
            h.T @ (c[:, None] * g)
            for h, g in zip(self.entering, self.leaving, strict=True)
        ]
        width = len(last)
        return first, np.array(square).reshape(-1, width, width), last[:, 0]


def per_example_gradients(
    w: Float[np.ndarray, "inputs width"],
    middle: Float[np.ndarray, "middles width width"],
    v: Float[np.ndarray, " width"],
    inputs: Float[np.ndarray, "n inputs"],
) -> Gradients:
    """Outputs and gradient factors of every example, in float64.

    Args:
        w, middle, v: parameters.
        inputs: rows x'.
    """
    entering, active = [inputs], []
    kink = np.inf
    for weights in (w, *middle):
        z = entering[-1] @ weights
        kink = min(kink, float(np.min(np.abs(z), initial=np.inf)))
        active.append(z > 0)
        entering.append(np.maximum(z, 0.0))
    leaving = [np.ones((len(inputs), 1)), active[-1] * v]
    for weights, on in zip(middle[::-1], active[-2::-1], strict=True):
        leaving.append((leaving[-1] @ weights.T) * on)
    return Gradients(entering[-1] @ v, tuple(entering), tuple(leaving[::-1]), kink)


def linearised(
    model: Any, inputs: Float[np.ndarray, "n inputs"]
) -> Callable[[Parameters], Gradients]:
    """The network around (w, middle, v), as `gauss_newton.retract` asks for it."""

    def linearise(params: Parameters) -> Gradients:
        w, middle, v = params
        return per_example_gradients(w, middle, v, inputs)

    return linearise


def trace_hessian(
    gradients: Gradients, curvature: Float[np.ndarray, " n"] | float = 2.0
) -> Float[np.ndarray, " depth"]:
    """Each layer's share of Tr Hess L; their sum is the trace.

    Args:
        gradients: at the parameters in question.
        curvature: second derivative of the loss in f at every example; 2 for the
            squared loss without 1/2.
    """
    return np.mean(curvature * gradients.layer_norm_sq, axis=1)


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

    A unit is one of the last hidden layer.
    """
    input_sq = np.sum(inputs**2, axis=1)

    def trace(at: Gradients) -> float:
        return float(np.sum(trace_hessian(at, loss.curvature(at.f))))

    def bound(f: np.ndarray, curvature: np.ndarray) -> float:
        return architecture.lower_bound(model, input_sq, f, curvature)

    return shared.columns(
        linearised(model, inputs),
        trace,
        bound,
        lambda at: at.entering[-1],
        loss,
        params,
        y,
        interpolates=interpolates,
    )
