"""Figures of the race."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from flatminima.plots.style import WIDTH, say_why
from flatminima.runs.race.config import NAMES
from flatminima.studies.open_2 import runs, tables
from flatminima.sweeps.table import SEEDS

_COLOURS = sns.color_palette("colorblind")
STYLES = {
    "gd": (_COLOURS[7], "x"),
    "1-sam": (_COLOURS[3], "o"),
    "m-sam": (_COLOURS[1], "s"),
    "n-sam": (_COLOURS[4], "^"),
    "label-noise": (_COLOURS[2], "D"),
    "penalty": (_COLOURS[5], "v"),
    "hutchinson": (_COLOURS[8], "<"),
    "flow": (_COLOURS[9], "P"),
    "spectral": (_COLOURS[0], "*"),
}
"""Colour and marker of every method."""

BEHIND, APART = 1.4, 1.45
"""Where the first that fails stands, over the budget, and the next over it."""


def finish_line(arrived: pd.DataFrame) -> Figure:
    """Median full gradients to every target, by instance and method.

    A method that fails on half of the seeds or more stands open behind the line, at the
    right.

    Args:
        arrived: from `tables.chosen`.
    """
    instances = [name for name in runs.SIZES if name in set(arrived["instance"])]
    fig, axes = plt.subplots(1, len(runs.TARGETS), figsize=(WIDTH, 4.2), sharey=True)
    budget = float(arrived["budget"].max())
    for axis, target in zip(axes, runs.TARGETS, strict=True):
        rows = arrived[arrived["target"] == target]
        for at, instance in enumerate(instances):
            _row(axis, rows[rows["instance"] == instance], at, budget)
        axis.axvline(budget, color="0.6", lw=1, ls=":")
        axis.set(xscale="log", title=f"within {tables.percent(target)}")
        axis.set(xlim=(10, BEHIND * APART ** (len(runs.METHODS) - 0.4) * budget))
        axis.set_xticks(10.0 ** np.arange(1, np.floor(np.log10(budget)) + 1))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.grid(axis="y", color="0.92")
    axes[0].set_yticks(range(len(instances)), [runs.LABELS[name] for name in instances])
    axes[0].set_ylim(len(instances) - 0.4, -0.6)
    axes[1].set_xlabel("full gradients, median over seeds")
    for method in runs.METHODS:
        if method in set(arrived["method"]):
            colour, marker = STYLES[method]
            axes[0].plot([], [], marker, color=colour, ms=6, label=NAMES[method])
    fig.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5
    )
    return fig


def _row(axis: Axes, rows: pd.DataFrame, at: int, budget: float) -> None:
    """The methods of one instance."""
    there = [name for name in runs.METHODS if name in set(rows["method"])]
    late = 0
    for method in there:
        late_or_not = rows.loc[rows["method"] == method, "evaluations"].fillna(np.inf)
        middle = float(np.median(late_or_not))
        colour, marker = STYLES[method]
        # those that arrive lie apart vertically, in the order of the legend
        shift = 0.06 * (runs.METHODS.index(method) - 4)
        if np.isfinite(middle):
            axis.plot(
                *(middle, at + shift, marker),
                **{"color": colour, "ms": 9 if marker == "*" else 6, "zorder": 3},
            )
        else:
            face = colour if marker == "x" else "none"
            axis.plot(
                *(budget * BEHIND * APART**late, at, marker),
                **{"mec": colour, "mfc": face, "ms": 4.5},
            )
            late += 1


def paths(table: pd.DataFrame) -> Figure:
    """Excess over the certified minimum against full gradients, a panel an instance.

    Each method has the setting that was tuned for 1 %. Lines are medians over seeds of
    the least excess so far; dotted lines are the targets.

    Args:
        table: rows of the race.
    """
    instances = [name for name in runs.SIZES if name in set(table["instance"])]
    columns = 3 if len(instances) > 1 else 1
    lines = -(-len(instances) // columns)
    fig, axes = plt.subplots(
        lines,
        columns,
        figsize=(WIDTH, 2.6 * lines + 0.7),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    chosen = runs.tuned()
    for axis, instance in zip(axes.ravel(), instances, strict=False):
        drawn = False
        for method in runs.METHODS:
            rows = _of(table, instance, method, chosen[instance, method, 0.01])
            drawn = _line(axis, rows, method) or drawn
        for target in runs.TARGETS:
            axis.axhline(target, color="0.7", lw=0.8, ls=":")
        axis.set(xscale="log", yscale="log", title=runs.LABELS[instance])
        axis.set_ylim(3e-4, 100)
        if not drawn:
            say_why(axis, "no run lands")
    for axis in axes.ravel()[len(instances) :]:
        axis.set_axis_off()
    for axis in axes[-1]:
        axis.set_xlabel("full gradients")
    for axis in axes[:, 0]:
        axis.set_ylabel("trace / minimum − 1")
    for method in runs.METHODS:
        if method in set(table["method"]):
            axes[0, 0].plot([], [], color=STYLES[method][0], label=NAMES[method])
    fig.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5
    )
    return fig


def _of(
    table: pd.DataFrame, instance: str, method: str, setting: runs.Setting
) -> pd.DataFrame:
    """The rows of one method and setting on an instance."""
    mask = (table["instance"] == instance) & (table["method"] == method)
    for name, value in setting.items():
        mask &= table[name] == value if name in table else False
    return table[mask]


def _line(axis: Axes, rows: pd.DataFrame, method: str) -> bool:
    """The median over seeds of the least excess so far; whether there is any."""
    rows = rows.dropna(subset=["ratio"])
    if rows.empty:
        return False
    budget = float(rows["budget"].iloc[0])
    grid = np.geomspace(10, budget, 60)
    found = []
    for _, run in rows.groupby(SEEDS):
        run = run.sort_values("evaluations")
        spent = run["evaluations"].to_numpy()
        best = np.minimum.accumulate(run["ratio"].to_numpy()) - 1
        at = np.searchsorted(spent, grid, side="right") - 1
        found.append(np.where(at >= 0, best[np.maximum(at, 0)], np.inf))
    middle = np.median(found, axis=0)
    seen = np.isfinite(middle)
    style = {"color": STYLES[method][0], "lw": 2.2 if method == "spectral" else 1.3}
    axis.plot(grid[seen], np.maximum(middle[seen], 1e-5), **style)
    return bool(seen.any())
