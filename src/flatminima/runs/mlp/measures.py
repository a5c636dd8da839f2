"""What is measured at a checkpoint, in float64."""

import importlib
from types import ModuleType

import numpy as np

from flatminima.measures.predictions import outputs, sign_errors
from flatminima.models.losses import value
from flatminima.runs.kind import State
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import Problem, initial_state, problem

NEAR_INTERPOLATION = 1e-2
"""Mean squared distance of the outputs to their targets, those that minimise the
training loss, up to which an iterate is retracted and compared. For the squared loss
this distance is the raw training loss."""


def measure(config: Config, state: State) -> dict[str, float]:
    """Everything that a history row holds.

    Returns:
        step; epoch (passes over the data); train_loss (what is descended);
        output_error (mean squared distance of the training outputs to their
        targets, y for the squared loss, both with the factor on the output); the
        columns of `generalisation` and of the
        family's module of `sharpness`; first_layer_norm (Frobenius); and
        second_layer_norm, that of the last layer.
    """
    setting = problem(config)
    params = tuple(p.astype(np.float64) for p in state.params)
    f = setting.architecture.forward(setting.model, *params, setting.inputs)
    scale = setting.output_scale
    family = importlib.import_module(sharpness_module(setting.architecture))
    output_error = float(scale**2 * np.mean((f - setting.targets) ** 2))
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
            interpolates=output_error <= NEAR_INTERPOLATION,
        ),
        "first_layer_norm": float(np.linalg.norm(params[0])),
        "second_layer_norm": float(np.linalg.norm(params[-1])),
    }


def movement(config: Config, state: State) -> dict[str, float]:
    """How far training has moved the weights and the kernel: rich or lazy.

    Where both stay near 0, the network is trained as its linearisation at the start
    would be (Chizat, Oyallon & Bach 2019).

    Returns:
        weights_moved: ||theta - theta_0|| / ||theta_0||.
        kernel_moved: 1 - <K, K_0> / (||K|| ||K_0||), Frobenius, between the tangent
        kernels K_ik = grad f_i . grad f_k on the training set now and at the start,
        so in [0, 1] (Fort et al. 2020); NaN if a kernel is 0.
    """
    setting = problem(config)
    family = importlib.import_module(sharpness_module(setting.architecture))
    linearise = family.linearised(setting.model, setting.inputs)
    before, now = (
        tuple(p.astype(np.float64) for p in at.params)
        for at in (initial_state(config), state)
    )
    step = sum(np.sum((a - b) ** 2) for a, b in zip(now, before, strict=True))
    first, last = linearise(before).gram(), linearise(now).gram()
    size = np.linalg.norm(first) * np.linalg.norm(last)
    return {
        "weights_moved": float(np.sqrt(step / sum(np.sum(p**2) for p in before))),
        "kernel_moved": float(1 - np.sum(first * last) / size) if size > 0 else np.nan,
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
    scale = setting.output_scale**2
    mse = float(scale * np.mean((f - targets) ** 2)) if len(f) else np.nan
    classes = config.data == "xor"
    return {
        "test_accuracy": 1.0 - sign_errors(f, y) if classes else np.nan,
        "test_mse": mse,
        "test_r2": np.nan if classes else 1.0 - mse / float(scale * np.var(targets)),
    }
