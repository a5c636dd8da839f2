"""From a config to the history of its run.

`advance` is the boundary to the compiled kernels: pure, deterministic and
independent of how a run is cut into calls. `run` adds the measurements.
"""

import importlib
import math
from dataclasses import dataclass, replace
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima import models
from flatminima.config import Config
from flatminima.data import Dataset, generator, sample_xor, xor_test_set
from flatminima.models.base import load
from flatminima.sharpness.closed_form import per_example_gradients, trace_hessian
from flatminima.sharpness.largest_eigenvalue import lambda_max
from flatminima.sharpness.retraction import retract
from flatminima.theory.memorising import memorisation
from flatminima.theory.zero_one import zero_one_error

INTERPOLATES = 1e-2
"""Raw training loss up to which an iterate is retracted and compared."""

EPOCHS_PER_BLOCK = 64
SECONDS_PER_CALL = 0.2
SECONDS_PER_WEIGHT = 2e-10

CACHE_LINE = 64
"""Bytes."""

LANES = 32
"""Units that the kernels treat together, a multiple of every vector's length."""


class Divergence(ArithmeticError):
    """A run met NaN or inf.

    Attributes:
        config: the run.
        step: updates done before it.
    """

    def __init__(self, config: Config, step: int):
        self.config = config
        self.step = step
        super().__init__(f"diverged after {step} steps: {config!r}")

    def __reduce__(self):
        return type(self), (self.config, self.step)


@dataclass(frozen=True)
class State:
    """All that a run needs to go on.

    Attributes:
        w: first layer, input-major, shape (inputs, width).
        v: second layer, shape (width,).
        step: updates done; with the config's seed it fixes the order to come.
        origin: where the kernel's block began, if the state lies inside of one.
    """

    w: Float[np.ndarray, "inputs width"]
    v: Float[np.ndarray, " width"]
    step: int
    origin: "Origin | None" = None


@dataclass(frozen=True)
class Origin:
    """How a state inside of a block came about.

    A kernel takes its steps in blocks, and rounds by the place of a step in its
    block. A block that a call cuts is therefore taken again from its start by the
    next call, so that the bits of a run do not depend on how it is cut.

    Attributes:
        start: the state at the start of the block.
        config: what led from there to the state.
        w, v: parameters of the state. One with others, such as a state that a
            user has edited, begins a block of its own.
    """

    start: State
    config: Config
    w: Float[np.ndarray, "inputs width"]
    v: Float[np.ndarray, " width"]


