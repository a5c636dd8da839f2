"""The constructions, verified on many instances, as tables for the chapters."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.checks import at_least
from flatminima.data.streams import Dataset, generator
from flatminima.data.xor import hypercube, xor_labels
from flatminima.measures.memorisation import memorisation
from flatminima.measures.predictions import hypercube_zero_one_error
from flatminima.models.base import load
from flatminima.theory.constructions.generalising_networks import (
    generalising_bias,
    generalising_sim_ln,
)
from flatminima.theory.constructions.memorising_networks import (
    memorising_bias,
    memorising_sim_ln,
)
from flatminima.theory.constructions.verify import verify


def memorising(
    architecture: str,
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    eps: float = 1e-4,
) -> tuple[np.ndarray, np.ndarray]:
    """The memorising network of an architecture; see `memorising_networks`.

    Raises:
        ValueError: if the architecture has none here.
    """
    _refuse_other(architecture)
    if architecture == "bias":
        return memorising_bias(x, y)
    return memorising_sim_ln(x, y, eps)


def memorise_spheres(
    architecture: str, *, instances: int, n: int, d: int, first_seed: int = 0
) -> pd.DataFrame:
    """Memorising networks on random points of a sphere with random real labels.

    Args:
        architecture: "bias" or "sim_ln".
        instances: number of random training sets.
        n, d: their size and dimension.
        first_seed: of the first of them; the others follow.

    Returns:
        One row an instance: interpolation (worst error), excess (|trace / bound -
        1|), definition (0 if the activations are one-hot and injective, else 1).

    Raises:
        ValueError: if there is no instance, or no construction.
    """
    at_least("instances", instances, 1)
    rows = []
    for seed in range(first_seed, first_seed + instances):
        rng = generator(seed, "sphere")
        x = rng.standard_normal((n, d))
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        y = rng.standard_normal(n)
        w, v = memorising(architecture, x, y)
        checked = verify(architecture, w, v, x, y)
        rows.append(
            {
                "seed": seed,
                "interpolation": checked.worst_error,
                "excess": abs(checked.relative_excess),
                "definition": _definition_error(architecture, w, x),
            }
        )
    return pd.DataFrame(rows)


def memorise_cube(
    architecture: str,
    *,
    d: int,
    sizes: Sequence[int],
    whole: bool = False,
    first_seed: int = 0,
) -> pd.DataFrame:
    """Memorising networks on independent draws of P_xor, scored on all 2^d points.

    Independent draws repeat points.

    Args:
        architecture: "bias" or "sim_ln".
        d: dimension, at most 16.
        sizes: numbers n of draws.
        whole: add one training set with a copy of every point and seven repeats.
        first_seed: shifts the seeds of the draws, which are their sizes.

    Returns:
        One row a training set: n, distinct, zero_one_error, predicted (1 -
        distinct/2^d), naive (max(1 - n/2^d, 0)).
    """
    rows = []
    sets = [_draws(n, d, first_seed) for n in sizes]
    if whole:
        x = np.resize(hypercube(d), (2**d + 7, d))
        sets.append(Dataset(x, xor_labels(x)))
    for train in sets:
        n = len(train.x)
        w, v = memorising(architecture, train.x, train.y)
        distinct = len(np.unique(train.x, axis=0))
        rows.append(
            {
                "d": d,
                "n": n,
                "distinct": distinct,
                "zero_one_error": hypercube_zero_one_error(architecture, w, v, d),
                "predicted": 1.0 - distinct / 2**d,
                "naive": max(1.0 - n / 2**d, 0.0),
            }
        )
    return pd.DataFrame(rows)


def right_on_new(
    tables: Iterable[pd.DataFrame],
) -> Float[np.ndarray, " training_sets"]:
    """Share of the points that a network has not seen on which it is right.

    Args:
        tables: from `memorise_cube`; training sets that hold every point are left out.

    Returns:
        One a training set. All errors are counted as errors on new points, which is
        what they are where the network interpolates.
    """
    rows = pd.concat(tables)
    rows = rows[rows["predicted"] > 0]
    return (1 - rows["zero_one_error"] / rows["predicted"]).to_numpy(float)


def generalise_cube(
    architecture: str,
    *,
    dims: Sequence[int],
    n: int,
    eps: float = 1e-4,
    first_seed: int = 0,
) -> pd.DataFrame:
    """The four-unit generalising networks, scored on all 2^d points.

    Args:
        architecture: "bias" or "sim_ln".
        dims: dimensions, each at most 16.
        n: training points, for the trace.
        eps: of Sim-LN.
        first_seed: shifts the seed of the draw, which is its size.

    Returns:
        One row a dimension: interpolation, excess and zero_one_error.

    Raises:
        ValueError: if the architecture has none here.
    """
    _refuse_other(architecture)
    rows = []
    constants: dict[str, Any] = {"eps": eps} if architecture == "sim_ln" else {}
    for d in dims:
        if architecture == "bias":
            w, v = generalising_bias(d)
        else:
            w, v = generalising_sim_ln(d, eps)
        train = _draws(n, d, first_seed)
        checked = verify(architecture, w, v, train.x, train.y, **constants)
        rows.append(
            {
                "d": d,
                "interpolation": checked.worst_error,
                "excess": abs(checked.relative_excess),
                "zero_one_error": hypercube_zero_one_error(
                    architecture, w, v, d, **constants
                ),
            }
        )
    return pd.DataFrame(rows)


def _refuse_other(architecture: str) -> None:
    if architecture not in ("bias", "sim_ln"):
        raise ValueError(
            f"architecture = {architecture!r}: allowed are 'bias' and 'sim_ln'"
        )


def _draws(n: int, d: int, first_seed: int) -> Dataset:
    cube = hypercube(d)
    x = cube[generator(first_seed + n, "draws").integers(len(cube), size=n)]
    return Dataset(x, xor_labels(x))


def _definition_error(architecture: str, w: np.ndarray, x: np.ndarray) -> float:
    module = load(architecture)
    h = np.maximum(module.inputs(module.Model(), x) @ w, 0.0)
    measured = memorisation(h)
    return 0.0 if measured.single == 1 and measured.injective else 1.0
