"""The least trace that an activation pattern allows, certified at a point.

Hold the activation pattern of a two-layer ReLU network f = sum_j v_j relu(w_j . x').
Write S_j for the training examples on which unit j fires, and p_j = v_j w_j and
q_j = v_j^2. With L = (1/n) sum (f_i - y_i)^2 the trace at interpolation is

    Tr = (2/n) sum_j sum_{i in S_j} [ (x'_i . p_j)^2 / q_j + q_j |x'_i|^2 ]

and f_i = sum_{j: i in S_j} x'_i . p_j. The first term is the perspective of a square,
so the trace is convex in (p, q), and f = y is linear. Hence a stationary point with no
q_j = 0 is the flattest network of its pattern. The dual is

    max (2/n) lambda . y  with  |Q_j lambda_{S_j}|^2 <= 4 sum_{i in S_j} |x'_i|^2

for every unit j, where Q_j projects onto the range of the rows x'_i, i in S_j. Any
lambda, divided by the largest ratio of the roots of both sides, proves a lower bound.
The change of variables is that of convex formulations of ReLU networks (Pilanci and
Ergen, ICML 2020, arXiv 2002.10553).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from flatminima.sharpness.closed_form import Gradients
from flatminima.sharpness.gauss_newton import least_norm

RANK = 1e-9
"""Relative singular value from which on a direction of the inputs counts."""


@dataclass(frozen=True)
class Cell:
    """What an activation pattern allows, as seen from a point of {f = y}.

    Attributes:
        trace: Tr Hess L at the point.
        bound: no network with this pattern has a smaller trace.
        margin: the least |z_ij| of a unit that fires at all, over the root mean square
            of its pre-activations; 0 on a kink, NaN if no unit fires.
        breadth: share of the training examples on which a unit fires, the units
            weighted by their part sum_i a_ij v_j^2 |x'_i|^2 of the trace.
        steepest: the most that a unit of one example pays: max_i of lambda_i sign(y_i)
            over 2 |x'_i|. Above 1 a new unit that fires on example i alone lowers the
            trace.
    """

    trace: float
    bound: float
    margin: float
    breadth: float
    steepest: float

    @property
    def gap(self) -> float:
        """Trace over the pattern's bound, minus 1."""
        return self.trace / self.bound - 1 if self.bound > 0 else np.inf


def multipliers(
    at: Gradients, v: Float[np.ndarray, " width"]
) -> Float[np.ndarray, " n"]:
    """lambda of least squares in grad (n/2) Tr = sum_i lambda_i grad f_i.

    Args:
        at: the network around a point.
        v: second layer.
    """
    on = (at.z > 0).astype(float)
    pushed_w = 2 * at.h  # d/dz of sum_ij h_ij^2, unit by unit
    pushed_v = 2 * v * (at.input_sq @ on)
    along = at.u @ pushed_v
    # grad f_i has the part x'_i g_ij in w_j, and the gradient sum_k x'_k pushed_kj
    kernel = at.inputs @ at.inputs.T
    along += np.einsum("ij,ij->i", at.g, kernel @ pushed_w)
    return least_norm(at.gram(), along)


def cell(
    at: Gradients, v: Float[np.ndarray, " width"], y: Float[np.ndarray, " n"]
) -> Cell:
    """The certificate of the pattern of a point.

    Args:
        at: a ReLU network around a point with f = y, from `closed_form`.
        v: its second layer.
        y: labels.

    Returns:
        What the pattern allows. The bound is valid whatever the point; it meets the
        trace where the point is stationary.

    Raises:
        ValueError: if the point does not interpolate.
    """
    error = float(np.max(np.abs(at.f - y)))
    if not error <= 1e-6 * max(1.0, float(np.max(np.abs(y)))):
        raise ValueError(f"at: |f - y| is up to {error:.2g}; must interpolate")
    n = len(y)
    on = at.z > 0
    price = multipliers(at, v)
    worst = 0.0
    for pattern in np.unique(on.T, axis=0):
        if pattern.any():
            rows = at.inputs[pattern]
            reach = _projected(rows, price[pattern])
            worst = max(worst, reach / (2 * np.sqrt(np.sum(rows**2))))
    value = float(price @ y)
    fires = on.any(axis=0)
    weight = v**2 * (at.input_sq @ on)
    total = float(weight.sum())
    size = np.sqrt(np.mean(at.z**2, axis=0))
    margins = np.abs(at.z[:, fires]) / size[fires]
    return Cell(
        trace=2.0 * float(np.mean(at.norm_sq)),
        bound=2 / n * value / worst if worst > 0 and value > 0 else 0.0,
        margin=float(margins.min()) if fires.any() else np.nan,
        breadth=float(weight @ on.mean(axis=0) / total) if total > 0 else np.nan,
        steepest=float(np.max(price * np.sign(y) / (2 * np.sqrt(at.input_sq)))),
    )


def _projected(
    rows: Float[np.ndarray, "k inputs"], values: Float[np.ndarray, " k"]
) -> float:
    """|Q values|, Q the projection onto the range of the rows."""
    left, sizes, _ = np.linalg.svd(rows, full_matrices=False)
    return float(np.linalg.norm(left[:, sizes > RANK * sizes[0]].T @ values))
