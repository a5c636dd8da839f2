"""Flattest networks that memorise: each point has a unit that fires on it alone.

Unit i sees w_i . (x - x_i) + eps_i with 0 < eps_i < delta_i, where w_i
separates x_i by the margin delta_i (`extreme_points`). It is positive at x_i,
where it is eps_i, and at no other training point.

Source: Wen, Li & Ma 2023, Propositions 3.1 and 5.1.
"""

import numpy as np
from jaxtyping import Float

from flatminima.theory.constructions.extreme_points import distinct, separate


def memorising_bias(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    *,
    fraction: float = 0.5,
) -> tuple[Float[np.ndarray, "inputs width"], Float[np.ndarray, " width"]]:
    """A memorising 2-MLP-Bias whose trace attains the certified bound.

    With r_i = sqrt(||x_i||^2 + 1) = ||x'_i||, unit i outputs
    sqrt(r_i |y_i|) on x_i and v_i = sign(y_i) sqrt(|y_i| / r_i). Then
    ||grad f(x_i)||^2 = r_i |y_i| + (|y_i| / r_i) r_i^2 = 2 |y_i| ||x'_i||, the
    bound's own term. A point of label 0 gets a unit of zero weights.

    Rounding errors of the output grow as 1e-16 times extent over margin.

    Args:
        x: points whose distinct ones are extreme points; repeats are merged.
        y: real labels.
        fraction: eps_i / delta_i; at 1 the unit has a kink on another point.

    Returns:
        w, v with one unit a distinct point, in order of first occurrence.

    Raises:
        ValueError: if a point is no vertex, if equal points have unequal labels,
            or if `fraction` is not inside (0, 1).
    """
    points = distinct(x, y)
    norm = np.sqrt(np.sum(points.x**2, axis=1) + 1)
    size = np.abs(points.y)
    w = _one_unit_a_point(points.x, np.sqrt(norm * size), fraction)
    return w, np.sign(points.y) * np.sqrt(size / norm)


def memorising_sim_ln(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    eps: float,
    *,
    activation: float | None = None,
    fraction: float = 0.5,
) -> tuple[Float[np.ndarray, "inputs width"], Float[np.ndarray, " width"]]:
    """A memorising 2-MLP-Sim-LN whose trace attains the certified bound.

    A single active unit above eps is normalised to u = 1, so f = v_i = y_i and
    df/dz = (v - f u) / ||h|| = 0 at every scale of the first layer:
    ||grad f(x_i)||^2 = 1. Only for labels with 2 |y_i| ||x'_i|| < eps is
    staying below eps flatter: there h = sqrt(eps |y_i| ||x'_i||) and
    |v_i| = sqrt(eps |y_i| / ||x'_i||) give (2 / eps) |y_i| ||x'_i||.

    Args:
        x: points whose distinct ones are extreme points; repeats are merged.
        y: real labels.
        eps: floor of the norm in Sim-LN.
        activation: output of unit i on x_i, above eps; by default the larger
            of 1 and 2 eps.
        fraction: as in `memorising_bias`.

    Returns:
        w, v with one unit a distinct point, in order of first occurrence.

    Raises:
        ValueError: as `memorising_bias`, or if eps or `activation` is out of range.
    """
    activation = check_activation(eps, activation)
    points = distinct(x, y)
    norm = np.sqrt(np.sum(points.x**2, axis=1) + 1)
    size = np.abs(points.y)
    below = 2 * size * norm < eps
    height = np.where(below, np.sqrt(eps * size * norm), activation)
    second = np.where(below, np.sqrt(eps * size / norm), size)
    w = _one_unit_a_point(points.x, height, fraction)
    return w, np.sign(points.y) * second


def check_activation(eps: float, activation: float | None) -> float:
    """The output of a single active unit of Sim-LN, which must exceed eps.

    Returns:
        `activation`, or the larger of 1 and 2 eps if it is None.

    Raises:
        ValueError: if eps is not positive, or if `activation` is not above it.
    """
    if not 0 < eps < np.inf:
        raise ValueError(f"eps = {eps}: allowed are finite eps > 0")
    if activation is None:
        return max(1.0, 2 * eps)
    if not eps < activation < np.inf:
        raise ValueError(
            f"activation = {activation}: allowed are finite values above eps = {eps}"
        )
    return activation


def _one_unit_a_point(x: np.ndarray, height: np.ndarray, fraction: float) -> np.ndarray:
    """First layer, bias last, whose unit i outputs height_i on x_i alone."""
    if not 0 < fraction < 1:
        raise ValueError(f"fraction = {fraction}: allowed are 0 < fraction < 1")
    separation = separate(x)
    margin = np.where(np.isinf(separation.margins), 1.0, separation.margins)
    eps = fraction * margin
    offset = np.einsum("ij,ij->i", separation.directions, x)
    rows = np.column_stack([separation.directions, eps - offset])
    return np.ascontiguousarray((rows * (height / eps)[:, None]).T)
