"""One hyper-parameter at a time: do verdicts of a scenario stay what they are?

The base is 1-SAM and its control, SGD, at the source's values. A variation
multiplies one of `FIELDS` by a factor and leaves all else as it is.
"""

import warnings
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from flatminima.results.evidence import gather
from flatminima.results.reading import Committed
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import initial_state, problem
from flatminima.sharpness.closed_form import per_example_gradients
from flatminima.sources import controls
from flatminima.statistics.intervals import centre
from flatminima.sweeps.table import Seeds, at_step, per_seed, seed_pairs

FIELDS = ("lr", "rho", "width", "init_scale", "num_steps")

BASE = ("base", 1.0)

RULES = ("1-SAM", "SGD")


def varied_configs(
    architecture: str,
    factors: Sequence[float],
    lengths: Sequence[float],
    *,
    d: int,
    n: int,
    width: int,
    num_steps: int,
) -> dict[tuple[str, str, float], Config]:
    """The runs behind a base and its variations.

    Training length takes no runs of its own: the base is trained for the longest
    one and measured at the others. SGD has no radius to vary.

    Args:
        architecture: key of `SETTINGS`.
        factors: on each field but the length, above 0 and other than 1. Widths and
            lengths are rounded, to 1 at least.
        lengths: the same for the number of updates.
        d, n, width, num_steps: sizes of the base.

    Returns:
        Configs in float32 by (rule, field, factor), the base under `BASE`.

    Raises:
        ValueError: if a value is out of range.
    """
    for name, given in (("factors", factors), ("lengths", lengths)):
        wrong = [f for f in given if not (0 < f < np.inf) or f == 1]
        if wrong or not given or len(set(given)) < len(given):
            raise ValueError(
                f"{name} = {list(given)}: must be different, above 0 and not 1"
            )
    setting = controls.SETTINGS[architecture]
    base: dict[str, Any] = {
        "architecture": architecture,
        "d": d,
        "n": n,
        "width": width,
        "num_steps": num_steps,
        "num_checkpoints": 2,
        "lr": setting.lr,
        "init_scale": setting.init_scale,
        "dtype": "float32",
    }
    measured = sorted({num_steps, *(scaled(num_steps, f) for f in lengths)})
    configs = {}
    for rule, at in controls.rules(RULES, rho=setting.rho, **base).items():
        configs[rule, *BASE] = changed(
            at, num_steps=measured[-1], measure_at=tuple(measured)
        )
        for field in FIELDS[:-1]:
            if getattr(at, field) == 0:
                continue
            for factor in factors:
                value = getattr(at, field)
                value = scaled(value, factor) if field == "width" else value * factor
                configs[rule, field, factor] = changed(at, **{field: value})
    return configs


def drifts(
    architecture: str, factors: Sequence[float], **sizes: int
) -> dict[tuple[str, float], Config]:
    """1-SAM at other learning rates, with the base's radius or the base's eta rho^2.

    Args:
        architecture, factors: as in `varied_configs`; the factors are on eta.
        sizes: d, n, width and num_steps, as there.

    Returns:
        Configs by (what is kept, factor): ("rho", f) has the base's radius,
        ("eta rho^2", f) has that divided by sqrt(f). The base itself is ("base", 1).

    Raises:
        ValueError: as `varied_configs`.
    """
    configs = varied_configs(architecture, factors, [2.0], **sizes)
    length = {"num_steps": sizes["num_steps"], "measure_at": ()}
    base = changed(configs["1-SAM", *BASE], **length)
    found = {("base", 1.0): base}
    for factor in factors:
        lr = base.lr * factor
        found["rho", factor] = changed(base, lr=lr)
        found["eta rho^2", factor] = changed(base, lr=lr, rho=base.rho / factor**0.5)
    return found


