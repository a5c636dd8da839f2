"""Eight ways to one trace: two constructions, four kinds of training, two flows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.data.xor import sample_xor, xor_test_set
from flatminima.results.reading import Committed
from flatminima.runs.flow.config import FlowConfig
from flatminima.runs.mlp.config import Config, Phase
from flatminima.studies.paper_figures.runs import committed_runs
from flatminima.sweeps.sweep import sweep
from flatminima.sweeps.table import SEEDS, Seeds
from flatminima.theory.constructions.generalising_networks import generalising_bias
from flatminima.theory.constructions.memorising_networks import memorising_bias
from flatminima.theory.constructions.verify import verify

MEMORISER = "memoriser"
GENERALISER = "generaliser"
SAM = "1-SAM"
SAM_SMALL = "1-SAM, small start"
FROZEN = "1-SAM, frozen pattern"
NOISE = "label noise SGD"
NAIVE = "naive flow"
KINK_AWARE = "kink-aware flow"

WAYS = (MEMORISER, SAM, KINK_AWARE, NOISE, FROZEN, NAIVE, SAM_SMALL, GENERALISER)
"""All of them, in the order in which they are shown."""

SMALL = 0.01
"""Factor on the first layer at the small start; that of the source on Sim-LN."""

NOISE_SIZE = 0.3
"""What label noise SGD adds to a label or takes from it."""

QUIET = 0.03
"""Share of its updates at the end in which label noise SGD has a tenth of its rate.

At the full rate its outputs keep moving about the labels."""


def training(num_steps: int, **size: Any) -> dict[str, Config]:
    """The four kinds of training, all with the source's learning rate.

    Args:
        num_steps: updates, one example each; enough that a thirtieth is one.
        size: d, n, width, num_checkpoints.

    Returns:
        Configs in float32 by name.
    """
    base: dict[str, Any] = {
        "architecture": "bias",
        "lr": 0.01,
        "num_steps": num_steps,
        "dtype": "float32",
        **size,
    }
    quiet = Phase(start=max(1, round((1 - QUIET) * num_steps)), lr=0.001, rho=0.0)
    return {
        SAM: Config(**base, rho=0.05),
        SAM_SMALL: Config(**base, rho=0.05, init_scale=SMALL),
        FROZEN: Config(**base, rho=0.05, ascent="frozen"),
        NOISE: Config(**base, step_noise=NOISE_SIZE, phases=(quiet,)),
    }


def flows(
    iterations: int, *, start_epochs: int = 100, d: int, n: int, width: int
) -> dict[str, FlowConfig]:
    """The two flows, from where plain SGD ends.

    Args:
        iterations: at most.
        start_epochs: passes of SGD over the data before they begin.
        d, n, width: size of the problem and of the network.
    """
    start = Config(
        architecture="bias", d=d, n=n, width=width, num_steps=start_epochs * n
    )
    common: dict[str, Any] = {
        "start": start,
        "max_iterations": iterations,
        "measure_every": max(1, iterations // 4),
    }
    return {
        NAIVE: FlowConfig(kind="naive", control="own", **common),
        KINK_AWARE: FlowConfig(kind="kink_aware", **common),
    }


def constructed(seeds: Sequence[int], *, d: int, n: int) -> pd.DataFrame:
    """The two constructions on the training set of every seed.

    Returns:
        Rows with `way`, seeds, trace over bound as `ratio`, and test_accuracy.
    """
    rows = []
    for seed in seeds:
        train = sample_xor(n, d, seed=seed)
        held_out = xor_test_set(train, seed)
        networks = {
            MEMORISER: memorising_bias(train.x, train.y),
            GENERALISER: generalising_bias(d),
        }
        for way, (w, v) in networks.items():
            checked = verify("bias", w, v, train.x, train.y, held_out=held_out)
            rows.append(
                {
                    "way": way,
                    "data_seed": seed,
                    "init_seed": seed,
                    "ratio": 1 + checked.relative_excess,
                    "test_accuracy": 1 - checked.zero_one_error,
                }
            )
    return pd.DataFrame(rows)


def run(
    configs: dict[str, Config] | dict[str, FlowConfig],
    paper: Committed,
    seeds: Seeds,
) -> dict[str, pd.DataFrame]:
    """Run some ways, and take the committed runs in place of these if they are longer.

    Args:
        configs: by name.
        paper: committed runs, as from `reading.committed`.
        seeds: of the runs, which are noted as ones to be committed.

    Returns:
        Tables of `sweep` by name.
    """
    tables = {}
    for name, config in configs.items():
        table = sweep([config], seeds, commit=True)
        longer = (
            committed_flows(paper, config)
            if isinstance(config, FlowConfig)
            else committed_runs(paper, config)
        )
        if len(longer) and longer["num_steps"].max() > config.num_steps:
            table = longer
        tables[name] = table
    return tables


def committed_flows(paper: Committed, config: FlowConfig) -> pd.DataFrame:
    """The longest committed flows that differ from a config in their length alone.

    Args:
        paper: committed runs.
        config: a flow; its seeds and its numbers of iterations do not matter.

    Returns:
        Their table over all seeds; empty if there are none.
    """
    wanted = _regardless_of_length(config.model_dump(mode="json"))
    found: dict[int, list[pd.DataFrame]] = {}
    for row, fields, table in zip(paper.rows, paper.fields, paper.tables, strict=True):
        if row["module"] == config.engine and _regardless_of_length(fields) == wanted:
            found.setdefault(fields["max_iterations"], []).append(table)
    return pd.concat(found[max(found)], ignore_index=True) if found else pd.DataFrame()


def _regardless_of_length(fields: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in fields.items() if k not in ("max_iterations", "start")}
    kept.pop("measure_every")
    seeds = ("data_seed", "init_seed")
    return kept | {k: v for k, v in fields["start"].items() if k not in seeds}


def ends(tables: dict[str, pd.DataFrame], built: pd.DataFrame) -> pd.DataFrame:
    """Every network of every way, one row each.

    Args:
        tables: of training and flows, from `run`.
        built: from `constructed`.

    Returns:
        way, seeds, ratio (trace over the certified bound, after retraction; NaN for a
        run that diverged or does not come near interpolation), test_accuracy. In the
        order of `WAYS`.
    """
    parts = [built]
    for way, table in tables.items():
        last = table[table["last"]]
        ratio = (last["retracted_trace"] / last["bound"]).where(~last["diverged"])
        columns = ["data_seed", "init_seed", "test_accuracy"]
        parts.append(last[columns].assign(way=way, ratio=ratio))
    every = pd.concat(parts, ignore_index=True)
    order = {way: k for k, way in enumerate(WAYS)}
    return every.sort_values(
        ["way", "data_seed"],
        key=lambda c: c.map(order) if c.name == "way" else c,
        kind="stable",
        ignore_index=True,
    )


LIMIT = 1.01
"""Trace over bound up to which networks count as equally flat."""


def room(every: pd.DataFrame) -> Float[np.ndarray, " seeds"]:
    """By how much the sharpest of all ways stays below `LIMIT`, for every seed.

    Args:
        every: from `ends`.

    Returns:
        One number for each seed that all ways have, with a trace.
    """
    ratio = every.pivot(index=SEEDS, columns="way", values="ratio")
    return (LIMIT - ratio.reindex(columns=WAYS).dropna().max(axis=1)).to_numpy()
