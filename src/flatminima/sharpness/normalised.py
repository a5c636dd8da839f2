"""Normalised sharpness: flatness against magnitude, with row and column scales free.

For a weight matrix W and the diagonal h_ij of the Hessian over its entries,

    N(W) = min_{s, t > 0} sum_ij h_ij s_i t_j + W_ij^2 / (s_i t_j)
         = 2 min_{s, t} sqrt(sum_ij h_ij s_i t_j  sum_ij W_ij^2 / (s_i t_j)):

the expected rise under noise of variance s_i t_j, and the Kullback-Leibler divergence
from a prior of the same variances, factors 1/2 left out, at the variances that balance
them best (after Tsuzuku, Sato & Sugiyama 2020; this is the form computed here). It is
convex in log s, log t. Multiplying a row by c divides its h by c^2: N does not change
under any rescaling of units that leaves the function alone. A weight of the one against
the other multiplies N by its root, whatever the network, so it has none. The measure is
the sum over the network's matrices.
"""

import math

import numpy as np
import torch
from jaxtyping import Float

from flatminima.sharpness.diagonal import gauss_newton_diagonal
from flatminima.sharpness.landscape import Landscape
from flatminima.sharpness.newton import minimise


def matrix_term(
    h: Float[np.ndarray, "rows columns"], squares: Float[np.ndarray, "rows columns"]
) -> float:
    """min_{s, t > 0} sum_ij h_ij s_i t_j + q_ij / (s_i t_j).

    The s are eliminated, s_i = sqrt(sum_j q_ij / t_j / sum_j h_ij t_j). What is left,
    2 sum_i sqrt((sum_j h_ij t_j) (sum_j q_ij / t_j)), is convex in log t.

    Args:
        h: at least 0.
        squares: q, at least 0.
    """
    if h.shape[1] > h.shape[0]:
        h, squares = h.T, squares.T
    keep = (h.sum(axis=1) > 0) & (squares.sum(axis=1) > 0)
    h, squares = h[keep], squares[keep]
    keep = (h.sum(axis=0) > 0) & (squares.sum(axis=0) > 0)
    h, squares = h[:, keep], squares[:, keep]
    if not h.size:
        return 0.0

    def oracle(u: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        rises, costs = h * np.exp(u), squares * np.exp(-u)
        a, b = rises.sum(axis=1), costs.sum(axis=1)
        root = 2 * np.sqrt(a * b)
        share_a, share_b = rises / a[:, None], costs / b[:, None]
        slope = (share_a - share_b) / 2
        bend = (share_a + share_b) / 2
        # d2 sqrt(ab): from log a and log b, whose second derivatives are covariances
        hessian = np.diag(root @ bend)
        hessian -= (share_a.T * root) @ share_a / 2 + (share_b.T * root) @ share_b / 2
        hessian += (slope.T * root) @ slope
        return root.sum(), root @ slope, hessian

    return minimise(oracle, np.zeros(h.shape[1])).value


def normalised_sharpness(
    at: Landscape, diagonal: Float[torch.Tensor, " D"] | None = None
) -> float:
    """Sum of N over the parameters of a landscape.

    A weight of shape (out, in, ...) is a matrix whose entries are sums over the rest,
    as of a convolution's kernel; a bias is a matrix of one column.

    Args:
        at: the landscape, at theta.
        diagonal: of the Hessian; that of the Gauss-Newton matrix without it. Entries
            below 0 count as 0.

    Returns:
        NaN where the diagonal or theta holds what is not finite.

    Raises:
        ValueError: if the diagonal has not the length of theta.
    """
    diagonal = gauss_newton_diagonal(at) if diagonal is None else diagonal
    if diagonal.shape != at.theta.shape:
        raise ValueError(
            f"diagonal: must have {at.size} entries, not {diagonal.numel()}"
        )
    h, squares = at.split(diagonal.clamp(min=0)), at.split(at.theta**2)

    if not all(
        bool(part.isfinite().all()) for part in (*h.values(), *squares.values())
    ):
        return math.nan

    def matrix(part: torch.Tensor) -> np.ndarray:
        rows = len(part) if part.dim() else 1
        columns = part.shape[1] if part.dim() > 1 else 1
        return part.reshape(rows, columns, -1).sum(dim=2).numpy()

    return sum(matrix_term(matrix(h[name]), matrix(squares[name])) for name in h)
