"""From a descent's config to its data, model and start."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from flatminima.data.regression import (
    Regression,
    low_rank,
    points_on_a_line,
    published_sparse,
    sparse,
)
from flatminima.data.streams import generator
from flatminima.models import diagonal, matrix, relu_1d
from flatminima.runs.descent.config import DescentConfig

MODELS = {
    "squares": diagonal,
    "product": diagonal,
    "matrix": matrix,
    "relu_1d": relu_1d,
}
"""The module of every model."""


@dataclass(frozen=True)
class Problem:
    """What a run needs beside its state.

    Attributes:
        module: of the model.
        model: its constants.
        data: what is fitted, and the truth behind it.
    """

    module: Any
    model: Any
    data: Regression


def data_of(config: DescentConfig) -> Regression:
    """The data of a run, which its data seed draws."""
    size = (config.n, config.d, config.complexity, config.data_seed)
    if config.data == "points":
        return points_on_a_line()
    if config.model == "matrix":
        return low_rank(*size, commuting=config.data == "commuting")
    if config.data == "published":
        return published_sparse(*size)
    return sparse(*size, signs=config.data == "signs")


def model_of(config: DescentConfig) -> Any:
    """The constants of a run's model."""
    if config.model == "matrix":
        return matrix.Model(config.d, config.width)
    if config.model == "relu_1d":
        return relu_1d.Model(config.width)
    return diagonal.Model(config.d, config.model == "squares")


@lru_cache(maxsize=64)
def problem(config: DescentConfig) -> Problem:
    """The problem of a config; made once, as `measure` asks for it again and again."""
    return Problem(MODELS[config.model], model_of(config), data_of(config))


def start_arrays(config: DescentConfig) -> dict[str, np.ndarray]:
    """The parameters before the first step, by name."""
    module, model = MODELS[config.model], model_of(config)
    if config.model in ("squares", "product"):
        values = module.init(model, config.alpha)
    else:
        scale = config.alpha if config.model == "matrix" else config.init_scale
        values = module.init(model, scale, generator(config.init_seed, "init"))
    return dict(zip(module.NAMES, values, strict=True))
