"""The second-order cone programme over some activation cones.

Variables are the products u = |a| w of one unit in every piece, a cone with a sign.

    minimise    sum_p c_p ||X_p u_p||                   the cost, Tr Hess L n / 4
    subject to  sum_p s_p X_p u_p = y,  A_p u_p >= 0,

where X_p has zeros in the rows of inactive examples. Or, given rewards and a
budget, maximise sum_p s_p r_p . u_p at a cost of at most the budget.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import clarabel
import numpy as np
from jaxtyping import Float
from scipy import sparse

from flatminima.theory.certificates.cone_prices import Piece

ACCURACY = 1e-10
"""Asked of the solver: gap and residuals. Less, down to 5e-5, is "AlmostSolved"."""

FEASIBLE = 1e-5
"""How far a solution that is relied on may be off its constraints."""


@dataclass(frozen=True)
class Solution:
    """An optimum over the given pieces.

    Attributes:
        cost: sum_p c_p ||X_p u_p||.
        reward: sum_p s_p r_p . u_p; 0 without rewards.
        u: the products, shape (pieces, r).
        costs: of every piece.
        slack: sum of |y - f|, not 0 only with a penalty that was worth paying.
        dual: nu, the multipliers of the interpolation constraints.
        budget_dual: lambda, that of the budget; 1 without one.
        off: how far u is off its constraints, whatever the solver says of it: the
            largest of |y - f| besides the slack, the distance from a cone (relative
            to u if that is above 1) and the share of the budget that is overdrawn.
    """

    cost: float
    reward: float
    u: Float[np.ndarray, "pieces r"]
    costs: Float[np.ndarray, " pieces"]
    slack: float
    dual: Float[np.ndarray, " n"]
    budget_dual: float
    off: float


def solve(
    x: Float[np.ndarray, "n r"],
    y: Float[np.ndarray, " n"],
    pieces: Sequence[Piece],
    *,
    penalty: float | None = None,
    rewards: Float[np.ndarray, "pieces r"] | None = None,
    budget: float | None = None,
    margin: float = 0.0,
) -> Solution:
    """Solve the programme by the interior-point method of Clarabel.

    Args:
        x, y: training inputs and labels; scaled to order 1 by the caller.
        pieces: at least one.
        penalty: price of a unit of |y - f|, which bounds |nu_i|; by default the
            labels are met.
        rewards, budget: both or neither.
        margin: A_p u_p >= margin in place of 0.

    Raises:
        ValueError: if there are no pieces, or only one of rewards and budget.
        ArithmeticError: if the solver finds no optimum.
    """
    if not pieces or (rewards is None) != (budget is None):
        raise ValueError("needed are at least one piece, and rewards with a budget")
    n, r = x.shape
    groups, width = len(pieces), r + 1
    elastic = 0 if penalty is None else 2 * n
    size = groups * width + elastic
    costs = np.array([piece.cost for piece in pieces])
    signs = np.array([piece.sign for piece in pieces])

    outputs = np.zeros((n, size))
    inside, norms = [], []
    for p, piece in enumerate(pieces):
        at = slice(p * width, p * width + r)
        outputs[:, at] = piece.sign * piece.active[:n, None] * x
        rows = piece.inequalities
        inside.append(np.column_stack([-rows, np.zeros(len(rows))]))
        cone = np.zeros((len(piece.root) + 1, width))
        cone[0, r] = -1
        cone[1:, :r] = -piece.root
        norms.append(cone)
    if elastic:
        outputs[:, groups * width :] = np.hstack([np.eye(n), -np.eye(n)])
    inequalities = sparse.block_diag([*inside, -sparse.eye(elastic)])
    heights = [len(cone) for cone in norms]
    padding = sparse.coo_matrix((sum(heights), elastic))
    parts = [outputs, inequalities, sparse.hstack([sparse.block_diag(norms), padding])]
    right = [y, np.zeros(inequalities.shape[0]), np.zeros(sum(heights))]
    right[1][: inequalities.shape[0] - elastic] = -margin
    cones = [
        clarabel.ZeroConeT(n),
        clarabel.NonnegativeConeT(inequalities.shape[0]),
        *map(clarabel.SecondOrderConeT, heights),
    ]

    objective = np.zeros(size)
    objective[groups * width :] = penalty or 0.0
    spent = np.zeros(size)
    spent[r : groups * width : width] = costs
    if rewards is None:
        objective += spent
    else:
        blocks = np.column_stack([signs[:, None] * rewards, np.zeros(groups)])
        objective[: groups * width] = -blocks.ravel()
        parts.append(spent[None])
        right.append(np.array([budget]))
        cones.append(clarabel.NonnegativeConeT(1))

    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = ACCURACY
    solution = clarabel.DefaultSolver(
        sparse.csc_matrix((size, size)),
        objective,
        sparse.vstack([sparse.csr_matrix(part) for part in parts]).tocsc(),
        np.concatenate(right),
        cones,
        settings,
    ).solve()
    if str(solution.status) not in ("Solved", "AlmostSolved"):
        raise ArithmeticError(f"Clarabel ended with status {solution.status}")
    values = np.array(solution.x)
    u = values[: groups * width].reshape(groups, width)[:, :r]
    paid = costs * [np.linalg.norm(p.root @ v) for p, v in zip(pieces, u, strict=True)]
    outside = [
        np.max(margin - p.inequalities @ v, initial=0.0) / max(1.0, np.linalg.norm(v))
        for p, v in zip(pieces, u, strict=True)
    ]
    over = 0.0 if budget is None else paid.sum() / budget - 1
    multipliers = np.array(solution.z)
    return Solution(
        cost=float(paid.sum()),
        reward=0.0 if rewards is None else float(signs @ np.sum(u * rewards, axis=1)),
        u=u,
        costs=paid,
        slack=float(np.abs(values[groups * width :]).sum()),
        dual=-multipliers[:n],
        budget_dual=1.0 if budget is None else float(multipliers[-1]),
        off=float(max(np.abs(outputs @ values - y).max(), *outside, over)),
    )
