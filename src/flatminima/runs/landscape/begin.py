"""Networks that are trained from somewhere else than their own draw."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from flatminima.runs.kind import Run, State
from flatminima.runs.landscape.config import ViewConfig
from flatminima.runs.nets import train
from flatminima.runs.nets.config import NetConfig
from flatminima.runs.nets.problem import network


def never() -> bool:
    """No pause."""
    return False


def train_from(
    config: NetConfig,
    arrays: Mapping[str, np.ndarray],
    pause: Callable[[], bool] = never,
) -> Run:
    """A run from given weights: what the optimiser keeps starts as ever.

    Args:
        config: the run; its seeds order the examples, and its weights are not drawn.
        arrays: weights and buffers by name; the rest is left aside.
        pause: as in `loop.proceed`.
    """
    start = train.start(config).arrays
    state = {
        name: arrays[name].astype(start[name].dtype) if name in own else start[name]
        for own in [network(config, start).state_dict()]
        for name in start
    }
    return train.proceed(config, Run(pd.DataFrame(), state, 0, finished=False), pause)


def first_state(config: ViewConfig) -> State:
    """Where a view's training begins; see `ViewConfig.begin`.

    Raises:
        Divergence: if the training on redrawn labels diverges.
    """
    drawn = train.start(config.net)
    if config.begin == "drawn":
        return drawn
    spoil = {
        "label_shuffle": 1.0,
        "num_steps": config.spoil_steps,
        "measure_at": (),
        "weight_decay": 0.0,
        "rho": 0.0,
    }
    spoiling = NetConfig(**(config.net.model_dump() | spoil))
    spoiled = train.start(spoiling)
    while spoiled.step < spoiling.num_steps and not train.reached(spoiled):
        k = min(train.steps_per_call(spoiling), spoiling.num_steps - spoiled.step)
        spoiled = train.advance(spoiled, spoiling, k)
    module = network(config.net, drawn.arrays)
    trained = {name for name, _ in module.named_parameters()}
    if config.begin == "spoiled":
        kept = {name: spoiled.arrays[name] for name in module.state_dict()}
        return State(dict(drawn.arrays) | kept)
    return State(
        {
            name: as_long(array, spoiled.arrays[name]) if name in trained else array
            for name, array in drawn.arrays.items()
        }
    )


def as_long(array: np.ndarray, other: np.ndarray) -> np.ndarray:
    """An array scaled to another's length. One of length 0, as a bias, stays."""
    length = np.linalg.norm(array)
    if length == 0:
        return array
    return (array * (np.linalg.norm(other) / length)).astype(array.dtype)
