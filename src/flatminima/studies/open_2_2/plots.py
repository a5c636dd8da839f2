"""The figures of the chapter on how large a learning rate tracks the flow."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, ScalarFormatter

from flatminima.plots.style import WIDTH, say_why
from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.open_2_2.runs import BASE, FULL, MODELS, Setting
from flatminima.studies.open_2_2.tables import by_seed

NOTHING = "no distance crosses the tolerance inside the grid"


def answer(
    table: pd.DataFrame,
    found: pd.DataFrame,
    sweeps: dict[str, list[Setting]],
    tolerance: float,
) -> Figure:
    """Distance against the rate; what the largest rate depends on; batches.

    Args:
        table: from `runs.table`.
        found: from `tables.limits`.
        sweeps: from `runs.settings`.
        tolerance: of the distance.
    """
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.3))
    _distances(axes[0], table, tolerance)
    _ratios(axes[1], found, sweeps)
    _batches(axes[2], found, sweeps["batch"])
    return fig


def _interval(values: pd.Series) -> tuple[float, float, float]:
    known = values.dropna().to_numpy(float)
    low, high = of_mean(known, thresholds())
    return (float(known.mean()) if len(known) else np.nan), low, high


def _points(
    axis: Axes,
    at: Sequence[float] | np.ndarray,
    columns: Sequence[pd.Series],
    colour: tuple,
    marker: str,
    name: str,
) -> None:
    """Means over seeds with their intervals, joined."""
    ends = np.array([_interval(values) for values in columns]).reshape(-1, 3)
    axis.plot(at, ends[:, 0], color=colour, marker=marker, ms=5, lw=1.2, label=name)
    axis.vlines(at, ends[:, 1], ends[:, 2], color=colour, lw=1.5)


def _plain(axis: Axes) -> None:
    """Numbers in place of powers of ten, and none between them."""
    for each in (axis.xaxis, axis.yaxis):
        each.set_major_formatter(ScalarFormatter())
        each.set_minor_formatter(NullFormatter())


def _distances(axis: Axes, table: pd.DataFrame, tolerance: float) -> None:
    palette = sns.color_palette("colorblind")
    for name, colour, marker in zip(
        MODELS, (palette[0], palette[1], palette[2]), "os^", strict=True
    ):
        rows = table[table["setting"] == name]
        groups = [each["distance"] for _, each in rows.groupby("rate")]
        _points(axis, sorted(rows["rate"].unique()), groups, colour, marker, name)
    base = table[table["setting"] == BASE].groupby("rate")["predicted"].mean()
    axis.plot(base.index, base, color="0.1", ls="--", lw=1.4, label="clock alone")
    axis.axhline(tolerance, color="0.3", lw=0.8, ls=":")
    axis.set(xscale="log", yscale="log", xlabel="η Tr", ylabel="distance / path")
    axis.set_xticks(sorted(table["rate"].unique()))
    axis.set_yticks([0.02, 0.05, 0.1, 0.2, 0.5])
    _plain(axis)
    axis.legend(fontsize=7.5)
    axis.set_title("one example a step", fontsize=9.5)


ALONG = {
    "trace": ("trace", "Tr"),
    "largest eigenvalue": ("sharpness", "λ max"),
    "dimension": ("size", "parameters"),
    "noise": ("noise", "label noise"),
}
"""Sweeps of one example a step: the column that each varies, and its name."""


def _ratios(axis: Axes, found: pd.DataFrame, sweeps: dict[str, list[Setting]]) -> None:
    palette = sns.color_palette("colorblind")
    base = by_seed(found, "largest", BASE)
    styles = zip(palette[:5:1], "osD^", strict=False)
    for (sweep, (column, name)), (colour, marker) in zip(
        ALONG.items(), styles, strict=True
    ):
        start = by_seed(found, column, BASE)
        rows = []
        for each in sweeps[sweep]:
            moved = (by_seed(found, column, each.name) / start).median()
            ratio = by_seed(found, "largest", each.name) / base
            rows.append((moved, ratio))
        rows.sort(key=lambda row: row[0])
        _points(
            axis, [at for at, _ in rows], [r for _, r in rows], colour, marker, name
        )
    ends = np.array([0.25, 4.0])
    axis.plot(ends, 1 / ends, color="0.4", lw=0.8, ls=":")
    axis.set(xscale="log", yscale="log")
    axis.set(xlabel="what is varied, over its base", ylabel="largest η, over its base")
    axis.set_xticks([0.25, 0.5, 1, 2, 4])
    axis.set_yticks([0.25, 0.5, 1, 2, 4])
    _plain(axis)
    axis.set_title("one at a time", fontsize=9.5)
    if base.dropna().empty:
        say_why(axis, NOTHING)
        return
    axis.legend(fontsize=7.5)


def _batches(axis: Axes, found: pd.DataFrame, sweep: Sequence[Setting]) -> None:
    colour = sns.color_palette("colorblind")[0]
    names = ["all" if each.name == FULL else f"{each.batch}" for each in sweep]
    at = np.arange(len(sweep))
    measured = [by_seed(found, "largest", each.name) for each in sweep]
    _points(axis, at, measured, colour, "o", "measured")
    base = by_seed(found, "largest", BASE) * by_seed(found, "reach", BASE)
    law = [(base / by_seed(found, "reach", each.name)).mean() for each in sweep]
    axis.plot(at, law, color="0.1", ls="--", lw=1.4, label="1 / reach(b)")
    limit = [(2 / by_seed(found, "sharpness", each.name)).mean() for each in sweep]
    axis.plot(at, limit, color="0.5", ls=":", lw=1.4, label="2 / λ max")
    axis.set(yscale="log", xlabel="examples a step", ylabel="largest η")
    axis.set_xticks(at, names)
    axis.set_title("batches", fontsize=9.5)
    if base.dropna().empty:
        say_why(axis, NOTHING)
        return
    axis.legend(fontsize=7.5)


KINDS = {
    "distance": ("at equal τ", "o"),
    "own": ("by its own clock", "s"),
    "sharp": ("to the log-determinant's flow", "D"),
    "curve": ("to the path, at any time", "^"),
}
"""The distances of the second figure, with names and markers."""


def clocks(
    table: pd.DataFrame, sweeps: dict[str, list[Setting]], rate: float
) -> Figure:
    """What of the distance is a clock, and what is a path, at one rate.

    Args:
        table: from `runs.table`.
        sweeps: from `runs.settings`.
        rate: lr times reach.
    """
    shown = [*sweeps["model"], *sweeps["batch"][1:], *sweeps[LAST][1:]]
    rows = table[np.isclose(table["rate"], rate)]
    fig, axis = plt.subplots(figsize=(WIDTH, 0.9 + 0.36 * len(shown)))
    palette = sns.color_palette("colorblind")
    for (column, (name, marker)), colour in zip(
        KINDS.items(), (palette[3], palette[0], palette[4], palette[7]), strict=True
    ):
        for k, each in enumerate(shown):
            middle, low, high = _interval(by_seed(rows, column, each.name))
            label = name if k == 0 else None
            place = -k + {"sharp": 0.12, "curve": -0.12}.get(column, 0.0)
            axis.plot(middle, place, marker, color=colour, ms=6, label=label)
            axis.hlines(place, low, high, color=colour, lw=1.5)
    axis.set_yticks(-np.arange(len(shown)), [each.name for each in shown])
    axis.set(xscale="log", xlabel=f"distance / path, at η reach = {rate:g}")
    axis.set_xlim(1e-3, None)
    axis.grid(axis="y", color="0.9", lw=0.6)
    if rows.empty:
        say_why(axis, "no run at this rate")
        return fig
    fig.legend(ncols=2, loc="outside upper center")
    return fig


LAST = "largest eigenvalue, all examples"
