"""From a minimum that fitted random labels first: which rule leaves it, and how fast.

The network is f = <v, tanh(W x)> on digits, odd against even, with the loss (1/2n) sum
(f - y)^2 and labels of -1 and 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.data import digits
from flatminima.flows.model import Theta
from flatminima.flows.sharpness_flow import land
from flatminima.flows.two_layer import TwoLayer
from flatminima.statistics.intervals import of_median
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.escape import kernel

ATTEMPTS = 5
"""Starts from which a poor minimum is looked for."""

SPREAD = 3.0
"""Standard deviation of a pre-activation at the start, for inputs of norm 1: tanh bends
there, and random labels are fitted."""

CHUNK = 5000
"""Steps that are drawn at a time."""


@dataclass(frozen=True)
class Rule:
    """How steps are taken.

    Attributes:
        lr: learning rate.
        noise: by which labels are moved up or down, afresh in each step.
        penalty: factor of the trace in the loss.
        rho: radius of SAM's normalised ascent.
    """

    lr: float
    noise: float = 0.0
    penalty: float = 0.0
    rho: float = 0.0


def rules(
    *, lr: float, noise: float, penalty: float, rho: float, large: float
) -> dict[str, Rule]:
    """SGD and four ways to leave a minimum; all but the last have its learning rate."""
    return {
        "SGD": Rule(lr),
        "label noise": Rule(lr, noise=noise),
        "trace penalty": Rule(lr, penalty=penalty),
        "SAM": Rule(lr, rho=rho),
        "large rate": Rule(large),
    }


@dataclass(frozen=True)
class Task:
    """Data of one seed, and two minima on it.

    Attributes:
        model: the network over the training set.
        test_x, test_y: images that neither was trained on.
        good: an interpolator next to random weights.
        poor: one that fits as many random labels of other images as well.
    """

    model: TwoLayer
    test_x: Float[np.ndarray, "tests d"]
    test_y: Float[np.ndarray, " tests"]
    good: Theta
    poor: Theta

    def error(self, theta: Theta) -> float:
        """Share of test images on the wrong side."""
        tested = replace(self.model, x=self.test_x, y=self.test_y)
        value = tested.hidden(theta)[0] @ tested.split(theta)[1]
        return float(np.mean(value * self.test_y <= 0))


def _points(images: np.ndarray) -> np.ndarray:
    """Pixels over 8, the root of their number, and a 1 for the bias."""
    flat = images.reshape(len(images), -1) / 8.0
    return np.hstack([flat, np.ones((len(flat), 1))])


def task(seed: int, *, n: int, extra: int, units: int) -> Task | None:
    """The two minima of a seed; None if no start leads to both.

    Args:
        seed: draws images, weights and random labels.
        n: training images.
        extra: further images, whose random labels the poor minimum fits as well.
        units: of the network.

    Raises:
        ValueError: if n is below 1.
    """
    if n < 1:
        raise ValueError(f"n = {n}: allowed are 1 <= n")
    split = digits.split(n, seed)
    x, y = _points(split.train.x), 2.0 * (split.train.y % 2) - 1.0
    others, labels = _points(split.test.x), 2.0 * (split.test.y % 2) - 1.0
    model = TwoLayer(x, y, units)
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng([seed, attempt])
        w = SPREAD * rng.standard_normal((units, x.shape[1])) / x.shape[1] ** 0.5
        v = rng.standard_normal(units) / units**0.5
        start = np.concatenate([w.ravel(), v])
        wrong = rng.choice([-1.0, 1.0], extra)
        both = TwoLayer(
            np.vstack([x, others[:extra]]), np.concatenate([y, wrong]), units
        )
        good, poor = land(model, start), land(both, start)
        if good is not None and poor is not None:
            return Task(model, others[extra:], labels[extra:], good, poor)
    return None


def descend(
    given: Task, rule: Rule, steps: Sequence[int], *, batch: int, seed: int
) -> pd.DataFrame:
    """Take steps from the poor minimum, and look at given ones.

    Args:
        given: the task.
        rule: how to go.
        steps: ascending.
        batch: examples of a step, drawn with replacement.
        seed: of batches and noise.

    Returns:
        step, error (on test images), trace (of Hess L at interpolation) and loss, from
        step 0; NaN from where the weights are lost.
    """
    model, rng = given.model, np.random.default_rng([seed, 8])
    w, v = (part.copy() for part in model.split(given.poor))
    lengths, rows, now = np.sum(model.x**2, axis=1), [], 0
    alive = True
    for step in (0, *steps):
        while now < step and alive:
            k = min(CHUNK, step - now)
            batches = rng.integers(0, len(model.y), (k, batch))
            signs = rng.choice([-1.0, 1.0], (k, batch))
            constants = (rule.lr, rule.noise, rule.penalty, rule.rho)
            with np.errstate(over="ignore", invalid="ignore"):
                done = kernel.run(
                    w, v, model.x, lengths, model.y, batches, signs, *constants
                )
            alive, now = done == k, now + k
        row = {"step": float(step)}
        if alive:
            theta = np.concatenate([w.ravel(), v])
            f = model.tangent(theta).f
            row["error"] = given.error(theta)
            row["trace"] = model.trace(theta)
            row["loss"] = 0.5 * float(np.mean((f - model.y) ** 2))
        rows.append(row)
    return pd.DataFrame(rows, columns=["step", "error", "trace", "loss"])


def look_at(num_steps: int, points: int) -> list[int]:
    """Steps evenly spaced in their logarithm, the last one included."""
    spaced = np.geomspace(1, num_steps, points).round().astype(int)
    return sorted({int(step) for step in spaced})


def paths(
    settings: Mapping[str, Rule],
    seeds: Sequence[int],
    steps: Mapping[str, Sequence[int]],
    *,
    n: int,
    extra: int,
    units: int,
    batch: int,
) -> pd.DataFrame:
    """All rules from the poor minimum of every seed that has one.

    Args:
        settings: rules by name.
        seeds: of images, weights, random labels, batches and noise.
        steps: by name, at which to look.
        n, extra, units: as in `task`.
        batch: as in `descend`.

    Returns:
        The rows of `descend`, with seed, rule, and the errors of both minima.
    """
    parts = []
    for seed in seeds:
        given = task(seed, n=n, extra=extra, units=units)
        if given is None:
            continue
        ends = {"poor": given.error(given.poor), "good": given.error(given.good)}
        for name, rule in settings.items():
            rows = descend(given, rule, steps[name], batch=batch, seed=seed)
            parts.append(rows.assign(seed=seed, rule=name, **ends))
    if not parts:
        columns = ["step", "error", "trace", "loss", "seed", "rule", "poor", "good"]
        return pd.DataFrame(columns=columns)
    return pd.concat(parts, ignore_index=True)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """One row a seed and rule: where it ended and when half of the excess was gone.

    Returns:
        gone (share of the excess error at the end; NaN if there was none), half (the
        first step looked at with half of it gone; NaN if none), length, start and end
        (traces), moved (|error at the end - at the start|).
    """
    rows = []
    for (seed, rule), each in table.groupby(["seed", "rule"], sort=False):
        first, last = each.iloc[0], each.iloc[-1]
        excess = first["poor"] - first["good"]
        reached = each[each["error"] <= first["poor"] - excess / 2]
        error = last["error"] if np.isfinite(last["error"]) else first["poor"]
        rows.append(
            {
                "seed": seed,
                "rule": rule,
                "gone": (first["poor"] - error) / excess if excess > 0 else np.nan,
                "half": reached["step"].min() if excess > 0 else np.nan,
                "length": last["step"],
                "start": first["trace"],
                "end": last["trace"],
                "moved": abs(last["error"] - first["error"]),
            }
        )
    columns = ["seed", "rule", "gone", "half", "length", "start", "end", "moved"]
    return pd.DataFrame(rows, columns=columns).set_index(["seed", "rule"])


def of_rule(ends: pd.DataFrame, column: str, rule: str) -> pd.Series:
    """A column of `summary` for one rule, by seed."""
    chosen = ends[ends.index.get_level_values("rule") == rule]
    return chosen[column].droplevel("rule").astype(float)


def halves(ends: pd.DataFrame, rule: str) -> pd.Series:
    """Steps to half of the excess error, the run's length where it took longer."""
    return of_rule(ends, "half", rule).fillna(of_rule(ends, "length", rule))


