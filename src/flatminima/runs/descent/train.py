"""The engine of descents on models of implicit bias; see `runs.kind.Engine`.

`advance` is the boundary to the compiled loop: pure and deterministic. What a step
draws comes from a counter-based generator, keyed by the seed and moved on to the step,
so any stretch of a run can be had on its own.
"""

from typing import Any

import numpy as np

from flatminima.kernels import descent, diagonal_sgd
from flatminima.measures.kinks import count_kinks
from flatminima.runs import loop
from flatminima.runs.descent.config import DescentConfig
from flatminima.runs.descent.problem import Problem, problem, start_arrays
from flatminima.runs.kind import Divergence, Run, State

Config = DescentConfig
"""What `results` builds a config by."""

SECONDS_PER_CALL = 0.15
SECONDS_PER_PRODUCT = 1e-9
"""A slow estimate for a product of the gradient with an example."""

SECONDS_PER_STEP = 1e-7
SECONDS_PER_DRAW = 1e-8
SECONDS_PER_SIGN = 4e-9

MOST_NUMBERS = 4_000_000
"""Random numbers held at a time."""

DRAWS, DIRECTIONS = 1, 2
"""What the two streams of a seed are for."""

PER_COUNT = 4
"""Numbers of 64 bits that the generator makes at each count."""

BITS_OF_WORD = 64

STOPPED = "stopped"
"""Array of a run that may stop: the step at which it did, and -1 before."""


def modules(config: DescentConfig) -> tuple[str, ...]:
    """The modules that a run of this config reaches everything else from."""
    return (__name__,)


def checkpoints(config: DescentConfig) -> np.ndarray:
    """Steps at which a run is measured, ascending."""
    return loop.spaced(config.num_steps, config.num_checkpoints, config.measure_at)


def start(config: DescentConfig) -> State:
    """The state before the first step."""
    arrays = start_arrays(config)
    if config.stop_loss > 0:
        arrays[STOPPED] = np.full(1, -1.0)
    return State(arrays)


