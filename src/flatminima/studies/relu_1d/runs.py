"""ERM and SAM on twelve points of the line, and what tells their causes apart."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from flatminima.data.regression import POINTS_X
from flatminima.measures.kinks import APART, TOLERANCE, count_kinks
from flatminima.models.relu_1d import Model, forward
from flatminima.runs.descent import train
from flatminima.runs.descent.config import DescentConfig
from flatminima.runs.kind import Divergence, Run, State
from flatminima.sources.implicit_bias import line, scale
from flatminima.sweeps.sweep import run_all, sweep_quietly
from flatminima.sweeps.table import over_seeds

GRID = np.linspace(POINTS_X[0], POINTS_X[-1], 201)
"""Where functions are compared, between the first and the last point."""

NAMES = ("w", "b", "a")
"""Arrays of a network."""

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Ends:
    """Where the runs of one rule end.

    Attributes:
        config: of the first seed; a matched control has another loss for each.
        table: a row a seed, with the columns that `claims.decide` asks of a table.
        networks: the final arrays by seed; NaN where a run diverged.
        history: of all checkpoints; empty where there is none.
    """

    config: DescentConfig
    table: pd.DataFrame
    networks: Mapping[int, Arrays]
    history: pd.DataFrame


def rules(rho: float, small: float, **fields: Any) -> dict[str, DescentConfig]:
    """The published runs and the controls that need nothing of them.

    Args:
        rho: radius of SAM, and length of the random perturbations.
        small: factor on the small start.
        fields: of `DescentConfig`, for all.
    """
    return {
        "ERM": line(**fields),
        "SAM": line(**fields, rho=rho),
        "ERM, not stopped": line(**fields | {"stop_loss": 0.0}),
        "random": line(**fields | {"stop_loss": 0.0}, rho=rho, ascent="random"),
        "ERM, small start": line(**fields, init_scale=small),
    }


def run(
    configs: Mapping[str, DescentConfig],
    seeds: Sequence[int],
    tolerance: float = TOLERANCE,
    apart: float = APART,
) -> dict[str, Ends]:
    """Run every rule under every seed.

    Args:
        configs: from `rules`.
        seeds: of the initialisation.
        tolerance, apart: as in `measures.kinks.count_kinks`.
    """
    found = {}
    for name, config in configs.items():
        history = sweep_quietly([config], list(seeds))
        cells = over_seeds([config], list(seeds))
        networks = {
            cell.init_seed: {key: run.arrays[key] for key in NAMES}
            for cell, run in zip(cells, run_all_quietly(cells), strict=True)
        }
        found[name] = ended(name, cells, networks, history, tolerance, apart)
    return found


def run_all_quietly(cells: Sequence[DescentConfig]) -> list[Run]:
    """`run_all` without its warning of runs that diverge."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "diverged", UserWarning)
        return run_all(cells)


def ended(
    name: str,
    cells: Sequence[DescentConfig],
    networks: Mapping[int, Arrays],
    history: pd.DataFrame,
    tolerance: float,
    apart: float,
) -> Ends:
    """A table of where networks stand, from their arrays alone."""
    functions = {seed: drawn(arrays) for seed, arrays in networks.items()}
    rows = []
    for cell in cells:
        seed, arrays = cell.init_seed, networks[cell.init_seed]
        others = [f for s, f in functions.items() if s != seed and finite({"f": f})]
        lost = not finite(arrays)
        row: dict[str, Any] = {
            **{"rule": name, "data_seed": seed, "init_seed": seed, "last": True},
            **{"diverged": lost, "num_steps": cell.num_steps, "scale": scale(cell)},
            **dict.fromkeys(("loss", "kinks", "deviation", "log_trace"), np.nan),
        }
        if not lost:
            state = State({**arrays, train.STOPPED: np.full(1, -1.0)}, cell.num_steps)
            measured = train.measure(cell, state)
            row |= {
                "loss": measured["loss"],
                "log_trace": np.log10(max(measured["trace"], 1e-300)),
                "kinks": float(
                    count_kinks(
                        *(arrays["w"], arrays["b"], arrays["a"], POINTS_X),
                        tolerance=tolerance,
                        apart=apart,
                    )
                ),
            }
            if others:
                gap = functions[seed] - np.mean(others, axis=0)
                row["deviation"] = float(np.mean(gap**2))
        rows.append(row)
    return Ends(cells[0], pd.DataFrame(rows), networks, history)


def finite(arrays: Arrays) -> bool:
    """Whether no number of some arrays is NaN or infinite."""
    return all(bool(np.isfinite(a).all()) for a in arrays.values())


def drawn(arrays: Arrays) -> np.ndarray:
    """A network's function on `GRID`."""
    w, b, a = (np.asarray(arrays[name]) for name in NAMES)
    with np.errstate(invalid="ignore"):
        return np.asarray(forward(Model(w.size), w, b, a, GRID[:, None]))


def matched(
    sam: Ends, erm: DescentConfig, tolerance: float = TOLERANCE, apart: float = APART
) -> Ends:
    """ERM from the same starts, each stopped at the loss at which its SAM ended."""
    ends_of_sam = sam.table["loss"].fillna(0.0).tolist()
    losses = dict(zip(sam.networks, ends_of_sam, strict=True))
    cells = [
        DescentConfig(
            **erm.with_seeds(seed, seed).model_dump()
            | {"stop_loss": max(float(loss), erm.stop_loss)}
        )
        for seed, loss in losses.items()
    ]
    ends = run_all_quietly(cells)
    networks = {
        cell.init_seed: {key: run.arrays[key] for key in NAMES}
        for cell, run in zip(cells, ends, strict=True)
    }
    nothing = pd.DataFrame()
    return ended("ERM, matched", cells, networks, nothing, tolerance, apart)


def finished(
    sam: Ends, erm: DescentConfig, tolerance: float = TOLERANCE, apart: float = APART
) -> Ends:
    """SAM's networks, taken on by ERM until its own final loss.

    Where descent diverges from there the network is NaN.
    """
    cells, networks = [], {}
    for seed, arrays in sam.networks.items():
        cell = erm.with_seeds(seed, seed)
        cells.append(cell)
        state = State({name: arrays[name] for name in NAMES}, 0)
        state = State({**state.arrays, train.STOPPED: np.full(1, -1.0)}, 0)
        longest = train.steps_per_call(cell)
        try:
            while state.step < cell.num_steps and state.arrays[train.STOPPED][0] < 0:
                k = min(longest, cell.num_steps - state.step)
                state = train.advance(state, cell, k)
            networks[seed] = {name: state.arrays[name] for name in NAMES}
        except Divergence:
            networks[seed] = {name: state.arrays[name] * np.nan for name in NAMES}
    nothing = pd.DataFrame()
    return ended("SAM, finished by ERM", cells, networks, nothing, tolerance, apart)


def by_tolerance(
    ends: Mapping[str, Ends], tolerances: Sequence[float], apart: float = APART
) -> pd.DataFrame:
    """Mean number of kinks at several tolerances, a column a rule.

    Args:
        ends: by rule.
        tolerances: changes of slope that do not count.
        apart: width of a window.
    """
    table = {}
    for name, each in ends.items():
        networks = [a for a in each.networks.values() if finite(a)]
        table[name] = [
            float(
                np.mean(
                    [
                        count_kinks(
                            *(a["w"], a["b"], a["a"], POINTS_X),
                            tolerance=tolerance,
                            apart=apart,
                        )
                        for a in networks
                    ]
                )
            )
            if networks
            else np.nan
            for tolerance in tolerances
        ]
    return pd.DataFrame(table, index=pd.Index(tolerances, name="tolerance"))
