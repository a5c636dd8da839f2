"""Flattest deep ReLU MLPs that memorise: one path of units for each point.

Source: Wen, Li & Ma 2023, proof of Theorem 4.1; where its middle layers are 0 off
the diagonal, which puts units on a kink, they inhibit here.
"""

import numpy as np
from jaxtyping import Float

from flatminima.checks import at_least
from flatminima.theory.constructions.extreme_points import distinct
from flatminima.theory.constructions.memorising_networks import memorising_bias


def memorising_deep(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    depth: int,
    *,
    fraction: float = 0.5,
    inhibition: float = 0.1,
) -> tuple[
    Float[np.ndarray, "inputs width"],
    Float[np.ndarray, "middles width width"],
    Float[np.ndarray, " width"],
]:
    """A memorising deep MLP with first-layer bias whose trace attains the bound.

    With b_i = (|y_i| / ||x'_i||)^(1/D), unit i of the first layer outputs
    ||x'_i|| b_i on x_i and 0 on the other points, every middle layer multiplies it
    by b_i, and v_i = sign(y_i) b_i. Then f(x_i) = y_i, and the gradients of all
    layers have the norm ||x'_i|| b_i^(D-1): D of them squared make the bound's
    term D |y_i|^(2 - 2/D) ||x'_i||^(2/D). Off the training points of a hypercube
    the output is 0.

    Args:
        x: points whose distinct ones are extreme points; repeats are merged.
        y: real labels, not 0.
        depth: layers of weights, at least 2.
        fraction: as in `memorising_bias`.
        inhibition: every off-diagonal entry of a middle layer is minus this. At 0
            all units but one would sit on their kink.

    Returns:
        w, middle, v with one unit a distinct point in every layer, in order of
        first occurrence.

    Raises:
        ValueError: as `memorising_bias`, or if a label is 0, depth is below 2 or
            inhibition is not positive.
    """
    at_least("depth", depth, 2)
    if not 0 < inhibition < np.inf:
        raise ValueError(f"inhibition = {inhibition}: allowed are finite values > 0")
    points = distinct(x, y)
    if np.any(points.y == 0):
        raise ValueError(
            f"y[{int(np.argmax(y == 0))}] = 0: allowed are labels other than 0, since "
            "a network of output 0 sits on the kinks of all its middle units"
        )
    size = np.abs(points.y)
    norm = np.sqrt(np.sum(points.x**2, axis=1) + 1)
    factor = (size / norm) ** (1 / depth)
    w, _ = memorising_bias(points.x, points.y, fraction=fraction)
    square = np.full((len(size), len(size)), -inhibition)
    np.fill_diagonal(square, factor)
    return (
        w * (norm * factor / np.sqrt(norm * size)),
        np.tile(square, (depth - 2, 1, 1)),
        np.sign(points.y) * factor,
    )
