"""Average-case (PAC-Bayes) sharpness: the mean rise under Gaussian noise.

    E_v L(theta + sigma v) - L(theta),  v ~ N(0, I).

For noise in proportion to the weights, give `coordinates.elementwise(at)`.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import brentq
from torch import Tensor
from torch.func import vmap

from flatminima.checks import at_least
from flatminima.sharpness.estimate import Estimate
from flatminima.sharpness.landscape import Landscape

CHUNK = 256
"""Displacements whose losses are computed together."""


def _pair_rises(
    at: Landscape, v: Float[Tensor, "pairs D"], sigma: float
) -> Float[np.ndarray, " pairs"]:
    """(L(theta + sigma v) + L(theta - sigma v)) / 2 - L(theta) of every v."""
    with torch.no_grad():
        there = torch.cat([at.theta + sigma * v, at.theta - sigma * v])
        losses = vmap(at.loss, chunk_size=CHUNK)(there)
        return (losses.view(2, -1).mean(dim=0) - at.loss()).numpy()


def _noise(at: Landscape, pairs: int, generator: torch.Generator) -> Tensor:
    at_least("pairs", pairs, 2)
    return torch.randn((pairs, at.size), generator=generator, dtype=at.theta.dtype)


def _estimate(rises: Float[np.ndarray, " pairs"]) -> Estimate:
    error = rises.std(ddof=1) / math.sqrt(len(rises))
    return Estimate(float(rises.mean()), float(error), len(rises))


def average_sharpness(
    at: Landscape, sigma: float, generator: torch.Generator, *, pairs: int = 100
) -> Estimate:
    """E L(theta + sigma v) - L(theta), from antithetic pairs v, -v.

    The pairs cancel the gradient's part of the variance, and all odd orders.

    Args:
        at: the landscape, at theta.
        sigma: standard deviation of the noise, above 0.
        generator: of the noise.
        pairs: of displacements, at least 2; each takes two evaluations of the loss.

    Raises:
        ValueError: if sigma is not above 0 or pairs is below 2.
    """
    if not sigma > 0:
        raise ValueError(f"sigma = {sigma}: must be above 0")
    return _estimate(_pair_rises(at, _noise(at, pairs, generator), sigma))


def sigma_at(
    at: Landscape,
    target: float,
    generator: torch.Generator,
    *,
    pairs: int = 100,
    smallest: float = 1e-6,
    largest: float = 1e3,
) -> Estimate:
    """The sigma at which the mean rise first equals a target.

    Jiang et al. 2020 search for the noise that a network bears, and take 1/sigma^2 as
    its sharpness: flat networks bear more. Their target is of the training accuracy,
    this one of the loss. The same noise is used for every sigma, so the curve is
    smooth and its first crossing well defined; the standard error is that of the rise
    over the slope of the curve.

    Args:
        at: the landscape, at theta; give `coordinates.elementwise(at)` for noise in
            proportion to the weights (the magnitude-aware form).
        target: rise of the loss, above 0.
        generator: of the noise.
        pairs: of displacements, at least 2.
        smallest, largest: between them sigma is sought, by doubling and then by
            Brent's method.

    Returns:
        An infinite value, without standard error, where even the largest sigma does
        not reach the target.

    Raises:
        ValueError: if target or pairs is too small, the smallest sigma is not below
            the largest, or the rise is above the target there already, or
            the loss is no number under some noise.
    """
    if not target > 0:
        raise ValueError(f"target = {target}: must be above 0")
    if not 0 < smallest < largest:
        raise ValueError(
            f"smallest = {smallest}: must be above 0 and below largest = {largest}"
        )
    v = _noise(at, pairs, generator)

    def excess(log_sigma: float) -> float:
        return float(_pair_rises(at, v, math.exp(log_sigma)).mean()) - target

    low, end = math.log(smallest), math.log(largest)
    if excess(low) >= 0:
        raise ValueError(f"smallest = {smallest}: the rise is above {target} already")
    high = min(low + math.log(2), end)
    while not (there := excess(high)) >= 0:
        if math.isnan(there):
            raise ValueError(
                f"at: the loss is no number under noise of sigma = {math.exp(high):.3g}"
            )
        if high == end:
            return Estimate(math.inf, math.nan, pairs)
        low, high = high, min(high + math.log(2), end)
    root = brentq(excess, low, high, xtol=1e-10)
    h = 1e-4
    slope = (excess(root + h) - excess(root - h)) / (2 * h)
    error = _estimate(_pair_rises(at, v, math.exp(root))).standard_error
    sigma = math.exp(root)
    return Estimate(sigma, sigma * error / abs(slope), pairs)
