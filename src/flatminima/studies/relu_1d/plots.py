"""Figures of the chapter on the network on the line."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from flatminima.data.regression import POINTS_X, POINTS_Y
from flatminima.plots.style import WIDTH, explain_empty, say_why
from flatminima.studies.relu_1d.runs import GRID, Ends, drawn

MOST = 5
"""Functions of a panel."""


def _palette() -> list[tuple[float, float, float]]:
    return list(sns.color_palette("colorblind"))


def functions(ends: Mapping[str, Ends]) -> Figure:
    """The functions of the first seeds, a panel for each rule.

    Args:
        ends: by rule.
    """
    fig, axes = plt.subplots(
        1, len(ends), figsize=(WIDTH, 2.9), sharey=True, squeeze=False
    )
    for axis, (name, each) in zip(axes[0], ends.items(), strict=True):
        shown = [drawn(arrays) for arrays in list(each.networks.values())[:MOST]]
        shown = [f for f in shown if np.isfinite(f).all()]
        for f, colour in zip(shown, _palette(), strict=False):
            axis.plot(GRID, f, color=colour, lw=1.1)
        axis.scatter(POINTS_X, POINTS_Y, color="black", s=16, zorder=3)
        kinks = each.table["kinks"].mean()
        axis.set(title=name, xlabel="x")
        if shown:
            axis.text(
                *(0.97, 0.03, f"{kinks:.1f} kinks"),
                transform=axis.transAxes,
                ha="right",
                fontsize=9,
            )
        else:
            say_why(axis, "every run diverged")
    axes[0, 0].set(ylabel="f(x)", ylim=(-4, 5))
    return fig


def along(ends: Mapping[str, Ends], metrics: Mapping[str, str]) -> Figure:
    """What was measured on the way, medians over seeds.

    Args:
        ends: by rule, those with a history.
        metrics: labels by column.
    """
    fig, axes = plt.subplots(1, len(metrics), figsize=(WIDTH, 3.0), squeeze=False)
    every = pd.concat([each.history for each in ends.values()])
    for axis, (metric, label) in zip(axes[0], metrics.items(), strict=True):
        for (name, each), colour, style in zip(
            ends.items(), _palette(), ("-", "--", ":", "-."), strict=False
        ):
            rows = each.history[each.history["step"] > 0]
            if rows.empty:
                continue
            by_step = rows.groupby("step")[metric]
            axis.plot(by_step.median(), color=colour, ls=style, label=name)
            low, high = by_step.quantile(0.1), by_step.quantile(0.9)
            axis.fill_between(low.index, low, high, color=colour, alpha=0.15, lw=0)
        axis.set(xscale="log", xlabel="updates", ylabel=label)
        if metric != "kinks":
            axis.set_yscale("log")
        shown = every.loc[every["step"] > 0, metric]
        explain_empty(axis, shown, every, metric)
    fig.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4
    )
    return fig


def tolerances(table: pd.DataFrame) -> Figure:
    """Mean number of kinks against the tolerance.

    Args:
        table: from `runs.by_tolerance`.
    """
    fig, axis = plt.subplots(figsize=(WIDTH, 3.0))
    for name, colour, marker in zip(table, _palette(), "os^DvPX", strict=False):
        axis.plot(table.index, table[name], color=colour, marker=marker, label=name)
    axis.set(xscale="log", xlabel="change of slope that does not count")
    axis.set_ylabel("kinks, mean over starts")
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    if table.isna().all(axis=None):
        say_why(axis, "every run diverged")
    return fig
