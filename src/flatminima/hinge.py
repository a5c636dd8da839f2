"""Between two scenarios: runs along a constant that joins them.

With bias_input = 0 a 2-MLP-Bias is a 2-MLP-No-Bias, with 1 it is the source's. With a
large eps a 2-MLP-Sim-LN is a 2-MLP-Bias with its outputs divided by eps.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from flatminima.checks import at_least
from flatminima.config import Config
from flatminima.data import sample_xor, xor_test_set
from flatminima.problem import problem
from flatminima.recipes import SETTINGS
from flatminima.sweep import over_seeds, run_all
from flatminima.theory.bias_input import with_bias_input
from flatminima.theory.certificate import certify
from flatminima.theory.generalising_networks import (
    generalising_bias,
    generalising_sim_ln,
)
from flatminima.theory.memorising_networks import memorising_bias, memorising_sim_ln
from flatminima.theory.verify import verify

LARGE_SCALE = {"n": 100, "epochs": 200_000, "seeds": 10, "constants": 9, "floors": 8}
"""What `work` needs of the chapter's larger parameter file."""


def rules(
    architecture: str, *, d: int, n: int, width: int, epochs: int, lengths: int
) -> dict[str, Config]:
    """1-SAM and its controls with batch size 1, measured at several lengths.

    They have the source's learning rate, radius, decay and initial scale and are
    trained in float32. Nothing is measured but the start and the lengths.

    Args:
        architecture: "bias" or "sim_ln".
        d, n, width: size of the problem and of the network.
        epochs: passes over the data in all.
        lengths: how many training lengths, at least 2; each is half the next.

    Returns:
        Configs by the name of the rule: 1-SAM, SGD and SGD + wd.

    Raises:
        ValueError: if a value is out of range.
    """
    at_least("epochs", epochs, 1)
    at_least("lengths", lengths, 2)
    Config(architecture="bias", d=d, n=n, width=width)  # refuse bad sizes first
    setting = SETTINGS[architecture]
    base: dict[str, Any] = {
        "architecture": architecture,
        "d": d,
        "n": n,
        "width": width,
        "lr": setting.lr,
        "init_scale": setting.init_scale,
        "dtype": "float32",
        "num_steps": epochs * n,
        "num_checkpoints": 2,
        "measure_at": halvings(epochs * n, lengths),
    }
    configs = [
        Config(**base, rho=setting.rho),
        Config(**base),
        Config(**base, weight_decay=setting.weight_decay),
    ]
    return {config.rule: config for config in configs}


def halvings(steps: int, count: int) -> tuple[int, ...]:
    """steps and its halves, quarters, ..., rounded down to 1 at least, ascending."""
    return tuple(sorted({max(1, steps >> k) for k in range(count)}))


def bias_inputs(count: int, largest: float) -> np.ndarray:
    """Evenly spaced from 0 to the largest.

    Raises:
        ValueError: if there are fewer than 2, or if the largest is not above 0.
    """
    at_least("constants", count, 2)
    if not 0 < largest < np.inf:
        raise ValueError(f"largest_c = {largest}: allowed are finite values above 0")
    return np.linspace(0, largest, count)


def floors(count: int, smallest: float, largest: float) -> np.ndarray:
    """Evenly spaced in the logarithm, freed of rounding.

    Raises:
        ValueError: if there are fewer than 2, or if the ends are not positive and in
            order.
    """
    at_least("floors", count, 2)
    if not 0 < smallest < largest < np.inf:
        raise ValueError(
            f"smallest_eps = {smallest}, largest_eps = {largest}: allowed are "
            "0 < smallest_eps < largest_eps"
        )
    exact = np.geomspace(smallest, largest, count)
    return np.array([float(f"{value:.12g}") for value in exact])


def along(config: Config, field: str, values: Iterable[float]) -> list[Config]:
    """A config at several values of one of its fields.

    Raises:
        ValueError: if a value is out of range.
    """
    base = config.model_dump()
    return [Config(**(base | {field: float(value)})) for value in values]


def constructions(n: int, d: int, constants: Sequence[float]) -> pd.DataFrame:
    """Flattest networks of both kinds on data seed 0, for several bias inputs.

    Args:
        n, d: size of the problem, n at least 4.
        constants: bias inputs, above 0.

    Returns:
        A row for each constant and each of the memorising and the generalising
        network: bias_input, network, excess (trace / (4 sqrt(d + c^2)) - 1),
        worst_error, test_accuracy, and first_layer_norm.
    """
    train = sample_xor(n, d, seed=0)
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
            bias_input=c,
        )
        for c in constants
        for name, network in networks.items()
    )


