"""Flattest deep ReLU networks, with or without a bias: one path of units for a cell.

From depth three on no bias is needed to tell cells apart. On a hypercube the first
layer holds every coordinate and its negative, so a point of +-1 switches on one unit
of each pair, all to the same height. A unit of the second layer reads the units that
its cell switches on, and is held down by the others: it fires on its cell alone.

A cell is a subcube here (`deep_from_subcubes`), so that every decision tree that fits
the data is a flattest interpolator; or a single point of a sphere (`deep_on_sphere`).

Let b = (|y| / ||x'||)^(1/D). The first layer puts out ||h_1|| = ||x'|| b, the path of a
cell multiplies by b in every layer, and v = +-b. So all D layers have gradients of
norm ||x'|| b^(D-1), and D of them squared make the term D |y|^(2 - 2/D)
||x'||^(2/D) of `models.deep.lower_bound`. Source: own; the case of points and a bias
is the proof of Theorem 4.1 of Wen, Li & Ma 2023.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import ortho_group

from flatminima.checks import at_least
from flatminima.theory.constructions.extreme_points import distinct

INHIBITION = 2.0
"""Factor on the least inhibition that silences a cell's unit at its neighbours."""

Network = tuple[
    Float[np.ndarray, "inputs width"],
    Float[np.ndarray, "middles width width"],
    Float[np.ndarray, " width"],
]


