"""How well flows fit at their ends. Their histories have no such column."""

import numpy as np
import pandas as pd

from flatminima.runs.flow.config import FlowConfig
from flatminima.runs.kind import Run
from flatminima.runs.mlp import problem as mlp_problem
from flatminima.sweeps.sweep import run_all
from flatminima.sweeps.table import SEEDS, Seeds, over_seeds


def output_error(config: FlowConfig, run: Run) -> float:
    """Mean squared distance of the training outputs to the labels, at the end.

    Args:
        config: of the flow.
        run: its run.

    Returns:
        The mean over the training points; NaN if the flow found no start.
    """
    if not run.arrays:
        return np.nan
    setting = mlp_problem.problem(config.start)
    f = setting.architecture.forward(setting.model, *run.params, setting.inputs)
    return float(np.mean((f - setting.y) ** 2))


def with_output_error(
    table: pd.DataFrame, config: FlowConfig, seeds: Seeds
) -> pd.DataFrame:
    """The rows of a flow, with the column that claims on fits and flatness read.

    Args:
        table: from `sweep.sweep`, of this config and these seeds.
        config, seeds: as there.

    Returns:
        The table with output_error as in `output_error`; NaN but in last rows.
    """
    cells = over_seeds([config], seeds)
    runs = zip(cells, run_all(cells), strict=True)
    found = {
        (cell.start.data_seed, cell.start.init_seed): output_error(cell, run)
        for cell, run in runs
    }
    errors = [found[tuple(pair)] for pair in table[SEEDS].to_numpy().tolist()]
    return table.assign(output_error=np.where(table["last"], errors, np.nan))
