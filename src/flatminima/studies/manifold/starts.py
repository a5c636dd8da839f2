"""Starts of gradient flow, inside and outside of the attraction set of minimisers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.linalg
from jaxtyping import Float

from flatminima.flows.diagonal import Diagonal
from flatminima.flows.factorisation import JacobianTangent
from flatminima.flows.gradient_flow import Settled, settle
from flatminima.flows.model import Fitted, Theta
from flatminima.flows.two_layer import TwoLayer
from flatminima.studies.manifold.runs import network, rank, start_of

MAX_TIME = 1e5
"""Of a gradient flow that is to end at a minimiser."""

NUDGE = 1e-6
"""By how much of its norm a start with equal units is moved."""


def _side(model: Fitted, start: Theta) -> Settled:
    """The end of gradient flow, to tolerances at which its side is sure."""
    return settle(
        model, start, max_time=MAX_TIME, rtol=1e-5, atol=1e-8, stationary=1e-7
    )


def ends(
    models: Sequence[Fitted], starts: Sequence[Theta], **facts: Sequence
) -> pd.DataFrame:
    """Where gradient flow ends, a row a start.

    Returns:
        reason (of `flows.gradient_flow.Settled`), loss, time, rank (of the tangent
        kernel there), inside (whether it interpolates at rank n), and the facts.
    """
    rows = []
    for model, start in zip(models, starts, strict=True):
        end = _side(model, start)
        at = rank(model, end.theta) if np.isfinite(end.theta).all() else 0
        reached = end.reason == "interpolates"
        rows.append(
            {
                "reason": end.reason,
                "loss": end.loss,
                "time": end.time,
                "rank": at,
                "interpolates": reached,
                "inside": reached and at == len(model.y),
            }
        )
    return pd.DataFrame(rows).assign(**facts)


def live_starts(
    seeds: Iterable[int], counts: Sequence[int], *, d: int, n: int
) -> pd.DataFrame:
    """Gradient flow of the quadratic model, with only some coordinates live.

    Args:
        seeds: draw data, labels, which coordinates are live, and their start.
        counts: of live coordinates, each at most d.
        d: coordinates.
        n: examples.

    Returns:
        The rows of `ends` with seed, live, and span (whether the live columns have
        rank n).
    """
    rows, models, starts = [], [], []
    for seed in seeds:
        rng = np.random.default_rng([seed, 6])
        z, y = rng.choice([-1.0, 1.0], (n, d)), rng.standard_normal(n)
        order, size = rng.permutation(d), 0.5 + 0.2 * rng.random(2 * d)
        for live in counts:
            on = np.zeros(d)
            on[order[:live]] = 1.0
            span = np.linalg.matrix_rank(z[:, order[:live]]) == n
            rows.append({"seed": seed, "live": live, "span": bool(span)})
            models.append(Diagonal(z, y))
            starts.append(np.tile(on, 2) * size)
    return pd.concat([ends(models, starts), pd.DataFrame(rows)], axis=1)


def live_counts(coordinates: int, n: int) -> list[int]:
    """Numbers of live coordinates around n, and all of them."""
    near = {n // 2, n - 1, n, n + 1, n + 2, 3 * n // 2, 2 * n, coordinates}
    return sorted(count for count in near if 1 <= count <= coordinates)


@dataclass(frozen=True)
class Restricted:
    """A model on a linear subspace: theta = Q phi.

    If the whole model's gradient flow keeps the subspace, it is the flow of phi.

    Attributes:
        model: the whole model.
        q: orthonormal columns, shape (D, dimension).
    """

    model: TwoLayer
    q: Float[np.ndarray, "D q"]

    @property
    def y(self) -> Float[np.ndarray, " n"]:
        """Labels."""
        return self.model.y

    def tangent(self, phi: Theta) -> JacobianTangent:
        """The model around phi."""
        at = self.model.tangent(self.q @ phi)
        return JacobianTangent(at.f, at.jacobian @ self.q)


def equal_units(model: TwoLayer) -> Float[np.ndarray, "D q"]:
    """Orthonormal columns that span the networks whose units are all equal."""
    ones, each = np.ones((model.width, 1)), model.x.shape[1]
    first = np.kron(ones, np.eye(each))
    second = ones
    return scipy.linalg.block_diag(first, second) / model.width**0.5


def equal_starts(
    seeds: Iterable[int], *, d: int, n: int, width: int
) -> dict[str, pd.DataFrame]:
    """Gradient flow of tanh networks from equal units, kept equal and nudged.

    Args:
        seeds: draw data, labels, the unit, and the nudge.
        d, n, width: as in `network`.

    Returns:
        The rows of `ends` with seed: "equal" and "nudged".
    """
    seeds = list(seeds)
    kept, wholes, starts, nudged = [], [], [], []
    for seed in seeds:
        model = network(seed, d=d, n=n, width=width)
        q = equal_units(model)
        phi = q.T @ start_of(model, seed)
        # the mean of random weights is small: give the unit the size of one of them
        phi *= width**0.5
        away = np.random.default_rng([seed, 7]).standard_normal(model.size)
        kept.append(Restricted(model, q))
        wholes.append(model)
        starts.append(phi)
        move = NUDGE * np.linalg.norm(phi) / np.linalg.norm(away) * away
        nudged.append(q @ phi + move)
    return {
        "equal": ends(kept, starts, seed=seeds),
        "nudged": ends(wholes, nudged, seed=seeds),
    }


def grown(d: int, n: int) -> list[int]:
    """Widths from fewer parameters than examples to four times as many and more."""
    each = d + 2
    steps = [(n - 1) // each, *(-(-k * n // (2 * each)) for k in (2, 3, 4, 8, 16))]
    return sorted(set(steps))


def widths(
    seeds: Iterable[int], sizes: Sequence[int], *, d: int, n: int
) -> pd.DataFrame:
    """Gradient flow of tanh networks of several widths, from random starts.

    Returns:
        The rows of `ends` with seed, width and D.
    """
    cells = [(seed, width) for seed in seeds for width in sizes]
    models = [network(seed, d=d, n=n, width=width) for seed, width in cells]
    starts = [start_of(m, seed) for m, (seed, _) in zip(models, cells, strict=True)]
    facts = pd.DataFrame(cells, columns=["seed", "width"])
    facts["D"] = [model.size for model in models]
    return pd.concat([ends(models, starts), facts], axis=1)
