"""The largest units of a first layer, as tables."""

from collections.abc import Mapping, Sequence

import pandas as pd

from flatminima.measures.alignment import summary, unit_table
from flatminima.runs.mlp.config import Config
from flatminima.sweeps.sweep import run_all
from flatminima.sweeps.table import Seeds, over_seeds, tidy


def unit_frame(units: Mapping[str, Sequence[float]]) -> pd.DataFrame:
    """`unit_table` to look at, a row a unit, the largest first."""
    table = pd.DataFrame(dict(units))
    table.index = pd.RangeIndex(1, len(table) + 1, name="unit")
    return table


def largest_units(config: Config, largest: int = 4) -> pd.DataFrame:
    """The largest units of one run, computed now if it is not stored."""
    (run,) = run_all([config])
    return unit_frame(unit_table(run.params[0].astype(float), largest))


def alignments(config: Config, seeds: Seeds) -> pd.DataFrame:
    """The ends of some runs, with what their weights say.

    Args:
        config: the setting.
        seeds: as in `over_seeds`.

    Returns:
        The last row of every run in `sweep`'s table, with the entries of `summary` as
        further columns.
    """
    cells = over_seeds([config], seeds)
    rows = []
    for cell, run in zip(cells, run_all(cells), strict=True):
        row = tidy(cell, run).tail(1)
        rows.append(row.assign(**summary(run.params[0].astype(float))))
    return pd.concat(rows, ignore_index=True)
