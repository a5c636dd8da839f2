"""Tables of the chapter between two scenarios."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import problem
from flatminima.sweeps.sweep import run_all
from flatminima.sweeps.table import Seeds, over_seeds

LARGE_SCALE = {"d": 30, "n": 100, "width": 500, "epochs": 200_000, "lengths": 6}
"""Sizes of the chapter's larger parameter file."""


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


def above_floor(configs: Sequence[Config], seeds: Seeds) -> pd.DataFrame:
    """Share of training examples whose hidden norm exceeds the floor of Sim-LN.

    Where it does not, the network does not normalise: it is a 2-MLP-Bias with its
    outputs divided by eps.

    Args:
        configs: of Sim-LN, run already or run now.
        seeds: as in `over_seeds`.

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


def work(settings: dict[str, tuple[int, int]]) -> pd.DataFrame:
    """What the chapter costs under several sets of its parameters.

    Args:
        settings: by name; runs, as `runs.planned` counts them, and updates of a run.

    Returns:
        A row for each: runs, updates a run, updates in all and the hours of these on
        one core at a microsecond an update.
    """
    rows = {
        name: {
            "runs": runs,
            "updates a run": updates,
            "updates in all": runs * updates,
            "hours at 1 µs": round(runs * updates / 3.6e9, 2),
        }
        for name, (runs, updates) in settings.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").astype({"runs": int})


def swapped(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Mean test accuracy of a small bias input and 1, and of the swapped settings.

    Args:
        tables: by training rule, from `sweep` of `runs.swaps`: one row of settings.

    Returns:
        A row a rule; the columns say what the unit sees and as what it learns.
    """
    rows = {}
    for rule, table in tables.items():
        last = table[table["last"]]
        learnt = last["bias_init_scale"] * last["bias_input"]
        accuracy = last["test_accuracy"].where(~last["diverged"], 0.0)
        rows[rule] = accuracy.groupby([last["bias_input"], learnt.round(9)]).mean()
    found = pd.DataFrame(rows).T
    return found.rename_axis(columns=["sees", "learns as"])
