"""What a step of 1-SAM takes on paper, whatever the machine."""

import numpy as np

from benchmarks.kernels import engine
from flatminima.kernels.sim_bn import GROUP, distinct_rows
from flatminima.models.exponential import PRECISIONS
from flatminima.runs.kind import State
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import problem


def work(config: Config, state: State) -> dict[str, float]:
    """Multiplications with additions and bytes of a step, and who is active.

    Counted are products with matrices and, for softplus, the polynomials of its
    exponential and its logarithm; a mean over the examples. An addition alone counts
    like one with a multiplication: it takes a processor as long.

    Returns:
        products, bytes and active (units of the first hidden layer).
    """
    w = state.params[0].astype(np.float64)
    num_inputs, width = w.shape
    itemsize = np.dtype(config.dtype).itemsize
    inputs = problem(config).inputs
    on = inputs @ w > 0
    active = float(on.sum(axis=1).mean())
    if config.architecture == "sim_bn":
        products, numbers = sim_bn_work(inputs, width, active)
    elif config.architecture == "deep":
        both = on.astype(float) @ on.T
        n = len(on)
        shared = float(both.sum() - np.trace(both)) / max(1, n * (n - 1))
        products, numbers = deep_work(num_inputs, width, active, active - shared)
    else:
        products, moved = engine.work(num_inputs, width, config.n, active, itemsize)
        numbers = moved / itemsize
        if config.architecture == "softplus":
            constants = PRECISIONS[8 * itemsize]
            products += 2 * width * (len(constants.exp) + len(constants.atanh))
    return {"products": products, "bytes": numbers * itemsize, "active": active}


def sim_bn_work(inputs: np.ndarray, width: int, active: float) -> tuple[float, float]:
    """Products and numbers moved of `kernels.sim_bn`.

    All units are projected on the example. Per active unit, the statistics of its
    perturbed and then of its new weights take two products with the rows of every
    group of columns that differ by more than their sign, and two sums over groups and
    examples. Weights and X^T h are gathered, moved and put back, activations written
    and read.
    """
    n, num_inputs = inputs.shape
    groups = -(-num_inputs // GROUP)
    padded = groups * GROUP
    filled = np.pad(inputs, ((0, 0), (0, padded - num_inputs)))
    distinct = len(distinct_rows(filled, groups)[0].T)
    statistics = 2 * distinct * GROUP + 2 * groups * n
    products = padded * width + 2 * active * statistics
    return products, padded * width + active * (8 * padded + 4 * n)


def deep_work(
    num_inputs: int, width: int, active: float, waking: float
) -> tuple[float, float]:
    """Products and numbers moved of `kernels.deep` with one square matrix.

    Rows of active units are read for g and W^T g, then read for g' and the next
    example and written; those of units that are active on the next example only are
    read. The first layer is updated and projected on in one pass.
    """
    products = (5 * active + waking) * width + 2 * num_inputs * width
    return products, (3 * active + waking) * width + 2 * num_inputs * width
