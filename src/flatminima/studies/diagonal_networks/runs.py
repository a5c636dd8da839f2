"""Descent and SAM on diagonal networks, and the convex programmes beside them."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from flatminima.data.regression import sparse
from flatminima.models import diagonal
from flatminima.runs.descent.config import DescentConfig
from flatminima.runs.descent.problem import problem
from flatminima.sources.implicit_bias import sparse_regression
from flatminima.sweeps.sweep import run_all, sweep_quietly
from flatminima.sweeps.table import over_seeds
from flatminima.theory.certificates.basis_pursuit import basis_pursuit
from flatminima.theory.certificates.hyperbolic_entropy import minimise_entropy

CONVERGED = 1e-4
"""Training loss at the end over that at the start, above which a run counts as not
converged."""

PUBLISHED = {
    0.0: 0.015056044,
    0.01: 0.015143589,
    0.03: 0.015321897,
    0.1: 0.015981952,
    0.3: 0.018241642,
    1.0: 0.036064945,
}
"""Test losses that the authors' notebook prints: gradient descent at ρ = 0, then n-SAM
(github.com/tml-epfl/understanding-sam at commit 306adde)."""

Settings = Mapping[str, Mapping[float, DescentConfig]]
Tables = dict[str, dict[float, pd.DataFrame]]


def published_errors() -> np.ndarray:
    """|test loss / published - 1| of the runs of `PUBLISHED`."""
    configs = [sparse_regression(rho=rho, num_checkpoints=2) for rho in PUBLISHED]
    ends = [run.history["test_loss"].iloc[-1] for run in run_all(configs)]
    return np.abs(np.array(ends) / np.array(list(PUBLISHED.values())) - 1.0)


def limits(
    alphas: Sequence[float],
    lrs: Sequence[float],
    seeds: Sequence[int],
    *,
    time: float,
    **size: Any,
) -> pd.DataFrame:
    """How far gradient descent ends from the programme that gradient flow solves.

    The model is beta = u^2 - v^2 from u = v = alpha, with the loss of Woodworth et al.,
    the mean of a quarter of the squared residuals.

    Args:
        alphas: scales of the start.
        lrs: learning rates.
        seeds: of the data.
        time: learning rate times number of steps, the same for all.
        size: of the data: n, d and complexity.

    Returns:
        A row for each run: seed, alpha, lr, distance (||beta - beta*|| / ||beta*||, NaN
        if the run diverged or the programme was not solved), loss and diverged.
    """
    cells = [(seed, alpha, lr) for seed in seeds for alpha in alphas for lr in lrs]
    configs = [
        DescentConfig(
            model="squares",
            factor=0.25,
            alpha=alpha,
            lr=lr,
            num_steps=max(1, round(time / lr)),
            num_checkpoints=2,
            data_seed=seed,
            **size,
        )
        for seed, alpha, lr in cells
    ]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "diverged", UserWarning)
        ends = run_all(configs)
    rows = []
    solved: dict[tuple[int, float], np.ndarray] = {}
    for (seed, alpha, lr), config, run in zip(cells, configs, ends, strict=True):
        setting = problem(config)
        if (seed, alpha) not in solved:
            scale = diagonal.entropy_scale(setting.model, alpha)
            solved[seed, alpha] = programme(setting.data.x, setting.data.y, scale)
        best = solved[seed, alpha]
        beta = diagonal.coefficients(setting.model, run.arrays["u"], run.arrays["v"])
        distance = float(np.linalg.norm(beta - best) / np.linalg.norm(best))
        rows.append(
            {
                **{"seed": seed, "alpha": alpha, "lr": lr, "distance": distance},
                "diverged": run.diverged_at is not None,
            }
        )
    return pd.DataFrame(rows)


def programme(x: np.ndarray, y: np.ndarray, c: float) -> np.ndarray:
    """The interpolator of least hyperbolic entropy; NaN where no solver finds it."""
    try:
        return minimise_entropy(x, y, c).beta
    except (ValueError, np.linalg.LinAlgError):
        return np.full(x.shape[1], np.nan)


def exponents(table: pd.DataFrame) -> np.ndarray:
    """The exponent of the distance in the learning rate, for each seed and alpha.

    NaN where fewer than two learning rates have a distance above 0.
    """
    fitted = []
    for _, rows in table.groupby(["seed", "alpha"]):
        kept = rows[rows["distance"] > 0]
        enough = len(set(kept["lr"])) > 1
        x, y = np.log(kept["lr"].to_numpy()), np.log(kept["distance"].to_numpy())
        fitted.append(float(np.polyfit(x, y, 1)[0]) if enough else np.nan)
    return np.array(fitted)


@dataclass(frozen=True)
class Compared:
    """Runs of all rules over a grid.

    Attributes:
        judged: tables by rule and by position on its grid, on the seeds that decide.
        best: the position that other seeds chose, by rule.
    """

    judged: Tables
    best: Mapping[str, float]

    def at_best(self, rule: str) -> pd.DataFrame:
        """A rule's runs at its own best position."""
        return self.judged[rule][self.best[rule]]


