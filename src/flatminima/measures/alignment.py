"""Whether the units of a network look at the two inputs that decide the label.

On P_xor the label is y = x_1 x_2. Figure 2b of Wen, Li & Ma 2023 lists the largest
units of a trained network: their weights lie along x_1 + x_2, x_1 - x_2 and the
opposite directions.
"""

import numpy as np
from jaxtyping import Float

RELEVANT = 2
"""Inputs that decide the label of P_xor: the first two."""

SHARES = (4, 16)
"""Numbers of units whose share is taken, beside that of all."""

SUMMARY = ("alignment", *(f"share_{k}" for k in SHARES), "share_all")


def column_share(
    w: Float[np.ndarray, "inputs width"], largest: int | None = None
) -> float:
    """Share of the squared norm of first-layer columns that lies on x_1 and x_2.

    sum_j (w_1j^2 + w_2j^2) / sum_j ||w_j||^2 over the units j of largest ||w_j||, or
    over all of them, so that a unit weighs as much as its squared norm. A bias row
    counts as one of the other inputs. NaN if all these units are dead.

    Args:
        w: first layer.
        largest: how many units, at least 1; all by default.

    Raises:
        ValueError: if `largest` is below 1.
    """
    columns = w if largest is None else largest_columns(w, largest)
    squares = columns**2
    total = float(squares.sum())
    return float(squares[:RELEVANT].sum()) / total if total > 0 else np.nan


def alignment(w: Float[np.ndarray, "inputs width"], largest: int = 4) -> float:
    """Mean cosine of the largest units with the nearest of +-x_1 +- x_2.

    (|w_1| + |w_2|) / (sqrt(2) ||w_j||) for each, 1 if it lies along one of the four
    directions; 0 for a dead unit.

    Args:
        w: first layer.
        largest: how many units, by ||w_j||, at least 1.

    Raises:
        ValueError: if `largest` is below 1.
    """
    columns = largest_columns(w, largest)
    norms = np.linalg.norm(columns, axis=0)
    along = np.abs(columns[:RELEVANT]).sum(axis=0) / np.sqrt(RELEVANT)
    return float(np.mean(along / np.where(norms > 0, norms, 1.0)))


def largest_columns(
    w: Float[np.ndarray, "inputs width"], count: int
) -> Float[np.ndarray, "inputs shown"]:
    """The columns of largest norm, largest first.

    Args:
        w: first layer.
        count: how many, at least 1; all if there are fewer.

    Raises:
        ValueError: if `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"count = {count}: must be at least 1")
    return w[:, np.argsort(-np.linalg.norm(w, axis=0), kind="stable")[:count]]


def summary(w: Float[np.ndarray, "inputs width"]) -> dict[str, float]:
    """What the weights of a network say, in four numbers.

    Args:
        w: first layer.

    Returns:
        `alignment` of the four largest units, `share_4` and `share_16` of the four
        and the sixteen largest, and `share_all`, as `column_share`. All are NaN if a
        weight is.
    """
    if np.isnan(w).any():
        return dict.fromkeys(SUMMARY, np.nan)
    shares = {f"share_{k}": column_share(w, k) for k in SHARES}
    return {"alignment": alignment(w), **shares, "share_all": column_share(w)}


def unit_table(
    w: Float[np.ndarray, "inputs width"], largest: int = 4
) -> dict[str, list[float]]:
    """The largest units, as in the source's figure 2b.

    Args:
        w: first layer.
        largest: how many units.

    Returns:
        An entry a unit: its weights on x_1 and x_2, the largest absolute weight on any
        other input, and the norm of its column.
    """
    columns = largest_columns(w, largest)
    other = np.abs(columns[RELEVANT:]).max(axis=0, initial=0.0)
    return {
        "weight on x1": columns[0].tolist(),
        "weight on x2": columns[1].tolist(),
        "largest other": other.tolist(),
        "norm": np.linalg.norm(columns, axis=0).tolist(),
    }
