"""Growth of SGD's second moment and of its typical path, measured on simulated paths.

E|z_t|^2 is no number that an average over paths can tell for long: a few paths, rarer
the longer they run, carry it. The mean over N paths then follows the typical path, and
falls where the expectation rises. So the paths are weighted. After each step, path j
has grown by the factor w_j in the measured size; the mean factor is recorded, and the
paths are drawn anew with chances in proportion to w_j. The product of the mean factors
estimates E|z_t|^2 / E|z_0|^2 without bias, whatever N is, and few paths suffice (Del
Moral, "Feynman-Kac Formulae", 2004). Without the weights the mean of log w_j is the
Lyapunov exponent of |z|^2: below 0, almost every path converges.

Nothing here knows the operator of `mean_square`: a process is a function that takes
one step of SGD.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq

from flatminima.checks import at_least
from flatminima.theory.stability.checks import above_zero, batch_within

BURN_IN = 0.2
"""Share of the steps that are left out, while the directions settle."""

FACTOR = 1.5
"""Learning rates are tried this far apart until growth changes its sign."""

TRIES = 60
"""Learning rates tried in each direction before a search gives up."""

PRECISION = 1e-3
"""Relative width to which a threshold is searched."""


@dataclass(frozen=True)
class Process:
    """SGD near a minimum.

    Attributes:
        dim: parameters.
        step: from displacements (N, dim), learning rate and generator to those after
            one step, each path with a batch of its own.
        size: from displacements to what is measured, quadratic near 0, shape (N,):
            the loss above its minimum, which does not see directions without pull.
        radius: root of the size to which a path is brought back after every step; near
            0 the process is linear, so that scale does not matter.
    """

    dim: int
    step: Callable[
        [Float[np.ndarray, "N dim"], float, np.random.Generator],
        Float[np.ndarray, "N dim"],
    ]
    size: Callable[[Float[np.ndarray, "N dim"]], Float[np.ndarray, " N"]]
    radius: float = 1.0


def linear(x: Float[np.ndarray, "n D"], batch: int) -> Process:
    """SGD on (1/2) (x_i.theta - y_i)^2, y_i = x_i.theta*, so that H_i = x_i x_i^T.

    Args:
        x: inputs.
        batch: examples a step, drawn without replacement.

    Raises:
        ValueError: if the batch is not from 1 to n.
    """
    batch_within(batch, len(x))

    def step(
        z: np.ndarray, lr: float, generator: np.random.Generator
    ) -> Float[np.ndarray, "N D"]:
        residuals = z @ x.T
        residuals *= batches(generator, len(z), len(x), batch)
        return z - lr / batch * (residuals @ x)

    def size(z: np.ndarray) -> Float[np.ndarray, " N"]:
        return ((z @ x.T) ** 2).mean(axis=1) / 2

    return Process(x.shape[1], step, size)


def batches(
    generator: np.random.Generator, paths: int, n: int, batch: int
) -> Float[np.ndarray, "paths n"]:
    """A batch for every path, without replacement: 1 for the examples that it holds.

    Args:
        generator: draws.
        paths: how many batches.
        n, batch: examples, and how many each batch holds.
    """
    keys = generator.random((paths, n))
    last = np.partition(keys, batch - 1, axis=1)[:, batch - 1 : batch]
    return (keys <= last).astype(float)


def second_moment(
    process: Process, lr: float, *, paths: int, steps: int, seed: int
) -> float:
    """Logarithm of the factor by which the expected size grows a step, by weighting.

    Args:
        process: SGD near a minimum.
        lr: learning rate, above 0.
        paths, steps: how many, and how long; the first fifth is left out.
        seed: of starts and batches.

    Returns:
        The logarithm of the growth; above 0 where SGD is unstable in mean square.

    Raises:
        ValueError: if an argument is out of range.
    """
    return _growth(process, lr, paths, steps, seed, weighted=True)


def lyapunov(
    process: Process, lr: float, *, paths: int, steps: int, seed: int
) -> float:
    """Mean logarithm of the factor by which the size of one path grows a step.

    Args:
        process, lr, paths, steps, seed: as for `second_moment`.

    Returns:
        Twice the Lyapunov exponent; below 0 where almost every path converges.

    Raises:
        ValueError: if an argument is out of range.
    """
    return _growth(process, lr, paths, steps, seed, weighted=False)


def measured_threshold(
    process: Process,
    *,
    paths: int,
    steps: int,
    seed: int,
    weighted: bool = True,
    first: float = 1.0,
) -> float:
    """The learning rate at which the measured growth changes its sign.

    The same draws are used at every learning rate, so that growth is a continuous
    function of it but for resampling. The rule: from `first`, go up or down by a fixed
    factor until the sign changes, then search in between to one part in a thousand.

    Args:
        process, paths, steps, seed: as for `second_moment`.
        weighted: whether the second moment decides, or else the typical path.
        first: where to begin; it has no effect but on time.

    Returns:
        The threshold; NaN if no learning rate tried changes the sign.

    Raises:
        ValueError: if an argument is out of range.
    """
    above_zero("first", first)

    def rises(log_lr: float) -> float:
        lr = float(np.exp(log_lr))
        return _growth(process, lr, paths, steps, seed, weighted=weighted)

    here, gap = float(np.log(first)), float(np.log(FACTOR))
    up = rises(here) < 0
    for _ in range(TRIES):
        there = here + gap if up else here - gap
        if (rises(there) < 0) != up:
            low, high = sorted((here, there))
            return float(np.exp(brentq(rises, low, high, xtol=PRECISION)))
        here = there
    return np.nan


def _growth(
    process: Process, lr: float, paths: int, steps: int, seed: int, *, weighted: bool
) -> float:
    above_zero("lr", lr)
    at_least("paths", paths, 2)
    at_least("steps", steps, 5)
    generator = np.random.default_rng(seed)
    z = generator.standard_normal((paths, process.dim))
    z = _rescaled(process, z)
    total, counted = 0.0, 0
    for number in range(steps):
        z = process.step(z, lr, generator)
        factor = process.size(z) / process.radius**2
        if number >= BURN_IN * steps:
            total += np.log(factor.mean()) if weighted else np.log(factor).mean()
            counted += 1
        if weighted:
            z = z[_drawn(factor, generator)]
        z = _rescaled(process, z)
    return float(total / counted)


def _rescaled(process: Process, z: np.ndarray) -> np.ndarray:
    size = np.maximum(process.size(z), np.finfo(float).tiny)
    return z * (process.radius / np.sqrt(size))[:, None]


def _drawn(weights: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Systematic resampling: path j is drawn w_j / mean(w) times, up to rounding."""
    places = (generator.random() + np.arange(len(weights))) / len(weights)
    cumulative = np.cumsum(weights / weights.sum())
    return np.minimum(np.searchsorted(cumulative, places), len(weights) - 1)
