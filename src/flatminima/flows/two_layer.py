"""Two-layer networks f = <v, act(W x)>, in closed form.

Put a 1 at the end of every x for a bias. Smooth activations and the ReLU: the first
are covered by theorems on {f = y}, the second, whose derivative jumps, is not.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.special
from jaxtyping import Float

from flatminima.flows.diagonal import check_data
from flatminima.flows.factorisation import JacobianTangent
from flatminima.flows.model import Theta

Three = tuple[np.ndarray, np.ndarray, np.ndarray]


def _tanh(t: np.ndarray) -> Three:
    value = np.tanh(t)
    slope = 1 - value**2
    return value, slope, -2 * value * slope


def _softplus(t: np.ndarray) -> Three:
    slope = scipy.special.expit(t)
    return np.logaddexp(0, t), slope, slope * (1 - slope)


def _relu(t: np.ndarray) -> Three:
    on = (t > 0).astype(float)
    return t * on, on, np.zeros_like(t)


ACTIVATIONS: dict[str, Callable[[np.ndarray], Three]] = {
    "tanh": _tanh,
    "softplus": _softplus,
    "relu": _relu,
}
"""Value and two derivatives, by name; those of the ReLU are 0 at its kink."""


@dataclass(frozen=True)
class TwoLayer:
    """The network over a training set; theta is W (width x d), by rows, and then v.

    Attributes:
        x: inputs, one a row.
        y: labels.
        width: hidden units.
        activation: name in `ACTIVATIONS`.

    Raises:
        ValueError: if x and y differ in length or hold what is not finite, the width
            is below 1, or there is no such activation.
    """

    x: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]
    width: int
    activation: str = "tanh"

    def __post_init__(self) -> None:
        check_data("x", self.x, self.y)
        if self.width < 1:
            raise ValueError(f"width = {self.width}: must be at least 1")
        if self.activation not in ACTIVATIONS:
            raise ValueError(
                f"activation = {self.activation!r}: must be one of "
                f"{', '.join(ACTIVATIONS)}"
            )

    @property
    def size(self) -> int:
        """Number of parameters, D = width (d + 1)."""
        return self.width * (self.x.shape[1] + 1)

    def split(
        self, theta: Theta
    ) -> tuple[Float[np.ndarray, "width d"], Float[np.ndarray, " width"]]:
        """The two layers."""
        return theta[: -self.width].reshape(self.width, -1), theta[-self.width :]

    def hidden(self, theta: Theta) -> Three:
        """Activations and their derivatives, each of shape (n, width)."""
        return ACTIVATIONS[self.activation](self.x @ self.split(theta)[0].T)

    def tangent(self, theta: Theta) -> JacobianTangent:
        """The network around theta: grad f_i = (v_k act'_ik x_i, act_ik)."""
        _, v = self.split(theta)
        value, slope, _ = self.hidden(theta)
        by_w = (slope * v)[:, :, None] * self.x[:, None, :]
        jacobian = np.hstack([by_w.reshape(len(self.x), -1), value])
        return JacobianTangent(value @ v, jacobian)

    def trace(self, theta: Theta) -> float:
        """(1/n) sum_ik (act_ik^2 + |x_i|^2 v_k^2 act'_ik^2)."""
        _, v = self.split(theta)
        value, slope, _ = self.hidden(theta)
        lengths = np.sum(self.x**2, axis=1)
        return float(np.sum(value**2 + lengths[:, None] * (v * slope) ** 2)) / len(
            self.x
        )

    def trace_gradient(self, theta: Theta) -> Theta:
        """Its gradient; for the ReLU that of the trace between kinks."""
        _, v = self.split(theta)
        value, slope, bend = self.hidden(theta)
        lengths = np.sum(self.x**2, axis=1)[:, None]
        by_v = v * np.sum(lengths * slope**2, axis=0)
        by_t = slope * (value + lengths * v**2 * bend)
        gradient = np.concatenate([(by_t.T @ self.x).ravel(), by_v])
        return gradient * (2 / len(self.x))
