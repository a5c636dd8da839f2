"""How many units the labels of P_xor need.

Fix all inputs but x[1] and x[2]: what they add goes into the biases, and a 2-MLP-Bias
becomes one of the same width on the square {-1, 1}^2. So the fewest errors on the
square bound the error on every cube from below.
"""

from collections.abc import Sequence
from itertools import combinations, combinations_with_replacement, product

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linprog

from flatminima.checks import at_least
from flatminima.data.xor import hypercube, xor_labels
from flatminima.measures.predictions import hypercube_zero_one_error
from flatminima.theory.constructions.generalising_networks import SIGNS
from flatminima.theory.constructions.verify import verify

LABELS = SIGNS.prod(axis=1)
"""Of the four points of the square."""

EXACT = 1e-6
"""What counts as 0. Coefficients are -1, 0 or 1 and variables few, so what is not 0 at
a vertex is a ratio of small determinants, far above."""


def fewest_errors_on_square(width: int) -> int:
    """Fewest wrong signs of a 2-MLP-Bias on the square; an output of 0 is wrong.

    Exact, by enumeration: once it is fixed which unit is active where and which
    second-layer weights are positive, being right is a set of linear inequalities in
    the first layer. (The sizes of the second layer's weights can be moved into it.)

    Args:
        width: hidden units, at least 1; the time grows as 14^width.

    Raises:
        ValueError: if width is below 1.
    """
    at_least("width", width, 1)
    for errors in range(len(SIGNS)):
        rights = combinations(range(len(SIGNS)), len(SIGNS) - errors)
        if any(_possible(list(right), width) for right in rights):
            return errors
    return len(SIGNS)


def three_unit_flattest(
    x: Float[np.ndarray, "3 d"], y: Float[np.ndarray, " 3"], *, tilt: float = 0.5
) -> tuple[Float[np.ndarray, "inputs 3"], Float[np.ndarray, " 3"]]:
    """A flattest 2-MLP-Bias of three units that is right on all of P_xor.

    At most one of three points has the rarer label c. Let q be the signs of (x[1],
    x[2]) there. With r = (d + 1)^(1/4) and t = q . (x[1], x[2]), the units are
    r (t - 1) and r (-t - 1), with second-layer weights c/r and 4c/r, and
    r (1 - (1 + tilt) t / 2), with -c/r. The first is active on the quadrant q, the
    second on the opposite one, where there is no training point, so its size is free.
    The third is r where the label is -c, and inactive on the quadrant q. So on each
    training point one unit is active, and balanced: the certified bound is attained.

    Args:
        x: three points of the hypercube, d >= 2.
        y: their labels x[1] x[2].
        tilt: above 0 and below 2.

    Raises:
        ValueError: if tilt is out of range.
    """
    if not 0 < tilt < 2:
        raise ValueError(f"tilt = {tilt}: allowed are 0 < tilt < 2")
    c = -1.0 if np.sum(y) > 0 else 1.0
    rare = x[y == c, :2]
    q = rare[0] if len(rare) else np.array([1.0, c])
    d = x.shape[1]
    r = (d + 1) ** 0.25
    w = np.zeros((d + 1, 3))
    w[:2] = np.outer(q, [r, -r, -r * (1 + tilt) / 2])
    w[-1] = [-r, -r, r]
    return w, np.array([c, 4 * c, -c]) / r


def three_unit_errors(dims: Sequence[int]) -> Float[np.ndarray, " sets"]:
    """The worst of three errors of `three_unit_flattest`, for every training set.

    They are |f - y|, |trace / bound - 1| and the zero-one error on the whole cube.

    Args:
        dims: dimensions; all sets of three points of each cube are visited.
    """
    errors = []
    for d in dims:
        cube = hypercube(d)
        y = xor_labels(cube)
        for chosen in map(list, combinations(range(len(cube)), 3)):
            w, v = three_unit_flattest(cube[chosen], y[chosen])
            checked = verify("bias", w, v, cube[chosen], y[chosen])
            wrong = hypercube_zero_one_error("bias", w, v, d)
            errors.append(max(checked.worst_error, abs(checked.relative_excess), wrong))
    return np.array(errors)


def _possible(right: list[int], width: int) -> bool:
    """Whether some network of this width has the right sign at these points."""
    patterns = [np.array(on) for on in product([False, True], repeat=len(SIGNS))]
    # no line cuts off the two points of one label
    cut = [on for on in patterns if abs(np.sum(LABELS[on])) < 2]
    return any(
        _feasible(np.column_stack(positive + negative), signs, right)
        for count in range(width + 1)
        for signs in [np.repeat([1.0, -1.0], [count, width - count])]
        for positive in map(list, combinations_with_replacement(cut, count))
        for negative in map(list, combinations_with_replacement(cut, width - count))
        if _outputs_can_be_right(positive, negative, right)
    )


def _outputs_can_be_right(positive: list, negative: list, right: list[int]) -> bool:
    """Whether a unit of the label's sign is active at each of the points."""
    for i in right:
        units = positive if LABELS[i] > 0 else negative
        if not any(on[i] for on in units):
            return False
    return True


def _feasible(
    active: Bool[np.ndarray, "4 units"],
    signs: Float[np.ndarray, " units"],
    right: list[int],
) -> bool:
    """Whether units with these activations exist and y f >= 1 at the right points."""
    points = np.column_stack([SIGNS, np.ones(4)])
    units = len(signs)
    side = np.where(active, -1.0, 1.0)
    rows = [
        np.kron(np.eye(units)[j], side[i, j] * points[i])
        for i in range(4)
        for j in range(units)
    ]
    rows += [np.kron(-LABELS[i] * signs * active[i], points[i]) for i in right]
    limits = np.concatenate([np.zeros(4 * units), -np.ones(len(right))])
    return _has_solution(np.array(rows), limits)


def _has_solution(
    rows: Float[np.ndarray, "inequalities variables"],
    limits: Float[np.ndarray, " inequalities"],
) -> bool:
    """Whether rows z <= limits for some z, proved either way.

    The programme min {s >= 0 : rows z - s <= limits} has a solution and multipliers
    lambda >= 0 whatever the answer. Either the z has s = 0, or rows^T lambda = 0 and
    limits . lambda < 0, which no z allows (Farkas).

    Raises:
        ArithmeticError: if the solver returns neither.
    """
    found = linprog(
        np.append(np.zeros(rows.shape[1]), 1.0),
        A_ub=np.column_stack([rows, -np.ones(len(rows))]),
        b_ub=limits,
        bounds=[(None, None)] * rows.shape[1] + [(0, None)],
    )
    if found.x is not None:
        if np.max(rows @ found.x[:-1] - limits) <= EXACT:
            return True
        multipliers = np.maximum(-found.ineqlin.marginals, 0.0)
        if _refutes(multipliers, rows, limits):
            return False
    raise ArithmeticError(
        f"linprog ended with status {found.status} ({found.message}) and proved "
        "neither that the inequalities have a solution nor that they have none"
    )


def _refutes(multipliers: np.ndarray, rows: np.ndarray, limits: np.ndarray) -> bool:
    """Whether multipliers >= 0 of sum 1 show that no z has rows z <= limits."""
    multipliers = multipliers / max(multipliers.sum(), 1e-300)
    combined = np.abs(multipliers @ rows).max()
    return bool(combined <= EXACT and limits @ multipliers < -1e3 * EXACT)
