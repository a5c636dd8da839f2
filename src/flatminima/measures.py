"""What is measured at a checkpoint, in float64."""

import numpy as np
from jaxtyping import Float

from flatminima.config import Config
from flatminima.kernels.losses import value
from flatminima.problem import Problem, State, problem
from flatminima.sharpness.closed_form import per_example_gradients, trace_hessian
from flatminima.sharpness.retraction import retract
from flatminima.theory.memorising import memorisation
from flatminima.theory.zero_one import outputs, sign_errors

INTERPOLATES = 1e-2
"""Mean squared distance of the outputs to their targets, those that minimise the
training loss, up to which an iterate is retracted and compared. For the squared loss
this distance is the raw training loss."""


def measure(config: Config, state: State) -> dict[str, float]:
    """Everything that a history row holds.

    Returns:
        step; epoch (passes over the data); train_loss (what is descended);
        output_error (mean squared distance of the training outputs to their
        targets, y for the squared loss); the columns of `generalisation` and of
        `two_layer`; first_layer_norm and second_layer_norm (Frobenius).
    """
    setting = problem(config)
    params = tuple(p.astype(np.float64) for p in state.params)
    f = setting.architecture.forward(setting.model, *params, setting.inputs)
    output_error = float(np.mean((f - setting.targets) ** 2))
    return {
        "step": state.step,
        "epoch": state.step * config.batch_size / config.n,
        "train_loss": float(np.mean(value(setting.loss, f, setting.y))),
        "output_error": output_error,
        **generalisation(config, setting, params),
        **two_layer(setting, *params, interpolates=output_error <= INTERPOLATES),
        "first_layer_norm": float(np.linalg.norm(params[0])),
        "second_layer_norm": float(np.linalg.norm(params[1])),
    }


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
    f = outputs(setting.architecture, setting.model, params, x)
    targets = setting.loss.target(y)
    mse = float(np.mean((f - targets) ** 2)) if len(f) else np.nan
    classes = config.data == "xor"
    return {
        "test_accuracy": 1.0 - sign_errors(f, y) if classes else np.nan,
        "test_mse": mse,
        "test_r2": np.nan if classes else 1.0 - mse / float(np.var(targets)),
    }


def two_layer(
    setting: Problem,
    w: Float[np.ndarray, "inputs width"],
    v: Float[np.ndarray, " width"],
    *,
    interpolates: bool,
) -> dict[str, float]:
    """Sharpness and shape of a two-layer network.

    Args:
        setting: the problem.
        w, v: parameters.
        interpolates: whether they are near enough to be retracted.

    Returns:
        trace (Tr Hess L); bound (certified lower bound at interpolation, NaN if none
        is known); bound_outputs (the same at the current outputs); retracted_trace,
        retracted_distance and retracted_loss (after retraction, NaN without; the
        loss is the mean squared distance to the targets, and the trace is NaN also
        if the retraction does not reach them); single_active and injective
        (Definition 2.2; a unit is active where its pre-activation is above 0).
    """
    architecture, model, loss = setting.architecture, setting.model, setting.loss
    inputs, y, targets = setting.inputs, setting.y, setting.targets
    gradients = per_example_gradients(model, w, v, inputs)
    one_hot = memorisation(gradients.h)

    def bound(f: Float[np.ndarray, " n"]) -> float:
        curvature = loss.curvature(f)
        return architecture.lower_bound(model, gradients.input_sq, f, curvature)

    row = {
        "trace": trace_hessian(architecture, model, gradients, y, loss),
        "bound": bound(targets),
        "bound_outputs": bound(gradients.f),
        "retracted_trace": np.nan,
        "retracted_distance": np.nan,
        "retracted_loss": np.nan,
        "single_active": one_hot.single,
        "injective": float(one_hot.injective),
    }
    if interpolates:
        flat = retract(model, w, v, inputs, targets)
        row["retracted_distance"] = flat.distance
        row["retracted_loss"] = flat.loss
        if flat.converged:
            at_flat = per_example_gradients(model, flat.w, flat.v, inputs)
            row["retracted_trace"] = trace_hessian(
                architecture, model, at_flat, y, loss
            )
    return row
