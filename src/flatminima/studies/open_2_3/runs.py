"""Where each kind of noise moves a point of {f = y}, and how flat it ends.

All rules take equally many steps at one learning rate, so they are compared at equal
tau = lr^2 t. Only Adam has a rate of its own.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.data.streams import generator
from flatminima.flows.diagonal import Diagonal
from flatminima.flows.gradient_flow import settle
from flatminima.flows.model import Theta
from flatminima.flows.noise import Model, project, walk
from flatminima.flows.sharpness_flow import land
from flatminima.flows.two_layer import TwoLayer
from flatminima.studies.open_2_3.rules import (
    DELTA,
    Rule,
    directions,
    rules,
    theory,
)

QUADRATIC, NETWORK = "quadratic", "tanh network"
MODELS = (QUADRATIC, NETWORK)

SHORT = 0.1
"""Share of the trace that label noise would take away in the short runs."""


def model_of(name: str, seed: int) -> tuple[Model, Theta] | None:
    """A model and the end of gradient flow on it; None if that does not interpolate.

    Args:
        name: "quadratic" is f = <u^2 - v^2, z> with 20 coordinates on 8 inputs of
            signs, from u = v, with a sparse truth; "tanh network" has ten units on five
            Gaussian inputs with random labels.
        seed: draws everything.
    """
    rng = generator(seed, f"open-2-3 {name}")
    model: Model
    if name == QUADRATIC:
        beta = np.zeros(20)
        beta[rng.permutation(20)[:3]] = rng.standard_normal(3)
        z = rng.choice([-1.0, 1.0], (8, 20))
        model = Diagonal(z, z @ beta / np.linalg.norm(beta))
        start = np.full(40, 0.5)
    else:
        x, y = rng.standard_normal((5, 4)) / 2, rng.standard_normal(5)
        model = TwoLayer(x, y, 10)
        w, v = rng.standard_normal((10, 4)), rng.standard_normal(10) / np.sqrt(10)
        start = 1.5 * np.concatenate([w.ravel(), v])
    end = settle(model, start)
    theta = end.theta if end.reason == "interpolates" else land(model, start)
    return None if theta is None else (model, theta)


def measure(
    name: str, seed: int, *, rate: float, repeats: int, long: float
) -> pd.DataFrame:
    """All rules on one model and seed.

    Args:
        name: of the model.
        seed: of the model and all noise.
        rate: lr Tr.
        repeats: short runs of a rule, which differ in the noise; two at least.
        long: length of the one long run, over the short ones.

    Returns:
        A row a rule: the numbers of `moved`, and `end`, the trace after the long run
        over that at the start. No row if there is no model.
    """
    made = model_of(name, seed)
    if made is None:
        return pd.DataFrame()
    model, start = made
    along = directions(model, start)
    trace, steepest = model.trace(start), along["Tr H"]
    if not np.any(steepest):
        return pd.DataFrame()
    tau = SHORT * trace / (DELTA**2 / 4 * float(steepest @ steepest))
    rng = generator(seed, f"open-2-3 starts {name}")
    own = theory(model, start)
    rows = []
    for rule in rules(model, start, rate=rate, rng=rng).values():
        steps = max(1, round(tau * trace**2 / rate**2))
        lengths = [steps, max(steps, round(long * steps))]
        ends = follow(model, rule, lengths, repeats, seed)
        wanted = along | ({"theory": own[rule.name]} if rule.name in own else {})
        found = moved(model, rule, ends[:, 0], wanted)
        last = float(model.trace(ends[0, 1])) / trace
        rows.append(
            {"model": name, "seed": seed, "rule": rule.name, **found, "end": last}
        )
    return pd.DataFrame(rows)


def follow(
    model: Model, rule: Rule, lengths: Sequence[int], repeats: int, seed: int
) -> Float[np.ndarray, "repeats lengths D"]:
    """Projected ends of several runs of a rule; only the first goes on to the last."""
    found = np.full((repeats, len(lengths), len(rule.start)), np.nan)
    for k in range(repeats):
        steps = lengths if k == 0 else lengths[:1]
        rng = generator(seed, f"open-2-3 {rule.name} {k}")
        path = walk(model, rule.noise, rule.start, steps, lr=rule.lr, rng=rng)
        found[k, : len(steps)] = project(model, path)
    return found


def moved(
    model: Model,
    rule: Rule,
    ends: Float[np.ndarray, "repeats D"],
    wanted: dict[str, Theta],
) -> dict[str, float]:
    """Where runs went, against directions.

    With D_k what run k moved the projection of the start by, the square of the mean
    drift is the mean of D_k . D_l over k < l, in which noise that differs cancels.

    Args:
        model: the model.
        rule: for its start.
        ends: projected ends of runs that differ in the noise.
        wanted: directions by name.

    Returns:
        length: root mean square of |D|; steady: share of its square that is drift, at
        least 0; fall: of the trace, over the start's, in the mean; run: cosine of a run
        with "Tr H", in the mean, 0 for one that does not move; and the cosine of the
        drift with every direction, NaN where less than a quarter is drift. NaN
        throughout if a run was lost.
    """
    base = project(model, rule.start[None])[0]
    jumps = ends - base
    names = ("length", "steady", "fall", "run", *wanted)
    if not np.isfinite(jumps).all():
        return dict.fromkeys(names, np.nan)
    squares = np.sum(jumps**2, axis=1)
    total, count = float(squares.mean()), len(jumps)
    mean = jumps.mean(axis=0)
    drift = (count * float(mean @ mean) - total) / (count - 1)
    traces = np.mean([model.trace(end) for end in ends])
    still = np.sqrt(total) <= STILL * np.linalg.norm(base)
    found = {
        "length": float(np.sqrt(total)),
        "steady": max(0.0, drift / total) if not still else 0.0,
        "fall": 1 - float(traces) / model.trace(base),
        "run": float(np.mean([cosine(jump, wanted["Tr H"]) for jump in jumps]))
        if not still
        else 0.0,
    }
    known = found["steady"] >= STEADY
    for name, direction in wanted.items():
        size = np.linalg.norm(direction) * np.sqrt(max(drift, 0.0))
        found[name] = float(mean @ direction / size) if known else np.nan
    return found


STILL = 1e-6
"""Movement over the size of a point that is none: what projecting twice differs by."""

STEADY = 0.25
"""Share of the movement that must be drift for its direction to be told."""


def cosine(a: Theta, b: Theta) -> float:
    """Of the angle between two vectors; 0 if one is 0."""
    size = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / size) if size > 0 else 0.0


def table(
    seeds: Sequence[int], *, rate: float, repeats: int, long: float
) -> pd.DataFrame:
    """`measure` of both models and all seeds."""
    parts = [
        measure(name, seed, rate=rate, repeats=repeats, long=long)
        for name in MODELS
        for seed in seeds
    ]
    return pd.concat(parts, ignore_index=True)
