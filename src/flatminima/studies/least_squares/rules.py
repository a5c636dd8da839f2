"""Training rules on many least-squares problems at once.

Every rule sees L(x) = ||A x - b||^2, or for a batch of m rows n/m times their part of
it, so that the mean over batches is the full gradient. A learning rate is given as a
share of what it is measured in:

    2 / lambda_max              GD, momentum, mini-batches of m rows (times m/n), SAM
    ||A^+ (b - A x0)|| / d^1/2  Adam, AdaGrad, sign descent: the length of a coordinate

so that one grid suits problems of any size.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from flatminima.studies.least_squares.problems import Problems

MOMENTUM = 0.9
BETA_1, BETA_2, EPS = 0.9, 0.999, 1e-30
"""Of Adam; its usual eps would set the scale of the last steps."""

CHECKED = 16
"""Steps between looks at the full gradient."""

FALL = 1e-11
"""Factor by which a falling learning rate has fallen at the last step."""

LOST = 1e6
"""Growth of the gradient from which on a run counts as diverged."""


@dataclass(frozen=True)
class Rule:
    """What a step does.

    Attributes:
        name: for tables.
        step: "plain", "heavy ball", "Nesterov", "Adam", "AdaGrad" or "sign".
        batch: rows a step, drawn with replacement; 0 for all.
        rho: length of SAM's ascent, in units of ||A^+ (b - A x0)||; 0 for none.
        decay: weight decay, as a share of lambda_max / 2: the objective is then L(x) +
            decay sigma_max^2 ||x||^2.
        falls: whether the learning rate falls, by `FALL` in all: rules whose step does
            not vanish with the gradient stop nowhere without that.
    """

    name: str
    step: str = "plain"
    batch: int = 0
    rho: float = 0.0
    decay: float = 0.0
    falls: bool = False

    @property
    def by_coordinate(self) -> bool:
        """Whether a step has the learning rate's own length in each coordinate."""
        return self.step in ("Adam", "AdaGrad", "sign")


@dataclass(frozen=True)
class Ends:
    """Where runs ended.

    Attributes:
        x: the last points.
        steps: taken until the gradient had fallen to the tolerance; NaN if it did not.
        diverged: whether the gradient grew without bound.
    """

    x: Float[np.ndarray, "runs d"]
    steps: Float[np.ndarray, " runs"]
    diverged: Float[np.ndarray, " runs"]


@dataclass
class _Now:
    """Runs that still go on: everything has a row for each of them."""

    problems: Problems
    x: np.ndarray
    first: np.ndarray
    second: np.ndarray
    lr: np.ndarray
    rho: np.ndarray
    decay: np.ndarray
    at_start: np.ndarray
    which: np.ndarray

    def only(self, kept: np.ndarray) -> "_Now":
        parts = {
            name: value[kept]
            for name, value in vars(self).items()
            if name != "problems"
        }
        problems = Problems(*(v[kept] for v in vars(self.problems).values()))
        return replace(self, problems=problems, **parts)


def descend(
    rule: Rule,
    problems: Problems,
    lr: Float[np.ndarray, " runs"],
    *,
    steps: int,
    tolerance: float,
    rng: np.random.Generator,
) -> Ends:
    """Train until the full gradient has fallen to a share of what it was.

    Args:
        rule: what a step does.
        problems: one a run.
        lr: learning rates, as the module says.
        steps: at most.
        tolerance: of the norm of the objective's gradient, decay included, over that
            at the start.
        rng: draws batches.
    """
    runs, n, d = problems.a.shape
    sharpness, travel = problems.sharpness, problems.travel
    unit = travel / np.sqrt(d) if rule.by_coordinate else 2 / sharpness
    if rule.batch:
        unit = unit * rule.batch / n
    zeros = np.zeros((runs, d))
    now = _Now(
        *(problems, problems.start.copy(), zeros, zeros.copy(), lr * unit),
        *(rule.rho * travel, rule.decay * sharpness / 2, np.ones(runs)),
        np.arange(runs),
    )
    now.at_start = np.linalg.norm(_slope(now, now.x), axis=1)
    x, done = problems.start.copy(), np.full(runs, np.nan)
    diverged = np.zeros(runs, dtype=bool)
    for t in range(steps + 1):
        if t % CHECKED == 0 or t == steps:
            with np.errstate(over="ignore", invalid="ignore"):
                share = np.linalg.norm(_slope(now, now.x), axis=1) / now.at_start
            there, lost = share <= tolerance, ~(share < LOST)
            x[now.which], done[now.which[there]] = now.x, t
            diverged[now.which[lost]] = True
            if t == steps or (there | lost).all():
                break
            if (there | lost).any():
                now = now.only(~(there | lost))
        _step(rule, now, t, FALL ** (t / steps) if rule.falls else 1.0, rng)
    return Ends(x, done, diverged)


def _slope(now: _Now, x: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Gradient of the objective at x, or of n/m times that of some rows."""
    a, b, factor = now.problems.a, now.problems.b, 2.0
    if rows is not None:
        at = np.arange(len(x))[:, None]
        factor = 2.0 * a.shape[1] / rows.shape[1]
        a, b = a[at, rows], b[at, rows]
    missed = np.matmul(a, x[..., None])[..., 0] - b
    slope = factor * np.matmul(missed[:, None], a)[:, 0]
    return np.asarray(slope + 2 * now.decay[:, None] * x)


def _step(
    rule: Rule, now: _Now, t: int, factor: float, rng: np.random.Generator
) -> None:
    runs, n, _ = now.problems.a.shape
    rows = rng.integers(0, n, (runs, rule.batch)) if rule.batch else None
    lr = factor * now.lr[:, None]
    ahead = MOMENTUM * now.first if rule.step == "Nesterov" else 0.0
    g = _slope(now, now.x + ahead, rows)
    if rule.rho:
        length = np.linalg.norm(g, axis=1, keepdims=True)
        up = now.rho[:, None] * g / np.where(length > 0, length, 1.0)
        g = _slope(now, now.x + up, rows)
    now.x = now.x + MOVES[rule.step](now, g, lr, t)


def _momentum(now: _Now, g: np.ndarray, lr: np.ndarray, t: int) -> np.ndarray:
    now.first = MOMENTUM * now.first - lr * g
    return now.first


def _adagrad(now: _Now, g: np.ndarray, lr: np.ndarray, t: int) -> np.ndarray:
    now.second = now.second + g**2
    return np.asarray(-lr * g / (np.sqrt(now.second) + EPS))


def _adam(now: _Now, g: np.ndarray, lr: np.ndarray, t: int) -> np.ndarray:
    now.first = BETA_1 * now.first + (1 - BETA_1) * g
    now.second = BETA_2 * now.second + (1 - BETA_2) * g**2
    mean = now.first / (1 - BETA_1 ** (t + 1))
    size = np.sqrt(now.second / (1 - BETA_2 ** (t + 1))) + EPS
    return np.asarray(-lr * mean / size)


MOVES: dict[str, Callable[[_Now, np.ndarray, np.ndarray, int], np.ndarray]] = {
    "plain": lambda now, g, lr, t: -lr * g,
    "heavy ball": _momentum,
    "Nesterov": _momentum,
    "Adam": _adam,
    "AdaGrad": _adagrad,
    "sign": lambda now, g, lr, t: -lr * np.sign(g),
}