def sim_ln_constructions(n: int, d: int, floors: Sequence[float]) -> pd.DataFrame:
    """The same of 2-MLP-Sim-LN, for several floors eps; the bound is its own."""
    train = sample_xor(n, d, seed=0)
    return pd.DataFrame(
        _row("sim_ln", {"eps": eps, "network": name}, w, v, n, d, eps=eps)
        for eps in floors
        for name, (w, v) in {
            "memorises": memorising_sim_ln(train.x, train.y, eps),
            "generalises": generalising_sim_ln(d, eps),
        }.items()
    )


def _row(architecture, names, w, v, n, d, **constants) -> dict[str, float | str]:
    train = sample_xor(n, d, seed=0)
    found = verify(
        architecture,
        w,
        v,
        train.x,
        train.y,
        held_out=xor_test_set(train, 0),
        **constants,
    )
    return names | {
        "excess": found.relative_excess,
        "worst_error": found.worst_error,
        "test_accuracy": 1 - found.zero_one_error,
        "first_layer_norm": float(np.linalg.norm(w)),
    }


def least_traces(
    n: int, d: int, constants: Sequence[float], instances: int
) -> pd.DataFrame:
    """The certified minimum of the trace over all widths, over 4 sqrt(d + c^2).

    Args:
        n, d: small enough for a certificate.
        constants: bias inputs; at 0 the network has no bias.
        instances: training sets, of data seeds 0, 1, ...

    Returns:
        A row for each constant and training set: bias_input, data_seed, lower (the
        rigorous bound) and upper (of a network), both over 4 sqrt(d + c^2).

    Raises:
        ValueError: as `certify`.
    """
    rows = []
    for c in constants:
        for seed in range(instances):
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


def ends(table: pd.DataFrame, field: str) -> pd.DataFrame:
    """How the runs of one rule end, one row for each value of a field.

    Args:
        table: from `sweep`.
        field: that varies.

    Returns:
        Over seeds: mean test accuracy, median training loss, number of seeds near
        interpolation and, over these, the median of trace / bound after retraction;
        median first-layer norm and share of examples with one active unit.
    """
    last = table[table["last"]]
    last = last.assign(ratio=last["retracted_trace"] / last["bound"])
    groups = last.groupby(field)
    return pd.DataFrame(
        {
            "test accuracy": groups["test_accuracy"].mean(),
            "training loss": groups["train_loss"].median(),
            "seeds that interpolate": groups["ratio"].count(),
            "trace / bound": groups["ratio"].median(),
            "first-layer norm": groups["first_layer_norm"].median(),
            "one-hot share": groups["single_active"].median(),
        }
    )


def above_floor(configs: Sequence[Config], seeds: int) -> pd.DataFrame:
    """Share of training examples whose hidden norm exceeds the floor of Sim-LN.

    Where it does not, the network does not normalise: it is a 2-MLP-Bias with its
    outputs divided by eps.

    Args:
        configs: of Sim-LN, run already or run now.
        seeds: number of seeds.

    Returns:
        A row for each run: eps, data_seed and share, at the end; NaN for a run that
        diverged.
    """
    cells = over_seeds(configs, seeds)
    rows = []
    for cell, run in zip(cells, run_all(cells), strict=True):
        z = problem(cell).inputs @ run.params[0].astype(float)
        norm = np.linalg.norm(np.maximum(z, 0.0), axis=1)
        share = np.nan if run.diverged_at is not None else np.mean(norm > cell.eps)
        rows.append({"eps": cell.eps, "data_seed": cell.data_seed, "share": share})
    return pd.DataFrame(rows)


def work(settings: dict[str, dict[str, int]]) -> pd.DataFrame:
    """What the chapter costs under several sets of its parameters.

    Args:
        settings: by name; each with n, epochs, seeds, constants and floors.

    Returns:
        A row for each: runs, updates a run, updates in all and the hours of these on
        one core at a microsecond an update.
    """
    rows = {}
    for name, given in settings.items():
        constants, floors = given["constants"], given["floors"]
        thinned = -(-constants // 2), -(-floors // 2)
        runs = given["seeds"] * (constants + floors + 2 * thinned[0] + thinned[1])
        updates = given["epochs"] * given["n"]
        rows[name] = {
            "runs": runs,
            "updates a run": updates,
            "updates in all": runs * updates,
            "hours at 1 µs": round(runs * updates / 3.6e9, 2),
        }
    return pd.DataFrame.from_dict(rows, orient="index").astype({"runs": int})
