"""Label-noise SGD on the quadratic model, beside the two flows that it follows.

The loss of an example is `factor` (f - y - delta_t)^2 with delta_t = +-delta. With
inputs of signs a step multiplies every product u_j v_j by the same number, so their
decay measures the constant of the limiting flow without any fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.flows.diagonal import Diagonal
from flatminima.flows.gradient_flow import gradient_flow, settle
from flatminima.flows.model import Times
from flatminima.flows.sharpness_flow import sharpness_flow
from flatminima.runs.descent import train
from flatminima.runs.descent.config import DescentConfig
from flatminima.runs.descent.problem import problem, start_arrays
from flatminima.runs.kind import Divergence

BURN = 0.25
"""Share of the second phase after which the decay is measured."""

PRINTED, HALF = 1.0, 0.5
"""Factors of the loss: the talk's (f - y - delta)^2, and with 1/2."""


@dataclass(frozen=True)
class Path:
    """One run, where it was looked at.

    Attributes:
        config: the run.
        steps: at which.
        theta: u and v there, one a row; NaN from where the run diverged on.
    """

    config: DescentConfig
    steps: Float[np.ndarray, " points"]
    theta: Float[np.ndarray, "points D"]

    @property
    def diverged(self) -> bool:
        """Whether it did."""
        return not np.isfinite(self.theta).all()

    @property
    def trace(self) -> Float[np.ndarray, " points"]:
        """4 (|u|^2 + |v|^2), Tr Hess of the loss with 1/2 at interpolation."""
        return 4 * np.sum(self.theta**2, axis=1)

    @property
    def loss(self) -> Float[np.ndarray, " points"]:
        """Mean of (f - y)^2 / 2, without the noise."""
        data, d = problem(self.config).data, self.config.d
        beta = self.theta[:, :d] ** 2 - self.theta[:, d:] ** 2
        return 0.5 * np.mean((beta @ data.x.T - data.y) ** 2, axis=1)

    @property
    def products(self) -> Float[np.ndarray, " points"]:
        """Mean over coordinates of log |u_j v_j|."""
        d = self.config.d
        with np.errstate(divide="ignore"):
            logs = np.log(np.abs(self.theta[:, :d] * self.theta[:, d:]))
        return logs.mean(axis=1)


def base(
    *, d: int, n: int, sparsity: int, alpha: float, delta: float, seed: int
) -> dict[str, Any]:
    """Label-noise SGD with batches of one, without length and learning rate.

    Returns:
        The arguments of `DescentConfig`.
    """
    return {
        **{"model": "squares", "data": "signs", "d": d, "n": n},
        **{"complexity": sparsity, "alpha": alpha, "label_noise": delta, "batch": 1},
        **{"data_seed": seed, "init_seed": seed},
    }


def follow(config: DescentConfig, steps: Sequence[int]) -> Path:
    """Run to given steps, in ascending order, and keep the weights at each."""
    state, kept = train.start(config), []
    d = config.d
    for step in steps:
        try:
            while state.step < step:
                k = min(train.steps_per_call(config), step - state.step)
                state = train.advance(state, config, k)
        except Divergence:
            break
        kept.append(np.concatenate([state.arrays["u"], state.arrays["v"]]))
    theta = np.full((len(steps), 2 * d), np.nan)
    theta[: len(kept)] = np.array(kept).reshape(len(kept), 2 * d)
    return Path(config, np.array(steps, dtype=float), theta)


def model_of(config: DescentConfig) -> Diagonal:
    """The quadratic model of a run."""
    data = problem(config).data
    return Diagonal(data.x, data.y)


def start_of(config: DescentConfig) -> Float[np.ndarray, " D"]:
    """u and v before the first step."""
    arrays = start_arrays(config)
    return np.concatenate([arrays["u"], arrays["v"]])


def config_at(
    fields: dict[str, Any], lr: float, length: float, *, factor: float = HALF
) -> DescentConfig:
    """The run of a learning rate for so many steps."""
    steps = max(1, round(length))
    return DescentConfig(**fields, lr=lr, factor=factor, num_steps=steps)


