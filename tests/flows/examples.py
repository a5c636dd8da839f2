"""Models of the flows' tests, and a second way to write two of them."""

import numpy as np
import torch

from flatminima.flows.any_model import AnyModel
from flatminima.flows.diagonal import Diagonal
from flatminima.flows.factorisation import Factorisation
from flatminima.flows.two_layer import TwoLayer
from flatminima.sharpness.landscape import landscape


class Squares(torch.nn.Module):
    """<u^2 - v^2, z> as a user would write it."""

    def __init__(self, theta: np.ndarray):
        super().__init__()
        u, v = torch.from_numpy(theta).chunk(2)
        self.u = torch.nn.Parameter(u.clone())
        self.v = torch.nn.Parameter(v.clone())

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z @ (self.u**2 - self.v**2)


class Factors(torch.nn.Module):
    """<A, U V^T>."""

    def __init__(self, u: np.ndarray, v: np.ndarray):
        super().__init__()
        self.u = torch.nn.Parameter(torch.tensor(u))
        self.v = torch.nn.Parameter(torch.tensor(v))

    def forward(self, a: torch.Tensor) -> torch.Tensor:
        return (a * (self.u @ self.v.T)).sum((1, 2))


class Layers(torch.nn.Module):
    """v . act(W x)."""

    def __init__(self, w: np.ndarray, v: np.ndarray, activation: str):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(w))
        self.v = torch.nn.Parameter(torch.tensor(v))
        names = {"softplus": torch.nn.functional.softplus}
        self.activation = names.get(activation) or getattr(torch, activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(x @ self.w.T) @ self.v


def diagonal(
    seed: int, n: int = 4, d: int = 9, *, signs: bool = True
) -> tuple[Diagonal, np.ndarray]:
    """A quadratic model, and a start off {f = y}."""
    rng = np.random.default_rng(seed)
    z = rng.choice([-1.0, 1.0], (n, d)) if signs else rng.standard_normal((n, d))
    return Diagonal(z, rng.standard_normal(n)), 0.5 + 0.3 * rng.random(2 * d)


def factorisation(seed: int, n: int = 5) -> tuple[Factorisation, np.ndarray]:
    """A factorisation of 3 x 4 matrices, and a start."""
    rng = np.random.default_rng(seed)
    model = Factorisation(rng.standard_normal((n, 3, 4)), rng.standard_normal(n), 3)
    return model, rng.standard_normal(21)


def two_layer(seed: int, activation: str) -> tuple[TwoLayer, np.ndarray]:
    """A network of six units on five points, and a start."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((5, 3)), rng.standard_normal(5)
    model = TwoLayer(x, y, 6, activation)
    return model, rng.standard_normal(model.size)


def as_torch(model: Diagonal | Factorisation | TwoLayer, theta: np.ndarray) -> AnyModel:
    """The same model for automatic differentiation."""
    module: torch.nn.Module
    if isinstance(model, Diagonal):
        module, inputs = Squares(theta), model.z
    elif isinstance(model, TwoLayer):
        module, inputs = Layers(*model.split(theta), model.activation), model.x
    else:
        module, inputs = Factors(*model.split(theta)), model.a
    data = torch.from_numpy(inputs), torch.from_numpy(model.y)
    return AnyModel(landscape(module, *data, "squared"))
