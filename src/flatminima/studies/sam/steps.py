"""Single steps: as they are printed, as they are derived, as the engine takes them.

Points are random parameters of the diagonal network beta = u v on one of its data sets.
Everything here is by autograd or by hand, so it can be held against the engine.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import clarabel
import numpy as np
import torch
from scipy import sparse as sp

from flatminima.data.streams import generator
from flatminima.models import diagonal
from flatminima.runs.descent import train
from flatminima.runs.descent.config import DescentConfig
from flatminima.runs.descent.problem import problem
from flatminima.runs.kind import Divergence, State
from flatminima.theory.inner_maximisation import (
    conjugate,
    dual_step,
    quadratic_step,
    search,
)

NORMS = (1.0, 1.5, 2.0, 3.0, np.inf)
"""Norms of the balls in which the inner step is derived."""


TINY = 1e-300
"""Rise of the loss below which there is none to share."""

FAR = 1e10
"""Size of a weight at which a run has gone."""


@dataclass(frozen=True)
class Landscape:
    """The training loss of a run as a function of one flat vector.

    Attributes:
        config: of the run.
        x, y: its training data.
    """

    config: DescentConfig
    x: torch.Tensor
    y: torch.Tensor

    def loss(self, theta: torch.Tensor, rows: slice = slice(None)) -> torch.Tensor:
        """c times the mean squared residual of some examples."""
        u, v = theta.split(self.config.d)
        f = diagonal.forward(diagonal.Model(self.config.d, False), u, v, self.x[rows])
        return self.config.factor * ((f - self.y[rows]) ** 2).mean()

    def gradient(self, theta: np.ndarray, rows: slice = slice(None)) -> np.ndarray:
        """Of `loss`, by autograd."""
        at = torch.tensor(theta, requires_grad=True)
        (g,) = torch.autograd.grad(self.loss(at, rows), at)
        return g.numpy()

    def hessian(self, theta: np.ndarray) -> np.ndarray:
        """Of `loss`, dense."""
        dense = torch.autograd.functional.hessian(self.loss, torch.tensor(theta))
        return dense.numpy()


def landscape(config: DescentConfig) -> Landscape:
    """The loss of a run's training set."""
    data = problem(config).data
    return Landscape(config, torch.tensor(data.x), torch.tensor(data.y))


def points(config: DescentConfig, seeds: Sequence[int]) -> list[np.ndarray]:
    """Random parameters, one for each seed, of the size of a trained network's."""
    return [
        0.5 * generator(seed, "points").standard_normal(2 * config.d) for seed in seeds
    ]


def tensor(theta: np.ndarray) -> torch.Tensor:
    """Parameters as autograd takes them."""
    return torch.tensor(theta)


def engine_step(config: DescentConfig, theta: np.ndarray) -> np.ndarray:
    """theta after one step of the compiled loop."""
    u, v = np.split(theta, 2)
    after = train.advance(State({"u": u, "v": v}), config, 1)
    return np.concatenate(after.params)


def corrected(land: Landscape, theta: np.ndarray, rho: float) -> np.ndarray:
    """x - lr ∇L(x + rho ∇L(x) / ||∇L(x)||), the line as it should read."""
    g = land.gradient(theta)
    return theta - land.config.lr * land.gradient(theta + rho * g / np.linalg.norm(g))


def printed(land: Landscape, theta: np.ndarray, rho: float) -> np.ndarray:
    """x - lr ∇L(x) + rho ∇L(x) / ||∇L(x)||, the line as the talk prints it."""
    g = land.gradient(theta)
    return theta - land.config.lr * g + rho * g / np.linalg.norm(g)


def stopped(land: Landscape, theta: np.ndarray, rho: float) -> np.ndarray:
    """A step along autograd's gradient of L(x + rho ghat), ghat detached."""
    at = torch.tensor(theta, requires_grad=True)
    (g,) = torch.autograd.grad(land.loss(at), at)
    ascent = rho * g / torch.linalg.norm(g)
    (back,) = torch.autograd.grad(land.loss(at + ascent.detach()), at)
    return theta - land.config.lr * back.numpy()


