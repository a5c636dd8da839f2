"""Curves along training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas.core.groupby import SeriesGroupBy

from flatminima.plots.style import RULE_STYLES, WIDTH, explain_empty

CEILING = 1e30
"""Larger values, as of runs that are about to diverge, are drawn here."""


def training_curves(
    table: pd.DataFrame, rules: Sequence[str], *, loss_floor: float = 1e-8
) -> Figure:
    """Training loss, test accuracy and trace over bound against updates.

    Lines are medians over seeds, bands reach from the 10th to the 90th
    percentile. Below the raw training loss of 1e-2 the trace is that of the
    retracted point; before, it is that of the iterate over the bound at its own
    outputs, drawn thin. A panel without a value says why.

    Args:
        table: of one architecture, from `sweep`.
        rules: which rules to draw, in the order of the legend.
        loss_floor: smaller training losses are drawn here.
    """
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.2))
    for rule in rules:
        rows = table[(table["rule"] == rule) & (table["step"] > 0)]
        colour, style = RULE_STYLES[rule]
        line = {"color": colour, "ls": style, "label": rule}
        by_step = rows.groupby("step")
        band(axes[0], by_step["train_loss"], loss_floor, **line)
        band(axes[1], by_step["test_accuracy"], **line)
        raw = (rows["trace"] / rows["bound_outputs"]).where(rows["trace"] > 0)
        median = raw.groupby(rows["step"]).median().clip(upper=CEILING)
        axes[2].plot(median.index, median, color=colour, lw=0.7, alpha=0.6)
        flat = (rows["retracted_trace"] / rows["bound"]).groupby(rows["step"])
        band(axes[2], flat, **line)
    for axis, title in zip(
        axes, ("training loss", "test accuracy", "trace / bound"), strict=True
    ):
        axis.set(xscale="log", xlabel="updates", title=title)
    axes[0].set_yscale("log")
    axes[1].axhline(0.5, color="0.6", lw=0.8, ls=":")
    axes[1].set_ylim(0.45, 1.03)
    axes[2].set_yscale("log")
    axes[2].axhline(1.0, color="0.3", lw=0.8, ls=":")
    after = table[table["step"] > 0]
    for axis, metric in zip(axes, ("train_loss", "test_accuracy"), strict=False):
        explain_empty(axis, after[metric], table, metric)
    flatness = after["retracted_trace"].fillna(after["trace"]) / after["bound"]
    explain_empty(axes[2], flatness, table, "ratio")
    handles, labels = axes[1].get_legend_handles_labels()
    fig.legend(
        handles, labels, loc="outside lower center", ncols=len(rules), handlelength=3
    )
    return fig


def band(
    axis: Axes, groups: SeriesGroupBy, floor: float = -np.inf, **line: Any
) -> None:
    """A median over seeds with a band from the 10th to the 90th percentile.

    Args:
        axis: where to draw.
        groups: values by position.
        floor: smaller values are drawn here, and larger ones than `CEILING` there.
        line: style of the median; the band takes its colour.
    """
    levels = [0.1, 0.5, 0.9]
    quantiles = groups.quantile(np.array(levels)).unstack().reindex(columns=levels)
    quantiles = quantiles.clip(lower=floor, upper=CEILING).dropna()
    axis.plot(quantiles.index, quantiles[0.5], **line)
    low, high = quantiles[0.1], quantiles[0.9]
    axis.fill_between(quantiles.index, low, high, color=line["color"], alpha=0.18, lw=0)
