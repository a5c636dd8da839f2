"""The engine of racers that descend the loss; see `runs.kind.Engine`."""

import numpy as np

from flatminima.flows.gradient_flow import descent
from flatminima.flows.model import Theta, loss
from flatminima.flows.probes import probe_gradient
from flatminima.flows.sharpness_flow import land
from flatminima.kernels import descent as kernel
from flatminima.runs.kind import Divergence, State
from flatminima.runs.race.config import DescentRace
from flatminima.runs.race.counted import Counted
from flatminima.runs.race.draws import EXAMPLES, signs, words
from flatminima.runs.race.problem import problem

Config = DescentRace
"""What `results` builds a config by."""

SECONDS_PER_CALL = 0.2
SECONDS_PER_PRODUCT = 2e-9
"""A slow estimate for a parameter in the gradient of an example."""

SECONDS_PER_PENALTY = 2e-4
"""A slow estimate for a step that is taken outside of the compiled loop."""

MOST_NUMBERS = 1_000_000
"""Random numbers held at a time."""

FIRST = 10
"""Full gradients at the first checkpoint after the start."""

FAR = 1e6
"""Norm of theta, over that of the start plus 1, at which a racer has diverged."""

PENALTIES = ("penalty", "hutchinson")


def modules(config: DescentRace) -> tuple[str, ...]:
    """The modules that a run of this config reaches everything else from."""
    return (__name__,)


def spent(budget: int, count: int) -> np.ndarray:
    """Full gradients at which racers are measured, the start's 0 first."""
    return np.concatenate([[0.0], np.geomspace(FIRST, budget, count - 1)])


def checkpoints(config: DescentRace) -> np.ndarray:
    """Steps at which a run is measured, ascending."""
    share = spent(config.budget, config.num_checkpoints) / config.budget
    share[-1] = 1.0  # of the geometric grid, up to rounding
    return np.unique(np.rint(share * config.num_steps).astype(int))


def start(config: DescentRace) -> State:
    """The state before the first step."""
    return State({"theta": problem(config).start.copy()})


def steps_per_call(config: DescentRace) -> int:
    """Steps that `advance` takes in about 0.3 s at most."""
    if config.method in PENALTIES:
        return int(SECONDS_PER_CALL / SECONDS_PER_PENALTY)
    size = problem(config).start.size
    each = config.batch * config.gradients * (size + 100) * SECONDS_PER_PRODUCT
    return int(max(1, min(MOST_NUMBERS // config.batch, SECONDS_PER_CALL / each)))


def advance(state: State, config: DescentRace, k: int) -> State:
    """The state k updates later. Pure.

    Raises:
        Divergence: if the loss or the parameters are no longer finite.
    """
    theta = state.arrays["theta"].copy()
    step = _penalised if config.method in PENALTIES else _compiled
    done = step(theta, config, state.step, k)
    far = FAR * (1 + float(np.linalg.norm(problem(config).start)))
    if done < k or not float(np.abs(theta).max()) < far:
        raise Divergence(config, state.step + done)
    return State({"theta": theta}, state.step + k)


def _compiled(theta: Theta, config: DescentRace, first: int, k: int) -> int:
    """Steps of SGD or SAM, in place; how many were taken."""
    setting = problem(config)
    noisy = config.method == "label-noise"
    drawn = config.batch if config.batch < config.n or noisy else 0
    done, _ = kernel.run(
        setting.compiled,
        theta,
        setting.x,
        setting.model.y,
        words(config.init_seed, EXAMPLES, first, k, drawn),
        np.empty((k, 0)),
        config.batch,
        0.5,
        config.lr,
        0.0 if noisy else config.strength,
        True,
        1,
        False,
        False,
        config.strength if noisy else 0.0,
        -1.0,
        config.batch,
        np.empty(setting.compiled.scratch),
    )
    return int(done)


def _penalised(theta: Theta, config: DescentRace, first: int, k: int) -> int:
    """Steps on L + strength Tr, in place; how many were taken."""
    setting = problem(config)
    far = FAR * (1 + float(np.linalg.norm(setting.start)))
    exact = config.method == "penalty"
    probes = None if exact else signs(config.init_seed, first, k, theta.size)
    for t in range(k):
        if probes is None:
            slope = setting.model.trace_gradient(theta)
        else:
            slope = probe_gradient(setting.model, theta, probes[t])
        theta += config.lr * (descent(setting.model, theta) - config.strength * slope)
        if not float(np.abs(theta).max()) < far:
            return t
    return k


def measure(config: DescentRace, state: State) -> dict[str, float]:
    """A row of the history.

    Returns:
        step; evaluations, the full gradients spent, those of the landing included;
        loss, before it; and ratio, the trace after landing on {f = y} over the bound,
        NaN where Gauss-Newton does not land.
    """
    setting, theta = problem(config), state.arrays["theta"]
    counted = Counted(setting.model)
    at = land(counted, theta)
    paid = state.step * config.batch * config.gradients / config.n
    return {
        "step": state.step,
        "evaluations": paid + counted.count,
        "loss": loss(setting.model.tangent(theta).f, setting.model.y),
        "ratio": np.nan if at is None else setting.model.trace(at) / setting.bound,
    }


def finish(config: DescentRace, state: State) -> dict[str, float]:
    """The certificate, once."""
    setting = problem(config)
    return {"bound": setting.bound, "gap": setting.gap}
