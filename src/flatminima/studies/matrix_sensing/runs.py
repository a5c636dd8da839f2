"""Gradient descent on matrix sensing beside the convex programme."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from flatminima.runs.descent.config import DescentConfig
from flatminima.runs.descent.problem import problem, start_arrays
from flatminima.runs.kind import Run
from flatminima.studies.matrix_sensing.commuting import flow_limit
from flatminima.studies.matrix_sensing.greedy import greedy
from flatminima.sweeps.sweep import run_all
from flatminima.theory.certificates.nuclear_norm import (
    NuclearNorm,
    flattest,
    nuclear_norm,
)

RECOVERED = 1e-4
"""Distance to the target, whose norm is 1, up to which it counts as recovered."""

COUNTED = 0.01
"""Share of the largest singular value from which on one counts as not 0."""


def configs(
    alphas: Sequence[float],
    ns: Sequence[int],
    seeds: Sequence[int],
    *,
    d: int,
    rank: int,
    commuting: bool,
    **fields: Any,
) -> list[DescentConfig]:
    """A run for each seed, number of measurements and start, in this order.

    Args:
        alphas: scales of the start.
        ns: numbers of measurements.
        seeds: of data and start.
        d: rows and columns, and columns of U and V.
        rank: of the target.
        commuting: whether the measurements have the same eigenvectors.
        fields: of `DescentConfig`.
    """
    return [
        DescentConfig(
            model="matrix",
            data="commuting" if commuting else "gaussian",
            n=n,
            d=d,
            complexity=rank,
            width=d,
            alpha=alpha,
            data_seed=seed,
            init_seed=seed,
            num_checkpoints=2,
            **fields,
        )
        for seed in seeds
        for n in ns
        for alpha in alphas
    ]


def ends(runs: Sequence[DescentConfig]) -> list[Run]:
    """Train; a run that diverges says so in the table and nowhere else."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "diverged", UserWarning)
        return run_all(runs)


def _which(config: DescentConfig) -> dict[str, Any]:
    """The columns that say which run a row is of."""
    return {"seed": config.data_seed, "n": config.n, "alpha": config.alpha}


def measurements(config: DescentConfig) -> Float[np.ndarray, "n d d"]:
    """The A_i of a run."""
    return problem(config).data.x.reshape(config.n, config.d, config.d)


def certificates(config: DescentConfig) -> tuple[NuclearNorm, NuclearNorm]:
    """The least nuclear norm and the flattest factorisation for a run's data."""
    a, y = measurements(config), problem(config).data.y
    return nuclear_norm(a, y), flattest(a, y)


def sensing(
    alphas: Sequence[float], ns: Sequence[int], seeds: Sequence[int], **fields: Any
) -> pd.DataFrame:
    """Gradient descent against the least nuclear norm.

    Args:
        alphas, ns, seeds, fields: as `configs`.

    Returns:
        A row a run: seed, n, alpha; least, the least nuclear norm, gap, of its
        certificate, relative, missed, the distance of its matrix to the target, and
        recovers, whether that is 0; excess,
        nuclear norm at the end over the least, minus 1; error, distance of the end
        to the target; ranks of the end and of the programme's matrix (`COUNTED`);
        flat, (1/n) sum ||grad f_i||^2 at the end over its certified least, minus 1;
        loss, reached (the loss at which runs stop) and diverged. A run that diverged
        has NaN.
    """
    runs = configs(alphas, ns, seeds, **fields)
    solved: dict[tuple[int, int], tuple[NuclearNorm, NuclearNorm]] = {}
    rows = []
    for config, run in zip(runs, ends(runs), strict=True):
        key = (config.data_seed, config.n)
        if key not in solved:
            solved[key] = certificates(config)
        least, flat = solved[key]
        target = problem(config).data.truth
        missed = float(np.linalg.norm(least.matrix.ravel() - target))
        rows.append(
            {
                **_which(config),
                **{"least": least.value, "gap": least.gap / least.value},
                **{"recovers": missed <= RECOVERED, "missed": missed},
                "rank of the programme": numerical_rank(least.matrix),
                **_end(config, run, least.value, flat.value),
            }
        )
    return pd.DataFrame(rows)


def _end(
    config: DescentConfig, run: Run, least: float, flat: float
) -> dict[str, float | bool]:
    """What a run's last row says beside the two certificates."""
    last = run.history.iloc[-1]
    diverged = run.diverged_at is not None
    names = ("excess", "error", "rank", "flat", "loss")
    values: tuple[float, ...] = (np.nan,) * len(names)
    if not diverged:
        matrix = run.arrays["U"] @ run.arrays["V"].T
        values = (
            float(last["nuclear"]) / least - 1,
            float(last["error"]),
            float(numerical_rank(matrix)),
            float(last["trace"]) / (2 * config.factor) / flat - 1,
            float(last["loss"]),
        )
    reached = not diverged and bool(np.isfinite(last["stopped"]))
    found = dict(zip(names, values, strict=True))
    return {**found, "reached": reached, "diverged": diverged}


def numerical_rank(matrix: Float[np.ndarray, "p q"]) -> int:
    """Singular values above `COUNTED` of the largest."""
    values = np.linalg.svd(matrix, compute_uv=False)
    return int(np.sum(values > COUNTED * values[0]))


def threshold(table: pd.DataFrame) -> int | None:
    """The n from which on the programme recovers every target; None if it never does.

    Args:
        table: from `sensing`.
    """
    always = table.groupby("n")["recovers"].all()
    at = [int(n) for n in always.index if always[always.index >= n].all()]
    return min(at) if at else None


