"""The report's own way to minimum sharpness: descent in the factors themselves."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from flatminima.sharpness.minimum import Shares

ROUNDING = 1e-12
"""Relative rise of the trace that is none."""


@dataclass(frozen=True)
class Descent:
    """Where descent ended.

    Attributes:
        value: of the trace.
        epochs: steps in all, those of descents that diverged included.
        lr: of the one that did not.
    """

    value: float
    epochs: int
    lr: float


def descend(shares: Shares, lr: float = 0.1, epochs: int = 10_000) -> Descent:
    """Gradient descent on T(alpha) from alpha = 1, the last factor 1 over the others.

    Where it diverges, the learning rate is halved and the number of epochs doubled
    (report, section III.A, which begins with 100,000 epochs). A trace that rises is
    taken for that: steps may also be so long that it goes up and down. The gradient
    is divided by the trace at the start, so that one rate suits all networks.

    Args:
        shares: W_l and B_l of two layers or more.
        lr: to begin with.
        epochs: to begin with.

    Raises:
        FloatingPointError: if it still diverges after forty halvings.
    """
    scale, spent = shares.at(np.ones(len(shares.weights))), 0
    for _ in range(40):
        alphas, done, risen = np.ones(len(shares.weights) - 1), 0, False
        value, slope = _trace(shares, alphas)
        while done < epochs and not risen:
            alphas, done, before = alphas - lr / scale * slope, done + 1, value
            with np.errstate(all="ignore"):
                value, slope = _trace(shares, alphas)
            risen = not value <= before * (1 + ROUNDING)
        spent += done
        if not risen:
            return Descent(value, spent, lr)
        lr, epochs = lr / 2, epochs * 2
    raise FloatingPointError(f"it diverges at lr = {lr}")


def _trace(
    shares: Shares, alphas: Float[np.ndarray, " depth_less_1"]
) -> tuple[float, Float[np.ndarray, " depth_less_1"]]:
    """T and its gradient over the factors of all layers but the last."""
    products = np.cumprod(alphas)
    weights = shares.weights[:-1] / alphas**2
    biases = shares.biases[:-1] / products**2
    last = shares.weights[-1] * products[-1] ** 2
    value = weights.sum() + biases.sum() + last + shares.biases[-1]
    # alpha_l is in every product from its own on
    later = np.cumsum(biases[::-1])[::-1]
    slope = -2 * (weights + later - last) / alphas
    return float(value), slope
