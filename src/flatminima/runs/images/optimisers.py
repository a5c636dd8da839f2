"""The optimisers of the report, and what they keep, as named arrays."""

from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_optimizer
import torch
from torch import Tensor, nn

from flatminima.runs.images.config import ImageConfig

MOMENTUM = 0.8
"""Of PHB, Polyak's heavy ball: v <- .8 v + g, w <- w - lr v (report, section III.A)."""

KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "sgd": (torch.optim.SGD, {}),
    "phb": (torch.optim.SGD, {"momentum": MOMENTUM}),
    "adam": (torch.optim.Adam, {}),
    "adagrad": (torch.optim.Adagrad, {}),
    "adabound": (pytorch_optimizer.AdaBound, {}),
    "adashift": (pytorch_optimizer.AdaShift, {}),
}
PREFIX = "optimiser."
COUNT = f"{PREFIX}step"


def optimiser(
    config: ImageConfig, parameters: Iterable[nn.Parameter]
) -> torch.optim.Optimizer:
    """The optimiser of a config over some parameters, before its first step."""
    kind, settings = KINDS[config.optimiser]
    if config.weight_decay > 0:
        settings = settings | {"weight_decay": config.weight_decay}
    return kind(parameters, lr=config.lr, **settings)


def library_files(config: ImageConfig) -> tuple[Path, ...]:
    """Source of an optimiser that is not torch's, since a run depends on it."""
    kind, _ = KINDS[config.optimiser]
    if not kind.__module__.startswith("pytorch_optimizer."):
        return ()
    home = Path(pytorch_optimizer.__file__).parent
    return (home.joinpath(*kind.__module__.split(".")[1:]).with_suffix(".py"),)


def kept(
    optimizer: torch.optim.Optimizer, names: Mapping[nn.Parameter, str]
) -> dict[str, np.ndarray]:
    """What an optimiser keeps, by name of the entry and of the parameter.

    A queue of past gradients becomes one array, the oldest first.
    """
    (group,) = optimizer.param_groups
    found = {COUNT: np.array(group["step"])} if "step" in group else {}
    for parameter, name in names.items():
        for entry, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, deque):
                value = torch.stack(list(value)) if value else parameter[None][:0]
            if isinstance(value, Tensor):
                found[f"{PREFIX}{entry}.{name}"] = value.detach().cpu().numpy().copy()
    return found


def restore(
    optimizer: torch.optim.Optimizer,
    names: Mapping[nn.Parameter, str],
    arrays: Mapping[str, np.ndarray],
) -> None:
    """Put back what `kept` gave; without any of it the optimiser stays new."""
    (group,) = optimizer.param_groups
    if COUNT in arrays:
        group["step"] = int(arrays[COUNT])
    for key, array in arrays.items():
        if not key.startswith(PREFIX) or key == COUNT:
            continue
        entry, _, name = key.removeprefix(PREFIX).partition(".")
        parameter = next(p for p, its in names.items() if its == name)
        value = torch.from_numpy(array.copy())
        optimizer.state[parameter][entry] = _placed(group, entry, value, parameter)


def _placed(
    group: dict[str, Any], entry: str, value: Tensor, parameter: nn.Parameter
) -> Any:
    if entry == "step":
        return value  # torch keeps it on the CPU
    value = value.to(parameter.device)
    if entry == "grad_queue":
        return deque(map(_like(parameter), value), maxlen=group["keep_num"])
    return _like(parameter)(value)


def _like(parameter: nn.Parameter) -> Any:
    """With the parameter's layout in memory, on which fast paths depend."""
    return lambda value: torch.empty_like(parameter).copy_(value).detach()
