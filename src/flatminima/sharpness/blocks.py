"""m-sharpness: the mean of a measure over blocks of m training examples.

    (1/B) sum_j max_{||d|| <= rho} L_{S_j}(theta + d) - L_{S_j}(theta),  |S_j| = m

(Foret et al. 2021; Andriushchenko & Flammarion 2022). With m = n it is the measure
itself; it grows as m falls, since every block picks its own d.
"""

import math
from collections.abc import Callable

import numpy as np
import torch

from flatminima.checks import at_least
from flatminima.sharpness.estimate import Estimate
from flatminima.sharpness.landscape import Landscape


def m_sharpness(
    at: Landscape,
    m: int,
    measure: Callable[[Landscape], float],
    generator: torch.Generator,
    *,
    blocks: int | None = None,
) -> Estimate:
    """Mean of a measure over disjoint blocks of m examples, drawn at random.

    Args:
        at: the landscape, at theta.
        m: examples of a block, 1 to n.
        measure: of the landscape of a block, such as
            `lambda part: ball_sharpness(part, rho, generator)`.
        generator: of the order in which the examples fall into blocks.
        blocks: how many of the n // m blocks to take, at least 2; all without it.

    Returns:
        The mean over the blocks. Its standard error is that of the mean over the n // m
        blocks of this partition: 0 where all were taken. The n % m examples that fill
        no block are left out.

    Raises:
        ValueError: if m or blocks is out of range.
    """
    at_least("m", m, 1)
    if m > at.n:
        raise ValueError(f"m = {m}: must be at most n = {at.n}")
    whole = at.n // m
    taken = whole
    if blocks is not None:
        at_least("blocks", blocks, 2)
        if blocks > whole:
            raise ValueError(f"blocks = {blocks}: must be at most n // m = {whole}")
        taken = blocks
    order = torch.randperm(at.n, generator=generator)
    parts = order[: taken * m].split(m)
    values = np.array([float(measure(at.subset(part))) for part in parts])
    if taken == whole:
        return Estimate(float(values.mean()), 0.0, 0)
    error = values.std(ddof=1) / math.sqrt(taken) * math.sqrt(1 - taken / whole)
    return Estimate(float(values.mean()), float(error), taken)
