"""Minimum sharpness of trained networks, rescaled, by descent and by probes."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor, nn

from flatminima.data.streams import generator
from flatminima.runs.images.config import ImageConfig
from flatminima.runs.images.problem import data, network
from flatminima.sharpness import sequence
from flatminima.sharpness.minimum import MinimumSharpness, Shares, least_trace
from flatminima.sharpness.rescaling import folded, layers, rescale
from flatminima.studies.minimum_sharpness.procedure import descend
from flatminima.sweeps.sweep import fetch

EPOCHS = 10_000
"""Of descent over the scales, to begin with."""

PROBES = 2
SPREAD = 1.0
"""Standard deviation of the logarithms of the scales of the layers."""


def checked(configs: Iterable[ImageConfig], images: int) -> pd.DataFrame:
    """Every network's minimum sharpness, and by how much other ways miss it.

    Args:
        configs: of runs that are in the store; those that diverged are left out.
        images: of the training set, over which it is measured.

    Returns:
        A row a run: seed, minimum; trace and rescaled_trace, of the layers before and
        after a random rescaling; and relative errors: invariance, of the rescaled
        network; procedure, of the report's descent, and its epochs, beside the steps
        of Newton's method; closed, of that method where biases are left out; probes,
        with two an image, and one_probe.
    """
    rows = []
    for config in configs:
        run = fetch(config)
        if run.diverged_at is not None:
            continue
        problem = data(config)
        x, y = problem.x[:images].double(), problem.y[:images]
        net = folded(network(config, run.arrays))
        rng = generator(config.init_seed, "scales")
        logs = SPREAD * rng.normal(size=len(layers(net)))
        moved = rescale(net, np.exp(logs - logs.mean()))
        exact, scaled = _least(net, x, y), _least(moved, x, y)
        probed, single = (
            _least(net, x, y, probes=probes, seed=config.init_seed)
            for probes in (PROBES, 1)
        )
        weights = exact.shares.weights
        bare = least_trace(Shares(weights, np.zeros_like(weights)))
        descent = descend(exact.shares, epochs=EPOCHS)
        rows.append(
            {
                "seed": config.init_seed,
                "minimum": exact.value,
                "trace": _trace(exact.shares),
                "rescaled_trace": _trace(scaled.shares),
                "invariance": abs(scaled.value / exact.value - 1),
                "procedure": abs(descent.value / exact.value - 1),
                "epochs": descent.epochs,
                "newton_steps": exact.iterations,
                "closed": abs(bare.value / closed_form(weights) - 1),
                "probes": abs(probed.value / exact.value - 1),
                "one_probe": abs(single.value / exact.value - 1),
            }
        )
    return pd.DataFrame(rows)


NAMES = {
    "minimum": "minimum sharpness",
    "trace": "trace",
    "rescaled_trace": "trace, rescaled",
    "invariance": "error, rescaled",
    "procedure": "error of the descent",
    "epochs": "its steps",
    "newton_steps": "Newton's steps",
    "closed": "error without biases",
    "probes": "error of two probes",
    "one_probe": "error of one probe",
}
"""What the page calls the columns of `checked`."""


def named(table: pd.DataFrame) -> pd.DataFrame:
    """What `checked` returns, as the page shows it."""
    digits = {"minimum": 2, "trace": 2, "rescaled_trace": 2}
    digits |= {"probes": 4, "one_probe": 4}
    return table.round(digits).rename(columns=NAMES)


def closed_form(weights: Float[np.ndarray, " depth"]) -> float:
    """Minimum sharpness without biases: depth times the geometric mean of shares."""
    return len(weights) * float(np.exp(np.log(weights).mean()))


def _trace(shares: Shares) -> float:
    return float(shares.weights.sum() + shares.biases.sum())


def _least(net: nn.Sequential, x: Tensor, y: Tensor, **drawn: int) -> MinimumSharpness:
    found = {
        k: float(v.sum()) for k, v in sequence.diagonal(net, x, y, **drawn).items()
    }
    names = [name for name, part in net.named_children() if part in layers(net)]
    kinds = ("weight", "bias")
    weights, biases = (np.array([found[f"{n}.{k}"] for n in names]) for k in kinds)
    return least_trace(Shares(weights, biases))
