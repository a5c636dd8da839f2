"""What the experiment in the chapter's page holds, and the numbers that it shows."""

from functools import cache
from typing import Any

import numpy as np

from flatminima.data.xor import sample_xor, xor_test_set
from flatminima.results import evidence
from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.hinge import runs
from flatminima.studies.hinge.constructions import constructions
from flatminima.sweeps.table import at_step, over_seeds
from flatminima.theory.constructions.generalising_networks import generalising_bias
from flatminima.theory.constructions.memorising_networks import memorising_bias

N, D, SEED = 16, 6, 100
"""The training set, small enough that all other points are tried in the page."""

TRAINED = {"d": 30, "n": 100, "width": 200, "epochs": 3000, "lengths": 4}
CONSTANTS = runs.bias_inputs(9, 2.0)
SEEDS = range(100, 110)
"""The committed runs of 1-SAM, as in the chapter."""


def data() -> dict[str, Any]:
    """Points, the two networks for the constant 1, and what 1-SAM trained.

    Returns:
        d; x, y and the points outside, with labels; w (d + 1 rows, the bias last) and v
        of each network; and trained: c, mean test accuracy, low and high.

    Raises:
        KeyError: if a run of 1-SAM is not committed.
    """
    train = sample_xor(N, D, seed=SEED)
    outside = xor_test_set(train, SEED)
    networks = {
        "memorises": memorising_bias(train.x, train.y),
        "generalises": generalising_bias(D),
    }
    return {
        "d": D,
        "x": train.x.astype(int).tolist(),
        "y": train.y.astype(int).tolist(),
        "outside": outside.x.astype(int).tolist(),
        "labels": outside.y.astype(int).tolist(),
        "networks": {
            name: {"w": w.tolist(), "v": v.tolist()}
            for name, (w, v) in networks.items()
        },
        "trained": {"d": TRAINED["d"], "seeds": len(SEEDS), **trained()},
    }


@cache
def trained() -> dict[str, list[float]]:
    """Test accuracy of the committed 1-SAM runs after the longest training, by c."""
    kept = evidence.quick("hinge").by_config
    sam = runs.rules("bias", **TRAINED)["1-SAM"]
    found: dict[str, list[float]] = {"c": [], "mean": [], "low": [], "high": []}
    for c, config in zip(
        CONSTANTS, runs.along(sam, "bias_input", CONSTANTS), strict=True
    ):
        values = np.array(
            [
                at_step(kept[cell], config.num_steps)["test_accuracy"].item()
                for cell in over_seeds([config], SEEDS)
            ]
        )
        low, high = of_mean(values, thresholds())
        numbers = (c, values.mean(), low, high)
        for name, number in zip(found, numbers, strict=True):
            found[name].append(float(number))
    return found


def numbers(c: float) -> dict[str, float]:
    """What the page shows at a constant, by the engine.

    Args:
        c: above 0.

    Returns:
        bound, and for each network ratio (trace over bound), norm (of the first layer)
        and right (share of the points outside); and accuracy of 1-SAM at the nearest
        constant that was trained.

    Raises:
        ValueError: if c is not above 0.
    """
    found = {"bound": 4 * float(np.sqrt(D + c**2))}
    for row in constructions(N, D, [c], SEED).to_dict("records"):
        name = row["network"]
        found[f"{name}-ratio"] = 1 + row["excess"]
        found[f"{name}-norm"] = row["first_layer_norm"]
        found[f"{name}-right"] = row["test_accuracy"]
    nearest = int(np.argmin(np.abs(CONSTANTS - c)))
    return found | {"accuracy": trained()["mean"][nearest]}
