"""What the runs say, in tables, and in rows that claims compare."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from flatminima.claims.rounding import NONE, numbers
from flatminima.statistics.intervals import mean_ends, of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.small_lr.curves import (
    ERROR,
    INSIDE,
    LOSS,
    NAMES,
    NORM,
    by_seed,
    changes,
    levels,
    pick,
    spread,
)
from flatminima.studies.small_lr.runs import AFTER_DROP, PERIODS, RULES, SETTINGS
from flatminima.sweeps.table import at_step, per_seed


def spread_table(groups: Mapping[str, Sequence[pd.DataFrame]]) -> pd.DataFrame:
    """Both spreads, means over seeds, and their ratio with its interval.

    Args:
        groups: settings by what varies among them.
    """
    lines = []
    for name, settings in groups.items():
        for quantity, called in NAMES.items():
            apart = {
                axis: by_seed(settings, partial(spread, quantity=quantity, axis=axis))
                for axis in ("sgd_steps", "periods")
            }
            both = pd.DataFrame(apart).dropna()
            ratio = np.log(both["sgd_steps"].to_numpy() / both["periods"].to_numpy())
            middle, low, high = np.exp(_interval(ratio))
            lines.append(
                {
                    "runs": name,
                    "curves of": called,
                    "spread against t": apart["sgd_steps"].mean(),
                    "against periods": apart["periods"].mean(),
                    "ratio": _told(middle, low, high),
                }
            )
    return pd.DataFrame(lines)


def _interval(values: np.ndarray) -> tuple[float, float, float]:
    """Mean over seeds with its interval; NaN where there is none."""
    mean = float(values.mean()) if len(values) else np.nan
    return mean, *of_mean(values, thresholds())


def _told(mean: float, low: float, high: float) -> str:
    """A mean with its interval, in one cell."""
    if not np.isfinite(mean):
        return NONE
    ends = (low, high) if np.isfinite(low) else (None, None)
    return numbers(mean, *ends)


def equilibrium_table(settings: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Levels in the last period and their change from the one before, by setting.

    Args:
        settings: rows of one setting each.
    """
    lines = []
    for rows in settings:
        length = rows["num_steps"].iloc[0] / (PERIODS + AFTER_DROP)
        line = {"η": f"{rows['lr'].iloc[0]:g}", "1/(ηλ)": length}
        for name, called in {NORM: "norm", LOSS: "loss"}.items():
            values = changes(rows, name).dropna().to_numpy()
            line[called] = float(np.exp(levels(rows, name).mean()))
            line[f"change of log {called}"] = _told(*_interval(values))
        lines.append(line)
    return pd.DataFrame(lines)


def as_runs(values: pd.Series, metric: str, scale: str) -> pd.DataFrame:
    """One number a seed in the form in which settings are compared.

    Args:
        values: indexed by seeds.
        metric: what to call it.
        scale: of the runs behind it.
    """
    rows = values.rename(metric).reset_index()
    return rows.assign(test_points=np.nan, last=True, diverged=False, scale=scale)


def same(values: pd.Series, number: float) -> pd.Series:
    """A number for every seed of a series."""
    return pd.Series(number, values.index, dtype=float)


def accuracy_undropped(rows: pd.DataFrame, scale: str) -> pd.DataFrame:
    """Test accuracy over the last period before the drop, a row a seed.

    Args:
        rows: of one setting.
        scale: of the runs behind it.
    """

    def mean(runs: list[pd.DataFrame]) -> float:
        times = runs[0]["periods"]
        kept = (times > PERIODS - 1 + 1e-9) & (times <= PERIODS + 1e-9)
        return float(runs[0].loc[kept, "test_accuracy"].mean())

    return as_runs(by_seed([rows], mean), "test_accuracy", scale)


