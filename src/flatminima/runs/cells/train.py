"""The engine of cells; see `runs.kind.Engine`.

The arms run one after the other. A checkpoint is the end of an arm.
"""

import importlib
from typing import Any

import numpy as np

from flatminima.data.teachers import score
from flatminima.measures.firing import weighted_rate
from flatminima.measures.predictions import outputs
from flatminima.models.ascent import Usual
from flatminima.models.base import load
from flatminima.models.losses import SQUARED
from flatminima.runs.cells.config import TWO_LAYER, Arm, CellConfig
from flatminima.runs.cells.problem import (
    Problem,
    coins,
    examples,
    problem,
    rates,
    sharpness_module,
    started,
)
from flatminima.runs.kind import State

Config = CellConfig
"""What `results` builds a config by."""

SECONDS_PER_CALL = 0.2
SECONDS_PER_WEIGHT = 4e-10
SECONDS_PER_STEP = 1e-6
"""Slow estimates of what an update takes, an example and weight, and beside these."""

SECONDS_OUTSIDE = 2e-4
"""The same for a full batch that no compiled loop takes."""

CERTIFY = "flatminima.theory.certificates.certificate"


def kernel_module(config: CellConfig, arm: Arm) -> str:
    """Name of the module whose `run` takes an arm's steps; empty if none does."""
    if arm.certified:
        return ""
    if config.architecture in TWO_LAYER:
        name = "serial" if arm.batch == "one" else "full_batch"
        return f"flatminima.kernels.{name}"
    return f"flatminima.kernels.{config.architecture}" if arm.batch == "one" else ""


def modules(config: CellConfig) -> tuple[str, ...]:
    """The modules that a run of this config reaches everything else from."""
    architecture = load(config.architecture)
    kernels = {kernel_module(config, arm) for arm in config.arms} - {""}
    proofs = {CERTIFY for arm in config.arms if arm.certified}
    own = (__name__, architecture.__name__, sharpness_module(architecture))
    return (*own, *sorted(kernels | proofs))


def ends(config: CellConfig) -> np.ndarray:
    """Updates of all arms up to the end of each."""
    return np.cumsum([arm.num_steps for arm in config.arms])


def checkpoints(config: CellConfig) -> np.ndarray:
    """Steps at which a run is measured: where an arm ends."""
    return ends(config)


def start(config: CellConfig) -> State:
    """The start of the first arm."""
    return State(started(config, config.arms[0]))


def running(config: CellConfig, step: int) -> tuple[Arm, int]:
    """The arm that takes the update after a step, and the step at which it began."""
    number = int(np.searchsorted(ends(config), step, side="right"))
    begun = int(ends(config)[number - 1]) if number else 0
    return config.arms[number], begun


def seconds_a_step(config: CellConfig, arm: Arm) -> float:
    """A slow estimate of what an update of an arm takes."""
    weights = sum(a.size for a in problem(config).start.values())
    if arm.batch == "one" and config.architecture != "sim_bn":
        return SECONDS_PER_STEP + 4 * SECONDS_PER_WEIGHT * weights
    outside = 0.0 if kernel_module(config, arm) else SECONDS_OUTSIDE
    return SECONDS_PER_STEP + outside + SECONDS_PER_WEIGHT * weights * config.n


def seconds(config: CellConfig) -> float:
    """A slow estimate of what a whole run takes."""
    return sum(arm.num_steps * seconds_a_step(config, arm) for arm in config.arms)


def steps_per_call(config: CellConfig) -> int:
    """Steps that `advance` takes in about 0.3 s at most."""
    slowest = max(seconds_a_step(config, arm) for arm in config.arms)
    return max(1, int(SECONDS_PER_CALL / slowest))


def advance(state: State, config: CellConfig, k: int) -> State:
    """The state k updates later, all of one arm. Pure.

    An arm that meets NaN or inf has NaN for all its weights from there on.
    """
    arm, begun = running(config, state.step)
    first = state.step - begun
    arrays = {name: a.copy() for name, a in state.arrays.items()}
    if first == 0 and state.step > 0:
        arrays = started(config, arm)
    if arm.certified:
        arrays = _certified(config)
    elif all(np.isfinite(a).all() for a in arrays.values()):
        step = _compiled if kernel_module(config, arm) else _full_batch
        whole = step(tuple(arrays.values()), config, arm, first, k)
        if not (whole and all(np.isfinite(a).all() for a in arrays.values())):
            arrays = {name: a * np.nan for name, a in arrays.items()}
    return State(arrays, state.step + k)


