"""The figures of the chapter on the start, in the style of `plots`."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH, explain_empty
from flatminima.statistics.intervals import centre, mean_interval
from flatminima.sweeps.table import at_step

LINES = ((0, (1, 1)), (0, (5, 1)), "-")


def lengths(table: pd.DataFrame) -> list[int]:
    """Three training lengths: the checkpoints next to 1, 10 and 100 % of the updates.

    Args:
        table: of runs with the same checkpoints, from `sweep`.
    """
    steps = np.unique(table["step"])
    wanted = steps.max() * np.array([0.01, 0.1, 1.0])
    nearest = {int(steps[np.argmin(np.abs(steps - at))]) for at in wanted}
    return sorted(nearest)


def against_start(tables: Mapping[str, pd.DataFrame], level: float) -> Figure:
    """Accuracy and trace over bound against the scale of the start.

    One column a setting. Lines are means and medians over seeds after three training
    lengths, bands the interval after the last one, dots its seeds.

    Args:
        tables: by title, from `runs.Started.table`.
        level: of the accuracy below which a rule does not generalise.
    """
    fig, axes = plt.subplots(
        2, len(tables), figsize=(WIDTH, 5.2), sharex=True, sharey="row", squeeze=False
    )
    shades = sns.color_palette("viridis_r", 4)[1:]
    for column, (title, table) in enumerate(tables.items()):
        steps = lengths(table)
        for axis, metric in zip(
            axes[:, column], ("test_accuracy", "ratio"), strict=True
        ):
            for step, shade, line in zip(
                steps, shades[-len(steps) :], LINES[-len(steps) :], strict=True
            ):
                rows = at_step(table, step)
                epochs = step / rows["n"].iloc[0]
                _line(axis, rows, metric, shade, line, f"{epochs:.0f} epochs")
            drawn = _band(axis, at_step(table, steps[-1]), metric, shades[-1])
            axis.set(xscale="log")
            explain_empty(axis, drawn, table, metric)
        axes[0, column].set(title=title)
        axes[0, column].axhline(level, color="0.3", lw=0.8, ls=":")
        axes[0, column].legend(loc="lower left")
        axes[1, column].set(xlabel="first layer at the start, × torch's default")
    axes[0, 0].set(ylabel="test accuracy", ylim=(0.45, 1.03))
    axes[1, 0].set(ylabel="trace / bound")
    return fig


def _line(
    axis: Axes,
    rows: pd.DataFrame,
    metric: str,
    shade: tuple[float, float, float],
    line: object,
    label: str,
) -> None:
    middle = pd.Series(
        {start: centre(part, metric)[0] for start, part in rows.groupby("start")},
        dtype=float,
    )
    axis.plot(
        middle.index,
        middle,
        color=shade,
        ls=line,
        marker="o",
        ms=3.5,
        label=label,
    )


def _band(
    axis: Axes, rows: pd.DataFrame, metric: str, shade: tuple[float, float, float]
) -> pd.Series:
    """Draw interval and seeds; returns the values of the seeds."""
    ends = pd.DataFrame({s: centre(p, metric) for s, p in rows.groupby("start")}).T
    axis.fill_between(ends.index, ends[1], ends[2], color=shade, alpha=0.18, lw=0)
    alive = rows[~rows["diverged"]]
    values = (
        alive["retracted_trace"] / alive["bound"]
        if metric == "ratio"
        else alive[metric]
    )
    axis.scatter(alive["start"], values, color=shade, s=9, alpha=0.5, lw=0)
    return values


def settings(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Accuracy at the end from every start, a panel a setting.

    Dots are means with intervals, small dots seeds. A run that diverged counts as 0.

    Args:
        tables: by name, from `runs.Started.table`.
    """
    columns = 4
    height = -(-len(tables) // columns)
    fig, axes = plt.subplots(
        height, columns, figsize=(WIDTH, 1.9 * height), sharey=True, squeeze=False
    )
    flat = axes.ravel()
    for axis, (name, table) in zip(flat, tables.items(), strict=False):
        for scale, rows in table.groupby("start"):
            mean, low, high = mean_interval(rows, "test_accuracy")
            axis.vlines(scale, low, high, color="0.2", lw=1.5)
            axis.scatter(scale, mean, color="0.2", s=26, zorder=3)
            seeds = rows.loc[rows["last"] & ~rows["diverged"], "test_accuracy"]
            axis.scatter([scale] * len(seeds), seeds, color="0.5", s=8, alpha=0.6, lw=0)
        axis.set(xscale="log", ylim=(0.45, 1.03))
        axis.set_title(name.replace(", ", ",\n", 1), fontsize=9)
        span = table["start"].min(), table["start"].max()
        axis.set_xlim(span[0] / 2, span[1] * 2)
        axis.axhline(0.9, color="0.3", lw=0.8, ls=":")
        last = table[table["last"]]
        explain_empty(axis, last["test_accuracy"], table, "test_accuracy")
    for axis in flat[len(tables) :]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        axis.set(ylabel="test accuracy")
    fig.supxlabel("scale of the start", fontsize=10)
    return fig


def movement(tables: Mapping[str, pd.DataFrame], metrics: Sequence[str]) -> Figure:
    """How far training moved the weights and the kernel, against the start.

    Args:
        tables: by name, from `runs.Started.table`.
        metrics: two columns, `weights_moved` and `kernel_moved`.
    """
    labels = {
        "weights_moved": "‖θ − θ₀‖ / ‖θ₀‖",
        "kernel_moved": "1 − cos(K, K₀)",
    }
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.0), squeeze=False)
    palette = sns.color_palette("colorblind")
    axes[0, 0].set(yscale="log")
    axes[0, 1].set(ylim=(0, 1))
    for axis, metric in zip(axes[0], metrics, strict=True):
        for (name, table), colour, marker in zip(
            tables.items(), palette, "os^Dv", strict=False
        ):
            ends = table[table["last"] & ~table["diverged"]]
            middle = ends.groupby("start")[metric].median()
            axis.plot(middle.index, middle, color=colour, marker=marker, label=name)
            axis.scatter(
                ends["start"], ends[metric], color=colour, s=8, alpha=0.5, lw=0
            )
        axis.set(xscale="log", xlabel="first layer at the start", ylabel=labels[metric])
        every = pd.concat(tables.values())
        explain_empty(axis, every.loc[every["last"], metric], every, metric)
    axes[0, 0].legend()
    return fig
