"""Smooth models at a minimum, several instances of each at once.

Every loss is a function of one flat vector, in float64. The networks have fewer
examples than parameters and fit them, so their minima form a manifold; the quadratics
have one minimum; a factorisation leaves a residual, and its minima are orbits of the
transformations that leave the product as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import least_squares
from torch import Tensor

from flatminima.studies.stability.perceptrons import (
    Shape,
    jacobian,
    outputs,
    predictions,
)
from flatminima.studies.stability.perceptrons import gradient as slopes
from flatminima.theory.stability.escape import Gradient

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""From theta (D,), inputs and targets of one instance to a scalar."""

WIDTH = 4
INPUTS = 2
EXAMPLES = 8
RESIDUAL = 1e-10
"""Largest error of an output at which a network counts as fitting its data."""

RESTARTS = 20


@dataclass(frozen=True)
class Instances:
    """S instances of one model.

    Attributes:
        name: of the model.
        loss: of one instance.
        x, y: data, one instance an entry of the first axis.
        minima: a minimum of each, shape (S, D).
        gradient: of each instance's loss at K points, written out, since a program's
            derivative of losses as small as these costs many times more.
        shape: of networks.
    """

    name: str
    loss: Loss
    x: Tensor
    y: Tensor
    minima: Float[Tensor, "S D"]
    gradient: Gradient
    shape: Shape | None = None

    def hessians(self) -> Float[Tensor, "S D D"]:
        """The Hessian of each instance at its minimum."""
        one = torch.func.hessian(self.loss)
        return torch.func.vmap(one)(self.minima, self.x, self.y)

    def lambda_max(self) -> Float[Tensor, " S"]:
        """The largest eigenvalue of each Hessian."""
        return torch.linalg.eigvalsh(self.hessians())[:, -1]

    def directions(self, seeds: Sequence[int]) -> Float[Tensor, "S D"]:
        """A random unit vector for each instance.

        Args:
            seeds: one an instance.
        """
        size = self.minima.shape[1]
        z = [np.random.default_rng([s, 1]).standard_normal(size) for s in seeds]
        unit = torch.tensor(np.array(z))
        return unit / unit.norm(dim=1, keepdim=True)


def quadratics(seeds: Sequence[int], dim: int = 12) -> Instances:
    """theta^T A theta / 2, A = G G^T / dim with G standard normal.

    Args:
        seeds: one an instance.
        dim: parameters.
    """
    draws = [np.random.default_rng(s).standard_normal((dim, dim)) for s in seeds]
    a = torch.tensor(np.array([g @ g.T / dim for g in draws]))

    def loss(theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return theta @ x @ theta / 2

    def gradient(theta: Tensor) -> Tensor:
        return theta @ a

    start = torch.zeros(len(seeds), dim, dtype=torch.float64)
    nothing = torch.zeros(len(seeds), 1)
    return Instances("quadratic", loss, a, nothing, start, gradient)


def networks(activation: str, seeds: Sequence[int]) -> Instances:
    """Small networks that fit random data, with the loss mean (f - y)^2.

    Args:
        activation: of `perceptrons.ACTIVATIONS`.
        seeds: one an instance; it draws data and start.

    Raises:
        ValueError: if the activation has no such name.
        ArithmeticError: if no start of an instance leads to a fit.
    """
    shape = Shape((INPUTS, WIDTH, 1), activation)

    def loss(theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return ((outputs(shape, theta, x) - y) ** 2).mean()

    found = [fitted(shape, seed) for seed in seeds]
    x, y, theta = (np.array(a) for a in zip(*found, strict=True))

    def gradient(points: Tensor) -> Tensor:
        copies, flat = points.shape[1], points.reshape(-1, shape.dim).numpy()
        data = (np.repeat(a, copies, axis=0) for a in (x, y))
        with np.errstate(over="ignore", invalid="ignore"):  # of paths that left
            found = slopes(shape, flat, *data)[0]
        return torch.from_numpy(found).reshape(points.shape)

    inputs, labels, minima = map(torch.from_numpy, (x, y, theta))
    name = f"{activation} network"
    return Instances(name, loss, inputs, labels, minima, gradient, shape)


def random_data(shape: Shape, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Standard normal inputs (n, d) and labels (n,), fewer than a network's weights.

    Args:
        shape: of the network.
        seed: of the data.
    """
    generator = np.random.default_rng([seed, 0])
    x = generator.standard_normal((EXAMPLES, shape.sizes[0]))
    return x, generator.standard_normal(EXAMPLES)


def fitted(shape: Shape, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Data and parameters of a network that fits them to `RESIDUAL`.

    Args:
        shape: of the network.
        seed: of data and start.

    Returns:
        x (n, d), y (n,) and theta (D,).

    Raises:
        ArithmeticError: if no start leads to a fit.
    """
    generator, (x, y) = np.random.default_rng(seed), random_data(shape, seed)
    for _ in range(RESTARTS):
        end = least_squares(
            lambda t: predictions(shape, t[None], x[None])[0] - y,
            generator.standard_normal(shape.dim),
            jac=lambda t: jacobian(shape, t, x),
            xtol=1e-15,
            ftol=1e-15,
            gtol=1e-15,
            max_nfev=300,
        )
        if np.abs(end.fun).max() < RESIDUAL:
            return x, y, end.x
    raise ArithmeticError(f"seed {seed}: no start leads to a network that fits")


def factorisations(seeds: Sequence[int], side: int = 4, rank: int = 2) -> Instances:
    """|U V^T - M|^2 / 2 with fewer columns than M has rank, so that a residual stays.

    The minimum is known: the leading singular vectors of M, split between U and V by a
    random invertible matrix.

    Args:
        seeds: one an instance.
        side: rows and columns of M, standard normal.
        rank: columns of U and V.
    """
    targets, minima = [], []
    for seed in seeds:
        generator = np.random.default_rng(seed)
        m = generator.standard_normal((side, side))
        left, values, right = np.linalg.svd(m)
        mix = generator.standard_normal((rank, rank)) / 2 + np.eye(rank)
        root = np.sqrt(values[:rank])
        u = left[:, :rank] * root @ mix
        v = right[:rank].T * root @ np.linalg.inv(mix).T
        targets.append(m)
        minima.append(np.concatenate([u.ravel(), v.ravel()]))

    def loss(theta: Tensor, x: Tensor, y: Tensor) -> Tensor:
        u, v = theta.reshape(2, side, rank)
        return ((u @ v.T - y) ** 2).sum() / 2

    y, ends = torch.tensor(np.array(targets)), torch.tensor(np.array(minima))

    def gradient(theta: Tensor) -> Tensor:
        u, v = theta.reshape(*theta.shape[:2], 2, side, rank).unbind(2)
        error = u @ v.mT - y[:, None]
        return torch.stack([error @ v, error.mT @ u], 2).reshape(theta.shape)

    nothing = torch.zeros(len(seeds), 1)
    return Instances("matrix factorisation", loss, nothing, y, ends, gradient)


def all_models(seeds: Sequence[int]) -> list[Instances]:
    """Instances of the four models, one a seed.

    Args:
        seeds: of data and start.
    """
    return [
        quadratics(seeds),
        networks("tanh", seeds),
        networks("softplus", seeds),
        factorisations(seeds),
    ]
