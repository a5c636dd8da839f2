"""From a solution of the cone programme to a network that is nowhere at a kink."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from flatminima.theory.certificates.cone_prices import Piece
from flatminima.theory.certificates.cone_programme import Solution, solve

USED = 1e-6
"""A piece below this share of the whole cost is not used."""

MARGIN = 1e-7
"""Distance of every unit's product |a| w from the walls of its cone, as a share of
the largest product. The trace exceeds the optimum by a share of this order."""


def used_pieces(
    pieces: Sequence[Piece], solution: Solution
) -> tuple[list[Piece], Float[np.ndarray, "used r"]]:
    """The pieces that carry a share of the cost, with their products."""
    used = np.flatnonzero(solution.costs > USED * solution.cost)
    return [pieces[int(k)] for k in used], solution.u[used]


def to_network(
    x: Float[np.ndarray, "n r"],
    y: Float[np.ndarray, " n"],
    pieces: Sequence[Piece],
    solution: Solution,
) -> tuple[Float[np.ndarray, "r width"], Float[np.ndarray, " width"]]:
    """A balanced network of one unit a used piece, away from kinks.

    The programme's optimum may lie on walls of its cones, where the network would
    be at a kink. It is solved again with a margin, over the used pieces or, if they
    cannot interpolate with one, with those of the opposite sign as well, which can
    take back what the margin adds. Least squares within the cones then
    removes the solver's residual. A unit of product u = |a| w is balanced,
    ||X_S w|| = |a| c_S, by a^2 = ||X_S u|| / c_S.

    Args:
        x, y: training inputs and labels, of order 1.
        pieces: of the programme.
        solution: its optimum.

    Returns:
        w, v.

    Raises:
        ArithmeticError: if the margin cannot be kept or the labels are not met.
    """
    used, u = used_pieces(pieces, solution)
    margin = MARGIN * float(np.linalg.norm(u, axis=1).max())
    for choice in (used, _mirrored(used), _mirrored(pieces)):
        try:
            return _inside(x, y, choice, margin)
        except ArithmeticError as error:
            reason = error
    raise reason


def _inside(
    x: np.ndarray, y: np.ndarray, pieces: Sequence[Piece], margin: float
) -> tuple[np.ndarray, np.ndarray]:
    """The balanced network of the optimum at a margin from all walls."""
    u = solve(x, y, pieces, margin=margin).u
    active = np.array([p.active[: len(x)] for p in pieces])
    signs = np.array([p.sign for p in pieces])
    matrix = np.hstack(
        [s * on[:, None] * x for s, on in zip(signs, active, strict=True)]
    )
    residual = y - matrix @ u.ravel()
    u = u + np.linalg.lstsq(matrix, residual, rcond=None)[0].reshape(u.shape)
    heights = u @ x.T
    error = np.abs(y - matrix @ u.ravel()).max()
    if error > 1e-9 or not np.array_equal(heights > 0, active):
        raise ArithmeticError(
            f"no network away from kinks was found: error {error:.1e}"
        )
    norm = np.linalg.norm(np.where(active, heights, 0.0), axis=1)
    size = np.sqrt(norm / [p.cost for p in pieces])
    return np.ascontiguousarray((u / size[:, None]).T), signs * size


def _mirrored(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces, and those of the same cones with the other sign."""
    both = [p._replace(sign=sign * p.sign) for p in pieces for sign in (1.0, -1.0)]
    return list({piece.key: piece for piece in both}.values())
