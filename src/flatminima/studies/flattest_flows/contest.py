"""Flows and the training rule that they are compared with, as configs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from flatminima.checks import at_least
from flatminima.results.evidence import gather
from flatminima.results.reading import Committed
from flatminima.runs.flow.config import FlowConfig
from flatminima.runs.flow.moves import moves
from flatminima.runs.mlp.config import Config
from flatminima.sources.wen_li_ma import figure
from flatminima.statistics.flow_ends import with_output_error
from flatminima.sweeps.sweep import fetch, sweep
from flatminima.sweeps.table import Seeds, over_seeds

NAIVE = "naive"
NAIVE_TRUE = "naive, true trace"
KINK_AWARE = "kink-aware"
WIDER = "kink-aware, wider"
SAM = "1-SAM"

COUNTED = ("rising_share", "jump_share", "accepted_rising_share", "reason")
"""Columns of a flow that one without a start lacks."""

SAM_FIGURES = {"bias": "4b", "no_bias": "1b", "sim_ln": "6b"}
"""The paper's figures of 1-SAM. 6b holds the first layer at a fixed norm."""


def contenders(
    architecture: str,
    *,
    d: int,
    n: int,
    width: int,
    start_epochs: int,
    iterations: int,
    smoothing: float,
    wider: float,
    sam_share: float,
    measure_every: int = 25,
) -> dict[str, Any]:
    """Four flows from where plain SGD ends, and 1-SAM from the same initialisation.

    The naive flow is run twice: accepting what lowers the trace as its gradient sees
    it, and accepting only what lowers the true one. The kink-aware flow accepts
    only the latter, at two widths of the smoothing. On Sim-LN all hold the norm of the
    first layer at that of figure 6b: without that the trace has no minimum.

    Args:
        architecture: key of `SAM_FIGURES`.
        d, n, width: size of the problem and of the network.
        start_epochs: passes of SGD, batch size 1, before the flows begin.
        iterations: of every flow, at most.
        smoothing, wider: of the two kink-aware flows.
        sam_share: of the epochs of the paper's figure of 1-SAM.
        measure_every: iterations between two measurements of the accuracy.

    Returns:
        Configs by name, a `Config` for 1-SAM and a `FlowConfig` for the others.

    Raises:
        ValueError: if a value is out of range, or the two smoothings are one.
    """
    if architecture not in SAM_FIGURES:
        allowed = ", ".join(SAM_FIGURES)
        raise ValueError(f"architecture = {architecture!r}: allowed are {allowed}")
    if not wider > smoothing:
        raise ValueError(f"wider = {wider}: must be above smoothing = {smoothing}")
    at_least("start_epochs", start_epochs, 1)
    size: dict[str, Any] = {"architecture": architecture, "d": d, "n": n}
    size["width"] = width
    radius = figure(SAM_FIGURES[architecture]).radius
    size["radius"] = radius
    Config(**size)  # refuse bad sizes first
    start = Config(**size, num_steps=start_epochs * n)
    common: dict[str, Any] = {
        "start": start,
        "radius": radius,
        "max_iterations": iterations,
        "measure_every": measure_every,
    }
    sam = figure(
        SAM_FIGURES[architecture], epochs_factor=sam_share, dtype="float32", **size
    )
    return {
        NAIVE: FlowConfig(kind="naive", control="own", **common),
        NAIVE_TRUE: FlowConfig(kind="naive", **common),
        KINK_AWARE: FlowConfig(kind="kink_aware", smoothing=smoothing, **common),
        WIDER: FlowConfig(kind="kink_aware", smoothing=wider, **common),
        SAM: sam,
    }


def longer(config: FlowConfig, times: int) -> FlowConfig:
    """The same flow with more iterations.

    Args:
        config: from `contenders`.
        times: as many as before, at least 1.

    Raises:
        ValueError: if it is below 1.
    """
    at_least("times", times, 1)
    fields = config.model_dump() | {"start": config.start}
    fields["max_iterations"] = times * config.max_iterations
    return FlowConfig(**fields)


def kept_sam(committed: Committed, here: Config, seeds: Seeds) -> pd.DataFrame:
    """1-SAM at the source's own length, from committed runs of the same size.

    Args:
        committed: runs of a chapter.
        here: 1-SAM as this build runs it.
        seeds: for `here`, where no run of its size is committed.

    Returns:
        The rows of all their seeds; those of `here` if there are none.
    """
    same = ["architecture", "d", "n", "width", "rule", "lr", "rho"]
    wanted = here.columns | {"rule": here.rule}
    tables = [
        table
        for table in committed.tables
        if all(name in table and table[name].iloc[0] == wanted[name] for name in same)
    ]
    return pd.concat(tables, ignore_index=True) if tables else sweep([here], seeds)


def seed_pairs(first: int, count: int) -> list[tuple[int, int]]:
    """Data and initialisation seeds first, first + 1, ..., drawn together.

    Raises:
        ValueError: if first is negative or count is below 1.
    """
    at_least("first", first, 0)
    at_least("seeds", count, 1)
    return [(seed, seed) for seed in range(first, first + count)]


def contest(
    configs: Mapping[str, Any],
    seeds: Sequence[tuple[int, int]],
    updates: int,
    own: Committed | None = None,
) -> dict[str, pd.DataFrame]:
    """Run all, and give flows and training the same columns.

    Args:
        configs: from `contenders`.
        seeds: pairs (data_seed, init_seed).
        updates: further updates of training over which its rising_share and
            jump_share are counted (`flow.moves`).
        own: committed flows of the chapter, as in `evidence.gather`. They have the rows
            alone at which the accuracy was measured.

    Returns:
        Tables of `sweep` by name. Those of flows get NaN for what a flow lacks that
        found no start, and those without `own` their output_error, which is measured.
        That of training gets the two shares, the same in every row of a seed, NaN for
        a run that diverged.
    """
    tables = {
        name: gather(own, [config], seeds).table
        if own and isinstance(config, FlowConfig)
        else sweep([config], seeds)
        for name, config in configs.items()
    }
    for name, config in configs.items():
        if isinstance(config, FlowConfig):
            table = tables[name]
            if not own:
                table = with_output_error(table, config, seeds)
            lacking = [column for column in COUNTED if column not in table]
            tables[name] = table.assign(**dict.fromkeys(lacking, np.nan))
        else:
            tables[name] = tables[name].merge(_moves(config, seeds, updates))
    return tables


def _moves(
    config: Config, seeds: Sequence[tuple[int, int]], updates: int
) -> pd.DataFrame:
    rows = []
    for cell in over_seeds([config], seeds):
        run = fetch(cell)
        row = {
            "data_seed": cell.data_seed,
            "init_seed": cell.init_seed,
            "rising_share": float("nan"),
            "jump_share": float("nan"),
        }
        if run.diverged_at is None:
            counted = moves(cell, run, updates)
            row["rising_share"] = counted.rising_share
            row["jump_share"] = counted.jump_share
        rows.append(row)
    return pd.DataFrame(rows)
