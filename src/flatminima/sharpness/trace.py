"""Trace of a symmetric matrix that is known by its products: exact, or by probes.

For the trace of the Gauss-Newton matrix there is a faster way: `gauss_newton_trace`.
"""

import math

import numpy as np
import torch
from jaxtyping import Float

from flatminima.checks import at_least
from flatminima.sharpness.estimate import Estimate
from flatminima.sharpness.landscape import Landscape
from flatminima.sharpness.products import Products


def diagonal(operator: Products) -> Float[np.ndarray, " D"]:
    """The diagonal, by D products with unit vectors, in blocks of `at_once`."""
    size = operator.shape[0]
    found = np.empty(size)
    for start in range(0, size, operator.at_once):
        block = np.arange(start, min(start + operator.at_once, size))
        units = np.zeros((size, len(block)))
        units[block, np.arange(len(block))] = 1
        found[block] = (operator @ units)[block, np.arange(len(block))]
    return found


def exact(operator: Products) -> Estimate:
    """Tr A, by D products. Up to rounding it has no error."""
    return Estimate(float(diagonal(operator).sum()))


def by_layer(at: Landscape, values: Float[np.ndarray, " D"]) -> dict[str, Estimate]:
    """Sums over the entries of every parameter, such as those of a diagonal."""
    split = at.split(torch.from_numpy(values))
    return {name: Estimate(float(part.sum())) for name, part in split.items()}


def hutchinson(operator: Products, probes: int, *, seed: int = 0) -> Estimate:
    """Tr A as the mean of v^T A v over Rademacher probes v.

    Its variance is 2 (|A|_F^2 - |diag A|^2) / probes (Hutchinson 1989; Avron and Toledo
    2011), so it is exact for a diagonal A. The standard error is that of the mean.

    Args:
        operator: A, symmetric.
        probes: at least 2.
        seed: of the probes.
    """
    at_least("probes", probes, 2)
    rng = np.random.default_rng(seed)
    values = np.concatenate(
        [
            _forms(operator, rademacher(rng, operator.shape[0], count))
            for count in _blocks(probes, operator.at_once)
        ]
    )
    return mean(values)


def hutch_plus_plus(operator: Products, products: int, *, seed: int = 0) -> Estimate:
    """Tr A by Hutch++ (Meyer, Musco, Musco and Woodruff 2021, algorithm 1).

    A third of the products spans the range of A S, in which the trace is exact; the
    rest goes to `hutchinson` on what is orthogonal to it. It pays where few eigenvalues
    hold most of the norm. Given the range, the rest is a mean over probes, and the
    standard error is that of this mean.

    Args:
        operator: A, symmetric.
        products: with vectors, at least 6.
        seed: of the probes.
    """
    at_least("products", products, 6)
    rng = np.random.default_rng(seed)
    size, third = operator.shape[0], products // 3
    sketch = operator @ rademacher(rng, size, third)
    basis, _ = np.linalg.qr(sketch)
    inside = float(np.sum(basis * (operator @ basis)))
    probes = rademacher(rng, size, products - 2 * third)
    probes -= basis @ (basis.T @ probes)
    outside = mean(_forms(operator, probes))
    return Estimate(inside + outside.value, outside.standard_error, products)


def mean(values: Float[np.ndarray, " draws"]) -> Estimate:
    """Mean of independent draws, with its standard error."""
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    return Estimate(float(values.mean()), error, len(values))


def rademacher(
    rng: np.random.Generator, size: int, count: int
) -> Float[np.ndarray, "size count"]:
    """Columns of independent signs."""
    return rng.integers(0, 2, (count, size)).T * 2.0 - 1


def _forms(
    operator: Products, probes: Float[np.ndarray, "D m"]
) -> Float[np.ndarray, " m"]:
    return np.einsum("dm,dm->m", probes, operator @ probes)


def _blocks(total: int, block: int) -> list[int]:
    whole, rest = divmod(total, block)
    return [block] * whole + [rest] * (rest > 0)
