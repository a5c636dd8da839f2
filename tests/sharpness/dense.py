"""The Hessian of the real loss as a dense matrix, by autograd on the plain network."""

from types import ModuleType
from typing import Any, NamedTuple

import curvlinops
import numpy as np
import torch

from flatminima.models.base import load
from flatminima.models.losses import SQUARED, Logistic, Squared
from tests.reference import Net, logistic_loss, mean_squared_error


class Point(NamedTuple):
    """A small network at some parameters, as the engine and as PyTorch see it."""

    module: ModuleType
    model: Any
    w: np.ndarray
    v: np.ndarray
    inputs: np.ndarray
    y: np.ndarray
    net: Net
    x: torch.Tensor
    loss: Squared | Logistic = SQUARED

    @property
    def engine(self) -> tuple:
        """Arguments that most measures take after the architecture."""
        return self.model, self.w, self.v, self.inputs


def random_point(
    architecture: str, seed: int, eps: float = 1e-4, loss: Squared | Logistic = SQUARED
) -> Point:
    """Five examples of dimension 3 with random labels, width 5."""
    rng = np.random.default_rng(seed)
    module = load(architecture)
    fields = module.Model._fields
    model = module.Model(eps=eps) if "eps" in fields else module.Model()
    x = rng.choice([-1.0, 1.0], (5, 3))
    inputs = module.inputs(model, x)
    w, v = rng.normal(size=(inputs.shape[1], 5)), rng.normal(size=5)
    net = Net(architecture, 3, 5, eps).set(w, v)
    y = rng.normal(size=5)
    y = y if loss == SQUARED else np.sign(y)
    return Point(module, model, w, v, inputs, y, net, torch.as_tensor(x), loss)


def hessian(point: Point) -> np.ndarray:
    """All second derivatives of the training loss over all parameters."""
    mean_loss = (
        mean_squared_error
        if point.loss == SQUARED
        else logistic_loss(point.loss.smoothing)
    )
    names = [name for name, _ in point.net.named_parameters()]
    values = [p.detach() for p in point.net.parameters()]
    sizes = [p.numel() for p in values]

    def loss(theta: torch.Tensor) -> torch.Tensor:
        parts = theta.split(sizes)
        parameters = {
            name: part.reshape(value.shape)
            for name, part, value in zip(names, parts, values, strict=True)
        }

        def forward(x):
            return torch.func.functional_call(point.net, parameters, (x,))

        return mean_loss(forward, point.x, torch.as_tensor(point.y))

    theta = torch.cat([p.flatten() for p in values])
    return torch.autograd.functional.hessian(loss, theta).numpy()


class ColumnOutput(torch.nn.Module):
    """f(x) as a column, the shape of a prediction that curvlinops expects."""

    def __init__(self, net: Net):
        super().__init__()
        self.net = net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)[:, None]


def second_library(point: Point) -> curvlinops.HessianLinearOperator:
    """The same Hessian as an operator of curvlinops."""
    return curvlinops.HessianLinearOperator(
        ColumnOutput(point.net),
        torch.nn.MSELoss(),
        list(point.net.parameters()),
        [(point.x, torch.as_tensor(point.y)[:, None])],
    )
