"""Distance from a point to a finitely generated cone, proved from both sides.

Any mu >= 0 bounds min ||G mu - b|| from above by the norm of its residual. Any w with
G^T w <= 0 bounds it from below by b . w / ||w||, since b . w <= (b - G mu) . w for
all mu >= 0. At the optimum the residual is such a w and the bounds meet: a residual
that is feasible but not orthogonal to the generators in use leaves a gap.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import clarabel
import numpy as np
from jaxtyping import Float
from scipy import sparse
from scipy.optimize import lsq_linear, nnls

GAP = 1e-8
"""Largest relative gap between the bounds of an answer."""

ROUNDING = 1e-15
"""Of a residual b - G mu, as a share of the sum of the parts of G mu."""

ZERO = 1e-9
"""A distance up to this share of ||b|| is not told from 0."""

RIGHT_ANGLE = 1e-10
"""Largest cosine between a generator and a w with G^T w <= 0: that of rounding."""

MAX_RELAXATIONS = 4

RANK = 1e-12
"""Singular values below this share of the largest count as 0."""

USED = 1e-6
"""What an interior point leaves below this share of the largest part is not in use."""


class Bounds(NamedTuple):
    """What is proved of a distance.

    Attributes:
        low: no point of the cone is nearer.
        high: some point of the cone is so near.
        met: they agree, up to a share of 1e-8 and 1e-9 ||b||.
    """

    low: float
    high: float
    met: bool


def distance_to_cone(
    generators: Float[np.ndarray, "r k"], point: Float[np.ndarray, " r"]
) -> float:
    """min ||G mu - b|| over mu >= 0, the upper of two bounds that meet.

    >>> distance_to_cone(np.eye(2), np.array([3.0, -4.0]))
    4.0

    Args:
        generators: columns of G.
        point: b.

    Raises:
        ArithmeticError: if no solver finds an answer that can be proved.
    """
    low, high, met = distance_bounds(generators, point)
    if not met:
        raise ArithmeticError(
            f"generators of shape {generators.shape}: proved is only that their cone "
            f"is between {low:.9g} and {high:.9g} away from a point of norm "
            f"{np.linalg.norm(point):.3g}; needed is a relative gap of {GAP:g}"
        )
    return high


def distance_bounds(
    generators: Float[np.ndarray, "r k"], point: Float[np.ndarray, " r"]
) -> Bounds:
    """Bounds on the distance, which meet unless every solver fails.

    scipy's `nnls` is fast, but where generators are dependent it can stop short of
    the optimum, on some processors and not on others, and report a residual that its
    own mu does not have (scipy 1.17). So the bounds are computed from what a solver
    returns, whatever it says of it, and if they do not meet, another one is asked.

    Args:
        generators: columns of G.
        point: b.
    """
    size = float(np.linalg.norm(point))
    lengths = np.linalg.norm(generators, axis=0)
    if not lengths.all():
        generators, lengths = generators[:, lengths > 0], lengths[lengths > 0]
    if size == 0 or len(lengths) == 0:
        return Bounds(size, size, True)
    unit = generators / lengths
    low, high = 0.0, size  # the cone holds 0
    for solver in SOLVERS:
        try:
            mu = np.maximum(solver(generators, point), 0.0)
        except (RuntimeError, np.linalg.LinAlgError):  # it says that it failed
            continue
        if not np.isfinite(mu).all():
            continue
        residual = point - generators @ mu
        high = min(high, float(np.linalg.norm(residual)))
        if high <= ZERO * size:
            return Bounds(low, high, True)
        parts = mu * lengths
        gap = GAP * high + min(ROUNDING * (size + parts.sum()), ZERO * size)
        for w in _candidates(unit, point, residual, parts):
            bound = _lower_bound(unit, point, w)
            # More than the upper bound is rounding: what a right angle is off by
            # counts as often as b is longer than the distance.
            if bound <= high + gap:
                low = max(low, bound)
            if abs(high - low) <= gap:
                return Bounds(min(low, high), high, True)
    return Bounds(min(low, high), high, False)


def _candidates(
    unit: np.ndarray, point: np.ndarray, residual: np.ndarray, parts: np.ndarray
) -> Iterator[np.ndarray]:
    """What may bound the distance from below: the residual, then those of relaxations.

    A relaxation lets the generators in use have either sign. Its residual is taken in
    the complement of their span, so it has no rounding of the size of b. What other
    generators still reduce it by, they are then in use for as well.
    """
    yield residual
    for share in (0.0, USED):
        used = parts > share * parts.max()
        for _ in range(MAX_RELAXATIONS):
            q, values, _ = np.linalg.svd(unit[:, used], full_matrices=False)
            q = q[:, values > RANK * values.max(initial=0.0)]
            w = _without(q, point)
            yield w
            rest = _without(q, unit)
            free = np.flatnonzero(np.linalg.norm(rest, axis=0) > RANK)
            if free.size == 0:
                break
            try:
                more = _nnls(rest[:, free], w) > 0
            except RuntimeError:
                break
            if not more.any():
                break
            used[free[more]] = True


def _without(q: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """What is orthogonal to the columns of q, which are orthonormal."""
    rest = vectors - q @ (q.T @ vectors)
    return rest - q @ (q.T @ rest)  # the first time leaves rounding of their size


def _lower_bound(unit: np.ndarray, point: np.ndarray, w: np.ndarray) -> float:
    """b . w / ||w|| if w makes no acute angle with a generator, else 0."""
    norm = float(np.linalg.norm(w))
    if norm == 0 or np.max(unit.T @ w) > RIGHT_ANGLE * norm:
        return 0.0
    return float(point @ w) / norm


def _nnls(generators: np.ndarray, point: np.ndarray) -> np.ndarray:
    """The active-set method of Lawson and Hanson."""
    return nnls(generators, point)[0]


def _bounded(generators: np.ndarray, point: np.ndarray) -> np.ndarray:
    """The active-set method of Stark and Parker."""
    with np.errstate(all="ignore"):  # a step of length 0 makes it divide by 0
        return lsq_linear(generators, point, (0, np.inf), method="bvls", tol=1e-14).x


def _interior_point(generators: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Clarabel, at unit generators and a unit point."""
    r, k = generators.shape
    lengths, size = np.linalg.norm(generators, axis=0), np.linalg.norm(point)
    unit = generators / lengths
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = RANK
    # Variables (mu, residual): minimise ||residual||^2 / 2.
    solution = clarabel.DefaultSolver(
        sparse.block_diag([sparse.csc_matrix((k, k)), sparse.eye(r)], format="csc"),
        np.zeros(k + r),
        sparse.csc_matrix(
            np.block([[unit, np.eye(r)], [-np.eye(k), np.zeros((k, r))]])
        ),
        np.append(point / size, np.zeros(k)),
        [clarabel.ZeroConeT(r), clarabel.NonnegativeConeT(k)],
        settings,
    ).solve()
    return np.array(solution.x)[:k] * size / lengths


SOLVERS: tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], ...]
SOLVERS = (_nnls, _bounded, _interior_point)
"""Asked in turn, until an answer is proved."""
