"""What a kind of run is."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from flatminima.runs.mlp.config import Config


class Divergence(ArithmeticError):
    """A run met NaN or inf.

    Attributes:
        config: the run.
        step: updates done before it.
    """

    def __init__(self, config: Config, step: int):
        self.config = config
        self.step = step
        super().__init__(f"diverged after {step} steps: {config!r}")

    def __reduce__(self):
        return type(self), (self.config, self.step)


@dataclass(frozen=True)
class Run:
    """A run, finished or interrupted.

    Attributes:
        history: one row a checkpoint passed, as `measure` describes.
        params: parameters where it stands, as in `State`.
        step: updates done.
        finished: whether it reached its end or diverged.
        diverged_at: updates done when the run met NaN or inf; None if it did
            not. The history then ends before it and the parameters are NaN.
    """

    history: pd.DataFrame
    params: tuple[np.ndarray, ...]
    step: int
    finished: bool = True
    diverged_at: int | None = None
