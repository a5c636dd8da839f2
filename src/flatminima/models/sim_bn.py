"""2-MLP-Sim-BN: f(x) = sum_j v_j gamma_j h_j(x) / sigma_j, h = relu(W1 x + b1).

Simplified batch normalisation (Wen, Li & Ma 2023, section 3, scenario I): no mean
is subtracted, sigma_j = sqrt(mean_i h_j(x_i)^2) is taken after the ReLU and over
the whole training set, and gradients flow through it. Parameters are
theta = (w, gamma, v), gamma one scale a unit.

The source leaves open whether the first layer has a bias and where gamma starts.
Here it has one by default (bias_input = 0 drops it), and gamma starts at
`gamma_init`.

A unit that is active on no training example has sigma_j = 0: its output and its
gradients are 0. Outputs at other points use the statistics of the training set.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

FAMILY = "sim_bn"
PARAMETERS = ("w", "gamma", "v")
IDLE_AT_ZERO = True


class Model(NamedTuple):
    """Constants of the architecture.

    Attributes:
        gamma_init: where every gamma starts.
        bias_input: the constant input that the bias row multiplies; 0 means no bias.
    """

    gamma_init: float = 1.0
    bias_input: float = 1.0


def inputs(model: Model, x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n inputs"]:
    """x' = (x, bias_input), or x' = x without a bias."""
    if model.bias_input == 0:
        return x
    return np.column_stack([x, np.full(len(x), model.bias_input)])


def init(
    model: Model, d: int, width: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(w, gamma, v): w from U(+-1/sqrt(d)), v from U(+-1/sqrt(width)), gamma_init.

    Args:
        model: constants of the architecture.
        d: input dimension, without the bias.
        width: hidden units.
        rng: generator of the draw.

    Raises:
        ValueError: if d or width is below 1.
    """
    for name, value in (("d", d), ("width", width)):
        if value < 1:
            raise ValueError(f"{name} = {value}: allowed are {name} >= 1")
    num_inputs = d + (model.bias_input != 0)
    w = rng.uniform(-(d**-0.5), d**-0.5, (num_inputs, width))
    gamma = np.full(width, model.gamma_init)
    return w, gamma, rng.uniform(-(width**-0.5), width**-0.5, width)


def forward(model: Model, w, gamma, v, x, train=None):
    """f(x) for a batch, for numpy arrays and torch tensors alike.

    Args:
        model: constants of the architecture.
        w, gamma, v: parameters, shapes (inputs, width), (width,) and (width,).
        x: rows x'.
        train: rows x' of the training set, which fix the statistics; x if None.
    """
    h = _relu(x @ w)
    reference = h if train is None else _relu(train @ w)
    square = (reference * reference).mean(0)
    live = square > 0
    # Dead units: the root of 1, not of 0, so that no gradient is infinite.
    sigma = (square + (square <= 0)) ** 0.5
    return h @ (v * gamma * live / sigma)


def _relu(z):
    return z * (z > 0)


def lower_bound(
    model: Model,
    input_sq: Float[np.ndarray, " n"],
    f: Float[np.ndarray, " n"],
    curvature: Float[np.ndarray, " n"] | float = 2.0,
) -> float:
    """2 l'' (rms of max(f, 0) + rms of max(-f, 0)) <= Tr Hess L at interpolation.

    l'' is the least curvature of the loss, 2 for the squared one; the inputs do not
    enter. The part of gamma and v alone is (2/n) sum_ij u_ij^2 (v_j^2 + gamma_j^2) =
    2 sum_j (v_j^2 + gamma_j^2) >= 4 sum_j |v_j gamma_j| over live units, where
    u_j = h_j / sigma_j is non-negative with root mean square 1. The units with
    v_j gamma_j > 0 add up to at least max(f, 0) at every example, so their
    |v_j gamma_j| sum to at least its root mean square; likewise the others.

    The part of the first layer vanishes only as its scale grows without bound, so
    the infimum need not be attained. Root mean squares are over the training set.
    """
    positive, negative = np.maximum(f, 0.0), np.maximum(-f, 0.0)
    least = np.min(curvature)
    return float(
        2.0 * least * (np.sqrt(np.mean(positive**2)) + np.sqrt(np.mean(negative**2)))
    )
