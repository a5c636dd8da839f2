"""What the flattest interpolating networks predict at points held out.

The minimisers of the trace form a face of a convex set. Over it, relaxed to cost
<= (1 + slack) minimum, the prediction at a new point is maximised and minimised by
the cone programme with a budget. A unit sees a new point on one side of another
hyperplane, so the activation cones are cut by it first.

The range is unbounded exactly if some w has w . x_new > 0 >= w . x_i for all i, that
is if x_new is not in the conic hull of the inputs (Farkas). Such a unit is silent on
the training set, or nearly so, and costs nothing: the trace does not see it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from flatminima.theory.certificates.activation_cones import activation_cones, refine
from flatminima.theory.certificates.certificate import Certificate, check, normalise
from flatminima.theory.certificates.column_generation import BATCH, MAX_ROUNDS
from flatminima.theory.certificates.cone_distance import distance_to_cone
from flatminima.theory.certificates.cone_prices import Market, open_market, search
from flatminima.theory.certificates.cone_programme import FEASIBLE, solve

OUTSIDE = 1e-9
"""Distance from the conic hull, in units of ||x_new||, that counts as outside."""


@dataclass(frozen=True)
class PredictionRange:
    """Predictions of all networks that interpolate at nearly the least trace.

    Attributes:
        low, high: attained by networks within the budget, or infinite.
        low_bound, high_bound: no network within the budget is outside.
        slack: relative excess over the minimum that is allowed.
    """

    low: Float[np.ndarray, " points"]
    high: Float[np.ndarray, " points"]
    low_bound: Float[np.ndarray, " points"]
    high_bound: Float[np.ndarray, " points"]
    slack: float

    def all_correct(
        self, y: Float[np.ndarray, " points"]
    ) -> Bool[np.ndarray, " points"]:
        """Where every such network has the sign of y, which is not 0; proved."""
        return np.where(y > 0, self.low_bound > 0, (y < 0) & (self.high_bound < 0))

    def some_wrong(
        self, y: Float[np.ndarray, " points"]
    ) -> Bool[np.ndarray, " points"]:
        """Where some such network has not the sign of y; an output of 0 is wrong."""
        return np.where(y > 0, self.low <= 0, (y > 0) | (self.high >= 0))


def prediction_range(
    certificate: Certificate,
    x: Float[np.ndarray, "n r"],
    y: Float[np.ndarray, " n"],
    x_new: Float[np.ndarray, "points r"],
    *,
    slack: float = 1e-3,
    tolerance: float = 1e-3,
) -> PredictionRange:
    """The interval of predictions at every new point, over the relaxed face.

    Args:
        certificate: of x and y, by `certify`.
        x, y: training set.
        x_new: new inputs, as the first layer sees them.
        slack: relative excess of cost over the minimum. The programme needs some,
            and more than the certificate's network has.
        tolerance: bounds may be this far from what is attained, in units of max |y|.

    Raises:
        ValueError: if the certificate is not certified, if the labels are all 0, if
            shapes do not fit, if slack or tolerance is out of range, or as
            `activation_cones` and `refine`.
        ArithmeticError: if the tolerance is not reached, or as `activation_cones`,
            `distance_to_cone` and `solve`.
    """
    check(x, y)
    if x_new.ndim != 2 or x_new.shape[1] != x.shape[1]:
        raise ValueError(f"x_new has shape {x_new.shape}: needed is (m, {x.shape[1]})")
    if not certificate.certified or certificate.value == 0:
        raise ValueError("certificate: needed is a certified minimum above 0")
    least = max(2 * (certificate.trace / certificate.value - 1), 1e-5)
    if not least <= slack < np.inf:
        raise ValueError(f"slack = {slack}: allowed are finite values >= {least:.2g}")
    if not 0 < tolerance < np.inf:
        raise ValueError(f"tolerance = {tolerance}: allowed are finite values > 0")
    unit_x, unit_y, scale = normalise(x, y)
    size, height = np.linalg.norm(x, axis=1).max(), np.abs(y).max()
    budget = (1 + slack) * certificate.value * len(x) / (4 * scale)
    cones = activation_cones(unit_x)
    ends = np.zeros((4, len(x_new)))
    for k, new in enumerate(x_new / size):
        if not np.any(new):
            continue
        if distance_to_cone(unit_x.T, new) > OUTSIDE * np.linalg.norm(new):
            ends[:, k] = -np.inf, np.inf, -np.inf, np.inf
            continue
        market = open_market(refine(cones, unit_x, new), unit_x)
        high, high_bound = _highest(market, unit_y, new, certificate, budget, tolerance)
        # A network for the labels -y is one for y with its second layer negated.
        low, low_bound = _highest(market, -unit_y, new, certificate, budget, tolerance)
        ends[:, k] = -low, high, -low_bound, high_bound
    ends *= height
    return PredictionRange(ends[0], ends[1], ends[2], ends[3], slack)


def _highest(
    market: Market,
    y: np.ndarray,
    new: np.ndarray,
    certificate: Certificate,
    budget: float,
    tolerance: float,
) -> tuple[float, float]:
    """The highest prediction attained within the budget, and a bound on it.

    With multipliers nu of the labels and lambda of the budget, no prediction is
    above lambda budget - nu . y if every cone's payment r + X^T nu, where r is
    x_new on its active side, has a price of at most lambda.
    """
    x = market.x
    sees_new = market.cones.active[market.live, -1].astype(float)
    units = certificate.w.T @ x.T > 0
    met = (market.active[:, None] > 0) == units[None]
    start = np.flatnonzero(met.all(axis=2).any(axis=1))
    pieces = [market.piece(int(k), sign) for k in start for sign in (1.0, -1.0)]
    bound = np.inf
    for _ in range(MAX_ROUNDS):
        rewards = np.array([p.active[-1] * new for p in pieces])
        solution = solve(x, y, pieces, rewards=rewards, budget=budget)
        payment = market.active @ (solution.dual[:, None] * x) + sees_new[:, None] * new
        threshold = solution.budget_dual + tolerance / (2 * budget)
        prices = search(market, payment, threshold, enough=2 * BATCH)
        bound = min(bound, float(prices.highest * budget - solution.dual @ y))
        known = {piece.key for piece in pieces}
        fresh = [piece for piece in prices.pieces if piece.key not in known]
        if bound - solution.reward <= tolerance or not fresh:
            break
        pieces = [*pieces, *fresh[:BATCH]]
    gap = bound - solution.reward
    if solution.off > FEASIBLE or not -tolerance / 10 <= gap <= tolerance:
        raise ArithmeticError(
            f"a prediction of {solution.reward:.6g} was found, {solution.off:.2g} off "
            f"its constraints, and none above {bound:.6g} is possible: needed are at "
            f"most {FEASIBLE:g} and a gap of at most {tolerance:g}, in units of max |y|"
        )
    return solution.reward, bound
