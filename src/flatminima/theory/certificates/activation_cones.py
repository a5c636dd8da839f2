"""Activation cones: the sets of weights that switch on the same examples.

The hyperplanes w . x_i = 0 cut the space of weights into open cones. On each of
them a unit relu(w . x_i) is active on one set S of examples, and is linear in w.
There are at most 2 sum_{k < r} C(n - 1, k) of them in r dimensions (Cover 1965).
"""

from dataclasses import dataclass
from math import comb

import numpy as np
from jaxtyping import Bool, Float

SAME = 1e-11
"""Unit normals closer than this, up to sign, are one hyperplane."""

MAX_CONES = 2_000_000
"""Cones are enumerated up to this many."""

MAX_PLANES = 63
"""Sides of so many hyperplanes fit into the 64-bit integer that a cone is known by."""


@dataclass(frozen=True)
class Cones:
    """Every cone of an arrangement, by an interior point.

    Attributes:
        normals: distinct hyperplanes as unit normals, shape (planes, r); parallel
            rows of x share one, and a row 0 has none.
        points: a unit vector inside every cone, shape (cones, r).
        active: x_i . w > 0 inside, shape (cones, n).
        facets: which hyperplanes bound the cone, shape (cones, planes); the
            others are implied by them.
    """

    normals: Float[np.ndarray, "planes r"]
    points: Float[np.ndarray, "cones r"]
    active: Bool[np.ndarray, "cones n"]
    facets: Bool[np.ndarray, "cones planes"]

    def inequalities(self, k: int) -> Float[np.ndarray, "facets r"]:
        """Rows a with cone k = {w: a . w >= 0}."""
        rows = self.normals[self.facets[k]]
        return rows * np.sign(rows @ self.points[k])[:, None]


def max_cones(n: int, r: int) -> int:
    """2 sum_{k < r} C(n - 1, k), the number of cones in general position.

    >>> max_cones(24, 6)
    89104
    """
    return 2 * sum(comb(n - 1, k) for k in range(r))


def activation_cones(x: Float[np.ndarray, "n r"]) -> Cones:
    """All cones of the hyperplanes w . x_i = 0, however degenerate.

    By deletion and restriction: a new hyperplane h splits exactly the cones that
    hold a cone of the arrangement cut out on h by the earlier hyperplanes, which
    is enumerated in the same way in one dimension less.

    Args:
        x: rows x', at least one of them not 0.

    Raises:
        ValueError: if x is no finite matrix with a row that is not 0, or if there are
            more than `MAX_PLANES` distinct hyperplanes or could be more than
            `MAX_CONES` cones.
        ArithmeticError: if a cone is too thin to be told from a hyperplane.
    """
    if x.ndim != 2 or not np.isfinite(x).all() or not np.any(x):
        raise ValueError("x must be a finite matrix with a row that is not 0")
    normals = _distinct_normals(x)
    _refuse_many(normals)
    most = max_cones(*normals.shape)
    if most > MAX_CONES:
        raise ValueError(
            f"{len(normals)} distinct hyperplanes in dimension {x.shape[1]}: up to "
            f"{most} cones, allowed are at most {MAX_CONES}"
        )
    return _describe(x, normals, _interior_points(normals))


def refine(
    cones: Cones, x: Float[np.ndarray, "n r"], x_new: Float[np.ndarray, " r"]
) -> Cones:
    """The cones of `activation_cones(x)` cut by one more hyperplane.

    Args:
        cones: those of x.
        x: the rows that they came from.
        x_new: the additional row; it becomes the last column of `active`.

    Raises:
        ValueError: if x_new is 0, or is one hyperplane more than `MAX_PLANES`.
        ArithmeticError: as `activation_cones`.
    """
    if not np.any(x_new):
        raise ValueError("x_new = 0: it has no hyperplane")
    rows = np.vstack([x, x_new])
    normals, points = cones.normals, cones.points
    unit = x_new / np.linalg.norm(x_new)
    if not _same(unit[None], normals).any():
        more = np.vstack([normals, unit])
        _refuse_many(more)
        points, normals = _insert(points, normals, unit), more
    return _describe(rows, normals, points)


