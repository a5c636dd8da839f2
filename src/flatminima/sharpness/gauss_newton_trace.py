"""Trace of the Gauss-Newton matrix, whole and of every parameter.

Tr G = (1/n) sum_i sum_c sign_ic |J_i^T s_ic|^2, over the columns s_ic of a factor of
the loss's Hessian over the outputs. So one forward pass and as many backward passes as
outputs give it exactly, for all parameters at once, and one random combination of the
columns an example gives an estimate of it.

An output of a ReLU network is linear in each single weight, wherever it has
derivatives. So its own Hessian has no diagonal there, and Tr G is the trace of the
Hessian of the loss.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from flatminima.checks import at_least
from flatminima.sharpness.estimate import Estimate
from flatminima.sharpness.landscape import Landscape
from flatminima.sharpness.per_example import squared_norms
from flatminima.sharpness.products import output_factor, parts

EXAMPLES = 1024
"""Examples of one pass, unless told otherwise."""


@dataclass(frozen=True)
class LayerTraces:
    """A trace and its parts.

    Attributes:
        layers: the part of every parameter, by name.
        whole: their sum, whose standard error is not that of independent parts.
    """

    layers: dict[str, Estimate]
    whole: Estimate


def exact(at: Landscape, *, examples: int = EXAMPLES) -> LayerTraces:
    """Tr G, by one backward pass an output.

    Args:
        at: model, data and point.
        examples: of one pass, which bounds memory.

    Raises:
        ValueError: if an output depends on more than its own example.
    """
    at_least("examples", examples, 1)
    total: dict[str, float] = dict.fromkeys((name for name, _ in at.shapes), 0.0)
    for part in parts(at, examples):
        factor, signs = _factor(part)
        for name, norms in squared_norms(part, factor.transpose(1, 2)).items():
            total[name] += float((norms * signs).sum())
    layers = {name: Estimate(value / at.n) for name, value in total.items()}
    return LayerTraces(layers, Estimate(sum(total.values()) / at.n))


def estimate(
    at: Landscape, *, probes: int = 2, seed: int = 0, examples: int = EXAMPLES
) -> LayerTraces:
    """Tr G, by Rademacher combinations of the columns, `probes` an example.

    E |J_i^T S_i r|^2 = sum_c |J_i^T s_ic|^2 for independent signs r. Examples have
    probes of their own, so the variance is the sum of theirs over n^2, and two probes
    an example are enough to estimate it: the standard error then has n degrees of
    freedom. One probe cannot tell the spread of probes from that between examples.
    Its standard error takes all for the former, and so is too large.

    Args:
        at: model, data and point.
        probes: an example, at least 1.
        seed: of the probes.
        examples: of one pass.

    Raises:
        ValueError: if there is one probe of one example, the loss is not convex in the
            outputs, or an output depends on more than its own example.
    """
    at_least("examples", examples, 1)
    at_least("probes", probes, 1 if at.n > 1 else 2)
    rng = np.random.default_rng(seed)
    found: dict[str, list[Tensor]] = {name: [] for name, _ in at.shapes}
    for part in parts(at, examples):
        factor, signs = _factor(part)
        if (signs < 0).any():
            raise ValueError("at: the loss is not convex in the outputs")
        shape = (part.n, probes, factor.shape[2])
        chance = torch.from_numpy(rng.integers(0, 2, shape) * 2.0 - 1)
        combined = torch.einsum("nkr,npr->npk", factor, chance)
        for name, norms in squared_norms(part, combined).items():
            found[name].append(norms)
    values = {name: torch.cat(each).numpy() for name, each in found.items()}
    layers = {name: _of_examples(each) for name, each in values.items()}
    return LayerTraces(layers, _of_examples(np.sum(list(values.values()), axis=0)))


def _of_examples(values: Float[np.ndarray, "n probes"]) -> Estimate:
    """Mean of all, with the standard error of probes that are independent."""
    n, probes = values.shape
    if probes > 1:
        variance = values.var(axis=1, ddof=1).mean() / probes
    else:
        variance = values.var(ddof=1)
    return Estimate(float(values.mean()), float(np.sqrt(variance / n)), n * probes)


def _factor(part: Landscape) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return output_factor(part.criterion, part.outputs(), part.y)
