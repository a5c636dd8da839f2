"""The figures of the chapter on the hinge, in the style of `plots`."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatminima.plots.style import RULE_STYLES, WIDTH, explain_empty
from flatminima.statistics.intervals import LIMITS, mean_interval, of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.sweeps.table import at_step, epoch_at

_LINES = ((0, (1, 1)), (0, (3, 1, 1, 1)), (0, (5, 1)), "-")
_MARKERS = {"1-SAM": "o", "SGD": "s", "SGD + wd": "^"}


def along(
    table: pd.DataFrame,
    field: str,
    metric: str,
    steps: Sequence[int],
    labels: tuple[str, str],
    *,
    logarithmic: bool = False,
    reference: float | None = None,
    same_scale: bool = True,
) -> Figure:
    """A metric against a field, one panel a training rule, one line a length.

    Lines are means over the seeds that have the metric, bands their
    interval. A run that diverged is left out; a panel without a value says why.

    Args:
        table: from `sweep`, of several rules.
        field: on the horizontal axis.
        metric: column.
        steps: training lengths, at which all runs were measured, ascending.
        labels: of the two axes.
        logarithmic: horizontal axis.
        reference: a level to draw.
        same_scale: whether the panels share their vertical axis.
    """
    names = list(table["rule"].unique())
    span = table[field].min(), table[field].max()
    fig, axes = plt.subplots(
        1, len(names), figsize=(WIDTH, 3.2), sharey=same_scale, squeeze=False
    )
    shades = sns.color_palette("viridis_r", len(steps) + 1)[1:]
    for axis, rule in zip(axes[0], names, strict=True):
        for k, step in enumerate(steps):
            rows = at_step(table[table["rule"] == rule], step)
            band = _means(rows[~rows["diverged"]], field, metric)
            style = _LINES[(k - len(steps)) % len(_LINES)]
            label = f"{epoch_at(table, step):g} epochs"
            axis.plot(
                band.index,
                band["mean"],
                color=shades[k],
                ls=style,
                marker="o",
                ms=3.5,
                label=label,
            )
            axis.fill_between(
                band.index, band["low"], band["high"], color=shades[k], alpha=0.18, lw=0
            )
        axis.set(title=rule, xlabel=labels[0])
        mine = table[table["rule"] == rule]
        drawn = mine.loc[mine["step"].isin(steps) & ~mine["diverged"], metric]
        explain_empty(axis, drawn, mine, metric)
        if logarithmic:
            axis.set(xscale="log", xlim=(span[0] / 1.5, span[1] * 1.5))
        if reference is not None:
            axis.axhline(reference, color="0.3", lw=0.8, ls=":")
    axes[0][0].set_ylabel(labels[1])
    handles, texts = axes[0][0].get_legend_handles_labels()
    fig.legend(
        handles, texts, loc="outside lower center", ncols=len(steps), handlelength=3
    )
    return fig


def causes(
    tables: Mapping[str, tuple[pd.DataFrame, str]],
    label: str,
    *,
    reference: float | None = None,
) -> Figure:
    """Test accuracy at the end against c, a line for each thing that follows c.

    Means over seeds, in which a run that diverged counts as 0, with their intervals.

    Args:
        tables: by what follows c: a table of one rule, and its column that is c.
        label: of the horizontal axis.
        reference: a level to draw.
    """
    fig, axis = plt.subplots(figsize=(WIDTH * 0.75, 3.6))
    colours = sns.color_palette("colorblind", len(tables))
    for k, (name, (table, field)) in enumerate(tables.items()):
        groups = table[table["last"]].groupby(field)
        found = [mean_interval(rows, "test_accuracy") for _, rows in groups]
        c = np.array(list(groups.groups), dtype=float)
        middle, low, high = np.array(found).T
        style = _LINES[-1 - k % len(_LINES)]
        look = {"color": colours[k], "marker": "os^D"[k % 4], "ms": 4}
        axis.plot(c, middle, ls=style, label=name, **look)
        axis.fill_between(c, low, high, color=colours[k], alpha=0.15, lw=0)
    values = pd.concat([table for table, _ in tables.values()])
    ends = values[values["last"] & ~values["diverged"]]
    explain_empty(axis, ends["test_accuracy"], values, "test_accuracy")
    if reference is not None:
        axis.axhline(reference, color="0.3", lw=0.8, ls=":")
    axis.set(xlabel=label, ylabel="test accuracy")
    fig.legend(loc="outside lower center", ncols=len(tables), handlelength=3)
    return fig


def _means(rows: pd.DataFrame, field: str, metric: str) -> pd.DataFrame:
    """Mean and interval over seeds, indexed by the field's values."""
    limits = LIMITS.get(metric, (-np.inf, np.inf))
    found = {}
    for value, part in rows.dropna(subset=[metric]).groupby(field):
        values = part[metric].to_numpy()
        low, high = np.clip(of_mean(values, thresholds()), *limits)
        found[value] = {"mean": values.mean(), "low": low, "high": high}
    return pd.DataFrame.from_dict(
        found, orient="index", dtype=float, columns=["mean", "low", "high"]
    )


