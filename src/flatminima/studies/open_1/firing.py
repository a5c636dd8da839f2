"""How often units fire on new data, after flat and after small training.

"Neural shattering" (Liang et al. 2025): units that rarely fire, with large weights,
cost the trace little. The measure here is the mean firing rate on held-out points, in
which each unit counts by |v_j| ||w_j||.

Without a bias, and with inputs whose law is symmetric about 0, every unit fires on half
of them, whatever its weights: w . x > 0 exactly where w . (-x) < 0.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.measures.firing import weighted_rate as by_size
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import problem
from flatminima.sweeps.sweep import run_all

ARCHITECTURES = {"bias": "2-MLP-Bias", "no_bias": "2-MLP-No-Bias"}
FLAT, SMALL, PLAIN = "1-SAM", "GD + wd", "SGD"
RULES = (FLAT, PLAIN, SMALL)
"""The last differs from the first in batch, length and decay as well; SGD, between the
two, differs from 1-SAM in the ascent alone."""

DECAY = {"batch": "full", "lr": 0.03}
SETTINGS: dict[str, dict[str, dict[str, Any]]] = {
    "xor": {FLAT: {"rho": 0.05}, PLAIN: {}, SMALL: {**DECAY, "weight_decay": 0.05}},
    "ball": {FLAT: {"rho": 0.2}, PLAIN: {}, SMALL: {**DECAY, "weight_decay": 0.02}},
}
"""Radii of the source, and its decay on xor. It has no decay on the ball. The rate of
the full batch is three times the source's, so that decay acts within the run."""


def configs(
    sizes: Mapping[str, tuple[int, int]],
    *,
    width: int,
    epochs: int,
    full_steps: int,
    seed: int,
) -> dict[tuple[str, str, str], Config]:
    """The runs of one seed, by data, architecture and rule.

    Args:
        sizes: d and n of xor and of the ball.
        width: hidden units.
        epochs: passes over the data of 1-SAM and SGD.
        full_steps: updates of gradient descent with weight decay.
        seed: of data and start.
    """
    found = {}
    for data, (d, n) in sizes.items():
        steps = {FLAT: epochs * n, PLAIN: epochs * n, SMALL: full_steps}
        for architecture in ARCHITECTURES:
            for rule in RULES:
                fields: dict[str, Any] = {
                    **{"architecture": architecture, "data": data, "d": d, "n": n},
                    **{"width": width, "num_steps": steps[rule]},
                    **{"num_checkpoints": 2, "data_seed": seed, "init_seed": seed},
                    **SETTINGS[data][rule],
                }
                found[data, architecture, rule] = Config(**fields)
    return found


def firing_rates(
    w: Float[np.ndarray, "inputs width"], x: Float[np.ndarray, "points inputs"]
) -> Float[np.ndarray, " width"]:
    """Share of the points at which each unit's input is above 0."""
    return np.asarray((x @ w > 0).mean(axis=0))


def weighted_rate(
    w: Float[np.ndarray, "inputs width"],
    v: Float[np.ndarray, " width"],
    x: Float[np.ndarray, "points inputs"],
) -> float:
    """Mean firing rate with the weights |v_j| ||w_j||; NaN if all are 0."""
    return by_size(x @ w > 0, np.abs(v) * np.linalg.norm(w, axis=0))


def table(
    sizes: Mapping[str, tuple[int, int]], seeds: Sequence[int], **length: int
) -> pd.DataFrame:
    """Firing rates and test scores of all runs.

    Args:
        sizes: as in `configs`.
        seeds: of data and start.
        length: as in `configs`: width, epochs and full_steps.

    Returns:
        A row a run: data, architecture, rule, seed, firing (`weighted_rate`), score
        (accuracy on xor, R^2 on the ball), trace and loss; NaN where it diverged.
    """
    cells = [
        (seed, name, config)
        for seed in seeds
        for name, config in configs(sizes, seed=seed, **length).items()
    ]
    runs = run_all([config for _, _, config in cells])
    rows = []
    names = ["data", "architecture", "rule"]
    for (seed, name, config), run in zip(cells, runs, strict=True):
        row: dict[str, Any] = {**dict(zip(names, name, strict=True)), "seed": seed}
        test = "test_accuracy" if config.data == "xor" else "test_r2"
        if run.diverged_at is None:
            last, setting = run.history.iloc[-1], problem(config)
            x = setting.architecture.inputs(setting.model, setting.test.x)
            row["firing"] = weighted_rate(run.arrays["w"], run.arrays["v"], x)
            row["score"] = last[test]
            row["trace"], row["loss"] = last["trace"], last["train_loss"]
        rows.append(row)
    columns = [*names, "seed", "firing", "score", "trace", "loss"]
    return pd.DataFrame(rows, columns=columns)


COLUMNS = {
    "firing": "firing rate",
    "score": "accuracy or R²",
    "trace": "trace",
    "loss": "training loss",
}
"""What the table of means calls its columns."""


def means(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds by data, architecture and rule, under names to be read.

    Args:
        rows: from `table`.
    """
    named = rows.assign(architecture=rows["architecture"].map(ARCHITECTURES))
    by = named.groupby(["data", "architecture", "rule"])[list(COLUMNS)]
    return by.mean().round(3).rename(columns=COLUMNS)


def by_seed(rows: pd.DataFrame, column: str, *cell: str) -> pd.Series:
    """A column of one cell (data, architecture, rule), by seed."""
    names = ["data", "architecture", "rule"]
    chosen = (rows[names] == list(cell)).all(axis=1)
    return rows[chosen].set_index("seed")[column].astype(float)


def gain(rows: pd.DataFrame, data: str, architecture: str) -> pd.Series:
    """By how much the flat run's score is above that of the small one, by seed."""
    pair = (by_seed(rows, "score", data, architecture, r) for r in (FLAT, SMALL))
    return next(pair) - next(pair)


def behind(rows: pd.DataFrame, data: str) -> pd.Series:
    """How much further the flat run is behind on Bias than on No-Bias, by seed."""
    return (gain(rows, data, "no_bias") - gain(rows, data, "bias")).dropna()
