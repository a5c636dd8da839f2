"""Keskar et al.'s sharpness: the worst relative rise within a box.

    phi = 100 / (1 + L(theta)) max_{d in C} L(theta + d) - L(theta),
    C = {A z: |z_i| <= eps (|(A^+ theta)_i| + 1)},

with A the identity, or a random D x p matrix (Keskar et al. 2017, Metric 2.1).
"""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from flatminima.checks import at_least
from flatminima.sharpness.ascent import Neighbourhood, Worst, ascend
from flatminima.sharpness.coordinates import rescaled, spanned
from flatminima.sharpness.landscape import Landscape


def cube() -> Neighbourhood:
    """The set max_i |u_i| <= 1, for `ascend`."""
    return Neighbourhood(lambda u: u.clamp(-1.0, 1.0), torch.sign)


def box_sharpness(
    at: Landscape,
    eps: float,
    generator: torch.Generator,
    *,
    dim: int | None = None,
    restarts: int = 8,
    num_steps: int = 200,
) -> Worst:
    """100 / (1 + L) times the worst rise within the box, by projected ascent.

    The first restart begins at the corner to which the gradient points, the others at
    random corners. Value and restarts carry the factor; the displacement is that of
    the parameters.

    Args:
        at: the landscape, at theta.
        eps: half of the box's relative width, above 0; Keskar et al. take 1e-3 and
            5e-4.
        generator: of the random corners and of A.
        dim: p, the number of columns of A, each normal and then of length 1; the
            whole space without it.
        restarts: climbs, at least 1.
        num_steps: of a climb, at most.

    Raises:
        ValueError: if eps is not above 0, dim is not within 1 and D, or a number is
            below 1.
    """
    if not eps > 0:
        raise ValueError(f"eps = {eps}: must be above 0")
    at_least("restarts", restarts, 1)
    basis: Float[Tensor, "D p"] | None = None
    inner, centre = at, at.theta
    if dim is not None:
        at_least("dim", dim, 1)
        if dim > at.size:
            raise ValueError(f"dim = {dim}: must be at most {at.size}")
        shape = (at.size, dim)
        basis = torch.randn(shape, generator=generator, dtype=at.theta.dtype)
        basis = basis / basis.norm(dim=0)
        inner, centre = spanned(at, basis), torch.linalg.lstsq(basis, at.theta).solution
    widths = eps * (centre.abs() + 1)
    inside = rescaled(inner, widths)
    shape = (restarts - 1, inside.size)
    random = torch.randn(shape, generator=generator, dtype=at.theta.dtype)
    corners = torch.cat([inside.gradient()[None], random]).sign()
    worst = ascend(inside, cube(), corners, num_steps)
    factor = 100 / (1 + float(at.loss()))
    moved = widths * worst.displacement
    return replace(
        worst,
        value=factor * worst.value,
        displacement=moved if basis is None else basis @ moved,
        rises=tuple(factor * rise for rise in worst.rises),
    )