def second_phase(
    fields: dict[str, Any], rates: Times, taus: Times, *, factor: float = HALF
) -> dict[float, Path]:
    """Runs of several learning rates, looked at at equal lr^2 t."""
    paths = {}
    for lr in rates:
        steps = _steps(np.asarray(taus) / lr**2)
        paths[lr] = follow(config_at(fields, lr, steps[-1], factor=factor), steps)
    return paths


def first_phase(
    fields: dict[str, Any], rates: Times, times: Times
) -> dict[float, Path]:
    """Runs of several learning rates, looked at at equal lr t."""
    paths = {}
    for lr in rates:
        steps = _steps(np.asarray(times) / lr)
        paths[lr] = follow(config_at(fields, lr, steps[-1]), steps)
    return paths


def limiting_flow(config: DescentConfig, taus: Times) -> Float[np.ndarray, "times D"]:
    """Y at times lr^2 t, from the end of gradient flow; NaN if that is not reached.

    For the loss with 1/2, where c = delta^2 / 4.
    """
    model, start = model_of(config), start_of(config)
    end = settle(model, start)
    c = config.label_noise**2 / 4
    if end.reason != "interpolates" or c == 0:
        return np.full((len(taus), len(start)), np.nan)
    found = sharpness_flow(model, end.theta, c=c, times=taus, rtol=1e-5)
    at = np.full((len(taus), len(start)), np.nan)
    at[: len(found.at)] = found.at
    return at


def distances(
    paths: dict[float, Path], flow: Float[np.ndarray, "times D"]
) -> pd.Series:
    """Root mean square distance to a flow over its times, over its norm, by rate."""
    size = np.sqrt(np.mean(np.sum(flow**2, axis=1)))
    rows = {
        lr: np.sqrt(np.mean(np.sum((path.theta - flow) ** 2, axis=1))) / size
        for lr, path in paths.items()
    }
    return pd.Series(rows, dtype=float).rename_axis("lr")


def first_flow(config: DescentConfig, times: Times) -> Float[np.ndarray, "times D"]:
    """Gradient flow of (1/2n) sum (f - y)^2 at times lr t."""
    return gradient_flow(model_of(config), start_of(config), times)


def power(values: pd.Series) -> float:
    """Slope of log value against log lr; NaN where one is missing or not above 0."""
    known = values[np.isfinite(values) & (values > 0)]
    if len(known) < 2 or len(known) < len(values):
        return np.nan
    logs = np.log(known.index.to_numpy(float)), np.log(known.to_numpy())
    return float(np.polyfit(*logs, 1)[0])


def constants(paths: dict[float, Path]) -> pd.Series:
    """The constant c / delta^2, from the decay of u v in the second phase, by rate.

    log |u_j v_j| falls by 16 c tau for the loss with 1/2, where the gradient of
    4 (|u|^2 + |v|^2) is 8 u, and by 32 c tau without.
    """
    rows = {}
    for lr, path in paths.items():
        tau = path.steps * lr**2
        late = tau >= BURN * tau[-1]
        fallen = path.products[late][0] - path.products[-1]
        unit = 16 * path.config.factor / HALF * path.config.label_noise**2
        span = tau[-1] - tau[late][0]
        rows[lr] = fallen / (unit * span) if unit * span > 0 else np.nan
    return pd.Series(rows, dtype=float).rename_axis("lr")


def extrapolated(values: pd.Series) -> float:
    """What a number linear in lr would be at lr = 0, from the two smallest rates."""
    ordered = values.sort_index()
    if len(ordered) < 2:
        return np.nan
    (a, b), (low, high) = ordered.index[:2], ordered.iloc[:2]
    return float((b * low - a * high) / (b - a))


def spread(curves: Float[np.ndarray, "rates points"]) -> float:
    """Standard deviation over rates, root mean square over points."""
    return float(np.sqrt(np.mean(np.var(curves, axis=0))))