def cones_at(x: Float[np.ndarray, "n r"], points: Float[np.ndarray, "k r"]) -> Cones:
    """The cones around some points in no particular order, all walls as facets.

    For when there are too many cones to enumerate.

    Args:
        x: rows x'.
        points: weights at no hyperplane; two of one cone give it twice.
    """
    normals = _distinct_normals(x)
    facets = np.ones((len(points), len(normals)), dtype=bool)
    return Cones(normals, points, points @ x.T > 0, facets)


def _refuse_many(normals: np.ndarray) -> None:
    if len(normals) > MAX_PLANES:
        raise ValueError(
            f"{len(normals)} distinct hyperplanes: allowed are at most {MAX_PLANES}; "
            "`search_certificate` enumerates no cones"
        )


def _describe(x: np.ndarray, normals: np.ndarray, points: np.ndarray) -> Cones:
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    heights = points @ normals.T
    if np.abs(heights).min() < SAME:
        raise ArithmeticError(
            f"a cone has an interior point within {np.abs(heights).min():.1e} of a "
            "hyperplane: the points are too nearly degenerate"
        )
    keys = _keys(heights)
    order = np.argsort(keys)
    points, heights, keys = points[order], heights[order], keys[order]
    facets = np.empty(heights.shape, dtype=bool)
    for plane in range(len(normals)):
        mirrored = keys ^ (1 << plane)
        at = np.minimum(np.searchsorted(keys, mirrored), len(keys) - 1)
        facets[:, plane] = keys[at] == mirrored
    size = np.linalg.norm(x, axis=1)
    return Cones(normals, points, points @ x.T > SAME / 2 * size, facets)


def _distinct_normals(x: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(x, axis=1)
    keep = norm > SAME * norm.max(initial=0.0)
    unit = x[keep] / norm[keep, None]
    return unit[np.argmax(_same(unit, unit), axis=1) == np.arange(len(unit))]


def _same(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Pairs of unit normals of one hyperplane."""
    # By differences: 1 - |cos| would cancel at angles below 1e-8.
    sign = np.where(one @ other.T < 0, -1.0, 1.0)
    gap = np.abs(one[:, None] - sign[..., None] * other[None])
    return np.max(gap, axis=2, initial=0.0) < SAME


def _interior_points(normals: np.ndarray) -> np.ndarray:
    """A point in every cone of distinct unit normals, shape (cones, r)."""
    r = normals.shape[1]
    if r == 1:
        return np.array([[1.0], [-1.0]]) if len(normals) else np.zeros((1, 1))
    if r == 2 and len(normals):
        return _points_of_the_plane(normals)
    points = np.zeros((1, r))
    for k, normal in enumerate(normals):
        points = _insert(points, normals[:k], normal)
    return points


def _points_of_the_plane(normals: np.ndarray) -> np.ndarray:
    line = np.sort(np.mod(np.arctan2(normals[:, 0], -normals[:, 1]), np.pi))
    middle = (line + np.append(line[1:], line[0] + np.pi)) / 2
    half = np.column_stack([np.cos(middle), np.sin(middle)])
    return np.vstack([half, -half])


def _insert(points: np.ndarray, normals: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Interior points after one more hyperplane, given those before it."""
    basis = np.linalg.qr(new[:, None], mode="complete")[0][:, 1:]
    cut = normals @ basis
    cut = _interior_points(_distinct_normals(cut) if len(cut) else cut) @ basis.T
    heights = cut @ normals.T
    step = np.min(np.abs(heights), axis=1, initial=1.0)[:, None] / 2
    whole = ~np.isin(_keys(points @ normals.T), _keys(heights))
    return np.vstack([points[whole], cut + step * new, cut - step * new])


def _keys(heights: np.ndarray) -> np.ndarray:
    return (heights > 0) @ (1 << np.arange(heights.shape[1], dtype=np.int64))