def times(ends: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Steps to half of the excess error, over seeds, a row a rule.

    Returns:
        median with its interval by order statistics, infinite where runs did not get
        there; escaped (runs that did), runs, gone (median share of the excess at the
        end), and trace (median at the end).
    """
    rows = {}
    for name in names:
        half = of_rule(ends, "half", name).fillna(np.inf).to_numpy()
        low, high = of_median(half, thresholds())
        rows[name] = {
            "median": float(np.median(half)) if len(half) else np.nan,
            "low": low,
            "high": high,
            "escaped": int(np.isfinite(half).sum()),
            "runs": len(half),
            "gone": of_rule(ends, "gone", name).median(),
            "trace": of_rule(ends, "end", name).median(),
        }
    return pd.DataFrame(rows).T


def log_ratio(
    ends: pd.DataFrame, column: str, rule: str, other: str
) -> Float[np.ndarray, " seeds"]:
    """log10 of a column of one rule over that of another, of seeds that have both.

    Args:
        ends: from `summary`.
        column: "half", where a run that took longer counts with its length, or another.
        rule, other: the two.
    """
    first, second = (
        halves(ends, name) if column == "half" else of_rule(ends, column, name)
        for name in (rule, other)
    )
    ratios = (first / second).dropna().to_numpy(float)
    return np.log10(ratios[(ratios > 0) & np.isfinite(ratios)])


def halvings(ends: pd.DataFrame, names: Sequence[str]) -> Float[np.ndarray, " seeds"]:
    """How often the trace was halved, by the rule that did it least, for each seed."""
    fallen = [
        of_rule(ends, "start", name) / of_rule(ends, "end", name) for name in names
    ]
    least = pd.concat(fallen, axis=1).min(axis=1, skipna=False)
    return np.log2(least.dropna().to_numpy(float))


def changes(ends: pd.DataFrame, rule: str) -> Float[np.ndarray, " seeds"]:
    """By how much the test error of a rule moved; infinite where no run tells."""
    moved = of_rule(ends, "moved", rule).fillna(np.inf).to_numpy()
    return moved if len(moved) else np.array([np.inf])
