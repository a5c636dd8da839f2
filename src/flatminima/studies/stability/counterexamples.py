"""Where the words of the stability statement matter: one small loss for each.

"For almost every learning rate": `stairs`. "A set of measure 0", which need not be
empty: `double_well`. "The Hessian", which has to be continuous: `cusp`. And a kink at
the minimum, where there is none: `kinked` and `vee`.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from flatminima.theory.stability import escape
from flatminima.theory.stability.gradient_descent import kink_threshold

CONVERGED = 1e-9
"""Distance from the minimum at which a start has converged."""

LANDING = (Fraction(1, 2), Fraction(4, 3))
"""Start and learning rate at which `double_well` lands on an unstable minimum."""

LOST = 1e6
"""Distance at which it never will."""

Slope = Callable[[np.ndarray], np.ndarray]


def converging(
    slope: Slope, starts: Float[np.ndarray, "N D"], lr: float, steps: int
) -> float:
    """The share of starts from which gradient descent converges to 0.

    Args:
        slope: the gradient, from (N, D) to (N, D).
        starts: points.
        lr: learning rate.
        steps: at most; a start that then is farther than `CONVERGED` has not converged.
    """
    z = starts.copy()
    for _ in range(steps):
        z = z - lr * slope(z)
        z[~(np.linalg.norm(z, axis=1) < LOST)] = np.nan
    return float((np.linalg.norm(z, axis=1) < CONVERGED).mean())


def stairs(z: Float[np.ndarray, "N 1"]) -> Float[np.ndarray, "N 1"]:
    """Slope of a convex loss, three times differentiable, of curvature 3 at 0.

    From |z| = 1 on it is z^2 / 2 up to a constant, of curvature 1. Between 1/20 and 1
    the slope goes over from 3 z to z by a polynomial in log |z|, whose first three
    derivatives vanish at both ends, so slowly that the curvature stays above 0.
    """
    away = np.maximum(np.abs(z), np.finfo(float).tiny)
    t = np.clip(np.log(20 * away) / np.log(20), 0, 1)
    blend = t**4 * (35 - 84 * t + 70 * t**2 - 20 * t**3)
    return z * (3 - 2 * blend)


def stairs_table(lrs: Sequence[float], starts: int, seed: int) -> pd.DataFrame:
    """Share of starts far from the minimum that converge to it, over learning rates.

    At lr = 1 the map z - z is 0 on the whole outer part, which then lands on the
    minimum at once. This learning rate is the inverse of a curvature that the loss has
    on a set of positive measure; there are at most countably many such.

    Args:
        lrs: learning rates; all of them above 2/3 make the minimum unstable.
        starts: how many, uniform in [1, 2].
        seed: of them.
    """
    z = np.random.default_rng([seed, 4]).uniform(1, 2, (starts, 1))
    share = [converging(stairs, z, lr, 300) for lr in lrs]
    return pd.DataFrame({"lr": list(lrs), "lr lambda": [3 * lr for lr in lrs]}).assign(
        converging=share
    )


def wrong_side(table: pd.DataFrame) -> Float[np.ndarray, " 2"]:
    """Of `stairs_table`: the share that fails at lr = 1, and the largest beside it.

    Args:
        table: with a row at lr = 1.
    """
    exceptional = table["lr"] == 1.0
    missing = 1 - table.loc[exceptional, "converging"].min()
    return np.array([missing, table.loc[~exceptional, "converging"].max()])


def double_well(start: Fraction, lr: Fraction, steps: int) -> list[Fraction]:
    """Gradient descent on (z^2 - 1)^2 / 4 in exact arithmetic, its path.

    The minimum at 1 has curvature 2. The start (-1 + sqrt(1 + 4 / lr)) / 2 lands on it
    in one update, whatever lr is: at lr = 4/3 this is 1/2, a fraction.

    Args:
        start, lr: fractions.
        steps: how many; the fractions get long very fast unless the path has landed.
    """
    path = [start]
    for _ in range(steps):
        z = path[-1]
        path.append(z - lr * (z**3 - z))
    return path


def around_the_well(
    lr: float, offsets: Sequence[float], steps: int
) -> Float[np.ndarray, "offsets steps+1"]:
    """Distance from the minimum at 1 along the path, from starts beside 1/2.

    Args:
        lr: learning rate.
        offsets: from 1/2.
        steps: of each path.
    """
    z = 0.5 + np.array(offsets)
    found = [np.abs(z - 1)]
    for _ in range(steps):
        z = z - lr * (z**3 - z)
        found.append(np.abs(z - 1))
    return np.array(found).T


def well_share(lr: float, starts: int, seed: int, steps: int = 2000) -> float:
    """Share of random starts of (-3/2, 3/2) from which the minimum at 1 is reached.

    Args:
        lr: learning rate.
        starts, seed: how many, and of them.
        steps: of each path.
    """
    z = np.random.default_rng([seed, 5]).uniform(-1.5, 1.5, (starts, 1))
    return converging(lambda u: (1 + u) * u * (2 + u), z - 1, lr, steps)


SHARP, GENTLE, SLOW = 3.0, 1.0, 0.1
"""Curvatures of `cusp`: of its Hessian across and within the cusp, and along it."""


def cusp(z: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 2"]:
    """Gradient of a loss with a Hessian at its minimum that is not continuous there.

    L(x, y) = SLOW y^2 / 2 + h(x, y), h = GENTLE x^2 / 2 within the cusp |x| <= y^2.
    Beyond it the slope in x is GENTLE y^2 + SHARP (|x| - y^2). The gradient is
    Lipschitz near 0 and differs from (SHARP x, SLOW y) by at most 2 y^2 plus terms of
    higher order, so that L is twice differentiable at 0 with the Hessian
    diag(SHARP, SLOW).
    """
    x, y = z[:, 0], z[:, 1]
    beyond = np.maximum(np.abs(x) - y**2, 0)
    inner = np.minimum(np.abs(x), y**2)
    slope_x = np.sign(x) * (GENTLE * inner + SHARP * beyond)
    slope_y = SLOW * y - 2 * (SHARP - GENTLE) * y * beyond
    return np.stack([slope_x, slope_y], axis=1)


def quadratic(z: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, "N 2"]:
    """Gradient of the quadratic with the Hessian that `cusp` has at 0."""
    return z * np.array([SHARP, SLOW])


def cusp_table(lrs: Sequence[float], starts: int, seed: int) -> pd.DataFrame:
    """Share of starts that converge to a minimum with lr lambda_max above 2.

    Args:
        lrs: learning rates.
        starts: how many, uniform in [-1/4, 1/4] x [-1/2, 1/2].
        seed: of them.

    Returns:
        A row a learning rate: `lr lambda`, the shares on `cusp` and, as a control, on
        `quadratic`.
    """
    generator = np.random.default_rng([seed, 6])
    z = generator.uniform(-1, 1, (starts, 2)) * np.array([0.25, 0.5])
    rows = [
        {
            "lr": lr,
            "lr lambda": SHARP * lr,
            "with a cusp": converging(cusp, z, lr, 1000),
            "quadratic": converging(quadratic, z, lr, 1000),
        }
        for lr in lrs
    ]
    return pd.DataFrame(rows)


def kinked(
    left: Float[np.ndarray, " S"], right: Float[np.ndarray, " S"], steps: int = 1000
) -> pd.DataFrame:
    """Thresholds at a minimum on a kink, one of a leaky ReLU neuron a row.

    The neuron a(w), with slopes s_l for w < 0 and s_r for w > 0, and a label of 0 has
    the loss a(w)^2: curvatures 2 s_l^2 and 2 s_r^2 on the two sides of its minimum.

    Args:
        left, right: curvatures of the sides.
        steps: updates until which a start has to be far.

    Returns:
        `left`, `right`, the `measured` threshold, `predicted` = 1/left + 1/right, and
        `2 / largest`.
    """
    low, high = torch.tensor(left)[:, None, None], torch.tensor(right)[:, None, None]

    def gradient(z: Tensor) -> Tensor:
        return torch.where(z > 0, high * z, low * z)

    shape = (len(left), 1)
    centre = torch.zeros(shape, dtype=torch.float64)
    measured = escape.thresholds(
        gradient,
        centre,
        torch.ones(shape, dtype=torch.float64),
        escape.Descent(steps=steps),
        first=1e-3,
    ).numpy()
    pairs = zip(left.tolist(), right.tolist(), strict=True)
    predicted = [kink_threshold(a, b) for a, b in pairs]
    columns = {"left": left, "right": right, "measured": measured}
    return pd.DataFrame(columns | {"predicted": predicted}).assign(
        **{"2 / largest": 2 / np.maximum(left, right)}
    )


def random_kinks(count: int, seed: int, steps: int) -> pd.DataFrame:
    """`kinked` for random curvatures, between 1/4 and 8 on a logarithmic scale.

    Args:
        count: how many kinks.
        seed: of the curvatures.
        steps: as for `kinked`.
    """
    generator = np.random.default_rng([seed, 8])
    left, right = 2 ** generator.uniform(-2, 3, (2, count))
    return kinked(left, right, steps)


def vee(lrs: Sequence[float], starts: int, seed: int) -> pd.DataFrame:
    """How near gradient descent stays to a kink with slopes on both sides.

    The network relu(w x), with inputs 1 and -1 and both labels -1, has the loss
    ((relu(w) + 1)^2 + (relu(-w) + 1)^2) / 2 = 1 + |w| + w^2 / 2. Its minimum is at
    w = 0, where differentiation in a program finds a second derivative of at most 1.

    Args:
        lrs: learning rates.
        starts: how many, uniform in [-1, 1].
        seed: of them.

    Returns:
        A row a learning rate: `lr`, the share of starts `converging`, and `distance`
        over lr, the largest of the last two distances, the median over starts.
    """
    z = np.random.default_rng([seed, 7]).uniform(-1, 1, (starts, 1))

    def slope(w: np.ndarray) -> np.ndarray:
        return np.sign(w) + w

    rows = []
    for lr in lrs:
        w = z.copy()
        for _ in range(int(20 / lr)):
            before, w = w, w - lr * slope(w)
        ends = np.maximum(np.abs(before), np.abs(w))
        share = float((ends < CONVERGED).mean())
        row = {"lr": lr, "converging": share, "distance": float(np.median(ends) / lr)}
        rows.append(row)
    return pd.DataFrame(rows)
