"""What a run is, for every kind of run.

A kind is a config and an engine. The config is a frozen, hashable pydantic model
that says which module is its engine. `loop.proceed` drives the engine, `sweeps`
keeps what it returns, and neither knows any kind. This file and `loop` are part of
every key, so they hold no more than that.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import pandas as pd
from pydantic import BaseModel


class RunConfig(Protocol):
    """What the engine, the sweep and the store ask of a config.

    Attributes:
        engine: name of the module that runs it; see `Engine`.
        source: name of the module whose `scale(config)` says how a run compares
            with the source's own; it is no part of a result.
        num_steps: length of the run.
        rule: name of what drives it, such as "1-SAM".
        columns: what a table shows of it, plain values by name.
    """

    engine: ClassVar[str]
    source: ClassVar[str]

    @property
    def num_steps(self) -> int: ...

    @property
    def rule(self) -> str: ...

    @property
    def columns(self) -> dict[str, Any]: ...

    def with_seeds(self, data_seed: int, init_seed: int) -> Self:
        """The same run on other data and from another start."""
        ...

    def model_dump(self, *, mode: str = "python") -> dict[str, Any]: ...


@dataclass(frozen=True)
class State:
    """All that a run needs to go on.

    Attributes:
        arrays: by name: weights first, then whatever else moves, such as momentum.
        step: updates done; with the config's seeds it fixes all draws to come.
    """

    arrays: Mapping[str, np.ndarray]
    step: int = 0

    @property
    def params(self) -> tuple[np.ndarray, ...]:
        """The arrays without their names."""
        return tuple(self.arrays.values())


class Engine(Protocol):
    """The functions of an engine's module, with `Config`, the class of its configs.

    Four more are optional:

        finish(config, state)    columns of the last row, measured once
        inputs(config)           files whose content joins the key
        summary(config, run)     what committed results keep of the final arrays:
                                 numbers and lists of numbers by name
        proceed(config, run, pause)    in place of all but `modules`, where a run is
                                 not a walk from checkpoint to checkpoint
    """

    Config: type[Any]

    def modules(self, config: Any) -> tuple[str, ...]:
        """Modules from which everything that the run uses is reached by imports."""
        ...

    def checkpoints(self, config: Any) -> np.ndarray:
        """Steps at which the run is measured, ascending, the last one included."""
        ...

    def start(self, config: Any) -> State:
        """The state before the first step."""
        ...

    def steps_per_call(self, config: Any) -> int:
        """Steps that `advance` takes in about 0.3 s at most."""
        ...

    def advance(self, state: State, config: Any, k: int) -> State:
        """The state k steps later; pure. Raises `Divergence` at NaN and inf."""
        ...

    def measure(self, config: Any, state: State) -> dict[str, float]:
        """A row of the history, `step` included."""
        ...


class Divergence(ArithmeticError):
    """A run met NaN or inf.

    Attributes:
        config: the run.
        step: updates done before it.
    """

    def __init__(self, config: RunConfig, step: int):
        self.config = config
        self.step = step
        super().__init__(f"diverged after {step} steps: {config!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.config, self.step)


@dataclass(frozen=True)
class Run:
    """A run, finished or interrupted.

    Attributes:
        history: one row a checkpoint passed.
        arrays: the state where it stands, as in `State`.
        step: updates done.
        finished: whether it reached its end or diverged.
        diverged_at: updates done when the run met NaN or inf; None if it did
            not. The history then ends before it and the arrays are NaN.
    """

    history: pd.DataFrame
    arrays: Mapping[str, np.ndarray]
    step: int
    finished: bool = True
    diverged_at: int | None = None

    @property
    def params(self) -> tuple[np.ndarray, ...]:
        """The arrays without their names."""
        return tuple(self.arrays.values())


def refuse_unused(config: BaseModel, name: str, reason: str) -> None:
    """Refuse a value that the run takes no notice of: equal runs have equal configs.

    Raises:
        ValueError: if the field is not at its default.
    """
    default, value = type(config).model_fields[name].default, getattr(config, name)
    if value != default:
        raise ValueError(
            f"{name} = {value!r}: must be left at {default!r}, because {reason}"
        )


def engine_of(config: RunConfig) -> Any:
    """The module that runs a config; see `Engine`."""
    return importlib.import_module(config.engine)


def input_files(config: RunConfig) -> tuple[Path, ...]:
    """The files that a run reads, and whose content is part of its key."""
    engine = engine_of(config)
    return tuple(engine.inputs(config)) if hasattr(engine, "inputs") else ()
