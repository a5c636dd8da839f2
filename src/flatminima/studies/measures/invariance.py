"""Which measure stays under which change of a network that leaves its function alone.

No entry is known beforehand: every measure is computed before and after every change,
on random networks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from flatminima.data.streams import generator
from flatminima.sharpness.landscape import Landscape
from flatminima.studies.measures.page import MEASURES, Sizes, measured
from flatminima.studies.measures.runs import random_net

FACTOR = 10.0
"""By what is rescaled."""

BEND = 100.0
"""How much is added far away."""

LOGARITHMS = ("log-determinant",)
"""Measures that are logarithms, whose changes are differences."""

STAYS = {"ε-sharpness": 1e-3, "box sharpness": 1e-2, "adaptive sharpness": 1e-3}
"""Relative change that is none, of what is found by ascent; `EXACT` for the others."""

EXACT = 1e-6
ERRORS = 4.0
"""Standard errors within which two estimates are one."""

Change = Callable[[Landscape, np.random.Generator], Landscape]


def _with(at: Landscape, parts: dict[str, Tensor]) -> Landscape:
    parts = at.split(at.theta) | parts
    return at.at(torch.cat([parts[name].reshape(-1) for name, _ in at.shapes]))


def permute(at: Landscape, rng: np.random.Generator) -> Landscape:
    """Hidden units in another order."""
    p = at.split(at.theta)
    order = torch.as_tensor(rng.permutation(len(p["0.bias"])))
    moved = {"0.weight": p["0.weight"][order], "0.bias": p["0.bias"][order]}
    return _with(at, moved | {"2.weight": p["2.weight"][:, order]})


def _scaled(at: Landscape, factors: Tensor) -> Landscape:
    p = at.split(at.theta)
    first = {"0.weight": factors[:, None] * p["0.weight"]}
    first |= {"0.bias": factors * p["0.bias"]}
    return _with(at, first | {"2.weight": p["2.weight"] / factors})


def rescale_layers(at: Landscape, rng: np.random.Generator) -> Landscape:
    """The first layer times a factor, the second over it."""
    width = len(at.split(at.theta)["0.bias"])
    return _scaled(at, torch.full((width,), FACTOR, dtype=torch.float64))


def rescale_units(at: Landscape, rng: np.random.Generator) -> Landscape:
    """A factor of its own for every unit, from 1/`FACTOR` to `FACTOR`."""
    width = len(at.split(at.theta)["0.bias"])
    powers = rng.permutation(np.linspace(-1, 1, width))
    return _scaled(at, torch.as_tensor(FACTOR**powers))


def rotate_inputs(at: Landscape, rng: np.random.Generator) -> Landscape:
    """Inputs turned, and the first layer with them."""
    turn, _ = np.linalg.qr(rng.normal(size=(at.x.shape[1],) * 2))
    turned = torch.as_tensor(turn)
    weight = at.split(at.theta)["0.weight"] @ turned.T
    return replace(_with(at, {"0.weight": weight}), x=at.x @ turned.T)


def change_units_of_inputs(at: Landscape, rng: np.random.Generator) -> Landscape:
    """Inputs times a factor, the first layer's weights over it."""
    weight = at.split(at.theta)["0.weight"] / FACTOR
    return replace(_with(at, {"0.weight": weight}), x=at.x * FACTOR)


def repeat_data(at: Landscape, rng: np.random.Generator) -> Landscape:
    """Every example twice."""
    return replace(at, x=torch.cat([at.x, at.x]), y=torch.cat([at.y, at.y]))


def raise_loss(at: Landscape, rng: np.random.Generator) -> Landscape:
    """A constant added to the loss."""
    return replace(at, criterion=lambda f, y: at.criterion(f, y) + 1)


def multiply_loss(at: Landscape, rng: np.random.Generator) -> Landscape:
    """The loss times a factor."""
    return replace(at, criterion=lambda f, y: FACTOR * at.criterion(f, y))


def bend_far_away(at: Landscape, rng: np.random.Generator) -> Landscape:
    """The loss plus |theta - theta_0|^4: the same up to second order."""
    centre = at.theta

    def network(theta: Tensor, x: Tensor) -> Tensor:
        f = at.network(theta, x)
        far = BEND * ((theta - centre) ** 2).sum() ** 2
        return torch.cat([f, far.expand(len(f), 1)], dim=1)

    def criterion(f: Tensor, y: Tensor) -> Tensor:
        return at.criterion(f[:, :-1], y) + f[:, -1]

    return replace(at, network=network, criterion=criterion)


