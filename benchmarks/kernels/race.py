"""Race the candidates from points of a real run."""

import time
from collections.abc import Iterable
from types import ModuleType

import numpy as np

from benchmarks.kernels import active, blas, engine, gram, screened, single
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.order import example_order
from flatminima.runs.mlp.problem import State, initial_state, problem
from flatminima.runs.mlp.train import advance, padded_copy, steps_per_call

CANDIDATES: dict[str, ModuleType] = {
    "four steps a pass": engine,
    "one step a pass": single,
    "eight steps, BLAS": blas,
    "active units": active,
    "screened units": screened,
    "Gram form": gram,
}
AGREE_STEPS = 100
AGREE = {"float64": 1e-9, "float32": 1e-3}


def states(config: Config, steps: Iterable[int]) -> Iterable[State]:
    """The states of a run at some steps, ascending."""
    state = initial_state(config)
    longest = steps_per_call(config)
    for step in steps:
        while state.step < step:
            state = advance(state, config, min(longest, step - state.step))
        yield state


def activity(config: Config, state: State) -> dict[str, float]:
    """Who is active at a state: what decides between the candidates."""
    w, _ = state.params
    on = problem(config).inputs @ w.astype(np.float64) > 0
    units = on.sum(axis=1)
    return {
        "active_mean": float(units.mean()),
        "active_least": int(units.min()),
        "active_most": int(units.max()),
        "dead_units": int((~on.any(axis=0)).sum()),
        "examples_of_a_unit": float(on.sum(axis=0).mean()),
    }


def take(candidate: ModuleType, config: Config, state: State, num_steps: int):
    """Steps of a candidate from a state; returns (CPU seconds, w, v)."""
    setting = problem(config)
    scalar = np.dtype(config.dtype).type
    w, v = (padded_copy(p) for p in state.params)
    x, y = setting.inputs.astype(config.dtype), setting.y.astype(config.dtype)
    order = example_order(config, state.step, state.step + num_steps)
    lr, rho = scalar(config.lr), scalar(config.rho)
    start = time.process_time()
    candidate.run(setting.model, w, v, x, y, order, lr, rho)
    return time.process_time() - start, w, v


def check_same(config: Config, state: State) -> None:
    """Refuse to race programs that compute different things.

    Raises:
        AssertionError: if weights differ from the engine's after 100 steps.
    """
    _, w, v = take(engine, config, state, AGREE_STEPS)
    for name, candidate in CANDIDATES.items():
        _, w_other, v_other = take(candidate, config, state, AGREE_STEPS)
        for ours, other in ((w, w_other), (v, v_other)):
            difference = np.linalg.norm(ours - other) / np.linalg.norm(ours)
            if not difference < AGREE[config.dtype]:
                raise AssertionError(f"{name} differs by {difference:.1e}: {config}")


def race(config: Config, state: State, num_steps: int, repeats: int) -> list[dict]:
    """Microseconds a step of every candidate from one state, the best of several.

    Candidates take turns, so that a busy moment of the machine hits all of them. Memory
    of growing size is held, since some places of the arrays are slower than others.
    """
    check_same(config, state)
    best = dict.fromkeys(CANDIDATES, np.inf)
    shifts: list[np.ndarray] = []
    for _ in range(repeats):
        shifts.append(np.empty(64 * len(shifts)))
        for name, candidate in CANDIDATES.items():
            best[name] = min(best[name], take(candidate, config, state, num_steps)[0])
    who = activity(config, state)
    num_inputs, width = state.params[0].shape
    itemsize = np.dtype(config.dtype).itemsize
    rows = []
    for name, candidate in CANDIDATES.items():
        products, traffic = candidate.work(
            num_inputs, width, config.n, who["active_mean"], itemsize
        )
        rows.append(
            {
                "candidate": name,
                "microseconds": best[name] / num_steps * 1e6,
                "products": products,
                "bytes": traffic,
                "architecture": config.architecture,
                "dtype": config.dtype,
                "step": state.step,
                **who,
            }
        )
    return rows
