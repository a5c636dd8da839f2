"""Eigenvalues of a symmetric matrix that is known by its products.

The k outermost by Lanczos (ARPACK), each with its residual; all of them where the
matrix fits; of the Gauss-Newton matrix all that are not 0, where n k fits.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from scipy.sparse.linalg import eigsh

from flatminima.sharpness.estimate import Estimate
from flatminima.sharpness.landscape import Landscape
from flatminima.sharpness.per_example import gradients
from flatminima.sharpness.products import Products, output_factor

LARGEST_DENSE = 5000
"""Rows of a matrix of which all eigenvalues are computed: 200 MB in float64."""

SMALL = 32
"""Rows up to which the outermost eigenvalues come from all of them, which is faster."""


@dataclass(frozen=True)
class Eigenvalues:
    """Some eigenvalues, and how well they are known.

    Attributes:
        values: from the largest down.
        vectors: a column each.
        residuals: |A v - lambda v|: within this distance of lambda lies an eigenvalue
            of a symmetric A.
        products: with vectors, until they were found.
    """

    values: Float[np.ndarray, " k"]
    vectors: Float[np.ndarray, "D k"]
    residuals: Float[np.ndarray, " k"]
    products: int


def outermost(
    operator: Products,
    k: int = 1,
    *,
    which: Literal["LA", "SA", "LM"] = "LA",
    tolerance: float = 1e-8,
    seed: int = 0,
) -> Eigenvalues:
    """The k outermost eigenvalues, by implicitly restarted Lanczos.

    Args:
        operator: A, symmetric.
        k: how many, at most D.
        which: LA the largest, SA the smallest, LM the largest in absolute value.
        tolerance: relative accuracy of the eigenvalues.
        seed: of the start vector.

    Raises:
        ValueError: if k is not between 1 and D, or `which` is none of these.
        scipy.sparse.linalg.ArpackNoConvergence: if Lanczos does not converge.
    """
    size = operator.shape[0]
    if not 1 <= k <= size:
        raise ValueError(f"k = {k}: must be between 1 and {size}, the parameters")
    if which not in ("LA", "SA", "LM"):
        raise ValueError(f"which = {which!r}: must be 'LA', 'SA' or 'LM'")
    before = operator.count
    start = np.random.default_rng(seed).normal(size=size)
    if size <= max(SMALL, 2 * k + 1):
        values, vectors = np.linalg.eigh(dense(operator))
        chosen = _chosen(values, k, which)
        values, vectors = values[chosen], vectors[:, chosen]
    elif not (operator @ start).any():  # a generic vector: A is 0
        values, vectors = np.zeros(k), np.eye(size, k)
    else:
        values, vectors = eigsh(operator, k=k, which=which, v0=start, tol=tolerance)
    count = operator.count - before
    order = np.argsort(-values, kind="stable")
    values, vectors = values[order], vectors[:, order]
    residuals = np.linalg.norm(operator @ vectors - vectors * values, axis=0)
    return Eigenvalues(values, vectors, residuals, count)


def _chosen(values: np.ndarray, k: int, which: str) -> np.ndarray:
    """Places of the k outermost of ascending eigenvalues."""
    size = len(values)
    if which == "SA":
        return np.arange(k)
    if which == "LM":
        return np.argsort(-np.abs(values), kind="stable")[:k]
    return np.arange(size - k, size)


def largest(operator: Products, *, tolerance: float = 1e-8) -> Estimate:
    """lambda_max(A), by `outermost`."""
    return Estimate(float(outermost(operator, tolerance=tolerance).values[0]))


def dense(operator: Products) -> Float[np.ndarray, "D D"]:
    """The matrix itself, made symmetric against rounding.

    Raises:
        ValueError: if it has more than `LARGEST_DENSE` rows.
    """
    size = operator.shape[0]
    if size > LARGEST_DENSE:
        raise ValueError(
            f"operator: {size} rows, and at most {LARGEST_DENSE} make a dense matrix; "
            "`density` estimates the spectrum of larger ones"
        )
    matrix = operator @ np.eye(size)
    return (matrix + matrix.T) / 2


def full(operator: Products) -> Float[np.ndarray, " D"]:
    """All eigenvalues, ascending. Raises as `dense` does."""
    return np.linalg.eigvalsh(dense(operator))


def full_gauss_newton(at: Landscape) -> Float[np.ndarray, " m"]:
    """The eigenvalues of G that can differ from 0, ascending: min(n r, D) of them.

    G = (1/n) sum J_i^T S_i S_i^T J_i shares them with its Gram matrix, whose entries
    are the products of the vectors J_i^T s_ic. So they cost n r gradients, r the number
    of outputs, and memory of n r D, however large D is.

    Raises:
        ValueError: if both n r and D exceed `LARGEST_DENSE`, or the loss is not convex
            in the outputs.
    """
    with torch.no_grad():
        factor, signs = output_factor(at.criterion, at.outputs(), at.y)
    if (signs < 0).any():
        raise ValueError("at: the loss is not convex in the outputs")
    vectors = at.n * factor.shape[2]
    if min(vectors, at.size) > LARGEST_DENSE:
        raise ValueError(
            f"at: {vectors} outputs and {at.size} parameters, of which one at least "
            f"must be at most {LARGEST_DENSE}"
        )
    rows = gradients(at, factor.transpose(1, 2)).reshape(-1, at.size)
    gram = rows.T @ rows if at.size < vectors else rows @ rows.T
    return np.linalg.eigvalsh((gram / at.n).numpy())


def rank(
    values: Float[np.ndarray, " D"], *, size: int = 0, tolerance: float | None = None
) -> int:
    """How many eigenvalues count as other than 0.

    Args:
        values: all eigenvalues, or all that can differ from 0.
        size: rows of the matrix, D, if the values are fewer.
        tolerance: relative to the largest absolute value; D times the rounding of
            float64 by default, as numpy's matrix_rank has it.
    """
    return int(_nonzero(values, size, tolerance).sum())


def log_det(
    values: Float[np.ndarray, " D"], *, size: int = 0, tolerance: float | None = None
) -> Estimate:
    """Sum of ln |lambda| over the eigenvalues other than 0; arguments as for `rank`."""
    kept = np.abs(values)[_nonzero(values, size, tolerance)]
    return Estimate(float(np.log(kept).sum()))


def _nonzero(values: np.ndarray, size: int, tolerance: float | None) -> np.ndarray:
    if np.isnan(values).any():
        raise ValueError("values: must be numbers, and one is NaN")
    if tolerance is None:
        tolerance = max(len(values), size) * np.finfo(np.float64).eps
    top = np.abs(values).max(initial=0.0)
    return np.abs(values) > tolerance * top