def settings(
    rhos: Sequence[float],
    smaller: Sequence[float],
    *,
    m: int,
    groups: int,
    **fields: Any,
) -> dict[str, dict[float, DescentConfig]]:
    """Gradient descent, n-, m- and 1-SAM over ρ, and descent from smaller starts.

    Args:
        rhos: of the SAM rules.
        smaller: starts α of gradient descent beside the published one.
        m: examples that climb together in m-SAM.
        groups: of m examples; n is their product.
        fields: of `DescentConfig`.
    """
    fields = {"n": m * groups, "num_checkpoints": 2, **fields}
    rules: dict[str, dict[str, Any]] = {
        "n-SAM": {},
        f"{m}-SAM": {"group": m},
        "1-SAM": {"group": 1},
    }
    grids = {
        rule: {rho: sparse_regression(rho=rho, **group, **fields) for rho in rhos}
        for rule, group in rules.items()
    }
    starts = {alpha: sparse_regression(alpha=alpha, **fields) for alpha in smaller}
    return {"GD": {0.0: sparse_regression(**fields)}, **grids, "GD, smaller α": starts}


def run(grids: Settings, seeds: Sequence[int]) -> Tables:
    """Run every setting under every seed; each table as from `with_logarithms`."""
    cells = [(rule, at) for rule, grid in grids.items() for at in grid]
    table = sweep_quietly([grids[rule][at] for rule, at in cells], seeds)
    # a run's rows begin with that of step 0
    number = ((table["step"] == 0).cumsum() - 1) // len(seeds)
    tables: Tables = {rule: {} for rule in grids}
    for k, (rule, at) in enumerate(cells):
        tables[rule][at] = with_logarithms(table[number == k])
    return tables


def with_logarithms(table: pd.DataFrame) -> pd.DataFrame:
    """The ends of runs, with `converged` and `log_test_loss`.

    A run converged if its training loss fell to `CONVERGED` of what it was. One that
    did not has no test loss: it did not reach the interpolators that are compared.
    """
    losses = table.groupby(["data_seed", "init_seed"])["loss"]
    shares = losses.transform("last") / losses.transform("first")
    converged = (shares <= CONVERGED) & ~table["diverged"]
    logarithm = np.log10(table["test_loss"].clip(lower=1e-300)).where(converged)
    trace = table["trace"].where(converged)
    table = table.assign(converged=converged, log_test_loss=logarithm, trace=trace)
    return table[table["last"]].reset_index(drop=True)


def best(tables: Mapping[float, pd.DataFrame]) -> float:
    """Where on its grid a rule has the lowest mean logarithm of the test loss.

    Only where all runs converged; if they do so nowhere, where most of them do.
    """
    shares = {at: float(rows["converged"].mean()) for at, rows in tables.items()}
    most = max(shares.values())
    eligible = [at for at, share in shares.items() if share == most]
    means = {at: float(tables[at]["log_test_loss"].mean()) for at in eligible}
    return min(eligible, key=lambda at: np.nan_to_num(means[at], nan=np.inf))


