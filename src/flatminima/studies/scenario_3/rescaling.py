"""The free scale of 2-MLP-Sim-LN.

Multiplying the first layer by a constant leaves every output unchanged as long
as ||h|| > eps, and divides the first layer's part of the trace by the constant
squared. What is left is the second layer's part, which is the certified bound.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import problem
from flatminima.sharpness.closed_form import (
    linearised,
    per_example_gradients,
    trace_hessian,
)
from flatminima.sharpness.gauss_newton import retract
from flatminima.sweeps.sweep import run_all
from flatminima.sweeps.table import Seeds, over_seeds, tidy


def rescaled_traces(
    config: Config, seeds: Seeds, factors: Sequence[float]
) -> pd.DataFrame:
    """The ends of trained networks with their first layer multiplied.

    Args:
        config: the setting.
        seeds: as in `over_seeds`.
        factors: what to multiply the first layer with, after retraction; above 0.

    Returns:
        The last row of every run in `sweep`'s table, once for each factor, with
        `factor` and, at that factor, `retracted_trace` and `first_layer_norm`. The
        trace is NaN for a run that does not interpolate or that diverged.

    Raises:
        ValueError: if a factor is not above 0.
    """
    for factor in factors:
        if not factor > 0:
            raise ValueError(f"factor = {factor}: must be above 0")
    rows = []
    cells = over_seeds([config], seeds)
    for cell, run in zip(cells, run_all(cells), strict=True):
        last = tidy(cell, run).tail(1)
        if run.diverged_at is not None or last["retracted_trace"].isna().all():
            unknown = last.assign(retracted_trace=np.nan)
            norms = last["first_layer_norm"]
            rows += [
                unknown.assign(factor=factor, first_layer_norm=factor * norms)
                for factor in factors
            ]
            continue
        setting = problem(cell)
        params = tuple(p.astype(float) for p in run.params)
        network = linearised(setting.model, setting.inputs)
        w, v = retract(network, params, setting.targets).parameters
        for factor in factors:
            at = per_example_gradients(setting.model, factor * w, v, setting.inputs)
            trace = trace_hessian(
                setting.architecture, setting.model, at, setting.y, setting.loss
            )
            norm = factor * float((w**2).sum() ** 0.5)
            rows.append(
                last.assign(factor=factor, retracted_trace=trace, first_layer_norm=norm)
            )
    return pd.concat(rows, ignore_index=True)
