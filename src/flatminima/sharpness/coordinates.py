"""A landscape in other coordinates: theta = theta_0 + scale * u or theta_0 + A u.

A neighbourhood that is an ellipsoid or a box in theta is a ball or a cube in u. So one
measure of balls serves for all of them: `elementwise` makes any measure of this room
adaptive (Kwon et al. 2021, with T = diag(|theta| + floor)).
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from flatminima.sharpness.landscape import Landscape


def rescaled(at: Landscape, scale: Float[Tensor, " D"] | float) -> Landscape:
    """u -> L(theta + scale * u), at u = 0.

    Args:
        at: the landscape, at theta.
        scale: of every coordinate, at least 0; one number scales all alike.

    Raises:
        ValueError: if a scale is negative or not finite.
    """
    scale = torch.as_tensor(scale, dtype=at.theta.dtype)
    if not bool((torch.isfinite(scale) & (scale >= 0)).all()):
        raise ValueError("scale: must be finite and at least 0 in every coordinate")

    def network(u: Tensor, inputs: Tensor) -> Tensor:
        return at.network(at.theta + scale * u, inputs)

    return replace(at, network=network, theta=torch.zeros_like(at.theta))


def elementwise(at: Landscape, floor: float = 0.0) -> Landscape:
    """u -> L(theta + (|theta| + floor) * u), at u = 0.

    Its ball of radius rho is ASAM's neighbourhood
    ||d / (|theta| + floor)|| <= rho, element-wise (Kwon et al. 2021, whose eta is the
    floor). With floor 0 it does not change when weights are rescaled in a way that
    leaves the function alone; a floor above 0 breaks that.

    Args:
        at: the landscape, at theta.
        floor: what is added to every magnitude, at least 0.

    Raises:
        ValueError: if the floor is negative.
    """
    if not floor >= 0:
        raise ValueError(f"floor = {floor}: must be at least 0")
    return rescaled(at, at.theta.abs() + floor)


def spanned(at: Landscape, basis: Float[Tensor, "D p"]) -> Landscape:
    """u -> L(theta + A u) for p directions, at u = 0.

    Args:
        at: the landscape, at theta.
        basis: A, one direction a column.

    Raises:
        ValueError: if the columns have not the length of theta.
    """
    if basis.dim() != 2 or len(basis) != at.size:
        raise ValueError(
            f"basis: must have {at.size} rows, one a parameter, not {len(basis)}"
        )

    def network(u: Tensor, inputs: Tensor) -> Tensor:
        return at.network(at.theta + basis @ u, inputs)

    size = basis.shape[1]
    theta = torch.zeros(size, dtype=at.theta.dtype)
    shapes = (("u", theta.shape),)
    return replace(at, network=network, theta=theta, shapes=shapes)
