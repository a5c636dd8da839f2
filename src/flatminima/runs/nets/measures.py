"""What a row of a run's history holds."""

import importlib

import numpy as np
import torch
from torch import Tensor, nn

from flatminima.runs.kind import State
from flatminima.runs.nets.config import NetConfig
from flatminima.runs.nets.problem import CRITERIA, data, network

CHUNK = 2000
"""Test points at a time."""


def _evaluate(
    config: NetConfig, module: nn.Module, x: Tensor, y: Tensor, labels: Tensor
) -> tuple[float, float]:
    """Mean loss and accuracy."""
    with torch.no_grad():
        f = torch.cat([module(part) for part in x.split(CHUNK)])
        right = (f.argmax(dim=1) == labels).double().mean()
        return float(CRITERIA[config.loss](f, y)), float(right)


def row(config: NetConfig, state: State) -> dict[str, float]:
    """The measures of a checkpoint.

    Returns:
        step; epoch (passes over the data); train_loss and train_accuracy, of the
        labels that are trained on, in evaluation mode; test_loss and test_accuracy,
        of the true ones; reached (whether the target was reached, 0 or 1) and
        reached_at (after how many steps, NaN if it was not); with config.sharpness
        the columns of `flatminima.runs.nets.curvature`; with config.predictors those
        of `flatminima.runs.nets.predictors`, NaN but for the end of a run.
    """
    problem = data(config)
    module = network(config, state.arrays)
    train = _evaluate(config, module, problem.x, problem.y, problem.labels)
    test = _evaluate(
        config, module, problem.test_x, problem.test_y, problem.test_labels
    )
    reached_at = float(state.arrays["reached_at"])
    columns = {
        "step": state.step,
        "epoch": state.step * config.batch_size / config.n,
        "train_loss": train[0],
        "train_accuracy": train[1],
        "test_loss": test[0],
        "test_accuracy": test[1],
        "reached": float(not np.isnan(reached_at)),
        "reached_at": reached_at,
    }
    if config.sharpness:
        columns |= importlib.import_module(CURVATURE).columns(config, state.arrays)
    if config.predictors:  # so that a history has its columns from the first row on
        columns |= dict.fromkeys(importlib.import_module(PREDICTORS).MEASURES, np.nan)
    return columns


CURVATURE = "flatminima.runs.nets.curvature"
PREDICTORS = "flatminima.runs.nets.predictors"
