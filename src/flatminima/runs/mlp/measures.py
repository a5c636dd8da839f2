"""What is measured at a checkpoint, in float64."""

import importlib
from types import ModuleType

import numpy as np

from flatminima.measures.predictions import outputs, sign_errors
from flatminima.models.losses import value
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import Problem, State, problem

INTERPOLATES = 1e-2
"""Mean squared distance of the outputs to their targets, those that minimise the
training loss, up to which an iterate is retracted and compared. For the squared loss
this distance is the raw training loss."""


def measure(config: Config, state: State) -> dict[str, float]:
    """Everything that a history row holds.

    Returns:
        step; epoch (passes over the data); train_loss (what is descended);
        output_error (mean squared distance of the training outputs to their
        targets, y for the squared loss); the columns of `generalisation` and of the
        family's module of `sharpness`; first_layer_norm (Frobenius); and
        second_layer_norm, that of the last layer.
    """
    setting = problem(config)
    params = tuple(p.astype(np.float64) for p in state.params)
    f = setting.architecture.forward(setting.model, *params, setting.inputs)
    family = importlib.import_module(sharpness_module(setting.architecture))
    output_error = float(np.mean((f - setting.targets) ** 2))
    return {
        "step": state.step,
        "epoch": state.step * config.batch_size / config.n,
        "train_loss": float(np.mean(value(setting.loss, f, setting.y))),
        "output_error": output_error,
        **generalisation(config, setting, params),
        **family.columns(
            setting.architecture,
            setting.model,
            setting.loss,
            params,
            setting.inputs,
            setting.y,
            interpolates=output_error <= INTERPOLATES,
        ),
        "first_layer_norm": float(np.linalg.norm(params[0])),
        "second_layer_norm": float(np.linalg.norm(params[-1])),
    }


def sharpness_module(architecture: ModuleType) -> str:
    """Name of the module that measures an architecture's sharpness."""
    return f"flatminima.sharpness.{architecture.FAMILY}"


def generalisation(
    config: Config, setting: Problem, params: tuple[np.ndarray, ...]
) -> dict[str, float]:
    """How the network does on the held-out points.

    Returns:
        test_accuracy (share with sign f = sign y; NaN for data = "ball", whose labels
        are no classes); test_mse (mean squared distance of the outputs to their
        targets); test_r2 (1 - test_mse over the variance of the targets; NaN for
        classes). All are NaN if no points are left to test on.
    """
    x, y = setting.test.x, setting.test.y
    train = setting.inputs if setting.architecture.FAMILY == "sim_bn" else None
    f = outputs(setting.architecture, setting.model, params, x, train)
    targets = setting.loss.target(y)
    mse = float(np.mean((f - targets) ** 2)) if len(f) else np.nan
    classes = config.data == "xor"
    return {
        "test_accuracy": 1.0 - sign_errors(f, y) if classes else np.nan,
        "test_mse": mse,
        "test_r2": np.nan if classes else 1.0 - mse / float(np.var(targets)),
    }
