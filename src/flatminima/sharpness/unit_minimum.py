"""The least trace over the scales of all hidden units, not only of layers.

Hidden unit j of layer l may have a scale c_lj > 0 of its own: what enters it is
multiplied by it, what leaves it divided, and the function is the same. The diagonal
h of the Hessian changes by the inverse squares, so the trace is

    T(c) = sum_l sum_ij h_l,ij (c_l-1,j / c_l,i)^2 + sum_l sum_i h_bias,l,i / c_l,i^2,

with scale 1 at inputs and outputs: convex in log c, as in `minimum`, whose layer
rescalings are among these.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from torch import Tensor, nn

from flatminima.sharpness.diagonal import gauss_newton_diagonal
from flatminima.sharpness.landscape import Criterion, landscape
from flatminima.sharpness.newton import minimise
from flatminima.sharpness.rescaling import folded, layers


@dataclass(frozen=True)
class UnitMinimum:
    """The least trace over the scales of units.

    Attributes:
        value: min T.
        trace: T at scale 1.
        scales: c of every hidden layer, shapes (units,).
        decrement: about the relative distance to the infimum.
    """

    value: float
    trace: float
    scales: tuple[np.ndarray, ...]
    decrement: float

    def __float__(self) -> float:
        return self.value


def least_unit_trace(
    weights: list[np.ndarray],
    biases: list[np.ndarray],
) -> UnitMinimum:
    """min T(c) by damped Newton in log c.

    Args:
        weights: h of every layer's matrix, shape (rows, columns), at least 0; its rows
            are the next one's columns.
        biases: h of every layer's bias, shape (rows,), 0 where it has none.
    """
    widths = [len(matrix) for matrix in weights[:-1]]
    ends = np.cumsum([0, *widths])
    hidden = [slice(a, b) for a, b in pairwise(ends)]

    def scales(u: np.ndarray) -> list[np.ndarray]:
        inner = [u[part] for part in hidden]
        first, last = np.zeros(weights[0].shape[1]), np.zeros(len(weights[-1]))
        return [first, *inner, last]

    def oracle(u: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        value, gradient = 0.0, np.zeros_like(u)
        hessian = np.zeros((len(u), len(u)))
        logs = scales(u)
        for place, (matrix, bias) in enumerate(zip(weights, biases, strict=True)):
            below, above = logs[place], logs[place + 1]
            terms = matrix * np.exp(2 * (below[None] - above[:, None]))
            shifts = bias * np.exp(-2 * above)
            value += terms.sum() + shifts.sum()
            into = terms.sum(axis=1) + shifts
            out = terms.sum(axis=0)
            if place < len(hidden):
                gradient[hidden[place]] -= 2 * into
                hessian[hidden[place], hidden[place]] += 4 * np.diag(into)
            if place > 0:
                gradient[hidden[place - 1]] += 2 * out
                hessian[hidden[place - 1], hidden[place - 1]] += 4 * np.diag(out)
            if 0 < place < len(hidden):
                hessian[hidden[place], hidden[place - 1]] -= 4 * terms
                hessian[hidden[place - 1], hidden[place]] -= 4 * terms.T
        return value, gradient, hessian

    start = np.zeros(ends[-1])
    trace = float(oracle(start)[0])
    if trace == 0:  # a network without any curvature
        ones = tuple(np.ones(width) for width in widths)
        return UnitMinimum(0.0, trace, ones, 0.0)
    best = minimise(oracle, start)
    found = tuple(np.exp(best.u[part]) for part in hidden)
    return UnitMinimum(best.value, trace, found, best.decrement)


def unit_minimum_sharpness(
    module: nn.Module, x: Tensor, y: Tensor, loss: str | Criterion
) -> UnitMinimum:
    """Least Tr Hess L over the scales of all hidden units or channels.

    Args:
        module: as `minimum.minimum_sharpness` takes it; batch norm is folded.
        x, y, loss: as `landscape` takes them.

    Raises:
        ValueError: if the module is no sequence of layers and homogeneous maps, or a
            convolution has groups, or the loss is no number.
    """
    net = folded(module)
    for place, layer in enumerate(layers(net)):
        if getattr(layer, "groups", 1) != 1:
            raise ValueError(f"layer {place}: groups = {layer.groups}: must be 1")
    at = landscape(net, x, y, loss)
    h = at.split(gauss_newton_diagonal(at))
    names = [name for name, part in net.named_children() if part in layers(net)]
    weights, biases, units = [], [], None
    for name in names:
        part = h[f"{name}.weight"]
        # a map may give a channel several inputs of the layer after it
        columns = part.shape[1] if units is None else units
        weights.append(part.reshape(len(part), columns, -1).sum(dim=2).numpy())
        bias = h.get(f"{name}.bias")
        biases.append(np.zeros(len(part)) if bias is None else bias.numpy())
        units = len(part)
    return least_unit_trace(weights, biases)
