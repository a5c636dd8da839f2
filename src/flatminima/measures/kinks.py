"""Kinks of a ReLU network on the line."""

import numpy as np
from jaxtyping import Float

TOLERANCE = 0.5
"""Change of slope, in units of y over x, below which a bend does not count."""

APART = 0.05
"""Width, in units of x, within which kinks count as one bend."""


def kinks(
    w: Float[np.ndarray, " width"],
    b: Float[np.ndarray, " width"],
    a: Float[np.ndarray, " width"],
    low: float,
    high: float,
) -> tuple[Float[np.ndarray, " kinks"], Float[np.ndarray, " kinks"]]:
    """Where sum_j a_j max(w_j x + b_j, 0) bends between two points, and by how much.

    Unit j bends at -b_j / w_j, where the slope rises by a_j |w_j|, whichever side is
    its active one.

    Args:
        w, b, a: parameters of the units.
        low, high: ends of the interval, which do not count.

    Returns:
        Places, ascending, and changes of slope.
    """
    bends = np.flatnonzero(w)
    with np.errstate(over="ignore"):
        places = -b[bends] / w[bends]
    changes = a[bends] * np.abs(w[bends])
    inside = (places > low) & (places < high)
    order = np.argsort(places[inside], kind="stable")
    return places[inside][order], changes[inside][order]


def count_kinks(
    w: Float[np.ndarray, " width"],
    b: Float[np.ndarray, " width"],
    a: Float[np.ndarray, " width"],
    x: Float[np.ndarray, " n"],
    tolerance: float = TOLERANCE,
    apart: float = APART,
) -> int:
    """Places between the first and the last example where the function visibly bends.

    From left to right, the first kink opens a window of width `apart`, and all kinks
    in it are one place, whose bend is the sum of theirs: units whose kinks coincide
    draw one line, and may cancel. A place counts if the size of its bend is above
    `tolerance`.

    Args:
        w, b, a: parameters of the units.
        x: examples, of which the least and the largest are used.
        tolerance: change of slope that does not count.
        apart: width of a window.

    >>> one = np.ones(3)
    >>> count_kinks(one, -np.array([0.5, 0.51, 0.8]), one, np.array([0.0, 1.0]))
    2
    """
    places, changes = kinks(w, b, a, float(x.min()), float(x.max()))
    count, first = 0, 0
    while first < places.size:
        last = int(np.searchsorted(places, places[first] + apart, side="right"))
        count += bool(abs(changes[first:last].sum()) > tolerance)
        first = last
    return count