def crossings(
    found: dict[str, pd.DataFrame],
    grid: Sequence[float],
    label: str,
    *,
    logarithmic: bool = False,
) -> Figure:
    """The crossing against the training length, with intervals, one colour a rule.

    Bars that leave the grid end in an arrow at its edge. Where the mean curve has no
    crossing the marker is hollow and sits on an edge: the upper one where accuracy
    ends above its level, the lower one where it is below throughout.

    Args:
        found: tables of `crossing_claims.crossings` by rule.
        grid: values of the field.
        label: of the field.
        logarithmic: scale of the field.
    """
    fig, axis = plt.subplots(figsize=(WIDTH * 0.75, 3.4))
    low_edge, high_edge = min(grid), max(grid)
    for k, (rule, table) in enumerate(found.items()):
        colour = RULE_STYLES[rule][0]
        # side by side, so that markers on one edge do not hide one another
        epoch = table["epoch"].to_numpy() * 1.06 ** (k - (len(found) - 1) / 2)
        ends = table[["low", "estimate", "high"]].to_numpy(dtype=float)
        low, middle, high = np.clip(ends, low_edge, high_edge).T
        known = np.isfinite(ends[:, 1])
        axis.plot(epoch[known], middle[known], color=colour, lw=1.2)
        axis.vlines(epoch, low, high, color=colour, lw=1.5)
        _arrows(axis, epoch, low, known & (ends[:, 0] < low_edge), "v", colour)
        _arrows(axis, epoch, high, known & (ends[:, 2] > high_edge), "^", colour)
        look = {"marker": _MARKERS[rule], "s": 46, "edgecolor": colour, "zorder": 3}
        axis.scatter(epoch[known], middle[known], color=colour, label=rule, **look)
        axis.scatter(epoch[~known], middle[~known], facecolor="white", **look)
    axis.set(xscale="log", xlabel="training length (epochs)", ylabel=label)
    lengths = sorted({epoch for table in found.values() for epoch in table["epoch"]})
    axis.set_xticks(lengths, [f"{length:g}" for length in lengths])
    axis.minorticks_off()
    if logarithmic:
        axis.set_yscale("log")
    for edge in (low_edge, high_edge):
        axis.axhline(edge, color="0.6", lw=0.8, ls=":")
    fig.legend(loc="outside right upper")
    return fig


def _arrows(
    axis: Axes,
    x: np.ndarray,
    y: np.ndarray,
    chosen: np.ndarray,
    marker: str,
    colour: tuple[float, float, float],
) -> None:
    axis.scatter(x[chosen], y[chosen], marker=marker, s=90, color=colour, alpha=0.4)