def compare(grids: Settings, seeds: Sequence[int], others: Sequence[int]) -> Compared:
    """Run everything on the seeds that judge and on others, which choose.

    Args:
        grids: from `settings`.
        seeds: that judge.
        others: that choose a position on each rule's grid.
    """
    chosen = run(grids, others)
    return Compared(
        run(grids, seeds), {rule: best(tables) for rule, tables in chosen.items()}
    )


def trace_gap(one: pd.DataFrame, other: pd.DataFrame) -> np.ndarray:
    """Trace of whichever tests worse minus that of the other, for each common seed."""
    columns = ["log_test_loss", "trace"]
    key = ["data_seed", "init_seed"]
    others = other.set_index(key)[columns].add_suffix("_other")
    pairs = one.set_index(key)[columns].join(others)
    gain = pairs["log_test_loss"] - pairs["log_test_loss_other"]
    sign = gain.map(np.sign)
    gap = sign * (pairs["trace"] - pairs["trace_other"])
    return gap[np.isfinite(gap)].to_numpy()


def with_rho(config: DescentConfig, rho: float) -> DescentConfig:
    """The same run with an ascent of ρ times the gradient of all examples."""
    return DescentConfig(**config.model_dump() | {"rho": rho, "normalised": False})


def longer(seeds: Sequence[int], config: DescentConfig) -> float:
    """How much longer an example's ascent is than that of all, at one ρ and the start.

    The ratio of root mean squares, over examples and seeds, of ||grad L_i|| and of
    ||grad L||, neither normalised.
    """
    single, whole = [], []
    for one in over_seeds([config], list(seeds)):
        data = problem(one).data
        # at u = α, v = 0 the gradient is -α y_i x_i in v and 0 in u
        single.append(np.mean(data.y**2 * (data.x**2).sum(axis=1)))
        whole.append(np.sum((data.x.T @ data.y / len(data.y)) ** 2))
    return float(np.sqrt(np.mean(single) / np.mean(whole)))


def recovery(
    alphas: Sequence[float],
    ns: Sequence[int],
    seeds: Sequence[int],
    *,
    d: int,
    sparsity: int,
) -> pd.DataFrame:
    """Where gradient flow ends from several starts, and basis pursuit, by n.

    Nothing is trained: the programmes are solved.

    Args:
        alphas: scales of the start of beta = u^2 - v^2.
        ns: numbers of examples, each at most d.
        seeds: of the data.
        d, sparsity: of the target.

    Returns:
        A row for each programme: rule ("flow" or "basis pursuit"), alpha, n, error
        (||beta - target||, the target's norm being 1), log_error, and the columns that
        `claims.decide` asks of a table.
    """
    rows = []
    for n in ns:
        for seed in seeds:
            data = sparse(n, d, sparsity, seed, signs=False)
            found = {0.0: basis_pursuit(data.x, data.y).beta}
            for alpha in alphas:
                scale = diagonal.entropy_scale(diagonal.Model(d, True), alpha)
                found[alpha] = programme(data.x, data.y, scale)
            for alpha, beta in found.items():
                error = float(np.linalg.norm(beta - data.truth))
                rows.append(
                    {
                        **{"rule": "flow" if alpha else "basis pursuit", "n": n},
                        **{"alpha": alpha, "error": error, "data_seed": seed},
                        **{"init_seed": seed, "last": True, "diverged": False},
                        **{"log_error": np.log10(max(error, 1e-16)), "num_steps": 0},
                        "scale": f"ours: d = {d}, n = {n}, convex programmes",
                    }
                )
    return pd.DataFrame(rows)


def recovered(table: pd.DataFrame, tolerance: float = 1e-6) -> np.ndarray:
    """Errors of the smallest start wherever basis pursuit finds the target.

    Returns:
        One error an instance; a single 0 where basis pursuit finds none of them.
    """
    pursuit = table[table["rule"] == "basis pursuit"].set_index(["n", "data_seed"])
    flow = table[table["alpha"] == table.loc[table["alpha"] > 0, "alpha"].min()]
    flow = flow.set_index(["n", "data_seed"])
    found = pursuit.index[pursuit["error"] <= tolerance]
    return flow.loc[found, "error"].to_numpy() if len(found) else np.zeros(1)
