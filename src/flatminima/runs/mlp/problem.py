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
from flatminima.models.losses import Logistic, Loss, Scaled, Squared, output_scale
from flatminima.runs.kind import State
from flatminima.runs.mlp.config import Config


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
    loss: Loss
    inputs: Float[np.ndarray, "n inputs"]
    y: Float[np.ndarray, " n"]
    test: Dataset

    @property
    def targets(self) -> Float[np.ndarray, " n"]:
        """Outputs that minimise the training loss: interpolation is f = targets.

        They are those before the factor on the output.
        """
        return self.loss.target(self.y)

    @property
    def output_scale(self) -> float:
        """The factor on the output."""
        return output_scale(self.loss)


@lru_cache(maxsize=8)
def problem(config: Config) -> Problem:
    """The data sets, the architecture and the loss of a config."""
    architecture = load(config.architecture)
    shared = set(architecture.Model._fields) & set(Config.model_fields)
    model = architecture.Model(**{name: getattr(config, name) for name in shared})
    train, test = train_and_test(
        config.data, config.n, config.d, config.data_seed, config.label_noise
    )
    base: Squared | Logistic = Squared()
    if config.loss == "logistic":
        base = Logistic(config.label_smoothing)
    scale = config.output_scale
    loss = base if scale == 1 else Scaled(base, scale)
    return Problem(
        architecture,
        model,
        loss,
        architecture.inputs(model, train.x),
        train.y,
        test,
    )


def initial_state(config: Config) -> State:
    """The architecture's initialisation, its layers scaled as the config says.

    With radius > 0, the first layer is then brought to that norm.

    Returns:
        The state; its arrays have the names of the architecture's `PARAMETERS`. With
        two layers these are w, the first layer, input-major, shape (inputs, width),
        and v, shape (width,).
    """
    setting = problem(config)
    rng = generator(config.init_seed, "init")
    start = setting.architecture.init(setting.model, config.d, config.width, rng)
    arrays = dict(zip(setting.architecture.PARAMETERS, start, strict=True))
    arrays["w"] = arrays["w"] * config.init_scale
    if "bias_input" in setting.model._fields and config.bias_input != 0:
        arrays["w"][-1] *= config.bias_init_scale
    if "middle" in arrays:
        arrays["middle"] = arrays["middle"] * config.middle_init_scale
    arrays["v"] = arrays["v"] * config.last_init_scale
    if config.radius > 0:
        arrays["w"] *= config.radius / np.linalg.norm(arrays["w"])
    return State({name: a.astype(config.dtype) for name, a in arrays.items()}, 0)
