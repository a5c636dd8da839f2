"""What average-case sharpness has beyond its quadratic part.

    E_v L(theta + sigma v) - L(theta) = sigma^2/2 Tr Hess L + excess,  v ~ N(0, I).

The excess is of order sigma^4 where L is smooth. It drowns in the noise of an estimate
of the whole, whose standard deviation is of order sigma^2. Here every draw has its own
quadratic part taken off, whose mean is known, so what varies is of the excess's order.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch.func import vmap

from flatminima.checks import at_least
from flatminima.sharpness.average import CHUNK
from flatminima.sharpness.estimate import Estimate
from flatminima.sharpness.landscape import Landscape
from flatminima.sharpness.products import Products
from flatminima.sharpness.trace import mean


def excess(
    at: Landscape,
    hessian: Products,
    sigmas: Float[np.ndarray, " sigmas"],
    generator: torch.Generator,
    *,
    pairs: int = 100,
) -> list[Estimate]:
    """E L(theta + sigma v) - L(theta) - sigma^2/2 Tr Hess L, for several sigma.

    From the same antithetic pairs v, -v for every sigma: the mean of
    (L(theta + sigma v) + L(theta - sigma v))/2 - L(theta) - sigma^2/2 v' Hess v.

    Args:
        at: the landscape, at theta.
        hessian: of its loss, there.
        sigmas: standard deviations of the noise, above 0.
        generator: of the noise.
        pairs: of displacements, at least 2.

    Raises:
        ValueError: if a sigma is not above 0 or pairs is below 2.
    """
    at_least("pairs", pairs, 2)
    if not (np.asarray(sigmas) > 0).all():
        raise ValueError(f"sigmas = {sigmas}: must be above 0")
    shape = (pairs, at.size)
    v = torch.randn(shape, generator=generator, dtype=at.theta.dtype)
    forms = np.einsum("pd,dp->p", v.numpy(), hessian @ v.numpy().T)
    losses = vmap(at.loss, chunk_size=CHUNK)
    found = []
    with torch.no_grad():
        base = at.loss()
        for sigma in map(float, sigmas):
            up, down = losses(at.theta + sigma * v), losses(at.theta - sigma * v)
            rises = ((up + down) / 2 - base).numpy()
            found.append(mean(rises - sigma**2 / 2 * forms))
    return found
