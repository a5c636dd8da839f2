"""What a unit of every activation cone earns for its cost.

On the cone of an active set S, a unit of product u = |a| w costs c_S ||X_S u||,
c_S^2 = sum_{i in S} ||x_i||^2, and the dual of a programme pays it g_S . u. The
price of the cone is the largest payment for a cost of 1,

    max { g_S . u / (c_S ||X_S u||) : u in the closed cone },

which by Moreau's decomposition is the least norm over mu >= 0 of
(X_S^T X_S)^{-1/2} (g_S + A^T mu) / c_S, with the cone {A u >= 0}. Every mu >= 0
bounds the price from above. mu = 0 does so for all cones at once, and settles most.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from flatminima.theory.certificates.activation_cones import Cones
from flatminima.theory.certificates.cone_distance import distance_bounds

RIDGE = 1e-12
"""Added to X_S^T X_S, as a share of its mean eigenvalue, so that it has a root
where S does not span. It lowers a price by a share of the order of RIDGE, times the
square of ||u|| over ||X_S u|| at the best u."""


RANK = 1e-9
"""Singular values of X_S below this share of the largest count as 0."""


class Piece(NamedTuple):
    """One sign of one cone, a group of variables of the programme.

    Attributes:
        sign: of a, +1 or -1.
        point: inside the cone, shape (r,).
        active: the active set, also on additional rows, shape (rows,).
        inequalities: A with the closed cone {u: A u >= 0}, shape (facets, r).
        root: R with ||R u|| = ||X_S u||, shape (rank of X_S, r).
        cost: c_S.
    """

    sign: float
    point: Float[np.ndarray, " r"]
    active: Bool[np.ndarray, " rows"]
    inequalities: Float[np.ndarray, "facets r"]
    root: Float[np.ndarray, "rank r"]
    cost: float

    @property
    def key(self) -> tuple[float, bytes]:
        """What tells pieces apart."""
        return self.sign, self.active.tobytes()


@dataclass(frozen=True)
class Market:
    """The cones with an active example, ready to be priced.

    Attributes:
        cones: all cones, perhaps of additional rows, which cost nothing.
        x: training inputs.
        live: indices of those with an active example of x, shape (live,).
        active: on x, as 0 or 1, shape (live, n).
        whiten: the inverse of the lower triangular root of X_S^T X_S, with the
            ridge, shape (live, r, r).
        cost: c_S, shape (live,).
    """

    cones: Cones
    x: Float[np.ndarray, "n r"]
    live: np.ndarray
    active: Float[np.ndarray, "live n"]
    whiten: Float[np.ndarray, "live r r"]
    cost: Float[np.ndarray, " live"]

    def piece(self, k: int, sign: float) -> Piece:
        """Piece of live cone k."""
        cone = int(self.live[k])
        _, values, rows = np.linalg.svd(self.x[self.active[k] > 0], full_matrices=False)
        rank = np.count_nonzero(values > RANK * values[0])
        return Piece(
            sign,
            self.cones.points[cone],
            self.cones.active[cone],
            self.cones.inequalities(cone),
            values[:rank, None] * rows[:rank],
            float(self.cost[k]),
        )


@dataclass(frozen=True)
class Prices:
    """The outcome of a search for cones above a price.

    Attributes:
        pieces: with a price above the threshold, dearest first.
        highest: no cone has a higher price, in either sign.
    """

    pieces: list[Piece]
    highest: float


def open_market(cones: Cones, x: Float[np.ndarray, "n r"]) -> Market:
    """Costs and metrics of all cones with an active example.

    Args:
        cones: of x, perhaps with additional rows after those of x.
        x: training inputs.
    """
    n, r = x.shape
    live = np.flatnonzero(cones.active[:, :n].any(axis=1))
    active = cones.active[live, :n].astype(float)
    squares = (x[:, :, None] * x[:, None, :]).reshape(n, -1)
    gram = (active @ squares).reshape(-1, r, r)
    ridge = RIDGE / r * np.trace(gram, axis1=1, axis2=2)
    lower = np.linalg.cholesky(gram + ridge[:, None, None] * np.eye(r))
    cost = np.sqrt(active @ np.sum(x**2, axis=1))
    return Market(cones, x, live, active, np.linalg.inv(lower), cost)


def search(
    market: Market,
    payment: Float[np.ndarray, "live r"],
    threshold: float,
    enough: int,
) -> Prices:
    """Cones whose price, in either sign, is above a threshold.

    Args:
        market: the cones.
        payment: g_S of every live cone.
        threshold: positive.
        enough: the search may stop at so many pieces; `highest` is then the
            bound without cone constraints.
    """
    whitened = np.einsum("kab,kb->ka", market.whiten, payment)
    bound = np.linalg.norm(whitened, axis=1) / market.cost
    order = np.argsort(-bound)
    order = order[: np.count_nonzero(bound > threshold)]
    found: list[tuple[float, int, float]] = []
    highest = threshold
    for k in order:
        if len(found) >= enough:
            # The cones that are left have lower bounds.
            highest = max(highest, float(bound[k]))
            break
        rows = market.cones.inequalities(int(market.live[k]))
        polar, cost = -market.whiten[k] @ rows.T, float(market.cost[k])
        for sign in (1.0, -1.0):
            # From above, so that no cone has a higher price, met or not from below.
            price = distance_bounds(polar, sign * whitened[k]).high / cost
            if price > threshold:
                found.append((price, int(k), sign))
    found.sort(key=lambda item: -item[0])
    if found:
        highest = max(highest, found[0][0])
    return Prices([market.piece(k, sign) for _, k, sign in found], highest)