def deep_from_subcubes(
    cubes: Int[np.ndarray, "cells d"],
    labels: Float[np.ndarray, " cells"],
    depth: int,
    *,
    bias: bool = False,
) -> Network:
    """The flattest network that has the value of a label on each of some subcubes.

    Off the subcubes it is 0. At every point of one its trace attains the bound
    2 D |y|^(2 - 2/D) ||x'||^(2/D), for the squared loss, away from all kinks.

    Args:
        cubes: 1 or -1 where a coordinate is fixed, 0 where it is free; disjoint.
        labels: the value on each, all of one size and not 0.
        depth: layers of weights, at least 3.
        bias: whether the inputs are (x, 1), as those of `models.deep.Model()`; else x,
            those of `models.deep.Model(depth, bias_input=0)`.

    Returns:
        w, middle, v. The width is the least multiple of 2 (d + bias) that holds all
        cells.

    Raises:
        ValueError: if depth is below 3, an entry is not -1, 0 or 1, sizes do not
            fit, labels differ in size or are 0, or two subcubes meet.
    """
    at_least("depth", depth, 3)
    _check_cubes(cubes, labels)
    if bias:
        cubes = np.column_stack([cubes, np.zeros(len(cubes), dtype=cubes.dtype)])
    d = cubes.shape[1]
    copies = -(-len(cubes) // (2 * d))
    factor = float(np.abs(labels[0]) / np.sqrt(d)) ** (1 / depth)
    w = factor * np.tile(np.hstack([np.eye(d), -np.eye(d)]), copies) / np.sqrt(copies)
    # a coordinate and its negative: which sign switches a unit on
    signs = np.tile(np.repeat([1, -1], d), copies)
    read = np.full((len(signs), len(cubes)), factor / np.sqrt(d * copies))
    wrong = np.tile(cubes.T, (2 * copies, 1)) * signs[:, None] < 0
    read[wrong] = -INHIBITION * factor * np.sqrt(d / copies)
    return _with_paths(w, read, np.full(len(cubes), factor), np.sign(labels), depth)


def deep_on_sphere(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    depth: int,
    *,
    frames: int = 4,
    seed: int = 0,
) -> Network:
    """A memorising network without bias for points of a sphere and labels of one size.

    The first layer holds random orthonormal frames and their negatives. Each frame
    gives ||relu(Q x)||^2 + ||relu(-Q x)||^2 = ||x||^2, so that all points have first
    layers of one norm. It attains the bound at every point, whatever the signs of the
    labels are.

    Args:
        x: points of one norm; repeats are merged.
        y: labels of one size, not 0.
        depth: layers of weights, at least 3.
        frames: random frames at least; more where the points need more units.
        seed: draws them.

    Returns:
        w, middle, v, of width 2 d max(frames, ceil(n / 2d)).

    Raises:
        ValueError: as `extreme_points.distinct`; if norms or sizes of labels differ;
            or if no unit tells two points apart.
    """
    at_least("depth", depth, 3)
    at_least("frames", frames, 1)
    points = distinct(x, y)
    norms = np.linalg.norm(points.x, axis=1)
    for name, sizes in (("x", norms), ("y", np.abs(points.y))):
        if not (sizes[0] > 0 and np.allclose(sizes, sizes[0], rtol=1e-9)):
            raise ValueError(
                f"{name} has sizes {sizes.min():.3g} to {sizes.max():.3g}: allowed is "
                "one size above 0"
            )
    n, d = points.x.shape
    frames = max(frames, -(-n // (2 * d)))
    rng = np.random.default_rng(seed)
    turns = [_frame(d, rng) for _ in range(frames)]
    factor = float(np.abs(points.y[0]) / norms[0]) ** (1 / depth)
    w = factor * np.hstack([each for q in turns for each in (q, -q)]) / np.sqrt(frames)
    h = np.maximum(points.x @ w, 0.0)
    height = norms[0] * factor
    off = (h == 0).astype(float)
    if np.any((off @ h.T + np.eye(n)) == 0):
        raise ValueError(
            f"frames = {frames}: no unit tells two of the points apart; more are needed"
        )
    least = factor * height / np.min(h[h > 0])
    read = np.where(h > 0, factor * h / height, -INHIBITION * least).T
    return _with_paths(w, read, np.full(n, factor), np.sign(points.y), depth)


def decision_tree(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    rng: np.random.Generator,
) -> tuple[Int[np.ndarray, "leaves d"], Float[np.ndarray, " leaves"]]:
    """A random decision tree that fits points of a hypercube, as subcubes.

    A leaf with both labels is split by a coordinate that is drawn among those in which
    its points differ.

    Args:
        x: points of {-1, 1}^d, distinct where their labels differ.
        y: labels -1 and 1.
        rng: draws the coordinates.

    Returns:
        The leaves as `deep_from_subcubes` takes them, and their labels.

    Raises:
        ValueError: as `extreme_points.distinct`.
    """
    points = distinct(x, y)
    free = np.zeros(points.x.shape[1], dtype=int)
    leaves = list(_split(points.x, points.y, free, rng))
    return np.array([cube for cube, _ in leaves]), np.array([y for _, y in leaves])


def _split(
    x: np.ndarray, y: np.ndarray, cube: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, float]]:
    if np.all(y == y[0]):
        yield cube, float(y[0])
        return
    differing = np.flatnonzero(np.any(x != x[0], axis=0))
    coordinate = rng.choice(differing)
    for sign in (-1, 1):
        side = x[:, coordinate] == sign
        part = cube.copy()
        part[coordinate] = sign
        yield from _split(x[side], y[side], part, rng)


def _frame(d: int, rng: np.random.Generator) -> np.ndarray:
    """A random orthogonal matrix; in one dimension scipy draws none."""
    if d == 1:
        return np.ones((1, 1))
    return ortho_group.rvs(d, random_state=rng)


def _with_paths(
    w: np.ndarray,
    read: np.ndarray,
    factor: np.ndarray,
    signs: np.ndarray,
    depth: int,
) -> Network:
    """The network of a first layer and what the cells' units read of it.

    Args:
        w: first layer.
        read: weights into the unit of each cell, shape (width, cells).
        factor: by which each path multiplies.
        signs: of the cells' labels.
        depth: layers of weights.
    """
    width, cells = read.shape
    # units without a cell are off, and not on their kink
    middle = np.full((depth - 2, width, width), -float(factor.max()))
    middle[0, :, :cells] = read
    for square in middle[1:]:
        square[range(cells), range(cells)] = factor
    v = np.zeros(width)
    v[:cells] = signs * factor
    return w, middle, v


def _check_cubes(cubes: np.ndarray, labels: np.ndarray) -> None:
    if cubes.ndim != 2 or not cubes.size or labels.shape != cubes.shape[:1]:
        raise ValueError(
            f"cubes has shape {cubes.shape} and labels {labels.shape}: needed are "
            "(cells, d) and (cells,)"
        )
    if not np.isin(cubes, (-1, 0, 1)).all():
        raise ValueError("cubes: allowed entries are -1, 0 and 1")
    sizes = np.abs(labels)
    if not (sizes[0] > 0 and np.all(sizes == sizes[0])):
        raise ValueError(
            f"labels have sizes {sizes.min():g} to {sizes.max():g}: allowed is one "
            "size above 0"
        )
    opposite = (cubes == 1).astype(int) @ (cubes == -1).astype(int).T
    apart = (opposite + opposite.T) > 0
    np.fill_diagonal(apart, True)
    if not apart.all():
        i, k = np.argwhere(~apart)[0].tolist()
        raise ValueError(f"subcubes {i} and {k} meet: needed are disjoint ones")
