"""Column generation over activation cones, with a dual bound in every round."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flatminima.theory.certificates.cone_network import used_pieces
from flatminima.theory.certificates.cone_prices import Market, Piece, Prices, search
from flatminima.theory.certificates.cone_programme import FEASIBLE, Solution, solve

BATCH = 60
"""Pieces added in one round of column generation."""

PENALTIES = (20.0, 2e3, 2e5)
"""Bounds on |nu_i| / max ||x||, tried in turn until the labels are met."""

MAX_ROUNDS = 100

IDLE_DROPS = 20
"""Times that unused pieces are dropped although the cost has not fallen since."""


@dataclass(frozen=True)
class Generated:
    """Where column generation stopped: primal and dual bounds at order 1."""

    pieces: list[Piece]
    solution: Solution
    dual: np.ndarray
    lower: float


Pricer = Callable[[np.ndarray, float], Prices]
"""From nu and a threshold to the pieces above it, and a bound on all prices."""


def price_all(market: Market, x: np.ndarray) -> Pricer:
    """Prices of all cones of a market."""

    def pricer(dual: np.ndarray, threshold: float) -> Prices:
        payment = market.active @ (dual[:, None] * x)
        return search(market, payment, threshold, enough=2 * BATCH)

    return pricer


def generate(
    x: np.ndarray, y: np.ndarray, start: list[Piece], pricer: Pricer, tolerance: float
) -> Generated:
    """Column generation: solve over some pieces, price the others, add the dearest.

    Args:
        x, y: inputs and labels of order 1.
        start: pieces to begin with.
        pricer: its `highest` scales nu to a feasible dual point.
        tolerance: relative gap at which to stop.

    Raises:
        ArithmeticError: if the labels are not met at any price that is tried, or not
            in `MAX_ROUNDS`.
    """
    dual = np.sign(y) * np.linalg.norm(x, axis=1)
    lower = pointwise = float(dual @ y)
    pieces = list({piece.key: piece for piece in start}.values())
    penalties = iter(PENALTIES)
    penalty = next(penalties)
    met = False
    # what is dropped may come back, in a circle, while the cost stays
    cost, idle = np.inf, 0
    for _ in range(MAX_ROUNDS):
        solved, solution = pieces, solve(x, y, pieces, penalty=penalty)
        prices = pricer(solution.dual, 1 + tolerance / 4)
        value = float(solution.dual @ y) / prices.highest
        if value > lower:
            lower, dual = value, solution.dual / prices.highest
        met = solution.slack <= 1e-6 * np.abs(y).sum() and solution.off <= FEASIBLE
        if met and solution.cost <= lower * (1 + tolerance):
            break
        known = {piece.key for piece in pieces}
        fresh = [piece for piece in prices.pieces if piece.key not in known]
        if not fresh:
            if met:
                break
            following = next(penalties, None)
            if following is None:
                raise ArithmeticError(
                    f"the labels were not met: sum |y - f| = {solution.slack:.2g} "
                    f"max |y| is left where a unit of it costs {penalty:g}. A network "
                    f"that meets them has a trace of at least {lower / pointwise:.3g} "
                    "times the pointwise bound"
                )
            penalty = following
        if len(pieces) > 6 * len(x) and idle < IDLE_DROPS:
            pieces, _ = used_pieces(pieces, solution)
            idle = 0 if solution.cost < cost * (1 - tolerance) else idle + 1
            cost = solution.cost
        pieces = [*pieces, *fresh[:BATCH]]
    if not met:
        raise ArithmeticError(f"the labels were not met in {MAX_ROUNDS} rounds")
    return Generated(solved, solution, dual, lower)