def drift_table(tables: Mapping[tuple[str, float], pd.DataFrame]) -> pd.DataFrame:
    """What the runs of `drifts` come to, a row a learning rate.

    Args:
        tables: from `sweep`, by the keys of `drifts`.

    Returns:
        Mean test accuracy (a diverged run counts as 0) and median trace over bound,
        for what is kept; the base stands under both.
    """
    rows: dict[float, dict[tuple[str, str], float]] = {}
    for (kept, factor), table in tables.items():
        row = rows.setdefault(factor, {})
        for name in ("rho", "eta rho^2") if kept == "base" else (kept,):
            row |= {(what, name): value for what, value in outcome(table).items()}
    found = pd.DataFrame.from_dict(rows, orient="index").sort_index().sort_index(axis=1)
    return found.rename_axis(index="factor on η", columns=["", "kept"])


TUNED: dict[str, dict[str, tuple[float, ...]]] = {
    "SGD": {"lr": (1 / 16, 1 / 4, 1.0, 4.0)},
    "SGD + wd": {
        "lr": (1 / 16, 1 / 4, 1.0, 4.0),
        "weight_decay": (0.01, 0.1, 1.0, 4.0),
    },
    "1-SAM": {"lr": (1 / 4, 1.0, 4.0), "rho": (1 / 2, 1.0, 2.0)},
}
"""Factors that are tried on the fields of each rule, all pairs of them."""


def candidates(architecture: str, rule: str, **sizes: int) -> list[Config]:
    """The settings of a rule that are tried, in float32 and measured at their end.

    Args:
        architecture: key of `SETTINGS`.
        rule: key of `TUNED`.
        sizes: d, n, width and num_steps.
    """
    setting = controls.SETTINGS[architecture]
    base = controls.rules(
        [rule],
        architecture=architecture,
        lr=setting.lr,
        init_scale=setting.init_scale,
        rho=setting.rho,
        weight_decay=setting.weight_decay,
        dtype="float32",
        num_checkpoints=2,
        **sizes,
    )[rule]
    grid = TUNED[rule]
    return [
        changed(
            base,
            **{f: getattr(base, f) * x for f, x in zip(grid, factors, strict=True)},
        )
        for factors in product(*grid.values())
    ]


