"""The engine of runs towards a flat deep network; see `FlatConfig`, `kind.Engine`."""

from itertools import product

import numpy as np

from flatminima.data.load import train_and_test
from flatminima.data.streams import generator
from flatminima.runs.deep_flat.config import FlatConfig
from flatminima.runs.kind import Divergence, State
from flatminima.runs.mlp import measures, train
from flatminima.runs.mlp.problem import initial_state, problem
from flatminima.sharpness.deep import per_example_gradients
from flatminima.sharpness.deep_gradient import trace_gradient
from flatminima.theory.constructions.deep_cells import deep_from_subcubes

Config = FlatConfig
"""What `results` builds a config by."""

WEIGHTS = ("w", "middle", "v")

SECONDS_PER_PRODUCT = 1e-9
"""Eight products of matrices, a weight and example."""


def modules(config: FlatConfig) -> tuple[str, ...]:
    """The modules that a run of this config reaches everything else from."""
    return (__name__, *train.modules(config.net))


def checkpoints(config: FlatConfig) -> np.ndarray:
    """Steps at which the run is measured."""
    return train.checkpoints(config.net)


def start(config: FlatConfig) -> State:
    """The weights before the first step, and where there is a penalty their velocity.

    A construction that has fewer units than the network is filled up with weights 0,
    and then shaken.
    """
    net = config.net
    arrays = dict(initial_state(net).arrays)
    if config.start != "drawn":
        rng = generator(net.init_seed, "init")
        for name, built in zip(WEIGHTS, _construction(config), strict=True):
            larger = np.zeros_like(arrays[name])
            larger[tuple(slice(size) for size in built.shape)] = built
            arrays[name] = larger + config.jitter * rng.normal(size=larger.shape)
    if config.penalty > 0:
        arrays |= {f"{name}_velocity": np.zeros_like(arrays[name]) for name in WEIGHTS}
    return State(arrays)


def _construction(config: FlatConfig) -> tuple[np.ndarray, ...]:
    """The flattest interpolator that the run starts from."""
    net = config.net
    if config.start == "points":
        data, _ = train_and_test(net.data, net.n, net.d, net.data_seed, net.label_noise)
        cubes, labels = data.x.astype(int), data.y
    else:
        cubes = np.zeros((4, net.d), dtype=int)
        cubes[:, :2] = list(product((1, -1), repeat=2))
        labels = cubes[:, 0] * cubes[:, 1] * 1.0
    return deep_from_subcubes(cubes, labels, net.depth, bias=net.bias_input != 0)


def steps_per_call(config: FlatConfig) -> int:
    """Steps that `advance` should take at most, to return within about 0.3 s."""
    if config.penalty == 0:
        return train.steps_per_call(config.net)
    weights = sum(p.size for p in initial_state(config.net).params)
    step = weights * config.net.n * SECONDS_PER_PRODUCT
    return max(1, int(train.SECONDS_PER_CALL / (step + 1e-4)))


def advance(state: State, config: FlatConfig, k: int) -> State:
    """The state k steps later; pure.

    Raises:
        Divergence: if a weight is no longer finite.
    """
    if config.penalty > 0:
        with np.errstate(over="ignore", invalid="ignore"):  # divergence says it
            return _descend(state, config, k)
    try:
        return train.advance(state, config.net, k)
    except Divergence as divergence:
        raise Divergence(config, divergence.step) from None


def _descend(state: State, config: FlatConfig, k: int) -> State:
    """k updates of heavy ball on L + lambda Tr Hess L, over all examples."""
    setting, lr = problem(config.net), config.net.lr
    weights = [state.arrays[name] for name in WEIGHTS]
    velocity = [state.arrays[f"{name}_velocity"] for name in WEIGHTS]
    for step in range(state.step, state.step + k):
        w, middle, v = weights
        at = per_example_gradients(w, middle, v, setting.inputs)
        descent = at.pull_back(2 * (at.f - setting.y) / len(at.f))
        flatter = trace_gradient((w, middle, v), at)
        velocity = [
            config.momentum * old + fit + config.penalty * flat
            for old, fit, flat in zip(velocity, descent, flatter, strict=True)
        ]
        weights = [a - lr * b for a, b in zip(weights, velocity, strict=True)]
        if not all(np.isfinite(each).all() for each in weights):
            raise Divergence(config, step)
    arrays = dict(zip(WEIGHTS, weights, strict=True))
    arrays |= {
        f"{name}_velocity": each for name, each in zip(WEIGHTS, velocity, strict=True)
    }
    return State(arrays, state.step + k)


def measure(config: FlatConfig, state: State) -> dict[str, float]:
    """The row of a checkpoint, as of `runs.mlp.measures`."""
    weights = State({name: state.arrays[name] for name in WEIGHTS}, state.step)
    row = measures.measure(config.net, weights)
    if config.penalty > 0:
        row["epoch"] = float(state.step)
    return row
