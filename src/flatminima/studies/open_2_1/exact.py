"""Cases in which the end of the flow can be told beforehand.

On orthonormal inputs a pre-activation of a ReLU network that is below 0 never moves.
Where a unit fires on examples of the other sign, these pre-activations fall to 0. So
what is left of the pattern at the start decides the end: the flow reaches the bound if
and only if (|y_i| / |x_i|)_i is a sum, with weights of at least 0, of the 0-1 vectors
that say on which examples of its own sign a unit fires.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import optimize, stats

from flatminima.data.streams import generator
from flatminima.flows.sharpness_flow import sharpness_flow
from flatminima.flows.summed import Summed
from flatminima.models import no_bias
from flatminima.runs.flow.descent import Rules, descend
from flatminima.runs.flow.manifold import Manifold
from flatminima.theory.certificates.activation_cell import cell

REACHED = 1.005
"""Trace over its least value up to which a flow has arrived."""

IN_CONE = 1e-6
"""Residual of a sum that is the vector, over the vector's norm."""

ITERATIONS = 800
"""Of a flow on orthonormal inputs."""

SMOOTH_WIDTHS = (2, 8, 40)
"""Of the networks with smooth units."""

Pattern = Float[np.ndarray, "n width"]


def start(
    n: int, width: int, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "n width"], Float[np.ndarray, " width"]]:
    """A random network with f = y on the n unit vectors.

    Labels are 1 on the first half and -1 on the others, and half of the units have a
    positive second layer. Weights are normal. An example on which no unit of its sign
    fires is drawn again, and units of its sign are scaled until they fit it.

    Args:
        n: examples.
        width: units, at least 2.
        rng: of the draws.
    """
    y = labels(n)
    w = rng.standard_normal((n, width))
    v = np.abs(rng.standard_normal(width)) * np.where(np.arange(width) % 2, -1, 1)
    for i in range(n):
        own = np.sign(v) == y[i]
        while not (w[i, own] > 0).any():
            w[i] = rng.standard_normal(width)
        fired = np.maximum(w[i], 0) * np.abs(v)
        w[i, own & (w[i] > 0)] *= (1 + fired[~own].sum()) / fired[own].sum()
    return w, v


def widths(shares: Iterable[float], n: int) -> list[int]:
    """Widths over n as numbers of units, at least two, each once."""
    return sorted({max(2, round(share * n)) for share in shares})


