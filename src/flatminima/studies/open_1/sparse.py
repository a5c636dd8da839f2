"""Sparse linear targets: the certified flattest interpolator beside three others.

The model is f = <u^2 - v^2, z>. At an interpolator the trace of the Hessian of
(1/2n) sum (f_i - y_i)^2 is 4 sum_j m_j (u_j^2 + v_j^2), m_j = (1/n) sum_i z_ij^2. It is
at least 4 sum_j m_j |beta_j|, with equality where u_j v_j = 0. So the flattest
interpolator has the beta of a linear programme, basis pursuit with weights m_j.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.data.regression import sparse
from flatminima.data.streams import generator
from flatminima.models import diagonal
from flatminima.theory.certificates.basis_pursuit import BasisPursuit, basis_pursuit
from flatminima.theory.certificates.hyperbolic_entropy import minimise_entropy

RECOVERED = 0.01
"""Distance to the target, whose norm is 1, up to which it counts as found."""

FLATTEST, PURSUIT = "flattest", "basis pursuit"
TINY, LARGE = "GD, tiny start", "GD, large start"
METHODS = (FLATTEST, PURSUIT, TINY, LARGE)


@dataclass(frozen=True)
class Problem:
    """Inputs, labels and the target behind them.

    Attributes:
        z: inputs, shape (n, d).
        y: z @ truth.
        truth: of norm 1.
    """

    z: Float[np.ndarray, "n d"]
    y: Float[np.ndarray, " n"]
    truth: Float[np.ndarray, " d"]


def problem(
    n: int, d: int, k: int, seed: int, spread: float = 0.0, place: str = "any"
) -> Problem:
    """A k-sparse target seen through Gaussian inputs of unequal scales.

    The scales run from 10^(-spread/2) to 10^(spread/2), evenly in their logarithm.

    Args:
        n: examples.
        d: inputs.
        k: coefficients that are not 0, at most d / 2 where `place` names a half.
        seed: draws everything.
        spread: decades between the smallest and the largest scale of an input.
        place: inputs of which half carry the target, "strong" or "weak"; or "any".

    Raises:
        ValueError: if `place` is none of these, or k is too large for a half.
    """
    if place not in ("any", "strong", "weak"):
        raise ValueError(f"place = {place!r}: must be any, strong or weak")
    if place != "any" and k > d // 2:
        raise ValueError(f"k = {k}: must be at most d // 2 = {d // 2} for {place!r}")
    data = sparse(n, d, k, seed, signs=False)
    rng = generator(seed, "scales")
    scales = 10 ** (spread * (np.arange(d) / max(d - 1, 1) - 0.5))
    if place == "strong":
        scales = scales[::-1]
    order = rng.permutation(d)
    if place != "any":  # the target's inputs get scales of the first half
        half = rng.permutation(d // 2)
        rest = np.concatenate([half[k:], np.arange(d // 2, d)])
        order = np.empty(d, dtype=int)
        on = np.flatnonzero(data.truth)
        order[on] = half[:k]
        order[np.setdiff1d(np.arange(d), on)] = rng.permutation(rest)
    z = data.x * scales[order]
    return Problem(z, z @ data.truth, data.truth)


def flattest(
    z: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " d"], BasisPursuit]:
    """The flattest interpolator of f = <u^2 - v^2, z>, with its proof.

    Args:
        z: inputs, each column with an entry other than 0.
        y: labels.

    Returns:
        Its beta, and the programme in gamma = m beta, whose value and bound are a
        quarter of the trace and of what no interpolator goes below.

    Raises:
        ValueError: if a column of z is 0, or as `basis_pursuit`.
    """
    m = np.mean(z**2, axis=0)
    if not (m > 0).all():
        raise ValueError("z: every column must have an entry other than 0")
    solved = basis_pursuit(z / m, y)
    return solved.beta / m, solved


def descent_end(
    z: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], alpha: float
) -> Float[np.ndarray, " d"]:
    """Where gradient flow from u = v = alpha ends: the least hyperbolic entropy.

    Woodworth et al. 2020, Theorem 1. NaN where no solver finds it.

    Args:
        z: inputs.
        y: labels.
        alpha: scale of the start.
    """
    scale = diagonal.entropy_scale(diagonal.Model(z.shape[1], True), alpha)
    try:
        return minimise_entropy(z, y, scale).beta
    except (ValueError, np.linalg.LinAlgError):
        return np.full(z.shape[1], np.nan)


def solutions(
    given: Problem, tiny: float | None = None, large: float | None = None
) -> tuple[dict[str, np.ndarray], float]:
    """beta of every method, and the larger relative duality gap of both programmes.

    Args:
        given: the problem.
        tiny, large: starts of gradient descent; None leaves both out.
    """
    flat, certified = flattest(given.z, given.y)
    pursuit = basis_pursuit(given.z, given.y)
    found = {FLATTEST: flat, PURSUIT: pursuit.beta}
    if tiny is not None and large is not None:
        found[TINY] = descent_end(given.z, given.y, tiny)
        found[LARGE] = descent_end(given.z, given.y, large)
    gap = max(abs(each.gap) / each.value for each in (certified, pursuit))
    return found, gap


def diagram(
    ks: Sequence[int],
    ns: Sequence[int],
    seeds: Sequence[int],
    *,
    d: int,
    spread: float = 0.0,
    place: str = "any",
    tiny: float | None = None,
    large: float | None = None,
) -> pd.DataFrame:
    """Which targets every method finds, over sparsity and examples.

    Args:
        ks: sparsities.
        ns: numbers of examples.
        seeds: of the data.
        d, spread, place: as in `problem`.
        tiny, large: as in `solutions`.

    Returns:
        A row a method and problem: method, size (k), n, seed, error (distance to the
        target, infinite where there is none), recovers and gap.
    """
    rows = []
    for k in ks:
        for n in ns:
            for seed in seeds:
                given = problem(n, d, k, seed, spread, place)
                found, gap = solutions(given, tiny, large)
                for method, beta in found.items():
                    error = float(np.linalg.norm(beta - given.truth))
                    error = error if np.isfinite(error) else np.inf
                    rows.append(
                        {
                            **{"method": method, "size": k, "n": n, "seed": seed},
                            **{"error": error, "gap": gap},
                            "recovers": error <= RECOVERED,
                        }
                    )
    return pd.DataFrame(rows)