def sides(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows at and above the recovery threshold, and those where nothing is recovered.

    The second are the sizes up to the largest at which the programme finds no target.
    """
    at = threshold(table)
    some = table.groupby("n")["recovers"].any()
    never = [int(n) for n in some.index if not some[some.index <= n].any()]
    above = table[table["n"] >= at] if at is not None else table.iloc[:0]
    return above, table[table["n"].isin(never)]


def last_below(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the largest size at which the programme misses a target; maybe none."""
    short = table.loc[~table["recovers"], "n"]
    return table[table["n"] == short.max()] if len(short) else table.iloc[:0]


def per_seed(
    table: pd.DataFrame, alpha: float, column: str = "excess"
) -> Float[np.ndarray, " seeds"]:
    """A column's mean over sizes for each seed, at one start; diverged runs apart."""
    rows = table[table["alpha"] == alpha]
    return rows.groupby("seed")[column].mean().dropna().to_numpy()


def change(
    table: pd.DataFrame, alpha: float, other: float, column: str
) -> Float[np.ndarray, " seeds"]:
    """A column at one start minus that at another, mean over sizes for each seed."""
    parts = [
        table[table["alpha"] == a].set_index(["seed", "n"])[column]
        for a in (alpha, other)
    ]
    return (parts[0] - parts[1]).groupby("seed").mean().dropna().to_numpy()


def errors(table: pd.DataFrame, alpha: float, column: str = "excess") -> np.ndarray:
    """|column| of all runs at one start, infinite where one diverged.

    Returns:
        One a run; infinite once if there is no run, so that nothing holds by absence.
    """
    values = table.loc[table["alpha"] == alpha, column].abs().fillna(np.inf)
    return values.to_numpy() if len(values) else np.array([np.inf])


def against_greedy(
    alphas: Sequence[float],
    ns: Sequence[int],
    seeds: Sequence[int],
    least: pd.DataFrame,
    **fields: Any,
) -> pd.DataFrame:
    """Gradient descent against greedy low-rank learning.

    Args:
        alphas, ns, seeds, fields: as `configs`; the runs are those of `sensing`.
        least: from `sensing`, for the programme's norm and rank.

    Returns:
        A row a run: seed, n, alpha, distance (of the end from the greedy one, relative
        to that; NaN if the run diverged or greedy learning did not interpolate),
        greedy excess and greedy rank.
    """
    known = {(int(row["seed"]), int(row["n"])): row for _, row in least.iterrows()}
    runs = configs(alphas, ns, seeds, **fields)
    found: dict[tuple[int, int], np.ndarray | None] = {}
    rows = []
    for config, run in zip(runs, ends(runs), strict=True):
        key = (config.data_seed, config.n)
        if key not in found:
            end = greedy(
                measurements(config),
                problem(config).data.y,
                lr=config.lr,
                phase_steps=config.num_steps,
                stop_loss=config.stop_loss,
            )
            fits = end.loss <= 2 * config.stop_loss
            found[key] = end.matrix if fits else None
        target = found[key]
        row = _which(config)
        if target is not None:
            norm = float(np.linalg.norm(target, "nuc"))
            row["greedy excess"] = norm / float(known[key]["least"]) - 1
            row["greedy rank"] = numerical_rank(target)
            row["fewer"] = known[key]["rank of the programme"] - row["greedy rank"]
            if run.diverged_at is None:
                gap = run.arrays["U"] @ run.arrays["V"].T - target
                row["distance"] = np.linalg.norm(gap) / np.linalg.norm(target)
        rows.append(row)
    names = ["seed", "n", "alpha", "distance", "greedy excess", "greedy rank", "fewer"]
    return pd.DataFrame(rows, columns=names)


def commuting_limits(
    powers: Sequence[int], ns: Sequence[int], seeds: Sequence[int], d: int, rank: int
) -> pd.DataFrame:
    """Nuclear norm at the exact end of gradient flow on commuting measurements.

    Args:
        powers: of ten, minus the logarithm of the start's scale.
        ns, seeds, d, rank: as `configs`.

    Returns:
        A row each: seed, n, power and excess over the certified least; NaN where no
        end was found.
    """
    rows = []
    for config in configs([1.0], ns, seeds, d=d, rank=rank, commuting=True):
        a, y = measurements(config), problem(config).data.y
        least = nuclear_norm(a, y).value
        start = start_arrays(config)
        for power in powers:
            row: dict[str, Any] = {"seed": config.data_seed, "n": config.n}
            row["power"] = power
            try:
                end = flow_limit(a, y, start["U"], start["V"], -power * np.log(10.0))
                row["excess"] = float(np.linalg.norm(end.matrix, "nuc")) / least - 1
            except (ValueError, np.linalg.LinAlgError):
                row["excess"] = np.nan
            rows.append(row)
    return pd.DataFrame(rows)


def commuting_descent(
    alphas: Sequence[float], ns: Sequence[int], seeds: Sequence[int], **fields: Any
) -> pd.DataFrame:
    """Gradient descent on commuting measurements beside the exact end of the flow.

    Returns:
        A row a run: seed, n, alpha and distance (relative; NaN if it diverged or no end
        of the flow was found).
    """
    runs = configs(alphas, ns, seeds, commuting=True, **fields)
    rows = []
    for config, run in zip(runs, ends(runs), strict=True):
        start = start_arrays(config)
        row = _which(config)
        try:
            target = flow_limit(
                measurements(config),
                problem(config).data.y,
                start["U"],
                start["V"],
            ).matrix
            if run.diverged_at is None:
                gap = run.arrays["U"] @ run.arrays["V"].T - target
                row["distance"] = float(np.linalg.norm(gap) / np.linalg.norm(target))
        except (ValueError, np.linalg.LinAlgError):
            pass
        rows.append(row)
    return pd.DataFrame(rows, columns=["seed", "n", "alpha", "distance"])