@dataclass(frozen=True)
class Problem:
    """What a config stands for, in arrays.

    Attributes:
        architecture: module of the architecture.
        model: its constants.
        inputs: rows x' of the training set.
        y: training labels.
        test: held-out points.
    """

    architecture: ModuleType
    model: Any
    inputs: Float[np.ndarray, "n inputs"]
    y: Float[np.ndarray, " n"]
    test: Dataset


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        history: one row a checkpoint, as `measure` describes.
        w, v: final parameters.
        diverged_at: updates done when the run met NaN or inf; None if it did
            not. The history then ends before it and the parameters are NaN.
    """

    history: pd.DataFrame
    w: Float[np.ndarray, "inputs width"]
    v: Float[np.ndarray, " width"]
    diverged_at: int | None = None


@lru_cache(maxsize=8)
def problem(config: Config) -> Problem:
    """The data sets and the architecture of a config."""
    architecture = load(config.architecture)
    shared = set(architecture.Model._fields) & set(Config.model_fields)
    model = architecture.Model(**{name: getattr(config, name) for name in shared})
    train = sample_xor(config.n, config.d, config.data_seed)
    test = xor_test_set(train, config.data_seed)
    return Problem(
        architecture, model, architecture.inputs(model, train.x), train.y, test
    )


def initial_state(config: Config) -> State:
    """W1 and b1 from U(+-1/sqrt(d)), W2 from U(+-1/sqrt(width)).

    The sources leave the initialisation open; this is torch's default. The first
    layer is then multiplied by `init_scale` or, with radius > 0, brought to
    that norm.
    """
    rng = generator(config.init_seed, "init")
    num_inputs = problem(config).inputs.shape[1]
    bound = config.d**-0.5
    w = rng.uniform(-bound, bound, (num_inputs, config.width)) * config.init_scale
    if config.radius > 0:
        w *= config.radius / np.linalg.norm(w)
    bound = config.width**-0.5
    v = rng.uniform(-bound, bound, config.width)
    return State(w.astype(config.dtype), v.astype(config.dtype), 0)


def example_order(config: Config, start: int, stop: int) -> np.ndarray:
    """Examples used by the steps start, ..., stop - 1 with batch size 1.

    Every epoch is a fresh permutation. A counter-based generator is keyed by the
    seed and by the block of epochs, so any stretch can be had on its own.
    """
    block_size = EPOCHS_PER_BLOCK * config.n
    blocks = range(start // block_size, (stop - 1) // block_size + 1)
    epochs = np.tile(np.arange(config.n), (EPOCHS_PER_BLOCK, 1))
    orders = [
        np.random.Generator(np.random.Philox(key=[config.init_seed, block]))
        .permuted(epochs, axis=1)
        .ravel()
        for block in blocks
    ]
    offset = blocks.start * block_size
    return np.concatenate(orders)[start - offset : stop - offset]


def kernel_module(config: Config) -> str:
    """Name of the module whose `run` takes the steps of a config."""
    name = {"one": "serial", "full": "full_batch"}[config.batch]
    return f"flatminima.kernels.{name}"


def modules(config: Config) -> tuple[str, str, str]:
    """The modules that a run of this config reaches everything else from."""
    architecture = f"{models.__name__}.{config.architecture}"
    return __name__, architecture, kernel_module(config)


def steps_per_call(config: Config) -> int:
    """Steps that `advance` should take at most, to return within about 0.3 s."""
    weights = problem(config).inputs.shape[1] * config.width
    if config.batch == "full":
        weights *= config.n
    return max(1, int(SECONDS_PER_CALL / (SECONDS_PER_WEIGHT * weights + 1e-6)))


def block_start(state: State, config: Config) -> State:
    """Where the block begins that the next update of a run belongs to."""
    origin = state.origin
    if (
        origin is not None
        and origin.config == config
        and origin.w is state.w
        and origin.v is state.v
    ):
        return origin.start
    return state


def advance(state: State, config: Config, k: int) -> State:
    """The state k updates later. Pure; the GIL is released meanwhile.

    Blocks have `BLOCK` steps of the kernel. They are counted from the start of the
    run and afresh from every change of the rates.

    Args:
        state: where to start.
        config: the run.
        k: number of updates, at least 1.

    Raises:
        Divergence: if the output or the loss is no longer finite.
    """
    setting = problem(config)
    scalar = np.dtype(config.dtype).type
    kernel = importlib.import_module(kernel_module(config))
    x, y = setting.inputs.astype(config.dtype), setting.y.astype(config.dtype)
    width = state.v.size
    start = block_start(state, config)
    w, v = padded_copy(start.w), padded_copy(start.v)
    step, end = start.step, state.step + k
    cut = False
    while step < end:
        lr, rho, until = config.rates(step)
        stop = end if until <= step else min(end, until)
        whole = (stop - step) // kernel.BLOCK * kernel.BLOCK
        cut = whole == 0 and stop != until
        if cut:
            start = State(w[:, :width].copy(), v[:width].copy(), step)
        elif whole > 0:
            stop = step + whole
        if config.batch == "one":
            order = example_order(config, step, stop)
        else:
            order = np.zeros(stop - step, dtype=np.int64)
        done = step + int(
            kernel.run(
                setting.model,
                w,
                v,
                x,
                y,
                order,
                scalar(lr),
                scalar(rho),
                scalar(config.weight_decay),
                scalar(config.radius),
            )
        )
        if done < stop or not (np.isfinite(w).all() and np.isfinite(v).all()):
            raise Divergence(config, done)
        step = stop
    w, v = w[:, :width].copy(), v[:width].copy()
    return State(w, v, end, Origin(start, config, w, v) if cut else None)


def padded_copy(a: np.ndarray) -> np.ndarray:
    """A copy whose rows all start on a cache line, zeros appended to each row.

    The kernels are up to 1.5 times faster on it. A unit whose weights are all 0 is
    inactive, adds nothing to any sum and stays 0.
    """
    width = -(-a.shape[-1] // LANES) * LANES
    size = math.prod(a.shape[:-1]) * width * a.itemsize
    buffer = np.zeros(size + CACHE_LINE, dtype=np.uint8)
    start = -buffer.ctypes.data % CACHE_LINE
    copy = buffer[start : start + size].view(a.dtype).reshape(*a.shape[:-1], width)
    copy[..., : a.shape[-1]] = a
    return copy


def checkpoints(config: Config) -> np.ndarray:
    """Steps at which a run is measured, as `Config` describes, ascending."""
    first = min(100, config.num_steps)
    steps = np.geomspace(first, config.num_steps, config.num_checkpoints - 1)
    extra = [step for step in config.measure_at if step <= config.num_steps]
    return np.unique(np.concatenate([[0], np.rint(steps), extra]).astype(int))


def measure(config: Config, state: State) -> dict[str, float]:
    """Everything that a history row holds, computed in float64.

    Returns:
        step; epoch (passes over the data); train_loss; test_accuracy (NaN if the
        training set is the whole hypercube); trace (Tr Hess L); bound (certified lower
        bound at interpolation); bound_outputs (the same at the current outputs);
        retracted_trace, retracted_distance and retracted_loss (after retraction,
        NaN if train_loss > 1e-2, the trace also if the retraction does not end on
        the interpolating set); first_layer_norm and second_layer_norm
        (Frobenius); single_active and injective (Definition 2.2).
    """
    setting = problem(config)
    w, v = state.w.astype(np.float64), state.v.astype(np.float64)
    inputs, y = setting.inputs, setting.y
    architecture, model = setting.architecture, setting.model
    gradients = per_example_gradients(model, w, v, inputs)
    loss = float(np.mean((gradients.f - y) ** 2))
    one_hot = memorisation(gradients.h)
    error = zero_one_error(
        config.architecture, w, v, setting.test.x, setting.test.y, **model._asdict()
    )
    row = {
        "step": state.step,
        "epoch": state.step / (config.n if config.batch == "one" else 1),
        "train_loss": loss,
        "test_accuracy": 1.0 - error,
        "trace": trace_hessian(architecture, model, gradients, y),
        "bound": architecture.lower_bound(model, gradients.input_sq, y),
        "bound_outputs": architecture.lower_bound(
            model, gradients.input_sq, gradients.f
        ),
        "retracted_trace": np.nan,
        "retracted_distance": np.nan,
        "retracted_loss": np.nan,
        "first_layer_norm": float(np.linalg.norm(w)),
        "second_layer_norm": float(np.linalg.norm(v)),
        "single_active": one_hot.single,
        "injective": float(one_hot.injective),
    }
    if loss <= INTERPOLATES:
        flat = retract(model, w, v, inputs, y)
        row["retracted_distance"] = flat.distance
        row["retracted_loss"] = flat.loss
        if flat.converged:
            at_flat = per_example_gradients(model, flat.w, flat.v, inputs)
            row["retracted_trace"] = trace_hessian(architecture, model, at_flat, y)
    return row


def run(config: Config) -> Run:
    """Train from the start and measure at every checkpoint.

    lambda_max of the Hessian is measured once, at the end (column of the last
    row, NaN before).
    """
    state = initial_state(config)
    longest = steps_per_call(config)
    rows: list[dict[str, float]] = []
    for target in checkpoints(config).tolist():
        while state.step < target:
            try:
                state = advance(state, config, min(longest, target - state.step))
            except Divergence as divergence:
                nothing = replace(state, w=state.w * np.nan, v=state.v * np.nan)
                return Run(pd.DataFrame(rows), nothing.w, nothing.v, divergence.step)
        rows.append(measure(config, state) | {"lambda_max": np.nan})
    history = pd.DataFrame(rows)
    setting = problem(config)
    history.loc[history.index[-1], "lambda_max"] = lambda_max(
        setting.architecture,
        setting.model,
        state.w.astype(np.float64),
        state.v.astype(np.float64),
        setting.inputs,
        setting.y,
    )
    return Run(history, state.w, state.v)
