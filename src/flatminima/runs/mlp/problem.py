"""What a config stands for, in arrays."""

from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float

from flatminima.data.load import train_and_test
from flatminima.data.streams import Dataset, generator
from flatminima.models.base import load
from flatminima.models.losses import Logistic, Squared
from flatminima.runs.mlp.config import Config


@dataclass(frozen=True)
class State:
    """All that a run needs to go on.

    Attributes:
        params: arrays of the architecture. With two layers these are w, the first
            layer, input-major, shape (inputs, width), and v, shape (width,).
        step: updates done; with the config's seed it fixes the order to come.
    """

    params: tuple[np.ndarray, ...]
    step: int


@dataclass(frozen=True)
class Problem:
    """Data, architecture and loss.

    Attributes:
        architecture: module of the architecture.
        model: its constants.
        loss: of one example.
        inputs: rows x' of the training set.
        y: training labels.
        test: held-out points.
    """

    architecture: ModuleType
    model: Any
    loss: Squared | Logistic
    inputs: Float[np.ndarray, "n inputs"]
    y: Float[np.ndarray, " n"]
    test: Dataset

    @property
    def targets(self) -> Float[np.ndarray, " n"]:
        """Outputs that minimise the training loss: interpolation is f = targets."""
        return self.loss.target(self.y)


@lru_cache(maxsize=8)
def problem(config: Config) -> Problem:
    """The data sets, the architecture and the loss of a config."""
    architecture = load(config.architecture)
    shared = set(architecture.Model._fields) & set(Config.model_fields)
    model = architecture.Model(**{name: getattr(config, name) for name in shared})
    train, test = train_and_test(
        config.data, config.n, config.d, config.data_seed, config.label_noise
    )
    return Problem(
        architecture,
        model,
        Squared() if config.loss == "squared" else Logistic(config.label_smoothing),
        architecture.inputs(model, train.x),
        train.y,
        test,
    )


def initial_state(config: Config) -> State:
    """The architecture's initialisation.

    The first array is then multiplied by `init_scale` or, with radius > 0, brought
    to that norm.
    """
    setting = problem(config)
    rng = generator(config.init_seed, "init")
    first, *rest = setting.architecture.init(setting.model, config.d, config.width, rng)
    first = first * config.init_scale
    if config.radius > 0:
        first *= config.radius / np.linalg.norm(first)
    return State(tuple(p.astype(config.dtype) for p in (first, *rest)), 0)
