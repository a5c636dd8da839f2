"""The race: instances, methods, their settings, and how these were chosen."""

import warnings
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any

import pandas as pd
import yaml

from flatminima.results.reading import Committed
from flatminima.runs.race.config import NAMES, DescentRace, RaceConfig, WalkRace
from flatminima.sweeps.sweep import sweep, sweep_quietly
from flatminima.sweeps.table import SEEDS

SIZES: dict[str, dict[str, Any]] = {
    "sparse": {"n": 20, "d": 40, "complexity": 3},
    "weighted": {"n": 20, "d": 40, "complexity": 8},
    "matrix": {"n": 40, "d": 8, "complexity": 1, "width": 8},
    "cubic": {"n": 20, "d": 40, "complexity": 3},
    "bias": {"n": 20, "d": 8, "width": 60},
    "no_bias": {"n": 10, "d": 4, "width": 60},
}
"""Sizes of the instances."""

LABELS = {
    "sparse": "sparse, signs",
    "weighted": "dense, Gaussian",
    "matrix": "matrix sensing",
    "cubic": "depth three",
    "bias": "2-MLP-Bias",
    "no_bias": "2-MLP-No-Bias",
}
"""What pages call the instances."""

METHODS = tuple(NAMES)
WALKS = ("flow", "spectral")
CONTROL = "gd"

TARGETS = (0.05, 0.01, 0.001)
"""Excess over the certified minimum at which a racer has arrived."""

BUDGET = 30_000
"""Full gradients that a racer may spend."""

TUNING_BUDGET = 10_000
"""Full gradients of a run that serves to choose a setting."""

CHECKPOINTS = 40

TUNING_SEEDS = range(3)
RACING_SEEDS = range(100, 112)

ONE_EXAMPLE = (0.003, 0.01, 0.03)
MORE_EXAMPLES = (0.01, 0.03, 0.1)
"""Learning rates of methods with one example a step, and of others."""

STRENGTHS = {
    "1-sam": (0.03, 0.1, 0.3, 1.0),
    "m-sam": (0.03, 0.1, 0.3, 1.0),
    "n-sam": (0.03, 0.1, 0.3, 1.0),
    "label-noise": (0.3, 1.0, 3.0, 10.0),
    "penalty": (0.003, 0.01, 0.03, 0.1),
    "hutchinson": (0.003, 0.01, 0.03, 0.1),
}
"""Radius, noise, or factor of the trace."""

SMOOTHINGS = (0.03, 0.1, 0.3, 1.0)

Setting = dict[str, Any]


def settings(instance: str, method: str) -> list[Setting]:
    """The twelve settings of which a method on an instance takes the best.

    Args:
        instance: a key of `SIZES`.
        method: one of `METHODS`.

    Raises:
        ValueError: if there is no such instance or method.
    """
    for name, value, known in (
        ("instance", instance, SIZES),
        ("method", method, METHODS),
    ):
        if value not in known:
            raise ValueError(f"{name} = {value!r}: must be one of {', '.join(known)}")
    kinks = instance in ("bias", "no_bias")
    if method == CONTROL:
        return [{"lr": 0.3 * 0.66**k} for k in range(12)]
    if method == "flow":
        if kinks:
            return [
                {"rtol": rtol, "smoothing": s}
                for rtol in (0.01, 0.1, 1.0)
                for s in SMOOTHINGS
            ]
        return [{"rtol": 0.002 * 1.8**k} for k in range(12)]
    if method == "spectral":
        if kinks:
            return [
                {"memory": memory, "smoothing": s}
                for memory in (1, 5, 20)
                for s in SMOOTHINGS
            ]
        return [
            {"memory": memory, "first": first}
            for memory in (1, 3, 10, 30)
            for first in (0.01, 0.1, 0.5)
        ]
    rates = ONE_EXAMPLE if method in ("1-sam", "label-noise") else MORE_EXAMPLES
    return [
        {"lr": lr, "strength": strength}
        for lr in rates
        for strength in STRENGTHS[method]
    ]


def racer(
    instance: str, method: str, setting: Setting, **fields: Any
) -> DescentRace | WalkRace:
    """The config of a method on an instance.

    Args:
        instance, method: as in `settings`.
        setting: one of these.
        fields: of the config, in place of the race's own.
    """
    kind: Any = WalkRace if method in WALKS else DescentRace
    usual = {"budget": BUDGET, "num_checkpoints": CHECKPOINTS} | SIZES[instance]
    return kind(instance=instance, method=method, **(usual | setting | fields))


