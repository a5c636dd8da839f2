"""Models whose trace, largest eigenvalue and dimension can be moved one at a time.

An instance is a model, a point of {f = y} where a run starts, and the noise on its
labels. Settings that are compared differ in one of the three only.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flatminima.data.streams import generator
from flatminima.flows.diagonal import Diagonal
from flatminima.flows.factorisation import Factorisation
from flatminima.flows.gradient_flow import settle
from flatminima.flows.model import Theta
from flatminima.flows.noise import Model
from flatminima.flows.sharpness_flow import land, reduction
from flatminima.flows.two_layer import TwoLayer

NORM = 5.0
"""Sum of squares of u (and of v) at the start of every quadratic model."""

BASE_D, BASE_N = 20, 8
"""Coordinates and examples of the quadratic model that all sweeps pass through."""

SPARSITY = 3
"""Entries of its truth."""


@dataclass(frozen=True)
class Instance:
    """One model and where its runs start.

    Attributes:
        model: the model.
        start: a point of {f = y}.
        trace: Tr Hess L there.
        sharpness: largest eigenvalue of Hess L there.
        curvature: Tr (Hess L)^2 over Tr Hess L there.
        speed: |grad_Gamma Tr| there.
    """

    model: Model
    start: Theta
    trace: float
    sharpness: float
    curvature: float
    speed: float

    @property
    def size(self) -> int:
        """Parameters."""
        return len(self.start)


def at_interpolation(model: Model, start: Theta) -> Instance | None:
    """The instance at the end of gradient flow from a start, if it interpolates."""
    end = settle(model, start)
    theta = end.theta if end.reason == "interpolates" else land(model, start)
    if theta is None:
        return None
    gram = model.tangent(theta).gram() / len(model.y)
    return Instance(
        model,
        theta,
        model.trace(theta),
        float(np.linalg.eigvalsh(gram)[-1]),
        mean_curvature(model, theta),
        float(np.linalg.norm(reduction(model, theta))),
    )


def quadratic(
    seed: int,
    *,
    d: int = BASE_D,
    n: int = BASE_N,
    scale: float = 1.0,
    shared: float = 0.0,
) -> Instance | None:
    """f = <u^2 - v^2, z> on inputs of signs, from u = v.

    At the start Tr = 4 scale^2 (|u|^2 + |v|^2), whatever d and the inputs are.

    Args:
        seed: draws inputs and truth.
        d, n: coordinates and examples.
        scale: factor of the inputs, and so of the outputs.
        shared: probability that a sign is that of a common example: it moves the
            largest eigenvalue and leaves the trace where it was.
    """
    rng = generator(seed, "open-2-2 quadratic")
    z = rng.choice([-1.0, 1.0], (n, d))
    common = rng.choice([-1.0, 1.0], d)
    z = np.where(rng.random((n, d)) < shared, common, z)
    beta = np.zeros(d)
    beta[rng.permutation(d)[:SPARSITY]] = rng.standard_normal(min(SPARSITY, d))
    beta /= np.linalg.norm(beta)
    start = np.full(2 * d, np.sqrt(NORM / d))
    return at_interpolation(Diagonal(scale * z, scale * (z @ beta)), start)


def network(seed: int, *, width: int = 10, n: int = 5, d: int = 4) -> Instance | None:
    """<v, tanh(W x)> on Gaussian inputs of norm about 1, with labels of a small net."""
    rng = generator(seed, "open-2-2 network")
    x = rng.standard_normal((n, d)) / np.sqrt(d)
    y = rng.standard_normal(n)
    w, v = 1.5 * rng.standard_normal((width, d)), 1.5 * rng.standard_normal(width)
    start = np.concatenate([w.ravel(), v / np.sqrt(width)])
    return at_interpolation(TwoLayer(x, y, width), start)


def factors(seed: int, *, side: int = 5, rank: int = 5, n: int = 8) -> Instance | None:
    """f = <A, U V^T> on Gaussian measurements of a matrix of rank 1."""
    rng = generator(seed, "open-2-2 factors")
    a = rng.standard_normal((n, side, side))
    truth = np.outer(rng.standard_normal(side), rng.standard_normal(side)) / side
    start = rng.standard_normal(2 * side * rank) * np.sqrt(NORM / (side * rank))
    model = Factorisation(a, np.einsum("ijk,jk->i", a, truth), rank)
    return at_interpolation(model, start)


Maker = Callable[[int], Instance | None]


def mean_curvature(model: Model, theta: Theta) -> float:
    """Tr H^2 / Tr H at interpolation: the mean eigenvalue, weighted by eigenvalues."""
    gram = model.tangent(theta).gram() / len(model.y)
    return float(np.sum(gram**2) / np.trace(gram))


def reach(model: Model, theta: Theta, batch: int) -> float:
    """Curvature that a batch of b meets: (Tr H + (b - 1) Tr H^2 / Tr H) / b.

    To first order in lr, noise on the labels of a batch keeps outputs moving such that
    the mean of (f - y)^2 is lr reach / (2 b) of its variance: the trace for one
    example, and Tr H^2 / Tr H for many.

    Args:
        model, theta: where.
        batch: examples; 0 for all, none drawn, where the second term is left.
    """
    curvature = mean_curvature(model, theta)
    if batch == 0:
        return curvature
    return (model.trace(theta) + (batch - 1) * curvature) / batch