def labels(n: int) -> Float[np.ndarray, " n"]:
    """1 for the first half, -1 for the others."""
    return np.where(np.arange(n) < (n + 1) // 2, 1.0, -1.0)


def reachable(pattern: Pattern, size: Float[np.ndarray, " n"]) -> bool:
    """Whether a vector is a sum of the pattern's columns, weighted by at least 0.

    Args:
        pattern: 0 or 1, for every example and unit.
        size: the vector, |y_i| / |x_i|.
    """
    residual = optimize.nnls(pattern, size)[1]
    return bool(residual <= IN_CONE * np.linalg.norm(size))


def wendel(n: int, width: int) -> float:
    """Chance that the pattern of a random start allows the bound.

    Of n_s examples and m_s units of one sign, the vector of ones is in the cone of m_s
    vectors of independent fair 0s and 1s if 0 is in the hull of their signs without the
    part along ones: m_s symmetric points in n_s - 1 dimensions. For symmetric points in
    general position that has probability 1 - 2^(1 - m_s) sum_{k < n_s - 1} C(m_s - 1,
    k) (Wendel, Math. Scand. 11, 1962). Signs are not quite in general position.

    Args:
        n: examples.
        width: units.
    """
    chance = 1.0
    for examples, units in (((n + 1) // 2, (width + 1) // 2), (n // 2, width // 2)):
        if examples == 0:
            continue
        if units == 0:
            return 0.0
        chance *= 1 - float(stats.binom.cdf(examples - 2, units - 1, 0.5))
    return chance


def orthonormal(n: int, widths: Iterable[int], seeds: Iterable[int]) -> pd.DataFrame:
    """Blind flows on the n unit vectors, from random starts.

    Args:
        n: examples, as many as inputs.
        widths: of the networks.
        seeds: of the starts.

    Returns:
        A row a width and seed: ratio (trace over bound at the end), reached, predicted
        (whether the pattern at the start allows the bound), gap (trace over the bound
        of its pattern, minus 1) and margin; see `activation_cell.Cell`.
    """
    y = labels(n)
    manifold = Manifold(no_bias.Model(), np.eye(n), y)
    rules = Rules("naive", "own", max_iterations=ITERATIONS, tolerance=1e-3)
    rows = []
    for width in widths:
        for seed in seeds:
            w, v = start(n, width, generator(seed, f"orthonormal {n} {width}"))
            own = (w > 0) & (np.sign(v) == y[:, None])
            flow = descend(no_bias, manifold, w, v, rules)
            rows.append(
                {"width": width, "seed": seed}
                | _end(manifold, flow.w, flow.v)
                | {"predicted": reachable(own.astype(float), np.abs(y))}
            )
    return pd.DataFrame(rows)


def _end(manifold: Manifold, w: np.ndarray, v: np.ndarray) -> dict[str, float | bool]:
    point = manifold.land(w, v)
    assert point is not None  # a flow ends on the set
    found = cell(point.gradients, point.v, manifold.y)
    bound = float(4 * np.mean(np.abs(manifold.y) * np.sqrt(point.gradients.input_sq)))
    ratio = point.trace / bound
    return {
        "ratio": ratio,
        "reached": ratio <= REACHED,
        "gap": found.gap,
        "margin": found.margin,
    }


TWO_LABELS = (1.0, 3.0)
"""Labels of the counterexample: two orthonormal inputs, unequal labels."""


def counterexample(width: int, seeds: Iterable[int]) -> pd.DataFrame:
    """Blind flows on two orthonormal inputs, from starts whose units all fire on both.

    Units whose second layer is positive and which fire on both inputs make f_1 = 1 and
    f_2 = 3 with a trace of at least 2 |y| sqrt(2), by the nuclear norm; the bound is
    2 (|y_1| + |y_2|).

    Args:
        width: hidden units.
        seeds: of the starts.

    Returns:
        A row a seed: predicted (the ratio |y| sqrt(2) / (|y_1| + |y_2|)), and the
        columns of `orthonormal` at the end.
    """
    y = np.array(TWO_LABELS)
    manifold = Manifold(no_bias.Model(), np.eye(2), y)
    rules = Rules("naive", "own", max_iterations=ITERATIONS, tolerance=0.0)
    rows = []
    for seed in seeds:
        rng = generator(seed, f"two inputs {width}")
        w, v = rng.uniform(0.5, 1.5, (2, width)), rng.uniform(0.5, 1.5, width)
        w *= (y / (w @ v))[:, None]
        flow = descend(no_bias, manifold, w, v, rules)
        predicted = np.linalg.norm(y) * np.sqrt(2) / np.abs(y).sum()
        rows.append(
            {"seed": seed, "predicted": predicted} | _end(manifold, flow.w, flow.v)
        )
    return pd.DataFrame(rows)


def smooth(n: int, d: int, widths: Iterable[int], seeds: Iterable[int]) -> pd.DataFrame:
    """The flow of the network with added smooth units, at d > n, from random starts.

    Args:
        n: examples, Gaussian with entries of variance 1 / d.
        d: inputs, above n.
        widths: of the networks.
        seeds: of data and start.

    Returns:
        A row a width and seed: ratio (trace over its certified least value; NaN if the
        start was not landed).

    Raises:
        ValueError: if d is not above n.
    """
    if d <= n:
        raise ValueError(f"d = {d}: must be above n = {n}, as the theorem asks")
    rows = []
    for width in widths:
        for seed in seeds:
            rng = generator(seed, f"summed {n} {d} {width}")
            x = rng.standard_normal((n, d)) / np.sqrt(d)
            model = Summed(x, rng.choice([-1.0, 1.0], n), width)
            first = rng.standard_normal(width * d)
            least = model.least_trace()
            flow = sharpness_flow(
                model, first, bound=least, tolerance=1e-4, rtol=1e-2, max_steps=3000
            )
            ratio = flow.trace[-1] / least if len(flow.trace) else np.nan
            rows.append({"width": width, "seed": seed, "ratio": float(ratio)})
    return pd.DataFrame(rows)
