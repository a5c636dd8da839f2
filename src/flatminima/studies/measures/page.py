"""All measures of one network, on one page."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from flatminima.sharpness import gauss_newton_trace, spectrum, trace
from flatminima.sharpness.average import average_sharpness
from flatminima.sharpness.box import box_sharpness
from flatminima.sharpness.coordinates import elementwise
from flatminima.sharpness.description import description_length
from flatminima.sharpness.diagonal import gauss_newton_diagonal
from flatminima.sharpness.estimate import Estimate
from flatminima.sharpness.landscape import Landscape
from flatminima.sharpness.minimum import Shares, least_trace
from flatminima.sharpness.normalised import normalised_sharpness
from flatminima.sharpness.products import hessian
from flatminima.sharpness.unit_minimum import least_unit_trace
from flatminima.studies.measures.rates import noise, worst

DIRECTIONS = 4
"""Eigenvectors along which a climb in a ball begins."""

NEGLIGIBLE = 1e-9
"""Eigenvalues below this share of the largest count as 0."""


@dataclass(frozen=True)
class Sizes:
    """How far each measure looks.

    Attributes:
        eps: radius of the ball.
        box: half of the box's relative width.
        sigma: standard deviation of the noise.
        rho: radius of the adaptive ball.
        tolerance: rise of the loss that a description may cost.
        pairs: draws of the noise.
        restarts: of every ascent.
        corners: at which the ascent in the box begins.
        num_steps: of every ascent, at most.
    """

    eps: float = 0.1
    box: float = 0.01
    sigma: float = 0.05
    rho: float = 0.05
    tolerance: float = 1e-4
    pairs: int = 200
    restarts: int = 3
    corners: int = 64
    num_steps: int = 20


def minimum(at: Landscape) -> float:
    """Minimum sharpness from the traces by parameter of a sequential network."""
    layers = gauss_newton_trace.exact(at).layers
    weights = [name for name in layers if not name.endswith("bias")]
    biases = [f"{name.removesuffix('weight')}bias" for name in weights]
    return least_trace(
        Shares(
            np.array([layers[name].value for name in weights]),
            np.array([layers[b].value if b in layers else 0.0 for b in biases]),
        )
    ).value


def unit_minimum(at: Landscape) -> float:
    """The least trace over the scales of all hidden units of a sequential network."""
    parts = at.split(gauss_newton_diagonal(at))
    weights = [name for name in parts if not name.endswith("bias")]
    biases = [f"{name.removesuffix('weight')}bias" for name in weights]
    matrices = [np.atleast_2d(parts[name].numpy()) for name in weights]
    none = [np.zeros(len(matrix)) for matrix in matrices]
    return least_unit_trace(
        matrices,
        [
            parts[name].numpy() if name in parts else zero
            for name, zero in zip(biases, none, strict=True)
        ],
    ).value


def bits(at: Landscape, tolerance: float) -> tuple[float, float]:
    """Description length, in digits after the point and relative to every weight."""
    diagonal = gauss_newton_diagonal(at)
    relative = description_length(diagonal, tolerance, at.theta.abs())
    return description_length(diagonal, tolerance), relative


def log_det(at: Landscape) -> float:
    """ln det of the part of the Gauss-Newton matrix that is not 0."""
    values = spectrum.full_gauss_newton(at)
    return spectrum.log_det(values, tolerance=NEGLIGIBLE).value


def in_ball(at: Landscape, size: float, sizes: Sizes, seed: int) -> float:
    """The worst rise in a ball."""
    found = spectrum.outermost(hessian(at), min(DIRECTIONS, at.size), tolerance=1e-12)
    return worst(
        at,
        size,
        found.vectors,
        seed,
        restarts=sizes.restarts,
        num_steps=sizes.num_steps,
    )


MEASURES: dict[str, Callable[[Landscape, Sizes, int], float | Estimate]] = {
    "trace": lambda at, s, seed: trace.exact(hessian(at)),
    "largest eigenvalue": lambda at, s, seed: spectrum.largest(
        hessian(at), tolerance=1e-12
    ),
    "log-determinant": lambda at, s, seed: log_det(at),
    "ε-sharpness": lambda at, s, seed: in_ball(at, s.eps, s, seed),
    "box sharpness": lambda at, s, seed: (
        box_sharpness(
            at, s.box, noise(seed, "c"), restarts=s.corners, num_steps=s.num_steps
        ).value
    ),
    "PAC-Bayesian sharpness": lambda at, s, seed: average_sharpness(
        at, s.sigma, noise(seed, "d"), pairs=s.pairs
    ),
    "adaptive sharpness": lambda at, s, seed: in_ball(elementwise(at), s.rho, s, seed),
    "normalised sharpness": lambda at, s, seed: normalised_sharpness(at),
    "minimum sharpness": lambda at, s, seed: minimum(at),
    "minimum over units": lambda at, s, seed: unit_minimum(at),
    "bits": lambda at, s, seed: bits(at, s.tolerance)[0],
    "bits, relative": lambda at, s, seed: bits(at, s.tolerance)[1],
}
"""Every measure, from a landscape of a sequential network, sizes and a seed."""

HOMOGENEOUS_ONLY = ("minimum sharpness", "minimum over units")
"""Measures that are defined for networks with ReLU units only."""


def measured(
    at: Landscape, sizes: Sizes, seed: int, names: tuple[str, ...] = tuple(MEASURES)
) -> dict[str, Estimate]:
    """Every measure as a number with its standard error, 0 where it has none."""
    found = {}
    for name in names:
        value = MEASURES[name](at, sizes, seed)
        found[name] = value if isinstance(value, Estimate) else Estimate(value)
    return found


def page(nets: dict[str, Landscape], sizes: Sizes, seed: int) -> pd.DataFrame:
    """All measures of some networks: a row a measure, a column a network.

    A measure that a network does not have is a dash. A standard error follows where
    a measure is estimated from draws.
    """
    columns = {}
    for label, at in nets.items():
        names = tuple(
            name for name in MEASURES if name not in HOMOGENEOUS_ONLY or "ReLU" in label
        )
        columns[label] = {
            name: written(each)
            for name, each in measured(at, sizes, seed, names).items()
        }
    return pd.DataFrame(columns, index=list(MEASURES)).fillna("–")


def written(each: Estimate) -> str:
    """A number, with its standard error if it has one."""
    if not math.isfinite(each.value):
        return "∞"
    if each.standard_error == 0:
        return f"{each.value:.4g}"
    return f"{each.value:.4g} ± {each.standard_error:.1g}"
