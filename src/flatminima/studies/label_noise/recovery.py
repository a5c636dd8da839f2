"""Sparse recovery: label-noise SGD and its controls, from one start."""

import pandas as pd

from flatminima.runs.descent.config import DescentConfig
from flatminima.sweeps.sweep import sweep_quietly

LABEL_NOISE, BATCH, DESCENT = "label noise", "mini-batch", "gradient descent"


def configs(
    *,
    d: int,
    n: int,
    sparsity: int,
    alpha: float,
    delta: float,
    lr: float,
    num_steps: int,
    gd_steps: int,
) -> dict[str, DescentConfig]:
    """Three rules that differ in noise and batch alone.

    Gradient descent has its own number of steps, since it stands still once it
    interpolates.

    Args:
        d, n: coordinates and examples.
        sparsity: entries of the truth.
        alpha: u = v = alpha at the start.
        delta: size of the label noise.
        lr: learning rate of all.
        num_steps: of the two that draw examples.
        gd_steps: of gradient descent.
    """
    base = DescentConfig(
        model="squares",
        data="signs",
        d=d,
        n=n,
        complexity=sparsity,
        alpha=alpha,
        lr=lr,
        num_steps=num_steps,
        num_checkpoints=12,
    ).model_dump()
    return {
        LABEL_NOISE: DescentConfig(**base | {"batch": 1, "label_noise": delta}),
        BATCH: DescentConfig(**base | {"batch": 1}),
        DESCENT: DescentConfig(**base | {"num_steps": gd_steps}),
    }


def run(settings: dict[str, DescentConfig], seeds: range) -> dict[str, pd.DataFrame]:
    """Their tables, by name."""
    return {name: sweep_quietly([config], seeds) for name, config in settings.items()}
