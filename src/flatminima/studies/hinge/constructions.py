"""Flattest networks of both kinds along the hinge."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from flatminima.data.xor import sample_xor, xor_test_set
from flatminima.theory.certificates.certificate import certify
from flatminima.theory.constructions.bias_input import with_bias_input
from flatminima.theory.constructions.generalising_networks import (
    generalising_bias,
    generalising_sim_ln,
)
from flatminima.theory.constructions.memorising_networks import (
    memorising_bias,
    memorising_sim_ln,
)
from flatminima.theory.constructions.verify import verify


def constructions(
    n: int, d: int, constants: Sequence[float], seed: int = 0
) -> pd.DataFrame:
    """Flattest networks of both kinds on one training set, for several bias inputs.

    Args:
        n, d: size of the problem, n at least 4.
        constants: bias inputs, above 0.
        seed: of the data.

    Returns:
        A row for each constant and each of the memorising and the generalising
        network: bias_input, network, excess (trace / (4 sqrt(d + c^2)) - 1),
        worst_error, test_accuracy, and first_layer_norm.
    """
    train = sample_xor(n, d, seed=seed)
    networks = {
        "memorises": memorising_bias(train.x, train.y),
        "generalises": generalising_bias(d),
    }
    return pd.DataFrame(
        _row(
            "bias",
            {"bias_input": c, "network": name},
            *with_bias_input(*network, train.x, c),
            n,
            d,
            seed,
            bias_input=c,
        )
        for c in constants
        for name, network in networks.items()
    )


def sim_ln_constructions(
    n: int, d: int, floors: Sequence[float], seed: int = 0
) -> pd.DataFrame:
    """The same of 2-MLP-Sim-LN, for several floors eps; the bound is its own."""
    train = sample_xor(n, d, seed=seed)
    return pd.DataFrame(
        _row("sim_ln", {"eps": eps, "network": name}, w, v, n, d, seed, eps=eps)
        for eps in floors
        for name, (w, v) in {
            "memorises": memorising_sim_ln(train.x, train.y, eps),
            "generalises": generalising_sim_ln(d, eps),
        }.items()
    )


def _row(
    architecture: str,
    names: Mapping[str, float | str],
    w: np.ndarray,
    v: np.ndarray,
    n: int,
    d: int,
    seed: int,
    **constants: float,
) -> dict[str, float | str]:
    train = sample_xor(n, d, seed=seed)
    found = verify(
        architecture,
        w,
        v,
        train.x,
        train.y,
        held_out=xor_test_set(train, seed),
        **constants,
    )
    return {
        **names,
        "excess": found.relative_excess,
        "worst_error": found.worst_error,
        "test_accuracy": 1 - found.zero_one_error,
        "first_layer_norm": float(np.linalg.norm(w)),
    }


def least_traces(
    n: int, d: int, constants: Sequence[float], instances: int, first_seed: int = 0
) -> pd.DataFrame:
    """The certified minimum of the trace over all widths, over 4 sqrt(d + c^2).

    Args:
        n, d: small enough for a certificate.
        constants: bias inputs; at 0 the network has no bias.
        instances: training sets.
        first_seed: of the data; the others follow it.

    Returns:
        A row for each constant and training set: bias_input, data_seed, lower (the
        rigorous bound) and upper (of a network), both over 4 sqrt(d + c^2).

    Raises:
        ValueError: as `certify`.
    """
    rows = []
    for c in constants:
        for seed in range(first_seed, first_seed + instances):
            train = sample_xor(n, d, seed=seed)
            constant = np.full((n, 1), c)
            x = np.hstack([train.x, constant]) if c > 0 else train.x
            found = certify(x, train.y)
            bound = 4 * np.sqrt(d + c**2)
            rows.append(
                {
                    "bias_input": c,
                    "data_seed": seed,
                    "lower": found.lower / bound,
                    "upper": found.trace / bound,
                }
            )
    return pd.DataFrame(rows)
