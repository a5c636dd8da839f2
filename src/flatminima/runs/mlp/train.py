"""The engine of fully connected networks; see `runs.kind.Engine`.

`advance` is the boundary to the compiled kernels: pure and deterministic.
"""

import importlib
import math

import numpy as np

from flatminima.measures import alignment
from flatminima.models.ascent import Frozen, Usual
from flatminima.models.base import load
from flatminima.runs import loop
from flatminima.runs.kind import Divergence, Run, State
from flatminima.runs.mlp import measures
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.order import batches, moved_up
from flatminima.runs.mlp.problem import initial_state, problem
from flatminima.sharpness.largest_eigenvalue import lambda_max

start = initial_state

SECONDS_PER_CALL = 0.2
SECONDS_PER_WEIGHT = 2e-10
SECONDS_PER_SMOOTH_UNIT = 1e-8
"""Two heads of an activation that takes exponentials, a unit and example."""

CACHE_LINE = 64
"""Bytes."""

AT_THE_END = ("lambda_max", "weights_moved", "kernel_moved")
"""Columns that only the last checkpoint has."""

LANES = 32
"""Units that the kernels treat together, a multiple of every vector's length."""


def kernel_module(config: Config) -> str:
    """Name of the module whose `run` takes the steps of a config."""
    family = load(config.architecture).FAMILY
    if family == "two_layer":
        family = "serial" if config.batch == "one" else "full_batch"
    return f"flatminima.kernels.{family}"


def modules(config: Config) -> tuple[str, ...]:
    """The modules that a run of this config reaches everything else from."""
    architecture = load(config.architecture)
    sharpness = measures.sharpness_module(architecture)
    return __name__, architecture.__name__, kernel_module(config), sharpness


def steps_per_call(config: Config) -> int:
    """Steps that `advance` should take at most, to return within about 0.3 s."""
    architecture = problem(config).architecture
    num_weights = sum(p.size for p in initial_state(config).params)
    step = num_weights * SECONDS_PER_WEIGHT
    if not architecture.IDLE_AT_ZERO:
        step += config.width * SECONDS_PER_SMOOTH_UNIT
    step *= config.n if architecture.FAMILY == "sim_bn" else config.batch_size
    return max(1, int(SECONDS_PER_CALL / (step + 1e-6)))


def advance(state: State, config: Config, k: int) -> State:
    """The state k updates later. Pure; the GIL is released meanwhile.

    A kernel takes its steps in blocks, which start with the call and with every
    phase. Calls that are cut between blocks end in the same bits as one long call,
    others in the same numbers up to rounding. `loop.proceed` makes the same
    calls whether it is paused or not.

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
    x, y = setting.inputs, setting.y
    if config.step_noise > 0:
        # each example twice, with its label moved down and up
        x = np.concatenate([x, x])
        y = np.concatenate([y - config.step_noise, y + config.step_noise])
    x, y = x.astype(config.dtype), y.astype(config.dtype)
    lanes = LANES if setting.architecture.IDLE_AT_ZERO else 1
    params = [padded_copy(p, lanes) for p in state.params]
    # two layers take both; the other families have no frozen ascent, and no radius
    ascent: tuple[Usual | Frozen, ...] = ()
    radius: tuple[np.floating, ...] = ()
    if config.can_be_projected:
        ascent = (Usual() if config.ascent == "usual" else Frozen(),)
        radius = (scalar(config.radius),)
    step, end = state.step, state.step + k
    while step < end:
        lr, rho, until = config.rates(step)
        stop = end if until <= step else min(end, until)
        order = batches(config, step, stop)
        if config.step_noise > 0:
            order = order + config.n * moved_up(config, step, stop)
        done = step + int(
            kernel.run(
                setting.model,
                setting.loss,
                *ascent,
                *params,
                x,
                y,
                order.ravel() if config.batch == "one" else order,
                scalar(lr),
                scalar(rho),
                scalar(config.weight_decay),
                scalar(config.bias_rate),
                *radius,
            )
        )
        if done < stop or not all(np.isfinite(p).all() for p in params):
            raise Divergence(config, done)
        step = stop
    cut = {
        name: p[..., : old.shape[-1]].copy()
        for p, (name, old) in zip(params, state.arrays.items(), strict=True)
    }
    return State(cut, end)


def padded_copy(a: np.ndarray, lanes: int = LANES) -> np.ndarray:
    """A copy on a cache line, zeros appended to each row up to a multiple of `lanes`.

    The kernels are up to 1.5 times faster on it. A unit whose weights are all 0 is
    inactive, adds nothing to any sum and stays 0, unless its activation is smooth
    (`IDLE_AT_ZERO` of the architecture): then `lanes` must be 1.
    """
    width = -(-a.shape[-1] // lanes) * lanes
    size = math.prod(a.shape[:-1]) * width * a.itemsize
    buffer = np.zeros(size + CACHE_LINE, dtype=np.uint8)
    start = -buffer.ctypes.data % CACHE_LINE
    copy = buffer[start : start + size].view(a.dtype).reshape(*a.shape[:-1], width)
    copy[..., : a.shape[-1]] = a
    return copy


def checkpoints(config: Config) -> np.ndarray:
    """Steps at which a run is measured, as `Config` describes, ascending."""
    return loop.spaced(config.num_steps, config.num_checkpoints, config.measure_at)


def measure(config: Config, state: State) -> dict[str, float]:
    """The row of a checkpoint; what `finish` adds is NaN but at the end."""
    return measures.measure(config, state) | dict.fromkeys(AT_THE_END, np.nan)


def finish(config: Config, state: State) -> dict[str, float]:
    """lambda_max of the Hessian, and `measures.movement`, which are measured once."""
    setting = problem(config)
    params = tuple(p.astype(np.float64) for p in state.params)
    largest = lambda_max(
        setting.architecture,
        setting.model,
        params,
        setting.inputs,
        setting.y,
        setting.loss,
    )
    return {"lambda_max": largest, **measures.movement(config, state)}


def summary(config: Config, run: Run) -> dict[str, float | list[float]]:
    """What committed results keep of the first layer: where its units look."""
    w = run.params[0].astype(float)
    return alignment.summary(w) | alignment.unit_table(w)