def extragradient(land: Landscape, theta: np.ndarray, step: float) -> np.ndarray:
    """x - lr ∇L(x - step ∇L(x)): anticipate the descent, then descend."""
    ahead = theta - step * land.gradient(theta)
    return theta - land.config.lr * land.gradient(ahead)


def apart(
    one: Callable[[np.ndarray], np.ndarray],
    other: Callable[[np.ndarray], np.ndarray],
    at: Sequence[np.ndarray],
) -> np.ndarray:
    """Distance of two updates over the length of the second, at some points."""
    gaps = []
    for theta in at:
        length = np.linalg.norm(other(theta) - theta)
        gaps.append(float(np.linalg.norm(one(theta) - other(theta)) / length))
    return np.array(gaps)


def training_falls(lands: Sequence[Landscape], rho: float, steps: int) -> np.ndarray:
    """Powers of ten by which the printed update lowers the training loss.

    The start is the published one. A run ends where a weight passes `FAR`.

    Args:
        lands: one a seed.
        rho: radius.
        steps: of the update.
    """
    falls = []
    for land in lands:
        start = diagonal.init(diagonal.Model(land.config.d, False), land.config.alpha)
        theta = np.concatenate(start)
        first = float(land.loss(torch.tensor(theta)))
        for _ in range(steps):
            theta = printed(land, theta, rho)
            if not np.abs(theta).max() < FAR:
                break
        last = float(land.loss(torch.tensor(theta)))
        falls.append(np.log10(first) - np.log10(max(last, 1e-300)))
    return np.array(falls)


def dual_errors(gradients: Sequence[np.ndarray], rho: float) -> np.ndarray:
    """How far the closed form is from the maximum of g . delta over ||delta||_p <= rho.

    Args:
        gradients: vectors g.
        rho: length.

    Returns:
        For each gradient and each of `NORMS` the worst of
        |g . delta / (rho ||g||_q) - 1|, |||delta||_p / rho - 1| and
        |solver's maximum / (rho ||g||_q) - 1|.
    """
    errors = []
    for g in gradients:
        for p in NORMS:
            step = dual_step(g, rho, p)
            value = rho * np.linalg.norm(g, conjugate(p))
            found = [
                g @ step / value,
                np.linalg.norm(step, p) / rho,
                by_solver(g, rho, p) / value,
            ]
            errors.append(float(np.abs(np.array(found) - 1.0).max()))
    return np.array(errors)


def by_solver(g: np.ndarray, rho: float, p: float) -> float:
    """max g . delta over ||delta||_p <= rho, by an interior-point solver.

    A norm is a sum of power cones, |delta_j| <= t_j^(1/p) s^(1-1/p) with sum t = s =
    rho, or of linear ones for p = 1 and infinity.
    """
    d = g.size
    unit, none = sp.identity(d, format="csc"), sp.csc_matrix((d, d))
    if p in (1.0, np.inf):
        sums = sp.csc_matrix(np.hstack([np.zeros((1, d)), np.ones((1, d))]))
        top = sp.hstack([none, unit]) if np.isinf(p) else sums
        limit = np.full(d, rho) if np.isinf(p) else np.array([rho])
        rows = sp.vstack([sp.hstack([unit, -unit]), sp.hstack([-unit, -unit]), top])
        bounds = np.concatenate([np.zeros(2 * d), limit])
        cones = [clarabel.NonnegativeConeT(bounds.size)]
    else:
        sums = np.concatenate([np.zeros(d), np.ones(d)])[None]
        blocks, ends = [sp.csc_matrix(sums)], [np.array([rho])]
        cones = [clarabel.ZeroConeT(1)]
        for j in range(d):
            # (t_j, s, delta_j) with s = rho, and the cone t^(1/p) s^(1-1/p) >= |delta|
            block = np.zeros((3, 2 * d))
            block[0, d + j], block[2, j] = -1.0, -1.0
            blocks.append(sp.csc_matrix(block))
            ends.append(np.array([0.0, rho, 0.0]))
            cones.append(clarabel.PowerConeT(1.0 / p))
        rows, bounds = sp.vstack(blocks), np.concatenate(ends)
    options = clarabel.DefaultSettings()
    options.verbose = False
    solver = clarabel.DefaultSolver(
        sp.csc_matrix((2 * d, 2 * d)),
        np.concatenate([-g, np.zeros(d)]),
        sp.csc_matrix(rows),
        bounds,
        cones,
        options,
    )
    return float(g @ np.array(solver.solve().x)[:d])


