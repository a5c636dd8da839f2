"""A kind of run that is no network: damped oscillators, x'' = -x - 2 damping x'."""

from typing import Any, ClassVar, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from flatminima.runs import loop
from flatminima.runs.kind import Divergence, Run, State

DT = 0.01
NUMBER = 100


class Config(BaseModel):
    """Some oscillators; a seed draws where they start."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    engine: ClassVar[str] = __name__
    source: ClassVar[str] = __name__

    damping: float = 0.1
    num_steps: int = 400
    data_seed: int = 0
    init_seed: int = 0

    @property
    def rule(self) -> str:
        return "damped" if self.damping > 0 else "free"

    @property
    def columns(self) -> dict[str, Any]:
        return self.model_dump() | {"test_points": NUMBER}

    def with_seeds(self, data_seed: int, init_seed: int) -> Self:
        seeds = {"data_seed": data_seed, "init_seed": init_seed}
        return type(self)(**(self.model_dump() | seeds))


def scale(config: Config) -> str:
    return f"a toy, {config.num_steps} steps"


def modules(config: Config) -> tuple[str, ...]:
    return (__name__,)


def checkpoints(config: Config) -> np.ndarray:
    return loop.spaced(config.num_steps, 5)


def start(config: Config) -> State:
    rng = np.random.default_rng([config.data_seed, config.init_seed])
    return State({"x": 1 + rng.random(NUMBER), "v": np.zeros(NUMBER)})


def steps_per_call(config: Config) -> int:
    return 30_000


def advance(state: State, config: Config, k: int) -> State:
    x, v = state.arrays["x"], state.arrays["v"]
    for step in range(k):
        x, v = x + DT * v, v - DT * (x + 2 * config.damping * v)
        if not np.isfinite(x).all():
            raise Divergence(config, state.step + step)
    return State({"x": x, "v": v}, state.step + k)


def measure(config: Config, state: State) -> dict[str, float]:
    x, v = state.arrays["x"], state.arrays["v"]
    small = float(np.mean(np.abs(x) < 0.5))
    return {"step": state.step, "energy": float(x @ x + v @ v), "test_accuracy": small}


def summary(config: Config, run: Run) -> dict[str, Any]:
    return {"farthest": float(np.max(np.abs(run.arrays["x"])))}
