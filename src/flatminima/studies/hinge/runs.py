"""Between two scenarios: runs along a constant that joins them.

With bias_input = 0 a 2-MLP-Bias is a 2-MLP-No-Bias, with 1 it is the source's. With a
large eps a 2-MLP-Sim-LN is a 2-MLP-Bias with its outputs divided by eps.

A bias input c does two things. The unit sees beta = c b, whose gradient step is c^2
times as long as that of b and which starts c times as wide; and the norm of an input
that ascent and trace see is d + c^2. `twin` changes one of the two without the other.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from flatminima.checks import at_least
from flatminima.runs.mlp.config import Config
from flatminima.sources import controls
from flatminima.sweeps.sweep import run_all
from flatminima.sweeps.table import Seeds, over_seeds


def rules(
    architecture: str, *, d: int, n: int, width: int, epochs: int, lengths: int
) -> dict[str, Config]:
    """1-SAM and its controls with batch size 1, measured at several lengths.

    They have the source's learning rate, radius, decay and initial scale and are
    trained in float32. Nothing is measured but the start and the lengths.

    Args:
        architecture: "bias" or "sim_ln".
        d, n, width: size of the problem and of the network.
        epochs: passes over the data in all.
        lengths: how many training lengths, at least 2; each is half the next.

    Returns:
        Configs by the name of the rule: 1-SAM, SGD and SGD + wd.

    Raises:
        ValueError: if a value is out of range.
    """
    at_least("epochs", epochs, 1)
    at_least("lengths", lengths, 2)
    Config(architecture="bias", d=d, n=n, width=width)  # refuse bad sizes first
    setting = controls.SETTINGS[architecture]
    base: dict[str, Any] = {
        "architecture": architecture,
        "d": d,
        "n": n,
        "width": width,
        "lr": setting.lr,
        "init_scale": setting.init_scale,
        "dtype": "float32",
        "num_steps": epochs * n,
        "num_checkpoints": 2,
        "measure_at": halvings(epochs * n, lengths),
    }
    base |= {"rho": setting.rho, "weight_decay": setting.weight_decay}
    return controls.rules(["1-SAM", "SGD", "SGD + wd"], **base)


def halvings(steps: int, count: int) -> tuple[int, ...]:
    """steps and its halves, quarters, ..., rounded down to 1 at least, ascending."""
    return tuple(sorted({max(1, steps >> k) for k in range(count)}))


def bias_inputs(count: int, largest: float) -> np.ndarray:
    """Evenly spaced from 0 to the largest.

    Raises:
        ValueError: if there are fewer than 2, or if the largest is not above 0.
    """
    at_least("constants", count, 2)
    if not 0 < largest < np.inf:
        raise ValueError(f"largest_c = {largest}: allowed are finite values above 0")
    return np.linspace(0, largest, count)


def floors(count: int, smallest: float, largest: float) -> np.ndarray:
    """Evenly spaced in the logarithm, freed of rounding.

    Raises:
        ValueError: if there are fewer than 2, or if the ends are not positive and in
            order.
    """
    at_least("floors", count, 2)
    if not 0 < smallest < largest < np.inf:
        raise ValueError(
            f"smallest_eps = {smallest}, largest_eps = {largest}: allowed are "
            "0 < smallest_eps < largest_eps"
        )
    exact = np.geomspace(smallest, largest, count)
    return np.array([float(f"{value:.12g}") for value in exact])


def twin(config: Config, seen: float, learnt: float) -> Config:
    """A 2-MLP-Bias that sees one bias input, and whose bias learns as with another.

    Rate and start of seen * b are those of the bias with the input `learnt`. SGD, with
    decay or without, takes the same path for every `seen`, up to rounding. 1-SAM does
    not: its ascent step depends on `seen`.

    Args:
        config: of architecture "bias".
        seen: bias input, above 0.
        learnt: bias input of which rate and start are; 0 is a bias that stays 0.

    Raises:
        ValueError: if a value is out of range.
    """
    if not 0 < seen < np.inf:
        raise ValueError(f"seen = {seen}: must be above 0 and finite")
    factor = float(learnt) / float(seen)
    fields = {"bias_input": float(seen), "bias_rate": factor**2}
    return Config(**(config.model_dump() | fields | {"bias_init_scale": factor}))


def swaps(config: Config, small: float) -> dict[str, Config]:
    """A small bias input and 1, each with its own rate and start and with the other's.

    Raises:
        ValueError: as `twin`.
    """
    return {
        "c": twin(config, small, small),
        "1, learning as c": twin(config, 1.0, small),
        "1": twin(config, 1.0, 1.0),
        "c, learning as 1": twin(config, small, 1.0),
    }


def halves(config: Config, small: float) -> dict[str, Config]:
    """The bias input 1 with either the rate or the start of a small one.

    Raises:
        ValueError: as `twin`.
    """
    both = twin(config, 1.0, small)
    own = {"bias_rate": 1.0, "bias_init_scale": 1.0}
    return {
        f"1, {name} of c": Config(**(both.model_dump() | {field: own[field]}))
        for name, field in (("rate", "bias_init_scale"), ("start", "bias_rate"))
    }


def weights_apart(one: Config, other: Config, seeds: Seeds) -> np.ndarray:
    """The largest difference of two weights of twins at their ends, by seed.

    The bias is taken as the unit sees it, times the bias input.

    Args:
        one, other: run already or run now; of one shape.
        seeds: as in `over_seeds`.

    Returns:
        Differences, shape (seeds,); infinite where one of the two diverged.
    """
    cells = over_seeds([one], seeds), over_seeds([other], seeds)
    ends = [run_all(each) for each in cells]
    found = []
    for first, second in zip(*ends, strict=True):
        if first.diverged_at is not None or second.diverged_at is not None:
            found.append(np.inf)
            continue
        seen = [
            (_as_seen(run.params[0], config.bias_input), run.params[1])
            for run, config in ((first, one), (second, other))
        ]
        gaps = [np.abs(a - b).max() for a, b in zip(*seen, strict=True)]
        found.append(float(max(gaps)))
    return np.array(found)


def _as_seen(w: np.ndarray, bias_input: float) -> np.ndarray:
    """The first layer, its bias times the bias input, in float64."""
    return w.astype(float) * np.append(np.ones(len(w) - 1), bias_input)[:, None]


def planned(
    sizes: dict[str, Any],
    *,
    seeds: int,
    swap_seeds: int,
    bias_inputs: np.ndarray,
    eps: np.ndarray,
    small: float,
) -> int:
    """Runs that the chapter trains; those that it uses twice count once.

    Args:
        sizes: as the keyword arguments of `rules`.
        seeds: of the settings along c and eps.
        swap_seeds: of the swaps.
        bias_inputs, eps: the grids.
        small: bias input of the swaps.
    """
    sam, sgd, decay = rules("bias", **sizes).values()
    ln_sam, ln_sgd, _ = rules("sim_ln", **sizes).values()
    positive = bias_inputs[bias_inputs > 0]
    thinned = [c for c in bias_inputs[::-2] if c > 0]
    grid = [
        *along(sam, "bias_input", bias_inputs),
        *along(sgd, "bias_input", bias_inputs[::2]),
        *along(decay, "bias_input", bias_inputs[::2]),
        *(twin(sam, 1.0, c) for c in bias_inputs),
        *(twin(sam, c, 1.0) for c in positive),
        *(config for c in thinned for config in swaps(sgd, c).values()),
        *along(ln_sam, "eps", eps),
        *along(ln_sgd, "eps", eps[::2]),
    ]
    swapped = [
        config for rule in (sam, sgd, decay) for config in swaps(rule, small).values()
    ]
    swapped += halves(sam, small).values()
    counts = dict.fromkeys(grid, seeds)
    for config in swapped:
        counts[config] = max(counts.get(config, 0), swap_seeds)
    return sum(counts.values())


def along(config: Config, field: str, values: Iterable[float]) -> list[Config]:
    """A config at several values of one of its fields.

    Raises:
        ValueError: if a value is out of range.
    """
    base = config.model_dump()
    return [Config(**(base | {field: float(value)})) for value in values]
