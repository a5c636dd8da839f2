"""From a racer's config to its model, its start, and the certified minimum."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

from flatminima.data.regression import low_rank, sparse
from flatminima.data.streams import generator
from flatminima.data.xor import sample_xor
from flatminima.flows.cubic import Cubic
from flatminima.flows.diagonal import Diagonal
from flatminima.flows.factorisation import Factorisation
from flatminima.flows.kinked import Kinked
from flatminima.flows.model import Smooth, Theta
from flatminima.models import cubic, diagonal, matrix, relu_flat
from flatminima.models.relu import relu_lower_bound
from flatminima.runs.race.config import RaceConfig
from flatminima.theory.certificates.basis_pursuit import basis_pursuit
from flatminima.theory.certificates.certificate import certify
from flatminima.theory.certificates.nuclear_norm import flattest
from flatminima.theory.certificates.power_norm import power_norm


@dataclass(frozen=True)
class Problem:
    """What a racer needs.

    Attributes:
        model: with its trace, for the flows.
        compiled: the same model for the compiled loop.
        x: inputs as that loop wants them.
        start: of all racers with the same seeds.
        bound: no interpolator has a smaller trace.
        gap: how far the solver's own solution is above the bound, as a share of it; 0
            where the bound is proved and attained.
    """

    model: Smooth
    compiled: Any
    x: Float[np.ndarray, "n features"]
    start: Theta
    bound: float
    gap: float


def problem(config: RaceConfig) -> Problem:
    """The problem of a config; made once for all methods that race on it."""
    return _problem(
        *(config.instance, config.n, config.d, config.complexity, config.width),
        *(config.alpha, config.data_seed, config.init_seed),
        getattr(config, "smoothing", 0.0),
    )


@lru_cache(maxsize=64)
def _problem(
    instance: str,
    n: int,
    d: int,
    complexity: int,
    width: int,
    alpha: float,
    data_seed: int,
    init_seed: int,
    smoothing: float,
) -> Problem:
    rng = generator(init_seed, "init")
    size = (n, d, complexity, data_seed)
    if instance in ("bias", "no_bias"):
        return _network(instance, n, d, width, data_seed, rng, smoothing)
    if instance == "matrix":
        data = low_rank(*size, commuting=False)
        a = data.x.reshape(n, d, d)
        start = alpha / np.sqrt(width) * rng.standard_normal(2 * d * width)
        least = flattest(a, data.y)
        return Problem(
            *(Factorisation(a, data.y, width), matrix.Model(d, width), data.x, start),
            *_bounds(least.bound, least.value),
        )
    data = sparse(*size, signs=instance != "weighted")
    if instance == "cubic":
        deep = power_norm(data.x, data.y)
        start = alpha * rng.standard_normal(3 * d)
        return Problem(
            *(Cubic(data.x, data.y), cubic.Model(d), data.x, start),
            *_bounds(deep.bound, deep.value),
        )
    # 4 sum_j m_j |beta_j|: basis pursuit in the variables m_j beta_j
    pursuit = basis_pursuit(data.x / np.mean(data.x**2, axis=0), data.y)
    start = alpha * rng.standard_normal(2 * d)
    return Problem(
        *(Diagonal(data.x, data.y), diagonal.Model(d, True), data.x, start),
        *_bounds(4 * pursuit.bound, 4 * pursuit.value),
    )


def _bounds(bound: float, value: float) -> tuple[float, float]:
    return bound, value / bound - 1 if bound > 0 else 0.0


def _network(
    instance: str,
    n: int,
    d: int,
    width: int,
    data_seed: int,
    rng: np.random.Generator,
    smoothing: float,
) -> Problem:
    """A two-layer ReLU network on xor, torch's initialisation."""
    data = sample_xor(n, d, data_seed)
    x = data.x
    if instance == "bias":
        x = np.column_stack([x, np.ones(n)])
        # attained by memorising (Wen, Li & Ma 2023, Theorem 4.1); l'' = 1 here
        bound, gap = relu_lower_bound(np.sum(x**2, axis=1), data.y, 1.0), 0.0
    else:
        found = certify(x, data.y)
        # half, since their loss has no 1/2
        bound, gap = found.lower / 2, found.trace / found.lower - 1
    w = rng.uniform(-(d**-0.5), d**-0.5, (width, x.shape[1]))
    v = rng.uniform(-(width**-0.5), width**-0.5, width)
    start = np.concatenate([w.ravel(), v])
    model = Kinked(x, data.y, width, smoothing=smoothing)
    return Problem(model, relu_flat.Model(x.shape[1], width), x, start, bound, gap)