def arrivals(table: pd.DataFrame, targets: Sequence[float] = TARGETS) -> pd.DataFrame:
    """What every run spent until it was first within each target.

    Args:
        table: from a sweep over racers, of any settings.
        targets: excesses over the certified minimum.

    Returns:
        A row a run and target: instance, method, the fields of its setting, the seeds,
        target, evaluations (NaN if it did not arrive), final (its last ratio, NaN if
        it diverged or did not land), least (its smallest ratio) and budget.
    """
    rows = []
    fields = [name for name in SETTING if name in table]
    by = ["instance", "method", *fields, *SEEDS]
    for key, run in table.groupby(by, dropna=False, sort=False):
        run = run.sort_values("step")
        last = run.iloc[-1]
        shared = dict(zip(by, key, strict=True)) | {
            "final": float("nan") if last["diverged"] else float(last["ratio"]),
            "least": float(run["ratio"].min()),
            "budget": int(last["budget"]),
        }
        for target in targets:
            there = run[run["ratio"] <= 1 + target]
            spent = there["evaluations"].iloc[0] if len(there) else float("nan")
            rows.append(shared | {"target": target, "evaluations": float(spent)})
    return pd.DataFrame(rows)


SETTING = ("lr", "strength", "rtol", "first", "memory", "smoothing")
"""Fields of a setting, in any method."""


def tune(instance: str, method: str) -> dict[float, Setting]:
    """The best setting of a method for every target, on the tuning seeds.

    The best has the fewest seeds that do not arrive, then the smallest median of what
    those that arrive have spent, then the smallest median of the final ratio, where a
    run that diverged or did not land counts as infinite.
    """
    options = settings(instance, method)
    scores = []
    for setting in options:
        table = sweep_quietly(
            [racer(instance, method, setting, budget=TUNING_BUDGET)], TUNING_SEEDS
        )
        found = arrivals(table)
        scores.append(
            {
                target: (
                    int(rows["evaluations"].isna().sum()),
                    _finite(rows["evaluations"].median()),
                    _finite(rows["final"].fillna(float("inf")).median()),
                )
                for target, rows in found.groupby("target")
            }
        )
    return {
        target: options[min(range(len(options)), key=lambda k: scores[k][target])]
        for target in TARGETS
    }


def _finite(value: float) -> float:
    return float("inf") if pd.isna(value) else float(value)


def tuned() -> dict[tuple[str, str, float], Setting]:
    """The chosen settings by instance, method and target, from `tuned.yml`."""
    text = files("flatminima.studies.open_2").joinpath("tuned.yml").read_text("utf-8")
    return {
        (entry["instance"], entry["method"], entry["target"]): entry["setting"]
        for entry in yaml.safe_load(text)
    }


def race(
    instances: Iterable[str] = tuple(SIZES),
    methods: Iterable[str] = METHODS,
    **fields: Any,
) -> list[DescentRace | WalkRace]:
    """The configs of a race, each setting once, whatever targets it is the best for.

    Args:
        instances, methods: which.
        fields: of the configs, in place of the race's own.
    """
    chosen = tuned()
    methods = tuple(methods)
    configs = [
        racer(instance, method, chosen[instance, method, target], **fields)
        for instance in instances
        for method in methods
        for target in TARGETS
    ]
    return list(dict.fromkeys(configs))


def planned(seeds: Iterable[int] = RACING_SEEDS) -> list[RaceConfig]:
    """All runs of the full race, seed by seed."""
    configs = race()
    return [config.with_seeds(seed, seed) for seed in seeds for config in configs]


def live(scale: str, seeds: int, first_seed: int, budget: int) -> pd.DataFrame:
    """The runs of this build, noted as ones to be committed.

    Args:
        scale: "whole" for all methods on all instances, over processes; "slice" for
            all methods on the sparse instance, and those that stay on {f = y} on all;
            "least" for three methods on the sparse instance.
        seeds: how many.
        first_seed: the first.
        budget: full gradients that a racer may spend.
    """
    grids = {
        "whole": lambda: race(budget=budget),
        "slice": lambda: [
            *race(["sparse"], budget=budget),
            *race([name for name in SIZES if name != "sparse"], WALKS, budget=budget),
        ],
        "least": lambda: race(["sparse"], ("gd", "1-sam", "spectral"), budget=budget),
    }
    drawn = range(first_seed, first_seed + seeds)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "diverged", UserWarning)
        return sweep(grids[scale](), drawn, processes=scale == "whole", commit=True)


def evidence(
    committed: Committed, table: pd.DataFrame, scale: str = "slice"
) -> pd.DataFrame:
    """The rows that decide: of this build if it has all, else the committed ones.

    Args:
        committed: from `results.reading`.
        table: from `live`.
        scale: as `live` had it.
    """
    own = scale == "whole" or not committed.tables
    return table if own else pd.concat(committed.tables, ignore_index=True)