STATISTICS = {
    "power_one": "phase 1: power of η in the distance",
    "power_two": "phase 2: power of η in the distance",
    "collapse_one": "phase 1: powers of ten that η t brings nearer",
    "collapse_two": "phase 2: powers of ten that η² t brings nearer",
    "constant": "constant over δ², at η = 0",
    "bias": "power of η in its excess over 1/4",
    "printed": "constant over δ², loss without 1/2",
}
"""What is measured of one seed, and the words for it."""


@dataclass(frozen=True)
class Observed:
    """One seed: runs of several learning rates in both phases, and the two flows.

    Attributes:
        seed: of data and noise.
        times: lr t of the first phase; taus: lr^2 t of the second.
        first, second: runs by learning rate, looked at there.
        same_t, same_lr_t: the same runs, looked at at equal t in the first phase, and
            at equal lr t in the second.
        descent, limit: gradient flow at `times`, and the limiting flow at `taus`.
        printed: the second phase on the loss without 1/2, of the two smallest rates.
    """

    seed: int
    times: Float[np.ndarray, " times"]
    taus: Float[np.ndarray, " taus"]
    first: dict[float, Path]
    second: dict[float, Path]
    same_t: dict[float, Path]
    same_lr_t: dict[float, Path]
    descent: Float[np.ndarray, "times D"]
    limit: Float[np.ndarray, "taus D"]
    printed: dict[float, Path]

    @property
    def diverged(self) -> bool:
        """Whether a run did."""
        return any(
            path.diverged for path in (*self.second.values(), *self.printed.values())
        )

    def statistics(self) -> dict[str, float]:
        """One number each for what the claims are about; NaN where a run diverged."""
        if self.diverged:
            return {"seed": self.seed} | dict.fromkeys(STATISTICS, np.nan)
        losses = [
            np.array([p.loss for p in each.values()])
            for each in (self.same_t, self.first)
        ]
        traces = [
            np.array([p.trace for p in each.values()])
            for each in (self.same_lr_t, self.second)
        ]
        measured = constants(self.second)
        return {
            "seed": self.seed,
            "power_one": power(distances(self.first, self.descent)),
            "power_two": power(distances(self.second, self.limit)),
            "collapse_one": _log_ratio(*map(spread, losses)),
            "collapse_two": _log_ratio(*map(spread, traces)),
            "constant": extrapolated(measured),
            "bias": power(measured - 0.25),
            "printed": extrapolated(constants(self.printed)),
        }


def _log_ratio(above: float, below: float) -> float:
    return float(np.log10(above / below)) if above > 0 and below > 0 else np.nan


def observe(
    fields: dict[str, Any], rates: Times, *, time: float, tau: float, points: int = 12
) -> Observed:
    """Run one seed at all learning rates.

    Args:
        fields: from `base`.
        rates: learning rates, increasing, two at least.
        time: lr t at which the first phase is last looked at.
        tau: lr^2 t of the second.
        points: times at which each is looked at.
    """
    times = np.linspace(0, time, points + 1)[1:]
    taus = np.linspace(0, tau, points + 1)[1:]
    largest = max(rates)
    first, second = first_phase(fields, rates, times), second_phase(fields, rates, taus)
    equal_t = {
        lr: follow(config_at(fields, lr, times[-1] / largest), _steps(times / largest))
        for lr in rates
    }
    equal_lr_t = {
        lr: follow(
            config_at(fields, lr, taus[-1] / largest / lr), _steps(taus / largest / lr)
        )
        for lr in rates
    }
    any_run = second[rates[0]].config
    return Observed(
        fields["data_seed"],
        times,
        taus,
        first,
        second,
        equal_t,
        equal_lr_t,
        first_flow(any_run, times),
        limiting_flow(any_run, taus),
        # four times as fast
        second_phase(fields, sorted(rates)[:2], taus / 4, factor=PRINTED),
    )


def _steps(lengths: Float[np.ndarray, " points"]) -> list[int]:
    return [max(1, round(length)) for length in lengths]