def printed_mean(land: Landscape, theta: np.ndarray, groups: int) -> float:
    """(1/m) sum_j (1/n) sum_{i in S_j} l_i, m-sharpness as printed, at delta = 0."""
    n = len(land.y)
    parts = _parts(n, groups)
    sums = [n // groups * float(land.loss(torch.tensor(theta), part)) for part in parts]
    return sum(sums) / n / groups


def printed_update(
    land: Landscape, theta: np.ndarray, rho: float, groups: int
) -> np.ndarray:
    """w - (lr / m) sum_j ∇L_j(w + rho ∇L_j(w)), the talk's update for m-sharpness."""
    parts = _parts(len(land.y), groups)
    steps = [
        land.gradient(theta + rho * land.gradient(theta, part), part) for part in parts
    ]
    return theta - land.config.lr * np.mean(steps, axis=0)


def group_step(
    land: Landscape, theta: np.ndarray, rho: float, groups: int
) -> np.ndarray:
    """A step along autograd's gradient of the mean over groups of their raised losses.

    Each group's loss is taken where the group has climbed, rho times its own gradient
    away, and the climb is detached.
    """
    at = torch.tensor(theta, requires_grad=True)
    raised = []
    for part in _parts(len(land.y), groups):
        (g,) = torch.autograd.grad(land.loss(at, part), at)
        raised.append(land.loss(at + rho * g.detach(), part))
    (back,) = torch.autograd.grad(torch.stack(raised).mean(), at)
    return theta - land.config.lr * back.numpy()


def _parts(n: int, groups: int) -> list[slice]:
    """Groups of equal size, in order."""
    size = n // groups
    return [slice(j * size, (j + 1) * size) for j in range(groups)]


def path(config: DescentConfig, steps: Sequence[int]) -> list[np.ndarray]:
    """Parameters of a run at some of its steps, ascending.

    They end where the run diverges, or a weight passes `FAR`.
    """
    state, found = train.start(config), []
    for step in steps:
        if step > state.step:
            try:
                state = train.advance(state, config, step - state.step)
            except Divergence:
                break
        theta = np.concatenate(state.params)
        if not np.abs(theta).max() < FAR:
            break
        found.append(theta)
    return found


def attained(
    land: Landscape, theta: np.ndarray, rho: float, starts: int, seed: int
) -> dict[str, float]:
    """The rise of the loss by each ascent, over the largest that is known.

    Args:
        land: the loss.
        theta: where.
        rho: length.
        starts: random starts of the search.
        seed: draws them.

    Returns:
        Shares by name: one step, three steps, second order and random, the last the
        mean over the random starts.
    """
    here = float(land.loss(torch.tensor(theta)))
    g = land.gradient(theta)

    def loss(deltas: np.ndarray) -> np.ndarray:
        return np.array([float(land.loss(torch.tensor(theta + d))) for d in deltas])

    def gradient(deltas: np.ndarray) -> np.ndarray:
        return np.array([land.gradient(theta + d) for d in deltas])

    one = dual_step(g, rho)
    several = np.zeros_like(theta)
    for _ in range(3):
        several = several + dual_step(land.gradient(theta + several), rho / 3)
    second = quadratic_step(g, land.hessian(theta), rho)
    draws = generator(seed, "directions").standard_normal((starts, theta.size))
    draws *= rho / np.linalg.norm(draws, axis=1, keepdims=True)
    tried = np.vstack([one, several, second, -second, draws])
    best = max(search(loss, gradient, tried, rho, steps=30) - here, TINY)
    rises = loss(np.vstack([one, several, second])) - here
    names = ("one step", "three steps", "second order")
    shares = dict(zip(names, (rises / best).tolist(), strict=True))
    return shares | {"random": float((loss(draws) - here).mean() / best)}
