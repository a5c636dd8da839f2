"""Where gradient descent ends on least squares, and where other rules do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.linalg
from jaxtyping import Float

from flatminima.studies.least_squares.problems import (
    Problems,
    distances,
    draw,
    nearest_by_null_space,
    printed,
    ridge,
)
from flatminima.studies.least_squares.rules import Ends, Rule, descend

GRADIENT = 1e-12
"""Share to which the gradient falls where a closed form is tested."""


def rules(batch: int, rho: float, decay: float) -> dict[str, Rule]:
    """The rules that are compared, by name.

    Args:
        batch: rows of a mini-batch.
        rho: length of SAM's ascent, as in `Rule`.
        decay: weight decay, as in `Rule`.
    """
    listed = [
        Rule("GD"),
        Rule("SGD", batch=1),
        Rule(f"mini-batches of {batch}", batch=batch),
        Rule("heavy ball", "heavy ball"),
        Rule("Nesterov", "Nesterov"),
        Rule("SAM", rho=rho, falls=True),
        Rule("1-SAM", batch=1, rho=rho, falls=True),
        Rule("GD + wd", decay=decay),
        Rule("AdaGrad", "AdaGrad"),
        Rule("Adam", "Adam", falls=True),
        Rule("sign descent", "sign", falls=True),
    ]
    return {rule.name: rule for rule in listed}


def train(
    rule: Rule,
    lrs: Sequence[float],
    seeds: Sequence[int],
    *,
    n: int,
    d: int,
    steps: int,
    tolerance: float,
) -> tuple[pd.DataFrame, Ends]:
    """Train by one rule with several learning rates.

    Args:
        rule: the rule.
        lrs: learning rates, as shares.
        seeds: of the problems.
        n, d: equations and unknowns.
        steps, tolerance: as in `descend`.

    Returns:
        A row a run: rule, lr, seed, steps, converged, diverged, distance, off and
        residual (as in `distances`; NaN if the run diverged); and the ends.
    """
    problems = draw(seeds, n, d).repeated(len(lrs))
    ends = descend(
        rule,
        problems,
        np.tile(np.asarray(lrs, dtype=float), len(seeds)),
        steps=steps,
        tolerance=tolerance,
        rng=np.random.default_rng([min(seeds), n, d, 7]),
    )
    table = pd.DataFrame(
        {
            "rule": rule.name,
            "lr": np.tile(lrs, len(seeds)),
            "seed": np.repeat(list(seeds), len(lrs)),
            "steps": ends.steps,
            "converged": np.isfinite(ends.steps),
            "diverged": ends.diverged,
            **distances(problems, ends.x),
        }
    )
    measured = ["distance", "off", "residual"]
    table[measured] = table[measured].where(~table["diverged"])
    return table, ends


def by_lr(
    shares: Sequence[float], seeds: Sequence[int], *, n: int, d: int, steps: int
) -> pd.DataFrame:
    """Gradient descent with learning rates below and above 2 / lambda_max.

    Args:
        shares: learning rates over 2 / lambda_max.
        seeds: of the problems.
        n, d, steps: as in `train`.
    """
    size = {"n": n, "d": d, "steps": steps}
    return train(Rule("GD"), shares, seeds, tolerance=GRADIENT, **size)[0]


@dataclass(frozen=True)
class Compared:
    """Every rule on the problems that judge, and the learning rate chosen on others.

    Attributes:
        table: from `train`, of all rules and learning rates.
        chosen: the learning rate of each rule.
        tuned: the rows of `table` with these.
    """

    table: pd.DataFrame
    chosen: Mapping[str, float]

    @property
    def tuned(self) -> pd.DataFrame:
        """Rows at each rule's own learning rate."""
        own = self.table["rule"].map(dict(self.chosen))
        return self.table[self.table["lr"] == own]

    def worst(self, rule: str, measure: str = "distance") -> Float[np.ndarray, " runs"]:
        """A measure of the tuned runs of one rule; infinite where one diverged."""
        rows = self.tuned[self.tuned["rule"] == rule]
        return rows[measure].fillna(np.inf).to_numpy()

    def ends(self, rule: str, measure: str = "distance") -> Float[np.ndarray, " runs"]:
        """A measure of those tuned runs of one rule that converged."""
        rows = self.tuned[(self.tuned["rule"] == rule) & self.tuned["converged"]]
        return rows[measure].to_numpy()


