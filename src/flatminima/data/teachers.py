"""Targets of many shapes: parities, sparse, of low rank, of one or several directions.

Every target of real labels has a mean square of about 1, so that noise of one size
means much the same on all of them. `Teacher.classes` says whether labels are signs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from flatminima.checks import at_least
from flatminima.data.streams import Dataset, generator

PARITY = 3
"""Inputs whose product is the label of "parity"."""

ENTRIES = 2
"""Coefficients of "sparse" that are not 0."""

DIRECTIONS = 3
"""Of "multi_index"."""

UNITS = 2
"""Of the teacher on the sphere."""

FLIPPED = 0.1
"""Share of the signs that noise flips."""

SPREAD = 0.3
"""Standard deviation of the noise of real labels."""

Labels = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Teacher:
    """A law of inputs and what labels them.

    Attributes:
        sample: inputs, from a generator, n and d.
        labels: the labels of inputs, from a generator, which draws what is unknown.
        classes: whether labels are signs.
        least: the smallest d.
    """

    sample: Callable[[np.random.Generator, int, int], np.ndarray]
    labels: Callable[[np.random.Generator, int], Labels]
    classes: bool
    least: int


def _signs(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    return 2.0 * rng.integers(0, 2, (n, d)) - 1.0


def _normal(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    return rng.standard_normal((n, d))


def _sphere(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    x = rng.standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def _ball(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    return _sphere(rng, n, d) * (d**0.5 * rng.random((n, 1)) ** (1 / d))


def _product(count: int) -> Callable[[np.random.Generator, int], Labels]:
    return lambda rng, d: lambda x: x[:, :count].prod(axis=1)


def _difference(rng: np.random.Generator, d: int) -> Labels:
    return lambda x: np.abs(x[:, 0]) - np.abs(x[:, 1])


def _sparse(rng: np.random.Generator, d: int) -> Labels:
    beta = np.zeros(d)
    beta[rng.permutation(d)[:ENTRIES]] = rng.standard_normal(ENTRIES)
    return lambda x: x @ (beta / np.linalg.norm(beta))


def _low_rank(rng: np.random.Generator, d: int) -> Labels:
    rows = round(d**0.5)
    if rows**2 != d:
        raise ValueError(f"d = {d}: must be a square for matrices of low rank")
    left, right = rng.standard_normal((2, rows))
    matrix = np.outer(left, right).reshape(-1)
    return lambda x: x @ (matrix / np.linalg.norm(matrix))


def _single(rng: np.random.Generator, d: int) -> Labels:
    u = _sphere(rng, 1, d)[0]
    # a rectified normal has mean 1/sqrt(2 pi) and mean square 1/2
    return lambda x: (
        (np.maximum(x @ u, 0) - (2 * np.pi) ** -0.5) / (0.5 - 0.5 / np.pi) ** 0.5
    )


def _multi(rng: np.random.Generator, d: int) -> Labels:
    frame, _ = np.linalg.qr(rng.standard_normal((d, DIRECTIONS)))
    # |normal| has mean sqrt(2/pi) and mean square 1
    mean, spread = (2 / np.pi) ** 0.5, (1 - 2 / np.pi) ** 0.5
    return lambda x: (np.abs(x @ frame) - mean).sum(axis=1) / (spread * DIRECTIONS**0.5)


def _barron(rng: np.random.Generator, d: int) -> Labels:
    u, sign = _sphere(rng, UNITS, d), np.array([1.0, -1.0])
    return lambda x: np.maximum(x @ u.T, 0) @ sign * (d / UNITS) ** 0.5


TEACHERS = {
    "xor": Teacher(_signs, _product(2), classes=True, least=2),
    "parity": Teacher(_signs, _product(PARITY), classes=True, least=PARITY),
    "ball": Teacher(_ball, _difference, classes=False, least=2),
    "sparse": Teacher(_normal, _sparse, classes=False, least=ENTRIES),
    "low_rank": Teacher(_normal, _low_rank, classes=False, least=4),
    "single_index": Teacher(_normal, _single, classes=False, least=1),
    "multi_index": Teacher(_normal, _multi, classes=False, least=DIRECTIONS),
    "sphere": Teacher(_sphere, _barron, classes=False, least=2),
}
"""By name.

"xor" and "parity": the product of the first two or three of d signs. "ball":
|x[1]| - |x[2]|, uniform in the ball of radius sqrt(d). "sparse": linear with few
coefficients, normal inputs. "low_rank": <M, A> with M of rank one and a normal square
matrix A, flattened. "single_index" and "multi_index": a rectified direction, and the
sum of the absolute values of three orthogonal ones, centred, normal inputs. "sphere":
the difference of two ReLU units without bias on the unit sphere, so of Barron norm
sqrt(2 d).
"""


def draw(
    name: str, n: int, d: int, seed: int, *, noisy: bool, test_points: int
) -> tuple[Dataset, Dataset]:
    """The training set of a teacher, and fresh points with their clean labels.

    Args:
        name: of `TEACHERS`.
        n, d: training points and dimension.
        seed: draws everything; training inputs are the same with noise and without.
        noisy: whether training labels have noise: `FLIPPED` of the signs are flipped,
            or real labels are moved by a normal of standard deviation `SPREAD`.
        test_points: how many are fresh.

    Raises:
        ValueError: if there is no such teacher, or a size is out of range.
    """
    check(name, n, d, noisy=noisy, test_points=test_points)
    teacher = TEACHERS[name]
    labels = teacher.labels(generator(seed, "teacher"), d)
    x = teacher.sample(generator(seed, "train"), n, d)
    fresh = teacher.sample(generator(seed, "test"), test_points, d)
    y = labels(x)
    if noisy:
        rng = generator(seed, "noise")
        if teacher.classes:
            y[rng.permutation(n)[: round(FLIPPED * n)]] *= -1
        else:
            y = y + SPREAD * rng.standard_normal(n)
    return Dataset(x, y), Dataset(fresh, labels(fresh))


def check(name: str, n: int, d: int, *, noisy: bool, test_points: int) -> None:
    """Refuse what cannot be drawn.

    Raises:
        ValueError: naming the argument, its value and what is allowed.
    """
    if name not in TEACHERS:
        raise ValueError(f"data = {name!r}: must be one of {', '.join(TEACHERS)}")
    at_least("n", n, 1)
    at_least("test_points", test_points, 2)
    at_least("d", d, TEACHERS[name].least)
    if name == "low_rank":
        _low_rank(np.random.default_rng(0), d)
    if noisy and TEACHERS[name].classes and round(FLIPPED * n) == 0:
        raise ValueError(f"n = {n}: noise flips {FLIPPED} of the labels, which is none")


def score(
    name: str, f: Float[np.ndarray, " points"], y: Float[np.ndarray, " points"]
) -> float:
    """How good outputs are, between 0 and 1.

    The share of right signs, an output of 0 being wrong; or R² for real labels, and
    0 where outputs are worse than their mean. Outputs that are not finite have 0.

    Args:
        name: of `TEACHERS`.
        f, y: outputs and clean labels.
    """
    if not np.isfinite(f).all():
        return 0.0
    if TEACHERS[name].classes:
        return float(np.mean(f * y > 0))
    left: Any = np.mean((f - y) ** 2) / np.var(y)
    return float(max(0.0, 1.0 - left))
