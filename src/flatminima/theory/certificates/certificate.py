"""The least trace of the Hessian over all interpolating ReLU networks.

For f(x) = sum_j a_j relu(w_j . x') of any width, at interpolation,

    Tr Hess L = (2/n) sum_j [ sum_i relu(w_j . x_i)^2 + a_j^2 sum_{i in S_j} ||x_i||^2 ]

with S_j the examples on which unit j is active. Rescaling a unit leaves f alone,
and balance makes its share (4/n) |a_j| kappa(w_j), kappa(w) = c_S ||X_S w||,
c_S^2 = sum_{i in S} ||x_i||^2. The minimum is therefore a gauge of the labels, a
convex programme over finitely many activation cones, with the dual

    max (4/n) nu . y   subject to   |nu_S . X_S w| <= c_S ||X_S w||  on all cones.

**Kinks.** On a wall w . x_i = 0 the trace jumps, and L has no Hessian there. A
network at a wall is a limit of smooth ones, from either side; coming from the side
on which i is active, the term a^2 ||x_i||^2 stays in the limit although
relu(w . x_i) -> 0. What is computed is the infimum over networks that are smooth at
all training points: each *closed* cone keeps the c_S of its interior, and a point
on several closed cones may use the cheapest of them. It never uses an active set
that no open cone has. Autograd at a wall counts i as inactive for every unit at
once, and so can report a trace below the infimum. The infimum need not be attained.

The dual point nu_i = sign(y_i) ||x_i|| is always feasible (Cauchy-Schwarz). It gives
the pointwise bound 4 mean |y_i| ||x_i|| of Wen, Li & Ma 2023, Theorem 4.1.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

from flatminima.models.relu import relu_lower_bound
from flatminima.theory.certificates.activation_cones import (
    Cones,
    activation_cones,
    cones_at,
)
from flatminima.theory.certificates.column_generation import (
    Generated,
    generate,
    price_all,
)
from flatminima.theory.certificates.cone_network import to_network
from flatminima.theory.certificates.cone_prices import Piece, open_market
from flatminima.theory.certificates.cone_programme import FEASIBLE, solve

ALONE = 1e-6
"""Margin, for inputs of norm at most 1, from which an example counts as alone."""

NEAR = 1e-3
"""Share by which the trace of the network may exceed the value that it supports."""

ROUNDING = 1e-9
"""Share by which a trace may fall short of a lower bound."""

SPANNED = 1e-9
"""Share of y outside of what the networks span that counts as none."""

RANK = 1e-13
"""Eigenvalues below this share of the largest count as 0."""


@dataclass(frozen=True)
class Certificate:
    """The minimum of Tr Hess L over interpolating networks, from both sides.

    Attributes:
        value: the programme's optimum, up to the solver's accuracy; `trace` is the
            trace of a network, so the infimum is at most that.
        lower: rigorous lower bound, up to rounding.
        gap: |value / lower - 1|; 0 if both are 0.
        certified: gap is at most the tolerance, and trace / value - 1 at most 1e-3.
        uncertified_lower: the dual value divided by the highest price that a search
            found, which is a bound only if the search missed no cone. Equal to
            `lower` where all cones were priced.
        w, v: a balanced interpolating network away from kinks.
        trace: its trace of the Hessian, above `value` by a share of about 1e-5.
        dual: nu, scaled to the price behind `uncertified_lower`, shape (n,).
        num_cones: cones enumerated; 0 where the pointwise bound was enough or the
            cones were searched.
    """

    value: float
    lower: float
    gap: float
    certified: bool
    uncertified_lower: float
    w: Float[np.ndarray, "r width"]
    v: Float[np.ndarray, " width"]
    trace: float
    dual: Float[np.ndarray, " n"]
    num_cones: int


def certify(
    x: Float[np.ndarray, "n r"],
    y: Float[np.ndarray, " n"],
    *,
    tolerance: float = 1e-6,
    pointwise: bool = True,
) -> Certificate:
    """The minimum over all widths, with a proof, by pricing every cone.

    Args:
        x: training inputs as the first layer sees them: (x, 1) for 2-MLP-Bias.
        y: labels.
        tolerance: relative gap at which to stop, above 0 and below 1.
        pointwise: try first whether the pointwise bound is attained by units that
            are active on one example each. Then no cone is enumerated.

    Raises:
        ValueError: as `check` and `check_tolerance`, if no network interpolates x and y
            (without bias, antipodal points cannot have any labels), or if there are too
            many hyperplanes or cones: see `certificate_search`.
        ArithmeticError: as `activation_cones`, `generate` and `conclude`.
    """
    check(x, y)
    check_tolerance(tolerance)
    unit_x, unit_y, scale = normalise(x, y)
    if scale == 0:
        return nothing_to_fit(x)
    start = lonely_pieces(unit_x)
    if pointwise:
        attained = _attain_pointwise(unit_x, unit_y, start, tolerance)
        if attained is not None:
            return conclude(x, y, attained, tolerance, num_cones=0)
    cones = activation_cones(unit_x)
    _refuse_unreachable(cones, unit_x, unit_y)
    market = open_market(cones, unit_x)
    bound = np.sign(unit_y) * np.linalg.norm(unit_x, axis=1)
    whitened = np.einsum(
        "kab,kb->ka", market.whiten, market.active @ (bound[:, None] * unit_x)
    )
    best = np.argsort(-np.linalg.norm(whitened, axis=1) / market.cost)[: 3 * len(x)]
    start += [market.piece(int(k), sign) for k in best for sign in (1.0, -1.0)]
    generated = generate(unit_x, unit_y, start, price_all(market, unit_x), tolerance)
    return conclude(x, y, generated, tolerance, num_cones=len(cones.points))


def conclude(
    x: np.ndarray,
    y: np.ndarray,
    generated: Generated,
    tolerance: float,
    *,
    num_cones: int,
    rigorous: bool = True,
) -> Certificate:
    """The certificate at the scale of the data.

    Args:
        x, y: inputs and labels.
        generated: of the normalised problem.
        tolerance: relative gap that counts as certified.
        num_cones: to report.
        rigorous: the dual point was checked on all cones.

    Raises:
        ArithmeticError: if the two sides contradict each other, or as `to_network`.
    """
    unit_x, unit_y, scale = normalise(x, y)
    w, v = to_network(unit_x, unit_y, generated.pieces, generated.solution)
    size, height = np.linalg.norm(x, axis=1).max(), np.abs(y).max()
    # Equal factors keep the layers balanced.
    w, v = w * np.sqrt(height / size), v * np.sqrt(height / size)
    h = np.maximum(x @ w, 0.0)
    active = (h > 0) @ v**2
    trace = 2 * float(np.mean(np.sum(h**2, axis=1) + active * np.sum(x**2, axis=1)))
    factor = 4 / len(x) * scale
    value, dual_value = generated.solution.cost * factor, generated.lower * factor
    floor = relu_lower_bound(np.sum(x**2, axis=1), y, 2.0)
    lower = max(dual_value, floor) if rigorous else floor
    if trace < lower * (1 - ROUNDING):
        raise ArithmeticError(
            f"an interpolating network has trace {trace:.9g}, below the lower bound "
            f"{lower:.9g}: the solver was wrong, or the points are nearly degenerate"
        )
    gap = abs(value / lower - 1)
    return Certificate(
        value=value,
        lower=lower,
        gap=gap,
        certified=gap <= tolerance and trace <= value * (1 + NEAR),
        uncertified_lower=max(dual_value, floor),
        w=w,
        v=v,
        trace=trace,
        dual=generated.dual * size,
        num_cones=num_cones,
    )


def check(x: np.ndarray, y: np.ndarray) -> None:
    """Refuse what is no regression problem.

    Raises:
        ValueError: naming the argument and what is allowed.
    """
    for name, given in (("x", x), ("y", y)):
        if not isinstance(given, np.ndarray):
            kind = type(given).__name__
            raise ValueError(f"{name}: must be an array of numpy, not {kind}")
    if x.ndim != 2 or x.size == 0 or y.shape != x.shape[:1]:
        raise ValueError(
            f"x has shape {x.shape} and y {y.shape}: needed are (n, r) and (n,), n >= 1"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("x and y must be finite")
    if np.any(y[~np.any(x, axis=1)]):
        raise ValueError("a row of x is 0 and its label is not: every f(0) is 0")


def check_tolerance(tolerance: float) -> None:
    """Refuse a relative gap that certifies nothing.

    Raises:
        ValueError: if the tolerance is not above 0 and below 1.
    """
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance = {tolerance}: must be above 0 and below 1")


def normalise(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """x / max ||x_i||, y / max |y_i| and the factor of the cost; 0 if y = 0."""
    size, height = np.linalg.norm(x, axis=1).max(), np.abs(y).max()
    if height == 0:
        return x, y, 0.0
    return x / size, y / height, float(size * height)


def lonely_pieces(x: np.ndarray) -> list[Piece]:
    """Both signs of a cone of {i} for every i that is active alone on one.

    A linear programme an example looks for w . x_i > 0 > w . x_j, j != i.
    """
    n, r = x.shape
    points = []
    for i in np.flatnonzero(np.any(x, axis=1)):
        sides = np.where(np.arange(n) == i, -1.0, 1.0)[:, None] * x
        # Variables (w, t): maximise t subject to sides w + t <= 0, |w| <= 1.
        found = linprog(
            np.append(np.zeros(r), -1.0),
            A_ub=np.column_stack([sides, np.any(x, axis=1)]),
            b_ub=np.zeros(n),
            bounds=[(-1, 1)] * r + [(0, 1)],
            method="highs",
        )
        if found.x is not None and _alone(x, int(i), found.x[:r]) > ALONE:
            points.append(found.x[:r])
    if not points:
        return []
    market = open_market(cones_at(x, np.array(points)), x)
    return [market.piece(k, sign) for k in range(len(points)) for sign in (1.0, -1.0)]


def _alone(x: np.ndarray, i: int, w: np.ndarray) -> float:
    """By how much w, of entries at most 1, has example i and no other active."""
    heights = x @ w / max(1.0, np.abs(w).max())
    others = np.delete(heights, i)[np.any(np.delete(x, i, axis=0), axis=1)]
    return float(min(heights[i], np.min(-others, initial=np.inf)))


def _attain_pointwise(
    x: np.ndarray, y: np.ndarray, lonely: list[Piece], tolerance: float
) -> Generated | None:
    """The optimum if every example with a label has a unit of its own."""
    alone = {int(np.flatnonzero(piece.active)[0]) for piece in lonely}
    if not set(np.flatnonzero(y)) <= alone:
        return None
    pieces = [p for p in lonely if p.sign == np.sign(y[np.argmax(p.active)])]
    solution = solve(x, y, pieces)
    dual = np.sign(y) * np.linalg.norm(x, axis=1)
    lower = float(dual @ y)
    if solution.off > FEASIBLE or abs(solution.cost / lower - 1) > tolerance:
        return None
    return Generated(pieces, solution, dual, lower)


def _refuse_unreachable(cones: Cones, x: np.ndarray, y: np.ndarray) -> None:
    """Refuse labels that are outside of the span of all networks' outputs, with proof.

    On its cone a unit's output is any X_S u, so the outputs of all networks span the
    range of sum_S X_S X_S^T. What y has outside is a nu with X_S^T nu = 0 on all
    cones. Then nu . f = 0 for every network, and sum |y - f| >= nu . y / max |nu|.
    """
    active = cones.active.astype(float)
    values, vectors = np.linalg.eigh((active.T @ active) * (x @ x.T))
    null = vectors[:, values <= RANK * values[-1]]
    nu = null @ (null.T @ y)
    size = np.linalg.norm(nu)
    if size <= SPANNED * np.linalg.norm(y):
        return
    seen = np.linalg.norm(active @ (nu[:, None] * x), axis=1).max()
    if seen <= SPANNED * size:
        raise ValueError(
            "no network of these inputs interpolates the labels y: "
            f"sum |y - f| >= {nu @ y / np.abs(nu).max():.2g} max |y|"
        )


def nothing_to_fit(x: np.ndarray) -> Certificate:
    """The network without units, for labels that are all 0."""
    n, r = x.shape
    return Certificate(
        0.0, 0.0, 0.0, True, 0.0, np.empty((r, 0)), np.empty(0), 0.0, np.zeros(n), 0
    )