def _certified(config: CellConfig) -> dict[str, np.ndarray]:
    """The network of the certificate, which is balanced and away from kinks.

    Where the solver fails it is NaN.
    """
    setting = problem(config)
    certificate = importlib.import_module(CERTIFY)
    try:
        found = certificate.certify(setting.inputs, setting.y)
    except ArithmeticError:
        lost = {name: a * np.nan for name, a in setting.start.items()}
        return lost | {"bounds": np.full(3, np.nan)}
    return {
        "w": found.w,
        "v": found.v,
        "bounds": np.array([found.lower, found.value, found.gap]),
    }


def _compiled(
    params: tuple[np.ndarray, ...], config: CellConfig, arm: Arm, first: int, k: int
) -> bool:
    """Steps of a compiled kernel, in place; whether all were taken."""
    setting = problem(config)
    kernel = importlib.import_module(kernel_module(config, arm))
    x, y = setting.inputs, setting.y
    if arm.batch == "full":
        order = np.tile(np.arange(config.n), (k, 1))
    else:
        order = examples(config, first, first + k)
    if arm.step_noise > 0:
        # each example twice, with its label moved down and up
        x = np.concatenate([x, x])
        y = np.concatenate([y - arm.step_noise, y + arm.step_noise])
        order = order + config.n * coins(config, first, first + k)
    lr, rho, decay = rates(config, arm)
    two_layer = config.architecture in TWO_LAYER
    ascent: tuple[Any, ...] = (Usual(),) if two_layer else ()
    radius: tuple[float, ...] = (0.0,) if two_layer else ()
    done = kernel.run(
        setting.model,
        SQUARED,
        *ascent,
        *params,
        x,
        y,
        order,
        lr,
        rho,
        decay,
        1.0,
        *radius,
    )
    return int(done) == k


def _full_batch(
    params: tuple[np.ndarray, ...], config: CellConfig, arm: Arm, first: int, k: int
) -> bool:
    """Steps of gradient descent on a family without such a kernel, in place."""
    setting = problem(config)
    lr, _, decay = rates(config, arm)
    for _ in range(k):
        at = setting.linearised(params)
        slope = 2 / config.n * (at.f - setting.y)
        if not np.isfinite(slope).all():
            return False
        for p, gradient in zip(params, at.pull_back(slope), strict=True):
            p *= 1 - lr * decay
            p -= lr * gradient
    return True


def measure(config: CellConfig, state: State) -> dict[str, float]:
    """A row of the history: the arm that ends here.

    Returns:
        step; lost (1 if it met NaN or inf); loss, the mean squared error on the
        training set; score, see `data.teachers.score`, 0 if it is lost; trace of the
        Hessian of the loss, exact, at these weights; firing, the `weighted_rate` of the
        last hidden layer on fresh points; norm of all weights; and of a
        certificate bound, value and gap, the proved lower bound on the trace over
        interpolating networks of any width, the programme's value, and their relative
        distance. What does not exist is NaN.
    """
    setting = problem(config)
    arrays = dict(state.arrays)
    bound, value, gap = arrays.pop("bounds", np.full(3, np.nan))
    params = tuple(arrays.values())
    if not all(np.isfinite(p).all() for p in params):
        nothing = dict.fromkeys(("loss", "trace", "firing", "norm"), np.nan)
        lost = {"step": state.step, "lost": 1.0, "score": 0.0}
        return lost | nothing | {"bound": bound, "value": value, "gap": gap}
    train = setting.inputs if config.architecture == "sim_bn" else None
    f = outputs(setting.architecture, setting.model, params, setting.test.x, train)
    family = importlib.import_module(sharpness_module(setting.architecture))
    sharp = family.columns(
        setting.architecture,
        setting.model,
        SQUARED,
        params,
        setting.inputs,
        setting.y,
        interpolates=False,
    )
    error = setting.linearised(params).f - setting.y
    return {
        "step": state.step,
        "lost": 0.0,
        "score": score(config.data, f, setting.test.y),
        "loss": float(np.mean(error**2)),
        "trace": sharp["trace"],
        "firing": _firing(setting, params),
        "norm": float(np.sqrt(sum(np.sum(p**2) for p in params))),
        "bound": float(bound),
        "value": float(value),
        "gap": float(gap),
    }


def _firing(setting: Problem, params: tuple[np.ndarray, ...]) -> float:
    """How often units of the last hidden layer fire on fresh points.

    A unit counts by |v| times the norm of its weights, or by |gamma v| where it is
    normalised.
    """
    x = setting.architecture.inputs(setting.model, setting.test.x)
    w, *between, v = params
    if setting.architecture.FAMILY == "sim_bn":
        return weighted_rate(x @ w > 0, np.abs(between[0] * v))
    for square in between[0] if between else ():
        x, w = np.maximum(x @ w, 0.0), square
    return weighted_rate(x @ w > 0, np.abs(v) * np.linalg.norm(w, axis=0))