def at_equal_updates(
    large: pd.DataFrame, small: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two settings after as many updates: where the first has its drop.

    Args:
        large: the shorter runs.
        small: the longer ones, measured at that step.
    """
    if large["periods"].isna().all() or small["periods"].isna().all():
        return large, small
    step = int(large.loc[large["periods"] <= PERIODS, "step"].max())
    return at_step(large, step), at_step(small, step)


def accuracy_at(rows: pd.DataFrame, step: int, scale: str) -> pd.DataFrame:
    """Test accuracy after some updates, linear in log t between checkpoints.

    Args:
        rows: of one setting.
        step: number of updates, within the checkpoints.
        scale: of the runs behind it.
    """

    def at(runs: list[pd.DataFrame]) -> float:
        kept = runs[0][runs[0]["step"] > 0]
        times = np.log(kept["step"].to_numpy(float))
        return float(np.interp(np.log(step), times, kept["test_accuracy"]))

    return as_runs(by_seed([rows], at), "test_accuracy", scale)


def equal_loss(short: pd.DataFrame, setting: str, rule: str) -> pd.DataFrame:
    """The ends of the runs of one setting under one rule.

    Args:
        short: from `runs.evidence`.
        setting: a name of `runs.SETTINGS`.
        rule: a name of `runs.RULES`.

    Returns:
        A row a seed; one that did not reach the loss counts as diverged.
    """
    wanted = {"label_shuffle": 0.0, **SETTINGS[setting], **RULES[rule]}
    ends = pick(short[short["last"]], **wanted)
    if "reached" not in ends:
        return ends
    return ends.assign(diverged=ends["diverged"] | (ends["reached"] != 1))


def order_table(short: pd.DataFrame) -> pd.DataFrame:
    """Test error, trace, λ_max and training loss at the end, by setting and rule.

    Args:
        short: from `runs.evidence`.
    """
    lines = []
    for setting in SETTINGS:
        for rule in RULES:
            ends = equal_loss(short, setting, rule)
            if "reached" not in ends:
                continue
            good = ends[~ends["diverged"]]
            errors = 100 * (1 - good["test_accuracy"].to_numpy(float))
            lines.append(
                {
                    "setting": setting,
                    "rule": rule,
                    "runs": len(ends),
                    "not at the loss": int(ends["diverged"].sum()),
                    "test error, %": _told(*_interval(errors)),
                    "trace": good["trace"].mean(),
                    "λ_max": good["lambda_max"].mean(),
                    "training loss": good["train_loss"].mean(),
                    "updates": good["step"].mean(),
                }
            )
    return pd.DataFrame(lines)


def least_fall(
    short: pd.DataFrame, before: str, after: str
) -> tuple[float, float, float]:
    """The least fall of the log trace from one rule to another, over the settings.

    Args:
        short: from `runs.evidence`.
        before, after: names of `runs.RULES`.

    Returns:
        The number, from means over seeds, and an interval that holds for all settings
        at once (Bonferroni); NaN if a setting has fewer than two seeds.
    """
    level = 1 - (1 - thresholds().level) / len(SETTINGS)
    found = []
    for setting in SETTINGS:
        one, two = (
            np.log(per_seed(equal_loss(short, setting, rule), "trace"))
            for rule in (before, after)
        )
        falls = (one - two).dropna().to_numpy()
        if len(falls) < 2:
            return np.nan, np.nan, np.nan
        low, high = map(float, mean_ends(falls, level))
        found.append((float(falls.mean()), low, high))
    mean, low, high = (min(column) for column in zip(*found, strict=True))
    return mean, low, high


def live_beside_committed(live: pd.DataFrame, long: pd.DataFrame) -> pd.DataFrame:
    """The long runs of this build beside those of the evidence, before the drop.

    Args:
        live: long runs of this build, as `runs.evidence` makes them.
        long: from `runs.evidence`.

    Returns:
        A row a setting and quantity: the level of either, and the difference over the
        standard deviation of the evidence over seeds.
    """
    lines = []
    same_kind = live[(live["norm"] == "batch") & (live["amplification"] == 1)]
    for (lr, decay), rows in same_kind.groupby(["lr", "weight_decay"]):
        known = pick(long, lr=lr, weight_decay=decay, **INSIDE)
        for quantity in (NORM, LOSS, ERROR):
            new, old = levels(rows, quantity), levels(known, quantity)
            lines.append(
                {
                    "η": f"{lr:g}",
                    "λ": f"{decay:g}",
                    "level of": NAMES[quantity],
                    "here": np.exp(new.mean()),
                    "evidence": np.exp(old.mean()),
                    "difference, in deviations": (new.mean() - old.mean()) / old.std(),
                }
            )
    return pd.DataFrame(lines)


def ends_table(groups: Mapping[str, Sequence[pd.DataFrame]]) -> pd.DataFrame:
    """Test error at the end of runs, by setting and learning rate, in per cent.

    Args:
        groups: settings by name; each rows of one learning rate.
    """
    lines = []
    for name, settings in groups.items():
        for rows in settings:
            ends = rows[rows["last"] & ~rows["diverged"]]
            errors = 100 * (1 - ends["test_accuracy"].dropna().to_numpy(float))
            lines.append(
                {
                    "setting": name,
                    "η": f"{rows['lr'].iloc[0]:g}",
                    "seeds": len(errors),
                    "test error, %": _told(*_interval(errors)),
                    "training loss": ends["train_loss"].mean(),
                }
            )
    return pd.DataFrame(lines)
