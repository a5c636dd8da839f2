"""Matrices of low rank: the certified flattest factorisation beside descent.

With two factors and Gaussian measurements the flattest interpolator minimises
||P^{1/2} M Q^{1/2}||_*, P and Q the mean of A_i A_i^T and of A_i^T A_i: see
`theory.certificates.nuclear_norm`.

With L factors the mean over Gaussian A of sum_k ||grad_k <A, W_1 ... W_L>||^2 is

    T = sum_k ||W_1 ... W_{k-1}||_F^2 ||W_{k+1} ... W_L||_F^2,

the empty product being the identity, with ||I||_F^2 = d. The mean of L numbers is at
least the geometric one, and ||W_1 ... W_k||_F ||W_{k+1} ... W_L||_F >= ||M||_*, so

    T >= L d^{2/L} ||M||_*^{2 (L - 1) / L},

which `spread_out` attains. The least over interpolators is thus at the least ||M||_*,
whatever the depth. Gatmiry et al. 2023 prove it approximately for finitely many
measurements with the restricted isometry property.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.data.regression import low_rank
from flatminima.data.streams import generator
from flatminima.studies.open_1.kernel import descend
from flatminima.theory.certificates.nuclear_norm import flattest, nuclear_norm

RECOVERED = 0.05
"""Distance to the target, whose norm is 1, up to which it counts as found. It is larger
than for sparse targets, since descent stops before its slowest direction is done."""

FLATTEST, NUCLEAR = "flattest", "least nuclear norm"
LARGE = "GD, large start"

STOP_LOSS = 1e-9
CONVERGED = 1e-5
"""Training loss, near one half at the start, up to which descent counts as done."""

TINY_LR, LARGE_LR = 0.2, 0.08


def tiny(depth: int) -> str:
    """Name of descent from a tiny start at a depth."""
    return f"GD, tiny, {depth} factors"


def start(depth: int, d: int, size: float, seed: int) -> Float[np.ndarray, "depth d d"]:
    """Random orthogonal factors, scaled: the product's singular values are `size`.

    Args:
        depth: factors.
        d: rows and columns.
        size: above 0.
        seed: draws them.
    """
    if not size > 0:
        raise ValueError(f"size = {size!r}: must be above 0")
    rng = generator(seed, f"open-1 start of {depth}")
    factors, _ = np.linalg.qr(rng.standard_normal((depth, d, d)))
    return factors * size ** (1 / depth)


def product(w: Float[np.ndarray, "depth d d"]) -> Float[np.ndarray, "d d"]:
    """W_1 ... W_L."""
    found = w[0]
    for each in w[1:]:
        found = found @ each
    return found


def mean_trace(w: Float[np.ndarray, "depth d d"]) -> float:
    """T, the mean over Gaussian measurements of the squared gradient."""
    depth, d, _ = w.shape
    before, after = [np.eye(d)], [np.eye(d)]
    for k in range(depth - 1):
        before.append(before[-1] @ w[k])
        after.append(w[depth - 1 - k] @ after[-1])
    pairs = zip(before, reversed(after), strict=True)
    return float(sum(np.sum(b**2) * np.sum(a**2) for b, a in pairs))


def least_mean_trace(matrix: Float[np.ndarray, "d d"], depth: int) -> float:
    """The least T over all factors with this product: L d^{2/L} ||M||_*^{2(L-1)/L}."""
    norm = float(np.linalg.norm(matrix, "nuc"))
    return float(depth * len(matrix) ** (2 / depth) * norm ** (2 - 2 / depth))


def spread_out(
    matrix: Float[np.ndarray, "d d"], depth: int
) -> Float[np.ndarray, "depth d d"]:
    """Factors of a matrix with the least T.

    From M = X S Y^T: W_1 = c X S^{1/2}, W_L = c S^{1/2} Y^T, and b I between them, with
    c^2 b^{L-2} = 1 and all terms of T equal: b^2 d = c^2 ||M||_*.

    Args:
        matrix: square, other than 0.
        depth: factors, at least 2.

    Raises:
        ValueError: if `depth` is below 2.
    """
    if depth < 2:
        raise ValueError(f"depth = {depth}: must be at least 2")
    x, s, y = np.linalg.svd(matrix)
    d = len(matrix)
    b = (s.sum() / d) ** (1 / depth) if depth > 2 else 1.0
    c = b ** (1 - depth / 2)
    middle = np.repeat(b * np.eye(d)[None], depth - 2, axis=0)
    ends = c * x * np.sqrt(s), c * np.sqrt(s)[:, None] * y
    return np.concatenate([ends[0][None], middle, ends[1][None]])


def excess_of_spread_out(
    depths: Sequence[int], d: int, seeds: Sequence[int]
) -> np.ndarray:
    """|T / bound - 1| of `spread_out` at random matrices, one a depth and seed."""
    found = []
    for depth in depths:
        for seed in seeds:
            matrix = low_rank(1, d, d, seed, commuting=False).truth.reshape(d, d)
            least = least_mean_trace(matrix, depth)
            found.append(abs(mean_trace(spread_out(matrix, depth)) / least - 1))
    return np.array(found)


def diagram(
    ranks: Sequence[int],
    ns: Sequence[int],
    seeds: Sequence[int],
    *,
    d: int,
    depths: Sequence[int],
    small: float,
    large: float,
    num_steps: int,
) -> pd.DataFrame:
    """Which matrices every method finds, over rank and measurements.

    Args:
        ranks: of the target.
        ns: numbers of measurements.
        seeds: of target, measurements and start.
        d: rows and columns.
        depths: numbers of factors of descent from the tiny start.
        small, large: singular values of the product at the tiny start, of all depths,
            and at the large start, of two factors.
        num_steps: updates at most.

    Returns:
        A row a method and problem: method, size (rank), n, seed, error, nuclear (norm
        of the end over the least one, minus 1), gap, recovers and converged.
    """
    rows = []
    for rank in ranks:
        for n in ns:
            for seed in seeds:
                data = low_rank(n, d, rank, seed, commuting=False)
                a = data.x.reshape(n, d, d)
                flat, least = flattest(a, data.y), nuclear_norm(a, data.y)
                found = {FLATTEST: flat.matrix, NUCLEAR: least.matrix}
                losses = dict.fromkeys(found, 0.0)
                for depth in depths:
                    w = start(depth, d, small, seed)
                    losses[tiny(depth)] = descend(
                        w, data.x, data.y, TINY_LR, num_steps, STOP_LOSS
                    )
                    found[tiny(depth)] = product(w)
                w = start(2, d, large, seed)
                losses[LARGE] = descend(
                    w, data.x, data.y, LARGE_LR, num_steps, STOP_LOSS
                )
                found[LARGE] = product(w)
                gap = max(abs(each.gap) / each.value for each in (flat, least))
                for method, matrix in found.items():
                    rows.append(
                        {
                            **{"method": method, "size": rank, "n": n, "seed": seed},
                            **_outcome(matrix, data.truth, least.value),
                            "gap": gap,
                            "converged": losses[method] <= CONVERGED,
                        }
                    )
    return pd.DataFrame(rows)


def _outcome(
    matrix: np.ndarray, truth: np.ndarray, least: float
) -> dict[str, float | bool]:
    """Distance to the target and nuclear norm; infinite where descent diverged."""
    if not np.isfinite(matrix).all():
        return {"error": np.inf, "nuclear": np.inf, "recovers": False}
    error = float(np.linalg.norm(matrix.ravel() - truth))
    excess = float(np.linalg.norm(matrix, "nuc")) / least - 1
    return {"error": error, "nuclear": excess, "recovers": error <= RECOVERED}
