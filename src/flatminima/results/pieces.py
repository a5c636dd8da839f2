"""What the steps of runs on images take on this device."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from flatminima.runs.images.config import ImageConfig
from flatminima.runs.images.descent import Descent, numerics
from flatminima.runs.images.problem import initial_arrays
from flatminima.runs.images.train import products

CHEAP = frozenset(
    {
        *("data_seed", "init_seed", "optimiser", "lr", "weight_decay", "schedule"),
        *("label_noise", "num_epochs", "target_loss", "to_the_end", "sam_from"),
        *("sam_until", "rows_every", "measured", "sharpness_n", "probes", "test_n"),
    }
)
"""Fields on which the seconds of a step hardly depend."""

SECONDS_A_PIECE = 1.0
"""For how long the steps of a kind are timed."""

Kind = tuple[tuple[str, Any], ...]
"""Fields of a config, by name."""


def kind(config: ImageConfig) -> Kind:
    """The fields of a config that decide what a step takes; of rho, whether it is 0."""
    fields = config.model_dump(exclude=set(CHEAP)) | {"rho": config.rho > 0}
    return tuple(fields.items())


def seconds_a_step(
    config: ImageConfig, steps: int = 5, most: float = SECONDS_A_PIECE
) -> float:
    """What an update of a run takes on this device, after another.

    Args:
        config: the run.
        steps: how many are timed at most.
        most: seconds after which no further one is begun.
    """
    with numerics(config):
        descent = Descent(config, initial_arrays(config), 0)
        descent.walk(1)
        descent.recent_loss()  # waits for a GPU
        begun, done = time.perf_counter(), 0
        while done < steps and (done == 0 or time.perf_counter() - begun < most):
            descent.walk(descent.step + 1)
            descent.recent_loss()
            done += 1
        return (time.perf_counter() - begun) / done


@dataclass(frozen=True)
class Step:
    """What an update of a kind takes on this device.

    Attributes:
        seconds: of one.
        timed: whether it was done; else it is that of another kind, in proportion to
            the multiplications.
    """

    seconds: float
    timed: bool = True


def steps(configs: Iterable[ImageConfig], most: float = np.inf) -> dict[Kind, Step]:
    """Time a step of every kind, the smallest first, while there is time.

    Args:
        configs: the runs.
        most: seconds after which no further kind is timed, but always one.
    """
    kinds = {kind(config): config for config in configs}
    found: dict[Kind, Step] = {}
    begun, rate = time.monotonic(), 0.0
    for key, config in sorted(kinds.items(), key=lambda item: work(item[1])):
        expected = rate * work(config)
        # one step warms up, and one at least is timed
        if found and time.monotonic() - begun + 2 * expected > most:
            found[key] = Step(expected, timed=False)
            continue
        found[key] = Step(seconds_a_step(config))
        rate = found[key].seconds / work(config)
    return found


def work(config: ImageConfig) -> float:
    """Multiplications of the forward passes of a step, roughly."""
    images = config.batch
    if config.rho > 0:
        moved = config.n if config.m == config.n else config.batch
        images += moved * (config.ascent_steps + 2 * config.second_order)
    return float(products(config) * images)


def pieces(configs: Iterable[ImageConfig], each: Mapping[Kind, Step]) -> pd.DataFrame:
    """What the steps and epochs of some runs take on this device.

    Args:
        configs: the runs.
        each: from `steps`.

    Returns:
        A row a kind of step: data, net and the fields in which the kinds differ, then
        milliseconds a step, seconds an epoch, runs, how many there are of it, and
        whether it was timed.
    """
    members: defaultdict[Kind, list[ImageConfig]] = defaultdict(list)
    for config in configs:
        members[kind(config)].append(config)
    rows = []
    for key, runs in members.items():
        step = each[key]
        costs = {
            "milliseconds a step": round(1e3 * step.seconds, 2),
            "seconds an epoch": round(step.seconds * runs[0].n / runs[0].batch, 2),
            "runs": len(runs),
            "timed": "yes" if step.timed else "no",
        }
        rows.append(dict(key) | costs)
    table = pd.DataFrame(rows)
    alike = [
        name
        for name in table.columns[:-4]
        if name not in ("data", "net") and len(set(table[name])) == 1
    ]
    return table.drop(columns=alike)
