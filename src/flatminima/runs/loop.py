"""From a config to the history of its run, whatever its kind."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd

from flatminima.runs.kind import Divergence, Run, RunConfig, State, engine_of


def run(config: RunConfig) -> Run:
    """From the start to the end, measuring at every checkpoint."""
    return proceed(config, None, lambda: False)


def proceed(config: RunConfig, run: Run | None, pause: Callable[[], bool]) -> Run:
    """Go on until the end or until told to pause.

    A run that was paused, anywhere and any number of times, ends with the same bits
    as one that was not.

    Args:
        config: what to run.
        run: where an earlier call paused; None to start.
        pause: asked every few tenths of a second.

    Returns:
        The run; `finished` unless it was paused.
    """
    engine = engine_of(config)
    if hasattr(engine, "proceed"):
        return engine.proceed(config, run, pause)
    rows: list[dict[Any, Any]] = []
    if run is None:
        state = engine.start(config)
    else:
        state = State(run.arrays, run.step)
        rows = run.history.to_dict("records")
    longest = engine.steps_per_call(config)
    for target in engine.checkpoints(config)[len(rows) :].tolist():
        while state.step < target:
            if pause():
                history = pd.DataFrame(rows)
                return Run(history, state.arrays, state.step, finished=False)
            try:
                k = min(longest, target - state.step)
                state = engine.advance(state, config, k)
            except Divergence as divergence:
                nothing = {name: a * np.nan for name, a in state.arrays.items()}
                step = divergence.step
                return Run(pd.DataFrame(rows), nothing, step, diverged_at=step)
        rows.append(engine.measure(config, state))
    if hasattr(engine, "finish"):
        rows[-1] |= engine.finish(config, state)
    return Run(pd.DataFrame(rows), state.arrays, state.step)


def spaced(num_steps: int, count: int, further: Iterable[int] = ()) -> np.ndarray:
    """Step 0, then steps evenly in the logarithm from 100 on, the last included.

    Args:
        num_steps: the last step.
        count: how many, at least 2; fewer where neighbours coincide.
        further: other steps to include, those up to the last.
    """
    first = min(100, num_steps)
    # from the end, which a single checkpoint after the start must be
    steps = np.geomspace(num_steps, first, count - 1)
    extra = [step for step in further if step <= num_steps]
    return np.unique(np.concatenate([[0], np.rint(steps), extra]).astype(int))
