"""The engine of racers that stay on {f = y}; see `runs.kind.Engine`."""

from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pandas as pd

from flatminima.flows.model import Theta, loss
from flatminima.flows.sharpness_flow import sharpness_flow
from flatminima.flows.spectral import spectral_descent
from flatminima.runs.kind import Run
from flatminima.runs.race.config import WalkRace
from flatminima.runs.race.counted import Counted, Spent
from flatminima.runs.race.problem import problem
from flatminima.runs.race.train import spent

Config = WalkRace
"""What `results` builds a config by."""

CLOSE = 5e-4
"""Excess over the bound at which a racer has nothing left to win."""

MANY = 10**9
"""Steps that no budget has room for."""


def modules(config: WalkRace) -> tuple[str, ...]:
    """The modules that a run of this config reaches everything else from."""
    return (__name__,)


def proceed(config: WalkRace, run: Run | None, pause: Callable[[], bool]) -> Run:
    """A whole walk, as a sweep wants it; walks are short and take no pause.

    Returns:
        The run. Its history has the columns of `train.measure` and `train.finish`: at
        every checkpoint the smallest ratio so far, and at the last what the walk came
        to. It diverged where Gauss-Newton does not get from the start to {f = y}.
    """
    setting, seen = problem(config), []
    counted = Counted(
        setting.model, config.budget, lambda count, trace: seen.append((count, trace))
    )
    with suppress(Spent):
        _go(config, counted, setting.start)
    if not seen:
        return _lost(config, counted.count)
    counts, traces = np.array(seen, dtype=float).T
    best = np.minimum.accumulate(traces) / setting.bound
    grid = spent(config.budget, config.num_checkpoints)
    grid = np.append(grid[(grid >= counts[0]) & (grid < counts[-1])], counts[-1])
    at = np.searchsorted(counts, grid, side="right") - 1
    rows = pd.DataFrame(
        {
            "step": np.rint(grid).astype(int),
            "evaluations": grid,
            "loss": 0.0,
            "ratio": best[at],
        }
    )
    rows = rows.drop_duplicates("step", keep="last").reset_index(drop=True)
    last = rows.index == rows.index[-1]
    for name, value in (("bound", setting.bound), ("gap", setting.gap)):
        rows[name] = np.where(last, value, np.nan)
    return Run(rows, {"ratio": best[-1:]}, int(rows["step"].iloc[-1]))


def _lost(config: WalkRace, count: int) -> Run:
    """The run of a walk that never got to {f = y}."""
    setting = problem(config)
    off = loss(setting.model.tangent(setting.start).f, setting.model.y)
    row = {"step": 0, "evaluations": float(count), "loss": off, "ratio": np.nan}
    return Run(pd.DataFrame([row]), {}, count, diverged_at=count)


def _go(config: WalkRace, model: Counted, start: Theta) -> None:
    """Walk until the bound, the budget or the method ends it."""
    bound = problem(config).bound
    if config.method == "flow":
        sharpness_flow(
            *(model, start),
            bound=bound,
            tolerance=CLOSE,
            rtol=config.rtol,
            max_steps=MANY,
        )
    else:
        spectral_descent(
            *(model, start),
            bound=bound,
            tolerance=CLOSE,
            first=config.first,
            memory=config.memory,
            max_steps=MANY,
        )
