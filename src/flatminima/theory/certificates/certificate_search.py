"""The least trace where the cones are too many to enumerate, from above.

Column generation with a search for dear cones in place of a proof that there are
none. The primal side is a real network, so `value` and `trace` are upper bounds on
the minimum. The rigorous lower bound is only the pointwise one, 4 mean |y_i| ||x_i||.
"""

import numpy as np
from jaxtyping import Float

from flatminima.checks import at_least
from flatminima.theory.certificates.activation_cones import cones_at
from flatminima.theory.certificates.certificate import (
    Certificate,
    check,
    check_tolerance,
    conclude,
    lonely_pieces,
    normalise,
    nothing_to_fit,
)
from flatminima.theory.certificates.column_generation import Pricer, generate
from flatminima.theory.certificates.cone_prices import Prices, open_market, search

STEPS = np.array([1.0, 0.6, 0.3, 0.1, 0.03])
"""Shares of the way to the best point of a cone's linear piece that are tried."""


def search_certificate(
    x: Float[np.ndarray, "n r"],
    y: Float[np.ndarray, " n"],
    *,
    starts: int = 200,
    ascents: int = 15,
    tolerance: float = 1e-3,
    seed: int = 0,
) -> Certificate:
    """Upper bound by column generation, lower bound where one is provable.

    Args:
        x, y: as in `certificate.certify`.
        starts: random starts of the search in every round.
        ascents: steps of each.
        tolerance: gap to the *uncertified* lower bound at which to stop, above 0 and
            below 1.
        seed: of the starts.

    Returns:
        A certificate whose `lower` is the pointwise bound, `certified` only if that
        is attained, and whose `uncertified_lower` assumes that no dearer cone
        exists than the search found.

    Raises:
        ValueError: as `check` and `check_tolerance` of `certificate`, or if starts or
            ascents is below 1.
        ArithmeticError: as `generate` and `conclude`.
    """
    check(x, y)
    check_tolerance(tolerance)
    at_least("starts", starts, 1)
    at_least("ascents", ascents, 1)
    if not np.any(y):
        return nothing_to_fit(x)
    unit_x, unit_y, _ = normalise(x, y)
    rng = np.random.default_rng(seed)
    pricer = _climb_from_random_starts(unit_x, starts, ascents, rng)
    pieces = lonely_pieces(unit_x)
    dual = np.sign(unit_y) * np.linalg.norm(unit_x, axis=1)
    pieces += pricer(dual, 0.5).pieces[: 2 * len(x)]
    generated = generate(unit_x, unit_y, pieces, pricer, tolerance)
    return conclude(x, y, generated, tolerance, num_cones=0, rigorous=False)


def climb(
    x: Float[np.ndarray, "n r"],
    dual: Float[np.ndarray, " n"],
    w: Float[np.ndarray, "starts r"],
    ascents: int,
) -> Float[np.ndarray, "starts r"]:
    """Ascend nu . relu(X w) / kappa(w) from many starts at once.

    Within the cone of w the best direction is (X_S^T X_S)^{-1} X_S^T nu; a step
    goes part of the way to it, whichever share is best. No step descends.

    Args:
        x: inputs.
        dual: nu.
        w: starts.
        ascents: number of steps.
    """
    r = x.shape[1]
    squares = (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    for _ in range(ascents):
        w = w / np.linalg.norm(w, axis=1, keepdims=True)
        active = (w @ x.T > 0).astype(float)
        gram = (active @ squares).reshape(-1, r, r) + 1e-9 * np.eye(r)
        best = np.linalg.solve(gram, (active @ (dual[:, None] * x))[..., None])[..., 0]
        best /= np.maximum(np.linalg.norm(best, axis=1, keepdims=True), 1e-300)
        tried = np.stack([w, *(w + t * (best - w) for t in STEPS)])
        prices = _price(x, dual, tried)
        w = tried[np.argmax(prices, axis=0), np.arange(len(w))]
    return w


def _price(x: np.ndarray, dual: np.ndarray, w: np.ndarray) -> np.ndarray:
    heights = np.maximum(w @ x.T, 0.0)
    cost_sq = (heights > 0) @ np.sum(x**2, axis=1) * np.sum(heights**2, axis=-1)
    return heights @ dual / np.sqrt(np.maximum(cost_sq, 1e-300))


def _climb_from_random_starts(
    x: np.ndarray, starts: int, ascents: int, rng: np.random.Generator
) -> Pricer:
    memory = x

    def pricer(dual: np.ndarray, threshold: float) -> Prices:
        nonlocal memory
        w = np.vstack([rng.standard_normal((starts, x.shape[1])), memory, -memory])
        w = np.vstack([climb(x, dual, w, ascents), climb(x, -dual, w, ascents)])
        heights = w @ x.T
        size = np.linalg.norm(w, axis=1)
        inside = np.min(np.abs(heights), axis=1) > 1e-9 * size
        w = w[inside & (heights > 0).any(axis=1)]
        _, first = np.unique(w @ x.T > 0, axis=0, return_index=True)
        w = w[first]
        market = open_market(cones_at(x, w), x)
        payment = market.active @ (dual[:, None] * x)
        prices = search(market, payment, threshold, enough=10 * starts)
        if prices.pieces:
            memory = np.array([piece.point for piece in prices.pieces[:starts]])
        return prices

    return pricer
