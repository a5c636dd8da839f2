"""Many small perceptrons at once: losses and gradients in numpy, sharpness in torch.

Networks of a few hundred weights are so small that calls cost more than arithmetic.
So all seeds and learning rates are entries of one leading axis, R, and the backward
pass is written out; the tests hold it against autograd. The loss is mean (f - y)^2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor


class Activation(NamedTuple):
    """An activation in numpy, its slope as a function of its value, and it in torch."""

    value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    torch: Callable[[Tensor], Tensor]


ACTIVATIONS = {
    "tanh": Activation(np.tanh, lambda h: 1 - h**2, torch.tanh),
    "softplus": Activation(
        lambda z: np.logaddexp(0, z),
        lambda h: -np.expm1(-h),
        torch.nn.functional.softplus,
    ),
    "relu": Activation(lambda z: np.maximum(z, 0), lambda h: h > 0, torch.relu),
}


@dataclass(frozen=True)
class Shape:
    """A perceptron with one output.

    Attributes:
        sizes: inputs, hidden units of each layer, and 1.
        activation: one of `ACTIVATIONS`.
    """

    sizes: tuple[int, ...]
    activation: str = "tanh"

    def __post_init__(self) -> None:
        """Refuse an activation that is not known here."""
        if self.activation not in ACTIVATIONS:
            raise ValueError(
                f"activation = {self.activation!r}: must be one of "
                f"{', '.join(ACTIVATIONS)}"
            )

    @property
    def dim(self) -> int:
        """Number of weights and biases."""
        pairs = zip(self.sizes, self.sizes[1:], strict=False)
        return sum((a + 1) * b for a, b in pairs)

    def parts(self, theta: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weights (R, a, b) and biases (R, 1, b) of every layer, as views."""
        found, start = [], 0
        for a, b in zip(self.sizes, self.sizes[1:], strict=False):
            w = theta[:, start : start + a * b].reshape(-1, a, b)
            start += a * b
            found.append((w, theta[:, None, start : start + b]))
            start += b
        return found

    def init(self, seed: int) -> Float[np.ndarray, " D"]:
        """Normal weights of variance 1 / inputs, and biases of 0.

        Args:
            seed: of the weights.
        """
        generator = np.random.default_rng(seed)
        parts = []
        for a, b in zip(self.sizes, self.sizes[1:], strict=False):
            parts += [generator.standard_normal(a * b) / np.sqrt(a), np.zeros(b)]
        return np.concatenate(parts)


def gradient(
    shape: Shape,
    theta: Float[np.ndarray, "R D"],
    x: Float[np.ndarray, "R n d"],
    y: Float[np.ndarray, "R n"],
    weights: Float[np.ndarray, "R n"] | None = None,
) -> tuple[Float[np.ndarray, "R D"], Float[np.ndarray, " R"]]:
    """Gradients and values of mean w (f - y)^2.

    Args:
        shape: of all networks.
        theta: weights, a network a row.
        x, y: data of each.
        weights: w, of the examples; 1 if not given.
    """
    function, parts = ACTIVATIONS[shape.activation], shape.parts(theta)
    inputs = [x]
    for number, (w, b) in enumerate(parts):
        z = inputs[-1] @ w + b
        if number < len(parts) - 1:
            z = function.value(z)
        inputs.append(z)
    error = inputs.pop()[:, :, 0] - y
    weighted = error if weights is None else weights * error
    back = (2 / y.shape[1]) * weighted[:, :, None]
    found = np.empty_like(theta)
    ours = shape.parts(found)
    for number in range(len(parts) - 1, -1, -1):
        h = inputs[number]
        ours[number][0][...] = h.swapaxes(1, 2) @ back
        ours[number][1][...] = back.sum(axis=1, keepdims=True)
        if number:
            back = back @ parts[number][0].swapaxes(1, 2)
            back *= function.slope(h)
    return found, (weighted * error).mean(axis=1)


def predictions(
    shape: Shape, theta: Float[np.ndarray, "R D"], x: Float[np.ndarray, "R n d"]
) -> Float[np.ndarray, "R n"]:
    """f(x) of every network.

    Args:
        shape, theta, x: as for `gradient`.
    """
    function, h = ACTIVATIONS[shape.activation], x
    for number, (w, b) in enumerate(shape.parts(theta)):
        h = (function.value(h) if number else h) @ w + b
    return h[:, :, 0]


def jacobian(
    shape: Shape, theta: Float[np.ndarray, " D"], x: Float[np.ndarray, "n d"]
) -> Float[np.ndarray, "n D"]:
    """grad f(x_i) of one network: the gradient of (f - y)^2 at f - y = 1/2.

    Args:
        shape: of the network.
        theta: its weights.
        x: inputs.
    """
    copies, inputs = np.tile(theta, (len(x), 1)), x[:, None, :]
    targets = predictions(shape, copies, inputs) - 0.5
    return gradient(shape, copies, inputs, targets)[0]


def outputs(shape: Shape, theta: Tensor, x: Tensor) -> Tensor:
    """f(x) of one network in torch, for its derivatives.

    Args:
        shape: of the network.
        theta: weights (D,).
        x: inputs (n, d).
    """
    h, start = x, 0
    for number, (a, b) in enumerate(zip(shape.sizes, shape.sizes[1:], strict=False)):
        w = theta[start : start + a * b].reshape(a, b)
        start += a * b
        h = h @ w + theta[start : start + b]
        start += b
        if number < len(shape.sizes) - 2:
            h = ACTIVATIONS[shape.activation].torch(h)
    return h[:, 0]


IMAGINARY = 1e-20
"""Length of a step into the complex plane, which loses no digits."""

TOLERANCE = 1e-4
"""Relative accuracy of a sharpness along a path."""


def hessian_product(
    shape: Shape,
    theta: Float[np.ndarray, " D"],
    v: Float[np.ndarray, " D"],
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " D"]:
    """The Hessian of mean (f - y)^2 times a vector, of one network.

    The gradient is analytic in the weights where no unit is on a kink. So its
    derivative is its imaginary part at theta + i h v, over h.

    Args:
        shape: of the network; its units are tanh or ReLU.
        theta, x, y: as for `gradient`, without the leading axis.
        v: a vector.
    """
    at = theta + 1j * IMAGINARY * np.ravel(v)
    return gradient(shape, at[None], x[None], y[None])[0][0].imag / IMAGINARY


def sharpness(
    shape: Shape,
    theta: Float[np.ndarray, "R D"],
    x: Float[np.ndarray, "R n d"],
    y: Float[np.ndarray, "R n"],
) -> Float[np.ndarray, " R"]:
    """The largest eigenvalue of each Hessian, by Lanczos.

    That of a network whose weights are not finite, or so large that products overflow,
    is NaN.

    Args:
        shape, theta, x, y: as for `gradient`.
    """
    found = np.full(len(theta), np.nan)
    start = np.random.default_rng(0).standard_normal((theta.shape[1],))
    for row, (at, inputs, targets) in enumerate(zip(theta, x, y, strict=True)):
        product = partial(hessian_product, shape, at, x=inputs, y=targets)
        with np.errstate(over="ignore", invalid="ignore"):
            if not np.isfinite(product(start)).all():
                continue
        operator = LinearOperator((len(at), len(at)), product, dtype=np.float64)
        found[row] = eigsh(
            operator,
            k=1,
            which="LA",
            v0=start,
            tol=TOLERANCE,
            return_eigenvectors=False,
        )[0]
    return found
