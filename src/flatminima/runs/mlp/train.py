"""From a config to the history of its run.

`advance` is the boundary to the compiled kernels: pure and deterministic. `run`
adds the measurements.
"""

import importlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from flatminima.models.base import load
from flatminima.runs.kind import Divergence, Run
from flatminima.runs.loop import checkpoints
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.measures import measure, sharpness_module
from flatminima.runs.mlp.order import batches
from flatminima.runs.mlp.problem import State, initial_state, problem
from flatminima.sharpness.largest_eigenvalue import lambda_max

SECONDS_PER_CALL = 0.2
SECONDS_PER_WEIGHT = 2e-10
SECONDS_PER_SMOOTH_UNIT = 1e-8
"""Two heads of an activation that takes exponentials, a unit and example."""

CACHE_LINE = 64
"""Bytes."""

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
    measures = sharpness_module(architecture)
    return __name__, architecture.__name__, kernel_module(config), measures


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
    others in the same numbers up to rounding. `proceed` makes the same calls
    whether it is paused or not.

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
    lanes = LANES if setting.architecture.IDLE_AT_ZERO else 1
    params = [padded_copy(p, lanes) for p in state.params]
    radius = (scalar(config.radius),) if config.can_be_projected else ()
    step, end = state.step, state.step + k
    while step < end:
        lr, rho, until = config.rates(step)
        stop = end if until <= step else min(end, until)
        order = batches(config, step, stop)
        done = step + int(
            kernel.run(
                setting.model,
                setting.loss,
                *params,
                x,
                y,
                order.ravel() if config.batch == "one" else order,
                scalar(lr),
                scalar(rho),
                scalar(config.weight_decay),
                *radius,
            )
        )
        if done < stop or not all(np.isfinite(p).all() for p in params):
            raise Divergence(config, done)
        step = stop
    cut = (
        p[..., : old.shape[-1]].copy()
        for p, old in zip(params, state.params, strict=True)
    )
    return State(tuple(cut), end)


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


def run(config: Config) -> Run:
    """Train from the start to the end, measuring at every checkpoint."""
    return proceed(config, None, lambda: False)


def proceed(config: Config, run: Run | None, pause: Callable[[], bool]) -> Run:
    """Train until the end or until told to pause.

    A run that was paused, anywhere and any number of times, ends with the same
    bits as one that was not. lambda_max of the Hessian is measured once, at the
    end (column of the last row, NaN before).

    Args:
        config: what to run.
        run: where an earlier call paused; None to start.
        pause: asked every few tenths of a second.

    Returns:
        The run; `finished` unless it was paused.
    """
    rows: list[dict[Any, Any]] = []
    if run is None:
        state = initial_state(config)
    else:
        state = State(run.params, run.step)
        rows = run.history.to_dict("records")
    longest = steps_per_call(config)
    for target in checkpoints(config)[len(rows) :].tolist():
        while state.step < target:
            if pause():
                history = pd.DataFrame(rows)
                return Run(history, state.params, state.step, finished=False)
            try:
                state = advance(state, config, min(longest, target - state.step))
            except Divergence as divergence:
                nothing = tuple(p * np.nan for p in state.params)
                step = divergence.step
                return Run(pd.DataFrame(rows), nothing, step, diverged_at=step)
        rows.append(measure(config, state) | {"lambda_max": np.nan})
    setting = problem(config)
    rows[-1]["lambda_max"] = lambda_max(
        setting.architecture,
        setting.model,
        tuple(p.astype(np.float64) for p in state.params),
        setting.inputs,
        setting.y,
        setting.loss,
    )
    return Run(pd.DataFrame(rows), state.params, state.step)