def compare(
    compared: Mapping[str, Rule],
    lrs: Sequence[float],
    seeds: Sequence[int],
    others: Sequence[int],
    *,
    n: int,
    d: int,
    steps: int,
    tolerance: float,
) -> Compared:
    """Train by every rule; other problems choose the learning rate of each.

    It is the one with which most runs converge, and of these the one that takes the
    fewest steps in the mean.

    Args:
        compared: the rules, by name.
        lrs: learning rates, as shares.
        seeds: that judge.
        others: that choose.
        n, d, steps, tolerance: as in `train`.
    """
    size: dict[str, Any] = {"n": n, "d": d, "steps": steps, "tolerance": tolerance}
    tables, chosen = [], {}
    for name, rule in compared.items():
        tuning, _ = train(rule, lrs, others, **size)
        order = tuning.fillna({"steps": steps}).groupby("lr")["steps"].mean()
        share = tuning.groupby("lr")["converged"].mean()
        best = order[share == share.max()]
        chosen[name] = float(best.idxmin())
        tables.append(train(rule, lrs, seeds, **size)[0])
    return Compared(pd.concat(tables, ignore_index=True), chosen)


def summary(compared: Compared) -> pd.DataFrame:
    """A row a rule, at its own learning rate: medians, and how many converged."""
    rows = []
    for name, lr in compared.chosen.items():
        own = compared.tuned[compared.tuned["rule"] == name]
        rows.append(
            {
                "rule": name,
                "lr": lr,
                "converged": f"{int(own['converged'].sum())} of {len(own)}",
                "steps": own["steps"].median(),
                "from the closest solution": own["distance"].median(),
                "from x0 + row space": own["off"].median(),
                "residual": own["residual"].median(),
            }
        )
    return pd.DataFrame(rows).set_index("rule")


def regulariser(seeds: Sequence[int], n: int, d: int) -> Float[np.ndarray, " seeds"]:
    """How far x0 + A^+ (b - A x0) is from the solution that is nearest to x0.

    The second comes from a factorisation and the null space; relative to the way.
    """
    problems = draw(seeds, n, d)
    nearest = np.array(
        [
            nearest_by_null_space(a, b, x0)
            for a, b, x0 in zip(problems.a, problems.b, problems.start, strict=True)
        ]
    )
    gap = np.linalg.norm(problems.closest - nearest, axis=1)
    return np.asarray(gap / problems.travel)


def from_zero(
    seeds: Sequence[int], n: int, d: int, steps: int
) -> Float[np.ndarray, " seeds"]:
    """How far gradient descent from 0 ends from the solution of least norm.

    That comes from LAPACK's least-squares driver; relative to its length, infinite for
    a run that diverged.
    """
    drawn = draw(seeds, n, d)
    problems = Problems(drawn.a, drawn.b, np.zeros_like(drawn.start))
    ends = descend(
        Rule("GD"),
        problems,
        np.full(len(seeds), 0.5),
        steps=steps,
        tolerance=GRADIENT,
        rng=np.random.default_rng(0),
    )
    least = np.array(
        [scipy.linalg.lstsq(a, b)[0] for a, b in zip(drawn.a, drawn.b, strict=True)]
    )
    gap = np.linalg.norm(ends.x - least, axis=1) / np.linalg.norm(least, axis=1)
    return np.where(ends.diverged, np.inf, gap)


def as_printed(seeds: Sequence[int], n: int, d: int, steps: int) -> pd.DataFrame:
    """The talk's formula beside the end of gradient descent.

    Returns:
        A row a problem: missing (unknowns minus rank of A^T A), formula (distance of
        the formula, by a numerical inverse, from the end of gradient descent, over
        that of the end from x0), moved (how far the formula moves if x0 is drawn
        anew, in the same unit).
    """
    problems = draw(seeds, n, d)
    _, ends = train(Rule("GD"), [0.5], seeds, n=n, d=d, steps=steps, tolerance=GRADIENT)
    rows = []
    for k, seed in enumerate(seeds):
        a, b, x0 = problems.a[k], problems.b[k], problems.start[k]
        other = np.random.default_rng([seed, 11]).standard_normal(d)
        value, end = printed(a, b, x0), ends.x[k]
        unit = np.linalg.norm(end - x0)
        rows.append(
            {
                "seed": seed,
                "missing": d - np.linalg.matrix_rank(a.T @ a),
                "formula": np.linalg.norm(value - end) / unit,
                "moved": np.linalg.norm(printed(a, b, other) - value) / unit,
            }
        )
    return pd.DataFrame(rows)


def decayed(
    rule: Rule,
    lr: float,
    seeds: Sequence[int],
    *,
    n: int,
    d: int,
    steps: int,
    tolerance: float,
) -> Float[np.ndarray, " seeds"]:
    """Distance of weight decay's end from the ridge solution, which knows no start."""
    size: dict[str, Any] = {"n": n, "d": d, "steps": steps, "tolerance": tolerance}
    _, ends = train(rule, [lr], seeds, **size)
    problems = draw(seeds, n, d)
    target = ridge(problems, rule.decay * problems.sharpness / 2)
    gap = np.linalg.norm(ends.x - target, axis=1) / problems.travel
    return np.where(ends.diverged, np.inf, gap)
