"""The trace as an objective: its value and gradient under a model of its jumps.

On the interpolating set the trace of the Hessian is (2/n) sum_i ||grad f_i||^2.
With h = relu(z), a_ij = 1[z_ij > 0] and m_i the norm that divides the output (1
for the plain networks, max(||h_i||, eps) for Sim-LN),

    ||grad f_i||^2 = [ ||h_i||^2 + ||x'_i||^2 (sum_j a_ij v_j^2 - b_i f_i^2) ] / m_i^2,

where b_i is 1 for Sim-LN above eps, and 0 otherwise. It jumps by
v_j^2 ||x'_i||^2 / m_i^2 where z_ij changes sign. Automatic differentiation gives
the indicator a the derivative 0, so its gradient does not feel the jumps.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import expit

from flatminima.sharpness.closed_form import Gradients


class Indicator(NamedTuple):
    """What stands for 1[z > 0] in the trace.

    Attributes:
        value: a, shape (n, width).
        slope: da/dz, shape (n, width).
    """

    value: Float[np.ndarray, "n width"]
    slope: Float[np.ndarray, "n width"]


def hard(z: Float[np.ndarray, "n width"]) -> Indicator:
    """1[z > 0] with slope 0, as automatic differentiation sees it."""
    return Indicator((z > 0).astype(float), np.zeros_like(z))


def smooth(
    z: Float[np.ndarray, "n width"], tau: Float[np.ndarray, " width"]
) -> Indicator:
    """The logistic function of z / tau, unit by unit; `hard` where tau is 0.

    A logistic has tails. A ramp has none, and units then rattle at its edges,
    where the force begins at once.
    """
    scale = np.where(tau > 0, tau, 1.0)
    value = expit(z / scale)
    slope = value * (1 - value) / scale
    alive = tau > 0
    return Indicator(np.where(alive, value, z > 0), np.where(alive, slope, 0.0))


def widths(z: Float[np.ndarray, "n width"], smoothing: float) -> np.ndarray:
    """tau_j = smoothing times the root mean square of z_ij over the examples.

    Relative to each unit, so that (w_j, v_j) -> (c w_j, v_j / c), which leaves the
    function as it is, leaves a_ij as it is; a unit of zero weights has tau = 0.

    Args:
        z: pre-activations.
        smoothing: relative width, above 0.

    Raises:
        ValueError: if `smoothing` is out of range.
    """
    if not 0 < smoothing < np.inf:
        raise ValueError(f"smoothing = {smoothing}: allowed are finite values above 0")
    return smoothing * np.sqrt(np.mean(z**2, axis=0))


def interpolation_trace(gradients: Gradients) -> float:
    """(2/n) sum_i ||grad f_i||^2: Tr Hess L where f = y, jumps included.

    The residual part of the trace, which Sim-LN has away from f = y, is left out.
    """
    return float(2.0 * np.mean(gradients.norm_sq))


def modelled_trace(
    model: Any,
    v: Float[np.ndarray, " width"],
    gradients: Gradients,
    value: Float[np.ndarray, "n width"],
) -> float:
    """The same with `value` in place of 1[z > 0].

    Args:
        model: constants of the architecture.
        v: second layer.
        gradients: at (w, v).
        value: the indicator's stand-in.
    """
    inverse, above = _normalisation(model, gradients.h)
    return float(2.0 * np.mean(inverse * _bracket(v, gradients, value, above)))


def trace_gradient(
    model: Any,
    v: Float[np.ndarray, " width"],
    inputs: Float[np.ndarray, "n inputs"],
    gradients: Gradients,
    indicator: Indicator,
) -> tuple[Float[np.ndarray, "inputs width"], Float[np.ndarray, " width"]]:
    """Gradient of `modelled_trace` over (w, v), with the indicator's slope.

    With `hard` this is the naive gradient, with `smooth` the kink-aware one (the
    widths tau are held constant).

    Args:
        model: constants of the architecture.
        v: second layer.
        inputs: rows x'.
        gradients: at (w, v).
        indicator: at the pre-activations of (w, v).
    """
    n = len(inputs)
    inverse, above = _normalisation(model, gradients.h)
    first = inverse * gradients.input_sq
    pull = first * above * gradients.f
    dv = v * (first @ indicator.value) - pull @ gradients.u
    bracket = _bracket(v, gradients, indicator.value, above)
    # 1 / m^2 varies above eps: d(1 / ||h||^2) = -2 h / ||h||^4 dz.
    on_h = inverse - above * inverse**2 * bracket
    dz = on_h[:, None] * gradients.h - pull[:, None] * gradients.g
    dz += 0.5 * (first[:, None] * indicator.slope) * v**2
    return 4 / n * (inputs.T @ dz), 4 / n * dv


def _normalisation(model: Any, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 / m_i^2 and b_i."""
    if "eps" not in model._fields:
        return np.ones(len(h)), np.zeros(len(h))
    square = np.einsum("ij,ij->i", h, h)
    above = square > model.eps**2
    return 1 / np.maximum(square, model.eps**2), above.astype(float)


def _bracket(
    v: np.ndarray, gradients: Gradients, value: np.ndarray, above: np.ndarray
) -> np.ndarray:
    second = value @ v**2 - above * gradients.f**2
    return np.einsum("ij,ij->i", gradients.h, gradients.h) + gradients.input_sq * second
