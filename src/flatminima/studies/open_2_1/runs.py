"""The runs: interventions from one start, widths and sizes, and the large problem."""

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from flatminima.paths import record_file
from flatminima.results.evidence import gather
from flatminima.results.reading import Committed
from flatminima.runs.flow.config import FlowConfig
from flatminima.runs.kind import RunConfig
from flatminima.runs.mlp.config import Config, Phase
from flatminima.runs.patterns.config import PatternConfig
from flatminima.statistics.flow_ends import output_error
from flatminima.sweeps.sweep import run_all
from flatminima.sweeps.table import over_seeds

SAM, FROZEN = "1-SAM", "1-SAM, pattern frozen"
SMALL, SMALL_FROZEN = "1-SAM, small start", "1-SAM, small start, pattern frozen"
NOISE = "label-noise SGD"
BLIND, TRUE, AWARE = "blind flow", "blind flow, true trace enforced", "kink-aware flow"
BLIND_INIT = "blind flow, from initialisation"
AWARE_INIT = "kink-aware flow, from initialisation"
SAM_BLIND = "blind flow, from 1-SAM's end"
MEMO_BLIND = "blind flow, from a perturbed memoriser"
MEMO_AWARE = "kink-aware flow, from a perturbed memoriser"

LIVE = (BLIND, TRUE, AWARE, MEMO_BLIND, MEMO_AWARE)
"""Settings of which every build repeats a seed; the others are longer."""

RATES: dict[str, Any] = {"lr": 0.01, "rho": 0.05}
"""The source's of 1-SAM on 2-MLP-Bias (Wen, Li & Ma 2023, figure 4b)."""

SMALL_SCALE = 0.03
"""Factor on the first layer, as where `start` sees 1-SAM generalise."""

PERTURBATION = 0.3
"""Of the memoriser, over its root mean square weight."""

SOFTPLUS = {30: "softplus, β = 30", 100: "softplus, β = 100"}

GRID_ITERATIONS = 800
"""Of a flow over sizes and widths."""

Key = tuple[int, int, float]
"""Inputs, examples, and width over examples."""

PAIRS = {
    "open-2-1-frozen": (FROZEN, SAM),
    "open-2-1-blind-aware": (BLIND, AWARE),
    "open-2-1-blind-aware-init": (BLIND_INIT, AWARE_INIT),
    "open-2-1-noise": (NOISE, SAM),
    "open-2-1-noise-frozen": (FROZEN, NOISE),
    "open-2-1-softplus-soft": (SOFTPLUS[30], SOFTPLUS[100]),
    "open-2-1-softplus-limit": (SOFTPLUS[100], SAM),
    "open-2-1-small": (SMALL, SAM),
    "open-2-1-small-moot": (SMALL, FROZEN),
    "open-2-1-small-frozen": (SMALL_FROZEN, SMALL),
    "open-2-1-sam-end": (SAM_BLIND, SAM),
    "open-2-1-memoriser-flat": (BLIND, MEMO_BLIND),
}
"""Treatment and control of every comparison, by its claim."""

ON_THE_WAY = (
    *(SAM, FROZEN, SMALL, SMALL_FROZEN, NOISE),
    *(BLIND, AWARE, BLIND_INIT, AWARE_INIT),
)
"""Settings that start from a draw and choose their pattern on the way."""

MEASURED = (
    *("retracted_trace", "bound", "test_accuracy", "output_error"),
    *("cell_bound", "margin", "breadth", "lost", "escape"),
)
"""Columns that a table of runs without a start lacks."""

COOLED = 20
"""Label noise ends with a share 1 / `COOLED` of its steps without much of it: at a
tenth of the rate, then at a hundredth. Its iterates are too far from f = y before."""