def move_origin(at: Landscape, rng: np.random.Generator) -> Landscape:
    """The same loss around a point that is called theta_0 + 1."""

    def network(theta: Tensor, x: Tensor) -> Tensor:
        return at.network(theta - 1, x)

    return replace(at, network=network, theta=at.theta + 1)


CHANGES: dict[str, Change] = {
    "units permuted": permute,
    "layers rescaled": rescale_layers,
    "units rescaled": rescale_units,
    "inputs rotated": rotate_inputs,
    "inputs in other units": change_units_of_inputs,
    "data repeated": repeat_data,
    "loss + 1": raise_loss,
    "loss × 10": multiply_loss,
    "bent far away": bend_far_away,
    "origin moved": move_origin,
}
"""The function of the network stays under the first six; value, gradient and Hessian
of the loss stay under the last two."""


@dataclass(frozen=True)
class Comparison:
    """A measure before and after a change, over networks.

    Attributes:
        before, after: the values.
        error: standard errors of the difference.
    """

    before: Float[np.ndarray, " nets"]
    after: Float[np.ndarray, " nets"]
    error: Float[np.ndarray, " nets"]

    @property
    def relative(self) -> Float[np.ndarray, " nets"]:
        """Absolute change, relative to the value before."""
        return np.abs(self.after - self.before) / np.abs(self.before)

    def stays(self, tolerance: float) -> bool:
        """Whether no network's value changes, by more than its error if it has one."""
        within = np.maximum(ERRORS * self.error, tolerance * np.abs(self.before))
        return bool((np.abs(self.after - self.before) <= within).all())

    def written(self, tolerance: float, logarithm: bool = False) -> str:
        """A cell of the table: a tick, or the common change or the range of changes.

        Changes are factors, and differences of what is a logarithm.
        """
        if self.stays(tolerance):
            return "✓"
        if logarithm:
            changes, sign = self.after - self.before, ""
        else:
            changes, sign = self.after / self.before, "× "
        low, high = float(changes.min()), float(changes.max())
        format_ = "{:+.3g}" if logarithm else "{:.3g}"
        if np.allclose(changes, changes[0], rtol=max(tolerance, EXACT)):
            return sign + format_.format(low)
        return f"{sign}{format_.format(low)} to {format_.format(high)}"


Comparisons = dict[tuple[str, str], Comparison]


def compare(seeds: Sequence[int], sizes: Sizes) -> Comparisons:
    """Every measure under every change, over random networks of these seeds.

    Returns:
        By measure and change.
    """
    found: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for seed in seeds:
        at = random_net(seed)
        before = measured(at, sizes, seed)
        for change, function in CHANGES.items():
            other = function(at, generator(seed, f"measures {change}"))
            after = measured(other, sizes, seed)
            for name in MEASURES:
                one, two = before[name], after[name]
                error = float(np.hypot(one.standard_error, two.standard_error))
                values = (one.value, two.value, error)
                found.setdefault((name, change), []).append(values)
    return {key: Comparison(*np.array(rows).T) for key, rows in found.items()}


def table(comparisons: Comparisons) -> pd.DataFrame:
    """A row a measure, a column a change."""
    cells = {
        change: {
            name: comparisons[name, change].written(
                STAYS.get(name, EXACT), name in LOGARITHMS
            )
            for name in MEASURES
        }
        for change in CHANGES
    }
    return pd.DataFrame(cells, index=list(MEASURES))


def least_change(
    comparisons: Comparisons, names: Sequence[str], change: str
) -> Float[np.ndarray, " nets"]:
    """The least relative change of some measures, a network each."""
    return np.min([comparisons[name, change].relative for name in names], axis=0)


def most_change(
    comparisons: Comparisons, names: Sequence[str], change: str
) -> Float[np.ndarray, " nets"]:
    """The largest relative change of some measures, a network each."""
    return np.max([comparisons[name, change].relative for name in names], axis=0)


def digits(comparisons: Comparisons, change: str) -> Float[np.ndarray, " nets"]:
    """Relative change of the relative bits; 1 where the trace grows by less than half.

    A network whose change is no worse than rounding shows that digits stay while the
    trace grows.
    """
    bits = comparisons["bits, relative", change].relative
    traces = comparisons["trace", change]
    return np.where(traces.after >= 1.5 * traces.before, bits, 1.0)
