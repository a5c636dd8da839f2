"""Hidden units of one network put in the order of another's: weight matching.

Two networks that differ in the order of hidden units alone compute one function, but
the straight line between their weights leaves the minimum. Ainsworth, Hayase and
Srinivasa, "Git Re-Basin", ICLR 2023, look for the order that brings the weights
closest, layer by layer, each by a linear assignment.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

Weights = Mapping[str, Float[np.ndarray, "..."]]
"""Parameters by name."""

Axes = Mapping[str, tuple[str | None, ...]]
"""For each parameter, the name of the order of units along each of its axes.

Axes with one name are permuted together, as the rows of a layer, its bias and the
columns of the next layer are. None is an axis that stays, such as inputs, classes and
the positions of a kernel.
"""

MAX_SWEEPS = 100


def permuted(
    weights: Weights, axes: Axes, orders: Mapping[str, Int[np.ndarray, " units"]]
) -> dict[str, np.ndarray]:
    """The same network with its hidden units in another order.

    Args:
        weights: parameters by name.
        axes: which axes hold which units.
        orders: by name, which old unit stands at each new place.
    """
    return {
        name: _reordered(weight, axes[name], orders) for name, weight in weights.items()
    }


def _reordered(
    weight: np.ndarray,
    axes: tuple[str | None, ...],
    orders: Mapping[str, np.ndarray],
    skip: int | None = None,
) -> np.ndarray:
    """A parameter with its axes in order, but for one that stays."""
    new = np.asarray(weight)
    for axis, units in enumerate(axes):
        if units is not None and units in orders and axis != skip:
            new = np.take(new, orders[units], axis=axis)
    return new


def match(
    fixed: Weights, moving: Weights, axes: Axes
) -> dict[str, Int[np.ndarray, " units"]]:
    """Orders of hidden units that bring one network's weights close to another's.

    Coordinate ascent on sum <fixed, permuted(moving)>: one order at a time is the best
    for the others as they stand, as long as the sum grows. The first sweep takes the
    orders as they come and hears those parameters alone whose other axes are settled,
    so a permuted copy of a feed-forward network is undone exactly, if no two of its
    units have the same incoming weights. In general the end is a local optimum. A
    parameter with one order on two axes, as in a residual block, counts as linear in
    either; what is kept is the best that was met.

    Args:
        fixed: parameters of the network that stays.
        moving: those of the one whose units are put in order.
        axes: which axes hold which units. Orders are settled as they first appear.

    Returns:
        By name, the order for `permuted`.

    Raises:
        ValueError: if parameters or their shapes differ, or `axes` does not name every
            axis of each.
    """
    _check(fixed, moving, axes)
    sizes = dict.fromkeys(units for _, _, units in _places(fixed, axes))
    orders: dict[str, np.ndarray] = {}
    for units in sizes:
        orders[units] = _best(fixed, moving, axes, orders, units)
    best, nearest = dict(orders), closeness(fixed, moving, axes, orders)
    for _ in range(MAX_SWEEPS):
        for units in sizes:
            orders[units] = _best(fixed, moving, axes, orders, units)
        near = closeness(fixed, moving, axes, orders)
        if near <= nearest:
            break
        best, nearest = dict(orders), near
    return best


def closeness(
    fixed: Weights, moving: Weights, axes: Axes, orders: Mapping[str, np.ndarray]
) -> float:
    """sum <fixed, permuted(moving)>, which matching makes large."""
    moved = permuted(moving, axes, orders)
    return float(sum(np.vdot(fixed[name], moved[name]) for name in fixed))


def _places(weights: Weights, axes: Axes) -> Iterator[tuple[str, int, str]]:
    """Every axis that holds units: parameter, axis, name of the order."""
    for name in weights:
        for axis, units in enumerate(axes[name]):
            if units is not None:
                yield name, axis, units


def _best(
    fixed: Weights,
    moving: Weights,
    axes: Axes,
    orders: Mapping[str, np.ndarray],
    units: str,
) -> np.ndarray:
    """The best order of some units, the others as they stand."""
    gain: np.ndarray | float = 0.0
    for name, axis, place in _places(fixed, axes):
        rest = {u for k, u in enumerate(axes[name]) if u is not None and k != axis}
        if place != units or not rest <= orders.keys():
            continue
        second = _reordered(moving[name], axes[name], orders, skip=axis)
        first = np.moveaxis(fixed[name], axis, 0)
        second = np.moveaxis(second, axis, 0)
        gain = gain + first.reshape(len(first), -1) @ second.reshape(len(second), -1).T
    return linear_sum_assignment(gain, maximize=True)[1]


def _check(fixed: Weights, moving: Weights, axes: Axes) -> None:
    for name in sorted(fixed.keys() | moving.keys() | axes.keys()):
        if name not in fixed or name not in moving or name not in axes:
            raise ValueError(
                f"{name}: must be a parameter of both networks and have axes"
            )
        shapes = {fixed[name].shape, moving[name].shape}
        if len(shapes) > 1 or len(fixed[name].shape) != len(axes[name]):
            raise ValueError(
                f"{name}: shapes {sorted(shapes)} must be one, with an axis for each "
                f"of {axes[name]}"
            )