def interventions(
    d: int, n: int, width: int, steps: int, start_epochs: int = 100
) -> dict[str, PatternConfig]:
    """All treatments of kinks and all starts, by name.

    Args:
        d, n, width: of xor and of 2-MLP-Bias.
        steps: of 1-SAM. Label noise takes two and a half times as many.
        start_epochs: passes of SGD before a flow.

    Returns:
        Configs by the names of this module.
    """
    size: dict[str, Any] = {"architecture": "bias", "d": d, "n": n, "width": width}
    short = size | {"dtype": "float32", "num_checkpoints": 2}
    sam = Config(**short, **RATES, num_steps=steps)
    frozen = Config(**short, **RATES, num_steps=steps, ascent="frozen")
    small: dict[str, Any] = {"init_scale": SMALL_SCALE}
    sgd = Config(**size, num_steps=start_epochs * n, num_checkpoints=2)
    walks: dict[str, dict[str, Any]] = {
        BLIND: {"walk": "blind"},
        TRUE: {"walk": "true"},
        AWARE: {"walk": "aware"},
        BLIND_INIT: {"walk": "blind", "begin": "initialisation"},
        AWARE_INIT: {"walk": "aware", "begin": "initialisation"},
        MEMO_BLIND: {"walk": "blind", "begin": "memoriser", "noise": PERTURBATION},
        MEMO_AWARE: {"walk": "aware", "begin": "memoriser", "noise": PERTURBATION},
    }
    return {
        SAM: PatternConfig(start=sam),
        FROZEN: PatternConfig(start=frozen),
        SMALL: PatternConfig(start=Config(**(sam.model_dump() | small))),
        SMALL_FROZEN: PatternConfig(start=Config(**(frozen.model_dump() | small))),
        SAM_BLIND: PatternConfig(start=sam, walk="blind"),
        NOISE: PatternConfig(start=_label_noise(short, 5 * steps // 2)),
        **{name: PatternConfig(start=sgd, **walk) for name, walk in walks.items()},
    }


def _label_noise(size: Mapping[str, Any], steps: int) -> Config:
    rate, part = RATES["lr"], max(1, steps // COOLED)
    phases = (
        Phase(start=steps - 2 * part, lr=0.1 * rate, rho=0.0),
        Phase(start=steps - part, lr=0.01 * rate, rho=0.0),
    )
    return Config(**size, lr=rate, step_noise=1.0, num_steps=steps, phases=phases)


def softplus(d: int, n: int, width: int, steps: int) -> dict[str, Config]:
    """1-SAM with the activation log(1 + exp(beta t)) / beta, sharper and sharper.

    With theta = theta' / beta, v . log(1 + exp(beta W x)) / beta is 1 / beta^2 times
    the softplus network at theta'. So the engine's network is run with that factor on
    its output, and with weights, radius and rate scaled as theta' asks: SGD and 1-SAM
    then take the same path.

    Args:
        d, n, width, steps: as in `interventions`; a quarter as many steps.
    """
    size: dict[str, Any] = {"architecture": "softplus", "d": d, "n": n}
    size |= {"width": width, "dtype": "float32", "num_checkpoints": 2}
    return {
        name: Config(
            **size,
            lr=RATES["lr"] * beta**2,
            rho=RATES["rho"] * beta,
            init_scale=beta,
            last_init_scale=beta,
            output_scale=beta**-2.0,
            num_steps=max(1, steps // 4),
        )
        for beta, name in SOFTPLUS.items()
    }


def beside_relu(table: pd.DataFrame) -> pd.DataFrame:
    """The table of a softplus run with its trace in theta, and ReLU's bound.

    No bound is known for softplus; ReLU's is what its trace is held against.

    Args:
        table: rows of one of `softplus`.
    """
    beta = table["output_scale"].iloc[0] ** -0.5
    bound = 4.0 * (table["d"].iloc[0] + 1) ** 0.5
    return table.assign(retracted_trace=table["retracted_trace"] * beta**2, bound=bound)


def grid(
    cases: Iterable[tuple[int, int]], shares: Iterable[float], start_epochs: int = 100
) -> dict[Key, PatternConfig]:
    """Blind flows over sizes and widths.

    Args:
        cases: pairs (d, n).
        shares: widths over n.
        start_epochs: passes of SGD before a flow.

    Returns:
        Configs by (d, n, share). Shares that round to one width are merged.
    """
    made = {}
    for d, n in cases:
        widths: dict[int, float] = {}
        for share in shares:
            widths.setdefault(max(1, round(share * n)), share)
        for width, share in widths.items():
            size: dict[str, Any] = {"architecture": "bias", "d": d, "n": n}
            size |= {"width": width, "num_steps": start_epochs * n}
            start = Config(**size, num_checkpoints=2)
            made[d, n, share] = PatternConfig(
                start=start,
                walk="blind",
                tolerance=1e-4,
                max_iterations=GRID_ITERATIONS,
            )
    return made


def slice_of(grid: Mapping[Key, PatternConfig]) -> list[Key]:
    """The keys of the first size, whose first seed every build repeats.

    Args:
        grid: from `grid`.
    """
    d, n, _ = next(iter(grid))
    return [key for key in grid if key[:2] == (d, n)]


LARGE: dict[str, Any] = {"d": 30, "n": 100, "width": 500}
"""The source's size, at which other chapters have committed runs."""

LARGE_SEEDS = range(100, 110)
MEASURED_AGAIN = 3
"""Seeds of it on which every build measures how well its end fits."""


def large_flow() -> FlowConfig:
    """The blind flow that `flattest-flows` commits: the naive one, at its full length.

    Returns:
        A config of 300 iterations from the end of 100 passes of SGD.
    """
    start = Config(architecture="bias", **LARGE, num_steps=100 * LARGE["n"])
    return FlowConfig(
        start=start,
        kind="naive",
        control="own",
        max_iterations=300,
        measure_every=25,
    )


def at_source_size(
    flows: Committed, sam: Committed, count: int
) -> dict[str, pd.DataFrame]:
    """Committed runs of other chapters: the blind flow, and 1-SAM.

    Args:
        flows: of `flattest-flows`, from `evidence.quick`.
        sam: of `start`, from `reading.committed`.
        count: of their seeds, the first ones; all if there are fewer.

    Returns:
        Tables of both on the same seeds.
    """
    seeds = LARGE_SEEDS[:count]
    flow = flows.of(large_flow())
    flow = flow[flow["data_seed"].isin(seeds)]
    wanted = {"architecture": "bias", **LARGE, **RATES, "init_scale": 1.0}
    found = [
        table
        for config, table in sam.by_config.items()
        if config.rule == SAM
        and all(config.columns[name] == value for name, value in wanted.items())
        and config.columns["data_seed"] in seeds
    ]
    longest = max(int(table["num_steps"].iloc[0]) for table in found)
    kept = [table for table in found if table["num_steps"].iloc[0] == longest]
    return {
        BLIND: flow,
        SAM: pd.concat(kept, ignore_index=True),
    }


def misfits(first_seed: int, count: int) -> np.ndarray:
    """Root mean squared errors at the ends of the large flow, which runs again for it.

    Its history has no such column.

    Args:
        first_seed: of the seeds; that of `LARGE_SEEDS` repeats what is committed.
        count: how many seeds, at most `MEASURED_AGAIN`.
    """
    seeds = range(first_seed, first_seed + min(count, MEASURED_AGAIN))
    configs = [large_flow().with_seeds(seed, seed) for seed in seeds]
    ends = zip(configs, run_all(configs), strict=True)
    return np.sqrt([output_error(config, run) for config, run in ends])


def collected(
    own: Committed,
    configs: Mapping[Any, RunConfig],
    seeds: Iterable[int],
    live: Iterable[Any],
) -> dict[Any, pd.DataFrame]:
    """Tables by name: committed runs where all are, of which a slice runs again.

    Args:
        own: of the chapter, from `evidence.quick`.
        configs: by name.
        seeds: of the runs.
        live: names of those whose first seed this build repeats.

    Returns:
        The tables. A column of `MEASURED` is there, with NaN, where no run has it.
    """
    with warnings.catch_warnings():
        # a narrow network may have no start; tables count those
        warnings.filterwarnings("ignore", "diverged", UserWarning)
        return _collected(own, configs, list(seeds), live)


def _collected(
    own: Committed,
    configs: Mapping[Any, RunConfig],
    drawn: list[int],
    live: Iterable[Any],
) -> dict[Any, pd.DataFrame]:
    tables = own.by_config
    recording = record_file() is not None
    made = {}
    for name, config in configs.items():
        cells = over_seeds([config], drawn)
        if not recording and name not in live and all(c in tables for c in cells):
            made[name] = pd.concat([tables[c] for c in cells], ignore_index=True)
        else:
            made[name] = gather(own, [config], drawn, again=1).table
        lacking = [column for column in MEASURED if column not in made[name]]
        made[name] = made[name].assign(**dict.fromkeys(lacking, float("nan")))
    return made
