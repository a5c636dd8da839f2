"""A two-layer ReLU network whose trace gradient feels the kinks.

The trace jumps where a unit switches an example on, and its gradient between kinks does
not know it. Here the indicator is a logistic function in the gradient; the trace itself
stays exact, so a flow still accepts only what lowers the true one.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from flatminima.flows.model import Theta
from flatminima.flows.two_layer import TwoLayer


@dataclass(frozen=True)
class Kinked(TwoLayer):
    """The network with activation "relu" and a smoothed indicator in the gradient.

    Attributes:
        smoothing: width of the logistic function, relative to the root mean square of
            a unit's pre-activations over the examples; 0 for the plain gradient.

    Raises:
        ValueError: as `TwoLayer`, if the activation is another, or the smoothing is
            below 0 or not finite.
    """

    activation: str = "relu"
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.activation != "relu":
            raise ValueError(f"activation = {self.activation!r}: must be 'relu'")
        if not 0 <= self.smoothing < np.inf:
            raise ValueError(
                f"smoothing = {self.smoothing}: must be at least 0 and finite"
            )

    def trace_gradient(self, theta: Theta) -> Theta:
        """That of (1/n) sum_ik [act_ik^2 + |x_i|^2 v_k^2 s(t_ik / tau_k)], tau held."""
        if self.smoothing == 0:
            return super().trace_gradient(theta)
        w, v = self.split(theta)
        t = self.x @ w.T
        tau = self.smoothing * np.sqrt(np.mean(t**2, axis=0))
        alive = tau > 0
        width = np.where(alive, tau, 1.0)
        on = np.where(alive, expit(t / width), t > 0)
        rise = np.where(alive, on * (1 - on) / width, 0.0)
        lengths = np.sum(self.x**2, axis=1)[:, None]
        by_t = np.maximum(t, 0.0) + 0.5 * lengths * v**2 * rise
        by_v = v * np.sum(lengths * on, axis=0)
        gradient = np.concatenate([(by_t.T @ self.x).ravel(), by_v])
        return gradient * (2 / len(self.x))
