"""What a cell stands for, in arrays, and the random numbers of its steps."""

import importlib
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from flatminima.data.streams import Dataset, generator
from flatminima.data.teachers import draw
from flatminima.models.base import load
from flatminima.runs.cells.config import Arm, CellConfig
from flatminima.sharpness.gauss_newton import Linearised, Parameters

EPOCHS_PER_BLOCK = 64

COINS = 2**63
"""Added to the number of a block, so that coins and orders share no numbers."""

BEFORE = ("w", "middle")
"""Layers whose scale no output of a normalised network depends on."""


@dataclass(frozen=True)
class Problem:
    """Data, architecture, the usual start, and the size of gradients there.

    Attributes:
        architecture: its module.
        model: its constants.
        inputs: rows x' of the training set.
        y: training labels, with their noise.
        test: fresh points, with clean labels.
        start: the usual start, by the names of the parameters.
        square: mean over the examples of ||grad f||^2 there.
    """

    architecture: ModuleType
    model: Any
    inputs: Float[np.ndarray, "n inputs"]
    y: Float[np.ndarray, " n"]
    test: Dataset
    start: dict[str, np.ndarray]
    square: float

    def linearised(self, params: Parameters) -> Linearised:
        """The network around some parameters, over the training set."""
        family = importlib.import_module(sharpness_module(self.architecture))
        return family.linearised(self.model, self.inputs)(params)


def sharpness_module(architecture: ModuleType) -> str:
    """Name of the module that measures an architecture's sharpness."""
    return f"flatminima.sharpness.{architecture.FAMILY}"


@lru_cache(maxsize=8)
def problem(config: CellConfig) -> Problem:
    """What a config stands for. Shared between callers: do not change the arrays."""
    architecture = load(config.architecture)
    model = architecture.Model()
    train, test = draw(
        config.data,
        config.n,
        config.d,
        config.data_seed,
        noisy=config.noisy,
        test_points=config.test_points,
    )
    drawn = architecture.init(
        model, config.d, config.width, generator(config.init_seed, "init")
    )
    start = dict(zip(architecture.PARAMETERS, drawn, strict=True))
    inputs = architecture.inputs(model, train.x)
    bare = Problem(architecture, model, inputs, train.y, test, start, 1.0)
    at = bare.linearised(tuple(start.values()))
    square = float(np.mean(np.diag(at.gram())))
    return Problem(architecture, model, inputs, train.y, test, start, square)


def started(config: CellConfig, arm: Arm) -> dict[str, np.ndarray]:
    """The parameters from which an arm starts."""
    setting = problem(config)
    normalised = config.architecture in ("sim_ln", "sim_bn")
    return {
        name: a.copy() if normalised and name in BEFORE else arm.start * a
        for name, a in setting.start.items()
    }


def rates(config: CellConfig, arm: Arm) -> tuple[float, float, float]:
    """Learning rate, radius of SAM and weight decay of an arm."""
    square = problem(config).square
    lr = arm.kick / (2 * square)
    return lr, arm.rise / square**0.5, arm.shrink / (lr * arm.num_steps)


def examples(config: CellConfig, first: int, stop: int) -> Int[np.ndarray, " steps"]:
    """The example of each of some steps: epochs that are fresh permutations."""

    def block(number: int) -> np.ndarray:
        epochs = np.tile(np.arange(config.n), (EPOCHS_PER_BLOCK, 1))
        rng = np.random.Generator(np.random.Philox(key=[config.init_seed, number]))
        return rng.permuted(epochs, axis=1).ravel()

    return _stretch(block, EPOCHS_PER_BLOCK * config.n, first, stop)


def coins(config: CellConfig, first: int, stop: int) -> Int[np.ndarray, " steps"]:
    """A fair coin, 0 or 1, for each of some steps."""
    size = EPOCHS_PER_BLOCK * config.n

    def block(number: int) -> np.ndarray:
        key = [config.init_seed, COINS + number]
        rng = np.random.Generator(np.random.Philox(key=key))
        return rng.integers(0, 2, size)

    return _stretch(block, size, first, stop)


def _stretch(block: Any, size: int, first: int, stop: int) -> np.ndarray:
    """Entries of an endless sequence that is made in blocks, each on its own."""
    numbers = range(first // size, (stop - 1) // size + 1)
    whole = np.concatenate([block(number) for number in numbers])
    offset = numbers.start * size
    return whole[first - offset : stop - offset]
