"""What the experiment in the chapter's page holds, and the numbers that it shows.

A ReLU network on the line, of two layers, without a bias at the output: small enough
that a page computes its whole Hessian.
"""

from typing import Any

import numpy as np
import torch
from torch import nn

from flatminima.runs.descent import train
from flatminima.runs.descent.config import DescentConfig
from flatminima.runs.descent.problem import problem
from flatminima.sharpness import gauss_newton_trace
from flatminima.sharpness.landscape import landscape
from flatminima.sharpness.products import hessian
from flatminima.sharpness.rescaling import rescale
from flatminima.sharpness.spectrum import largest
from flatminima.sweeps.sweep import run_all

CONFIG = DescentConfig(
    model="relu_1d",
    data="points",
    width=12,
    init_scale=0.4,
    lr=0.01,
    num_steps=100_000,
    num_checkpoints=2,
    init_seed=100,
)
"""The run whose end is rescaled."""

DIGITS = 4
"""Decimals of the weights that the page gets: the network is the rounded one."""

LOSS = "squared"
"""The mean of (f - y)^2."""


def weights() -> dict[str, np.ndarray]:
    """w, b and a of the trained network, rounded."""
    state = train.start(CONFIG)
    names = tuple(state.arrays)
    (run,) = run_all([CONFIG])
    return {name: np.round(run.arrays[name], DIGITS) for name in names}


def data() -> dict[str, Any]:
    """The points x and y, and the weights of the network."""
    points = problem(CONFIG).data
    found: dict[str, Any] = {"x": points.x[:, 0].tolist(), "y": points.y.tolist()}
    return found | {name: value.tolist() for name, value in weights().items()}


def network() -> nn.Sequential:
    """The network as a torch module in float64."""
    parts = weights()
    width = len(parts["w"])
    first, last = nn.Linear(1, width).double(), nn.Linear(width, 1, bias=False).double()
    with torch.no_grad():
        first.weight.copy_(torch.tensor(parts["w"])[:, None])
        first.bias.copy_(torch.tensor(parts["b"]))
        last.weight.copy_(torch.tensor(parts["a"])[None, :])
    return nn.Sequential(first, nn.ReLU(), last)


def numbers(factor: float) -> dict[str, float]:
    """What the page shows at a factor, by the engine.

    Args:
        factor: of the first layer, above 0; the last is divided by it.

    Returns:
        trace and lambda (the largest eigenvalue of the Hessian) of the rescaled
        network.

    Raises:
        ValueError: if the factor is not above 0.
    """
    points = problem(CONFIG).data
    net = rescale(network(), [factor, 1 / factor])
    x, y = torch.from_numpy(points.x), torch.from_numpy(points.y)[:, None]
    at = landscape(net, x, y, LOSS)
    return {
        "trace": gauss_newton_trace.exact(at).whole.value,
        "lambda": largest(hessian(at)).value,
    }
