"""What a config stands for: data as tensors, and networks with given weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from flatminima.data.labelled import Labelled, redraw_labels
from flatminima.data.streams import generator
from flatminima.models.nets.parts import initialise
from flatminima.runs.nets.config import NetConfig


@dataclass(frozen=True)
class Problem:
    """Training and test sets in float64, as the network and the loss take them.

    Attributes:
        x: training inputs, vectors or images as the network takes them.
        y: targets: classes for cross entropy, one-hot rows for the squared loss.
        labels: training classes, redrawn ones included.
        test_x, test_y, test_labels: the same of the points held out.
        classes: how many there are.
    """

    x: Float[Tensor, "n ..."]
    y: Tensor
    labels: Int[Tensor, " n"]
    test_x: Float[Tensor, "m ..."]
    test_y: Tensor
    test_labels: Int[Tensor, " m"]
    classes: int


@lru_cache(maxsize=8)
def data(config: NetConfig) -> Problem:
    """The data sets of a config. Shared between callers: do not change the tensors."""
    module = config.data_module
    split = module.split(config.n, config.data_seed)
    train = redraw_labels(
        split.train, config.label_shuffle, module.CLASSES, config.data_seed
    )

    def tensors(part: Labelled) -> tuple[Tensor, Tensor, Tensor]:
        x, labels = torch.tensor(part.x), torch.tensor(part.y)
        if config.net_module.FLAT:
            x = x.flatten(1)
        y = labels
        if config.loss == "squared":
            y = nn.functional.one_hot(labels, module.CLASSES).double()
        return x, y, labels

    return Problem(*tensors(train), *tensors(split.test), module.CLASSES)


CRITERIA: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": nn.functional.cross_entropy,
    "squared": lambda f, y: (f - y).square_().sum() / len(f),
}
"""Mean loss of outputs (n, k) and targets."""


def _module(config: NetConfig) -> nn.Module:
    module = config.data_module
    return config.net_module.build(config.constants, module.SHAPE, module.CLASSES)


def initial_arrays(config: NetConfig) -> dict[str, np.ndarray]:
    """Weights and buffers at the start, by their names in the module."""
    module = _module(config).double()
    initialise(module, config.activation, generator(config.init_seed, "init"))
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                layer.weight.mul_(config.init_scale)
    if config.dtype == "float32":
        module = module.float()
    named = [*module.named_parameters(), *module.named_buffers()]
    return {name: tensor.detach().numpy().copy() for name, tensor in named}


def network(
    config: NetConfig, arrays: Mapping[str, np.ndarray], dtype: str = "float64"
) -> nn.Module:
    """The network of a run, such as a trained one, in evaluation mode.

    Args:
        config: the run.
        arrays: of its state or of its `Run`, weights and buffers by name; the rest is
            left aside.
        dtype: "float64" or "float32".
    """
    module = _module(config).to(getattr(torch, dtype))
    own = {name: torch.tensor(arrays[name]) for name in module.state_dict()}
    module.load_state_dict(own)
    return module.eval()