def ran(own: Committed, configs: Sequence[Config], seeds: Seeds) -> pd.DataFrame:
    """The rows of some runs, without a warning of those that diverge.

    Args:
        own: committed runs of the chapter, as in `evidence.gather`.
        configs, seeds: as there.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "diverged", UserWarning)
        return gather(own, configs, seeds).table


def tune(own: Committed, configs: Sequence[Config], seeds: Seeds) -> Config:
    """The config with the best mean test accuracy; of equal ones the first.

    Args:
        own: as in `ran`.
        configs: to choose from.
        seeds: as in `over_seeds`; no run that decides a claim may have one of them.

    Raises:
        ValueError: if there is no config, or no seed.
    """
    if not configs:
        raise ValueError("configs = []: at least 1 is needed")
    # a candidate that diverges is not chosen, and that is all there is to say
    tables = [ran(own, [config], seeds) for config in configs]
    means = [per_seed(table, "test_accuracy", diverged=0.0).mean() for table in tables]
    return configs[int(np.argmax(np.nan_to_num(means)))]


def outcome(table: pd.DataFrame) -> dict[str, float]:
    """Mean test accuracy and median trace over bound at the end of one setting.

    Args:
        table: from `sweep`, of one setting. A diverged run has an accuracy of 0.
    """
    last = table[table["last"]]
    return {
        "test accuracy": centre(last, "test_accuracy")[0],
        "trace / bound": centre(last, "ratio")[0],
    }


def scaled(count: int, factor: float) -> int:
    """count times factor, rounded, at least 1."""
    return max(1, round(count * factor))


def changed(config: Config, **fields: object) -> Config:
    """The config with other fields, checked again."""
    return Config(**(config.model_dump() | fields))


def run_variations(
    own: Committed,
    architecture: str,
    factors: Sequence[float],
    lengths: Sequence[float],
    *,
    d: int,
    n: int,
    width: int,
    num_steps: int,
    seeds: Seeds,
) -> pd.DataFrame:
    """Train the base and every variation, under both rules.

    Args:
        own: as in `ran`.
        architecture, factors, lengths, d, n, width, num_steps: as in `varied_configs`.
        seeds: as in `over_seeds`.

    Returns:
        The columns of `sweep`, one row a run and setting: its end. `field` and
        `factor` say what was varied. SGD, which has no radius, appears with its
        base's rows where rho is varied, and `num_steps` is the length that counts.
    """
    configs = varied_configs(
        architecture, factors, lengths, d=d, n=n, width=width, num_steps=num_steps
    )
    table = ran(own, list(configs.values()), seeds)
    # a run's rows begin with that of step 0
    run_of_row = (table["step"] == 0).cumsum() - 1
    count = len(seed_pairs(seeds))
    parts = []
    for k, (rule, field, factor) in enumerate(configs):
        rows = table[run_of_row // count == k]
        if (field, factor) != BASE:
            parts.append(rows[rows["last"]].assign(field=field, factor=factor))
            continue
        for times in (1.0, *lengths):
            steps = scaled(num_steps, times)
            end = at_step(rows, steps).assign(num_steps=steps, factor=times)
            parts.append(end.assign(field="num_steps" if times != 1 else "base"))
        if rule == "SGD":
            base = parts[-1 - len(lengths)]
            parts += [base.assign(field="rho", factor=times) for times in factors]
    found = pd.concat(parts, ignore_index=True)
    order = {field: k for k, field in enumerate(("base", *FIELDS))}
    return found.sort_values(
        ["field", "factor"],
        key=lambda column: column.map(order) if column.name == "field" else column,
        kind="stable",
        ignore_index=True,
    )


LABELS = {
    "base": "base",
    "lr": "η",
    "rho": "ρ",
    "width": "width",
    "init_scale": "first layer",
    "num_steps": "length",
}


def label(field: str, factor: float) -> str:
    """A variation in short, such as "η × 1/4"."""
    if field == "base":
        return LABELS[field]
    number = f"{factor:g}" if factor >= 1 else f"1/{1 / factor:g}"
    return f"{LABELS[field]} × {number}"


def lost_runs(table: pd.DataFrame) -> pd.DataFrame:
    """Runs that met NaN or inf, or whose outputs are 0 everywhere at their end.

    Args:
        table: from `run_variations`, of one or more architectures.

    Returns:
        Counts by architecture, rule and variation; those without any are left out.
    """
    dead = ~table["diverged"] & (table["bound_outputs"] == 0)
    counts = (
        table.assign(dead=dead)
        .groupby(["architecture", "rule", "field", "factor"], sort=False)
        .agg(diverged=("diverged", "sum"), dead=("dead", "sum"), runs=("dead", "size"))
        .reset_index()
    )
    counts = counts[(counts["diverged"] > 0) | (counts["dead"] > 0)]
    variation = [label(*s) for s in zip(counts["field"], counts["factor"], strict=True)]
    counts.insert(2, "variation", variation)
    return counts.drop(columns=["field", "factor"]).set_index(
        ["architecture", "rule", "variation"]
    )


def initial_growth(
    configs: Mapping[str, Mapping[tuple[str, str, float], Config]],
    seed: int = 0,
) -> pd.DataFrame:
    """2 eta times the mean of ||grad f(x_i)||^2 over the examples, at the start.

    Above 2, a step of SGD on (f - y)^2 makes the error at its example larger, to
    first order.

    Args:
        configs: `varied_configs` by name of the architecture.
        seed: of data and initialisation, in place of theirs.

    Returns:
        One row a variation, one column an architecture. Radius and length change
        nothing at the start and are left out.
    """
    growth: dict[str, dict[str, float]] = {}
    for name, runs in configs.items():
        growth[name] = {}
        for (rule, field, factor), config in runs.items():
            if rule == "SGD":
                config = config.with_seeds(seed, seed)
                setting = problem(config)
                w, v = initial_state(changed(config, dtype="float64")).params
                gradients = per_example_gradients(setting.model, w, v, setting.inputs)
                mean = float(np.mean(gradients.norm_sq))
                growth[name][label(field, factor)] = 2 * config.lr * mean
    return pd.DataFrame(growth)
