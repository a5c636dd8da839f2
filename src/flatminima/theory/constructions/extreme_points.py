"""Sets of extreme points: every point is a vertex of the hull of the set.

Source: Wen, Li & Ma 2023, Definition 2.1, with x_i a vertex exactly if some
direction w_i separates it from the others: w_i . x_i > w_i . x_j for all j != i.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linprog

from flatminima.data.streams import Dataset

TOLERANCE = 1e-9
"""A gap below this share of the set's extent is not told apart from no gap."""

MEAN = 1e-8
"""A mean of other points this near, as a share of the extent, is the point itself."""


@dataclass(frozen=True)
class Separation:
    """A certificate that a set is one of extreme points.

    Attributes:
        directions: unit vectors w_i, shape (n, d).
        margins: delta_i, positive and at most min_{j != i} w_i . (x_i - x_j), so
            that w_i . (x - x_i) + eps is positive at x_i alone for 0 < eps < delta_i.
    """

    directions: Float[np.ndarray, "n d"]
    margins: Float[np.ndarray, " n"]


def distinct(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> Dataset:
    """Merge repeated points; the first occurrences stay, in their order.

    Args:
        x: points.
        y: labels.

    Raises:
        ValueError: if there are no points, if a value is not finite, if x and y
            differ in length, or if equal points have unequal labels (both indices
            are named).
    """
    if x.ndim != 2 or x.size == 0:
        raise ValueError(f"x has shape {x.shape}: needed is (n, d) with n, d >= 1")
    if y.shape != x.shape[:1]:
        raise ValueError(
            f"y has shape {y.shape}: needed is one label a point, {len(x)}"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("x and y must be finite")
    first, original = _first_occurrences(x)
    clash = np.flatnonzero(y != y[original])
    if clash.size:
        j = int(clash[0])
        i = int(original[j])
        raise ValueError(
            f"points {i} and {j} are equal but have labels {y[i]:g} and {y[j]:g}"
        )
    return Dataset(x[first], y[first])


def are_vertices(x: Float[np.ndarray, "n d"]) -> Bool[np.ndarray, " n"]:
    """Which of some distinct points are vertices of the hull of all of them.

    Args:
        x: distinct points.

    Raises:
        ValueError: if two points are equal.
    """
    _refuse_repeats(x)
    return np.array([_separate_one(x, i)[1] > 0 for i in range(len(x))])


def separate(x: Float[np.ndarray, "n d"]) -> Separation:
    """Directions that separate every point from the others.

    On {-1, 1}^d, w_i = x_i / sqrt(d) separates x_i from *all* other vertices of
    the cube by 2 / sqrt(d), and this margin is returned. Elsewhere a linear
    programme a point maximises the margin over -1 <= w <= 1, and w is then
    normalised. The margins are computed from the final directions, so they do not
    rest on the solver's tolerance.

    >>> separate(np.array([[0.0], [3.0]])).margins
    array([3., 3.])

    Args:
        x: distinct points; a single one has margin infinity.

    Raises:
        ValueError: naming a point that is no vertex, or two equal points.
    """
    _refuse_repeats(x)
    if np.all(np.abs(x) == 1):
        side = x.shape[1] ** -0.5
        return Separation(x * side, np.full(len(x), 2 * side))
    directions = np.empty_like(x)
    margins = np.empty(len(x))
    for i in range(len(x)):
        directions[i], margins[i] = _separate_one(x, i)
        if margins[i] == 0:
            raise ValueError(
                f"point {i} is no vertex of the convex hull of the {len(x)} points: "
                "they are not a set of extreme points"
            )
    return Separation(directions, margins)


def _first_occurrences(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ascending indices of first occurrences; for every point, its own first one."""
    # Adding 0 turns -0.0 into 0.0.
    _, index, inverse = np.unique(
        x + 0.0, axis=0, return_index=True, return_inverse=True
    )
    return np.sort(index), index[inverse.reshape(-1)]


def _refuse_repeats(x: np.ndarray) -> None:
    _, original = _first_occurrences(x)
    repeats = np.flatnonzero(original != np.arange(len(x)))
    if repeats.size:
        j = int(repeats[0])
        raise ValueError(f"points {original[j]} and {j} are equal: merge them first")


def _separate_one(x: np.ndarray, i: int) -> tuple[np.ndarray, float]:
    """Unit direction and margin of one point; the margin is 0 if there is none.

    Either answer is checked: the direction by its margin, and a margin of 0 by the
    multipliers, which write the point as a mean of the others.
    """
    n, d = x.shape
    if n == 1:
        return np.eye(d)[0], np.inf
    gaps = x[i] - np.delete(x, i, axis=0)
    extent = np.abs(gaps).max()
    # Variables (w, t): maximise t subject to t <= w . (x_i - x_j) for all j.
    solution = linprog(
        np.append(np.zeros(d), -1.0),
        A_ub=np.column_stack([-gaps / extent, np.ones(n - 1)]),
        b_ub=np.zeros(n - 1),
        bounds=[(-1, 1)] * d + [(0, None)],
        method="highs",
    )
    if not solution.success:
        raise ArithmeticError(f"point {i}: {solution.message}")
    norm = np.linalg.norm(solution.x[:d])
    direction = solution.x[:d] / max(norm, 1e-300)
    margin = float(np.min(gaps @ direction))
    if margin > TOLERANCE * extent:
        return direction, margin
    weights = np.maximum(-solution.ineqlin.marginals, 0.0)
    total = weights.sum()
    apart = np.linalg.norm(weights @ gaps) / total if total > 0 else np.inf
    if apart > MEAN * extent:
        raise ArithmeticError(
            f"point {i}: linprog separates it by {margin:.2g} and leaves it "
            f"{apart:.2g} from a mean of the others, so it is not proved whether it is "
            "a vertex"
        )
    return direction, 0.0
