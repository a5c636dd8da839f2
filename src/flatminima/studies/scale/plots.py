"""The figures of the chapter on scale, in the style of `plots`."""

from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH
from flatminima.studies.scale.costs import GROWS_WITH, Costs, line, of_factor

_COLOURS = sns.color_palette("colorblind")
_LINES = ("-", (0, (5, 1)), (0, (1, 1)), (0, (5, 1, 1, 1)))
_MARKERS = ("o", "s", "^", "D")
_BATCHES = {"one": "batch size 1", "full": "full batch"}
_FACTORS = {"num_steps": "updates", "width": "width", "d": "input dimension d"}


def cell_seconds(costs: Costs) -> Figure:
    """Seconds of a cell against each factor, and of a sweep against its cells.

    Points are measured; lines are those of `cost_tables.growth`. The last panel has a
    line for each number of workers.
    """
    fig, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.6))
    panels = dict(zip(_FACTORS, axes.flat, strict=False))
    for factor, batch in GROWS_WITH:
        rows = of_factor(costs, factor, batch)
        style = list(_BATCHES).index(batch)
        colour = _COLOURS[style]
        fixed, slope = line(rows[factor].to_numpy(), rows["seconds"].to_numpy())
        span = np.geomspace(rows[factor].min(), rows[factor].max(), 100)
        axis = panels[factor]
        axis.plot(span, fixed + slope * span, color=colour, ls=_LINES[style], lw=1.2)
        axis.plot(
            rows[factor],
            rows["seconds"],
            color=colour,
            marker=_MARKERS[style],
            ls="none",
            label=_BATCHES[batch],
        )
    for factor, axis in panels.items():
        axis.set(xscale="log", yscale="log", xlabel=_FACTORS[factor])
    panels["num_steps"].legend()
    growing = costs.sweeps[costs.sweeps["kind"] == "growing"]
    for style, workers in enumerate(sorted(growing["workers"].unique())):
        rows = growing[growing["workers"] == workers]
        axes[1, 1].plot(
            rows["cells"],
            rows["seconds"],
            color=_COLOURS[style],
            ls=_LINES[style],
            marker=_MARKERS[style],
            label=_count(workers, "worker"),
        )
    axes[1, 1].set(xlabel="cells (seeds) of a sweep")
    axes[1, 1].set_ylim(bottom=0)
    axes[1, 1].legend()
    for axis in axes.flat:
        axis.set_ylabel("seconds")
    _sign(fig, costs)
    return fig


def farm_efficiency(table: pd.DataFrame, costs: Costs) -> Figure:
    """Efficiency and makespan against the number of workers, one line a batch.

    Args:
        table: from `task_farm.simulate_all`.
        costs: the measurements behind it, for their origin.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.7))
    for style, batch in enumerate(sorted(table["batch"].unique())):
        rows = table[table["batch"] == batch]
        look: dict[str, Any] = {
            "color": _COLOURS[style % len(_COLOURS)],
            "ls": _LINES[style % len(_LINES)],
            "marker": _MARKERS[style % len(_MARKERS)],
            "label": _count(batch, "cell"),
        }
        left.plot(rows["workers"], rows["efficiency"], **look)
        right.plot(rows["workers"], rows["makespan"], **look)
    left.set(ylim=(-0.03, 1.05), ylabel="efficiency")
    workers = np.array([table["workers"].min(), table["workers"].max()])
    total = (table["makespan"] * table["workers"] * table["efficiency"]).iloc[0]
    right.plot(workers, total / workers, color="0.4", lw=0.9, ls=":", label="perfect")
    right.set(yscale="log", ylabel="makespan, seconds")
    _name_times(right)
    for axis in (left, right):
        axis.set(xscale="log", xlabel="workers")
    right.legend(title="a task is")
    _sign(fig, costs)
    return fig


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _name_times(axis: Axes) -> None:
    """Units of time as ticks, where the range holds more than one."""
    low, high = axis.get_ylim()
    names = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "month": 2.6e6}
    ticks = {name: at for name, at in names.items() if low <= at <= high}
    if len(ticks) > 1:
        axis.set_yticks(list(ticks.values()), [f"1 {name}" for name in ticks])
        axis.minorticks_off()
        axis.set(ylim=(low, high), ylabel="makespan")


def _sign(fig: Figure, costs: Costs) -> None:
    fig.supxlabel(costs.origin, x=0.99, ha="right", fontsize=7.5, color="0.35")