def steps_per_call(config: DescentConfig) -> int:
    """Steps that `advance` takes in about 0.3 s at most."""
    setting = problem(config)
    x, size = setting.data.x, sum(map(np.prod, setting.model.shapes))
    each = config.batch_size * x.shape[1]
    if config.model == "relu_1d":
        each *= 6 * config.width
    elif config.model == "matrix":
        each += (
            2
            * config.d
            * config.d
            * config.width
            * (config.batch_size // config.group_size)
        )
    passes = 1
    if config.rho > 0 and config.ascent != "random":
        passes += 2 * (config.ascent_steps + config.differentiate)
    groups = config.batch_size // config.group_size
    seconds = passes * (2 * each + 6 * size * groups) * SECONDS_PER_PRODUCT
    numbers = config.draws
    if config.ascent == "random":
        numbers += size
        seconds += size * SECONDS_PER_SIGN
    seconds += config.draws * SECONDS_PER_DRAW + SECONDS_PER_STEP
    limit = MOST_NUMBERS // numbers if numbers else 100_000_000
    return int(max(1, min(limit, SECONDS_PER_CALL / seconds)))


def single(config: DescentConfig) -> bool:
    """Whether a run takes the steps of `kernels.diagonal_sgd`."""
    diagonal = config.model in ("squares", "product")
    return diagonal and config.batch == 1 and config.rho == 0


def raw_bits(
    config: DescentConfig, stream: int, first: int, steps: int, each: int
) -> np.ndarray:
    """Random 64-bit numbers of some steps, shape (steps, each).

    Args:
        config: whose `init_seed` is the key.
        stream: `DRAWS` or `DIRECTIONS`.
        first: the first of the steps.
        steps: how many.
        each: numbers of a step.
    """
    if each == 0:
        return np.empty((steps, 0), dtype=np.uint64)
    offset = first * each
    generator = np.random.Philox(key=[config.init_seed, stream])
    generator.advance(offset // PER_COUNT)
    skipped = offset % PER_COUNT
    raw = generator.random_raw(skipped + steps * each)
    return raw[skipped:].reshape(steps, each)


def unit_directions(
    config: DescentConfig, first: int, steps: int, size: int
) -> np.ndarray:
    """A random direction for every step, shape (steps, size): signs over sqrt(size).

    All corners of a cube are equally likely, so each direction has length 1 and they
    have no preferred one, up to fourth moments. A sign takes a bit, where a normal
    number would take most of a run's time.
    """
    words = raw_bits(config, DIRECTIONS, first, steps, -(-size // BITS_OF_WORD))
    octets = words.astype("<u8").view(np.uint8)
    bits = np.unpackbits(octets, axis=1, count=size, bitorder="little")
    return (2.0 * bits - 1.0) / np.sqrt(size)


def advance(state: State, config: DescentConfig, k: int) -> State:
    """The state k updates later. Pure; the GIL is released meanwhile.

    Args:
        state: where to start.
        config: the run.
        k: number of updates, at least 1.

    Raises:
        Divergence: if the loss or the parameters are no longer finite.
    """
    setting = problem(config)
    names = setting.module.NAMES
    stops = config.stop_loss > 0
    if stops and state.arrays[STOPPED][0] >= 0:
        return State(state.arrays, state.step + k)
    theta = np.concatenate([state.arrays[name].ravel() for name in names])
    bits = raw_bits(config, DRAWS, state.step, k, config.draws)
    if single(config):
        d, stopped = config.d, False
        done = diagonal_sgd.run(
            config.model == "squares",
            *(theta[:d], theta[d:], setting.data.x, setting.data.y, bits.ravel()),
            *(config.factor, config.lr, config.label_noise),
        )
    else:
        random = config.ascent == "random"
        done, stopped = descent.run(
            setting.model,
            theta,
            setting.data.x,
            setting.data.y,
            bits,
            unit_directions(config, state.step, k, theta.size)
            if random
            else np.empty((k, 0)),
            config.group_size,
            config.factor,
            config.lr,
            config.rho if config.direction == "up" else -config.rho,
            config.normalised,
            config.ascent_steps,
            config.ascent == "quadratic",
            config.differentiate,
            config.label_noise,
            config.stop_loss if stops else -1.0,
            config.batch_size,
            np.empty(max(1, setting.model.scratch)),
        )
    step = state.step + int(done)
    if not np.isfinite(theta).all() or (done < k and not stopped):
        raise Divergence(config, step)
    arrays = unflat(setting, theta)
    if stops:
        arrays[STOPPED] = np.full(1, float(step) if stopped else -1.0)
    return State(arrays, state.step + k)


def unflat(setting: Problem, theta: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of a flat vector of parameters, by name."""
    shapes = setting.model.shapes
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    pieces = np.split(theta, ends)
    return {
        name: piece.reshape(shape)
        for name, piece, shape in zip(setting.module.NAMES, pieces, shapes, strict=True)
    }


def measure(config: DescentConfig, state: State) -> dict[str, float]:
    """A row of the history.

    Returns:
        step; loss, of the whole training set with the config's factor; trace, tr Hess
        of that loss; norm, of all parameters; and of a run that may stop, `stopped`,
        the step at which it did, or NaN. Then what the model has: diagonal networks
        l1 (of beta), test_loss (with the same factor) and error (||beta - truth||);
        factorisations nuclear (norm of U V^T) and error (Frobenius); the network on
        the line kinks, see `measures.kinks`.
    """
    setting = problem(config)
    data, model, module = setting.data, setting.model, setting.module
    theta = [state.arrays[name] for name in module.NAMES]
    residual = module.forward(model, *theta, data.x) - data.y
    squared = module.squared_gradients(model, *theta, data.x)
    curved = residual * module.laplacian(model, data.x)
    row = {
        "step": state.step,
        "loss": config.factor * float(np.mean(residual**2)),
        "trace": 2 * config.factor * float(np.mean(squared + curved)),
        "norm": float(np.sqrt(sum(np.sum(a**2) for a in theta))),
    }
    if config.stop_loss > 0:
        at = float(state.arrays[STOPPED][0])
        row["stopped"] = at if at >= 0 else np.nan
    return row | _own(config, setting, theta)


def _own(
    config: DescentConfig, setting: Problem, theta: list[np.ndarray]
) -> dict[str, float]:
    """What is measured of one model only."""
    data, model, module = setting.data, setting.model, setting.module
    if config.model == "relu_1d":
        return {"kinks": float(count_kinks(theta[0], theta[1], theta[2], data.x[:, 0]))}
    if config.model == "matrix":
        product = theta[0] @ theta[1].T
        return {
            "nuclear": float(np.linalg.norm(product, "nuc")),
            "error": float(np.linalg.norm(product.ravel() - data.truth)),
        }
    beta = module.coefficients(model, *theta)
    missed = module.forward(model, *theta, data.test_x) - data.test_y
    return {
        "l1": float(np.abs(beta).sum()),
        "test_loss": config.factor * float(np.mean(missed**2)),
        "error": float(np.linalg.norm(beta - data.truth)),
    }


def summary(config: DescentConfig, run: Run) -> dict[str, Any]:
    """What committed results keep of the final arrays: all, where they are few."""
    names = problem(config).module.NAMES
    arrays = {name: run.arrays[name] for name in names if name in run.arrays}
    if sum(a.size for a in arrays.values()) > MOST_KEPT:
        return {}
    return {name: a.ravel().tolist() for name, a in arrays.items()}


MOST_KEPT = 1000
"""Parameters up to which committed results keep all."""
