"""Between two scenarios: runs along a constant that joins them.

With bias_input = 0 a 2-MLP-Bias is a 2-MLP-No-Bias, with 1 it is the source's. With a
large eps a 2-MLP-Sim-LN is a 2-MLP-Bias with its outputs divided by eps.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

from flatminima.checks import at_least
from flatminima.runs.mlp.config import Config
from flatminima.sources import controls


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


def along(config: Config, field: str, values: Iterable[float]) -> list[Config]:
    """A config at several values of one of its fields.

    Raises:
        ValueError: if a value is out of range.
    """
    base = config.model_dump()
    return [Config(**(base | {field: float(value)})) for value in values]
