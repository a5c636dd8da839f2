"""Flatness and test accuracy of finished runs."""

from collections.abc import Sequence
from itertools import product

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatminima.plots.style import (
    _COLOURS,
    ARCHITECTURES,
    RULE_STYLES,
    WIDTH,
    explain_empty,
    say_why,
)
from flatminima.sweeps.table import near_interpolating, why_missing


def flat_against_right(table: pd.DataFrame, architectures: Sequence[str]) -> Figure:
    """Test accuracy against trace over bound, one panel an architecture.

    A point is a near-interpolating checkpoint of one seed, after retraction;
    the large outlined ones are the ends of the runs. A panel without a point says why.

    Args:
        table: from `sweep`, over architectures and rules.
        architectures: panels, keys of `ARCHITECTURES`.
    """
    fig, axes = plt.subplots(
        1, len(architectures), figsize=(WIDTH, 3.5), sharey=True, squeeze=False
    )
    for axis, architecture in zip(axes[0], architectures, strict=True):
        every = table[table["architecture"] == architecture]
        rows = every.dropna(subset=["retracted_trace"])
        name, marker = ARCHITECTURES[architecture]
        for rule, (colour, _) in RULE_STYLES.items():
            part = rows[rows["rule"] == rule]
            if part.empty:
                continue
            ratio = part["retracted_trace"] / part["bound"]
            axis.scatter(
                ratio,
                part["test_accuracy"],
                s=6,
                color=colour,
                alpha=0.6,
                lw=0,
                marker=marker,
                rasterized=True,
            )
            end = part["last"]
            axis.scatter(
                ratio[end],
                part.loc[end, "test_accuracy"],
                s=26,
                color=colour,
                edgecolor="black",
                lw=0.5,
                marker=marker,
                label=rule,
                rasterized=True,
            )
        axis.set(xscale="log", xlabel="trace / bound", title=name)
        axis.axvline(1.0, color="0.3", lw=0.8, ls=":")
        metric = "ratio" if rows.empty else "test_accuracy"
        explain_empty(axis, rows["test_accuracy"], every, metric)
    axes[0][0].set(ylabel="test accuracy", ylim=(0.45, 1.03))
    handles: dict[str, Artist] = {}
    for axis in axes[0]:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if handles:
        fig.legend(
            list(handles.values()),
            list(handles),
            loc="outside lower center",
            ncols=len(handles),
            handletextpad=0.2,
            columnspacing=1.2,
        )
    return fig


def verdict_map(table: pd.DataFrame, rules: Sequence[str]) -> Figure:
    """The book in one figure: where each rule ends, for each architecture.

    Medians over the seeds that nearly interpolate, with bars from the 10th to the
    90th percentile: test accuracy against trace over bound at the last checkpoint,
    after retraction. A rule none of whose seeds gets there is left out; where none is
    left, the figure says why.

    Args:
        table: from `sweep`.
        rules: which rules to draw, in the order of the legend.
    """
    fig, axis = plt.subplots(figsize=(WIDTH, 3.8))
    last = near_interpolating(table[table["last"]])
    for rule, (architecture, (name, marker)) in product(rules, ARCHITECTURES.items()):
        part = last[(last["rule"] == rule) & (last["architecture"] == architecture)]
        if part.empty:
            continue
        levels = [0.1, 0.5, 0.9]
        x0, x, x1 = part["ratio"].quantile(levels)
        y0, y, y1 = part["test_accuracy"].quantile(levels)
        axis.errorbar(
            x,
            y,
            xerr=[[x - x0], [x1 - x]],
            yerr=[[y - y0], [y1 - y]],
            color=RULE_STYLES[rule][0],
            marker=marker,
            ms=12 if architecture == "no_bias" else 8,
            mec="black",
            lw=1.2,
            ls="none",
            label=f"{rule}, {name}",
        )
    axis.set(
        xscale="log",
        xlabel="trace / bound (left is flatter)",
        ylabel="test accuracy",
        ylim=(0.45, 1.03),
    )
    axis.axvline(1.0, color="0.3", lw=0.8, ls=":")
    axis.axhspan(0.95, 1.03, color=_COLOURS[2], alpha=0.12, lw=0)
    if axis.containers:
        fig.legend(loc="outside right upper")
    metric = "ratio" if last.empty else "test_accuracy"
    explain_empty(axis, last["test_accuracy"], table, metric)
    return fig


def seed_grid(table: pd.DataFrame, metric: str, label: str) -> tuple[Figure, Axes]:
    """A crossed table of data seeds and initialisation seeds as an image.

    Where no run has the metric the panel says why.

    Args:
        table: from `sweep` over pairs of seeds, one setting.
        metric: column to show at the last checkpoint.
        label: of the colour bar.
    """
    last = table[table["last"]]
    cells = last.pivot(index="data_seed", columns="init_seed", values=metric)
    fig, axis = plt.subplots(figsize=(5.0, 3.6))
    if cells.isna().all(axis=None):  # a colour bar of nothing has no scale
        say_why(axis, why_missing(table, metric))
        axis.set(xticks=[], yticks=[])
    else:
        sns.heatmap(
            cells,
            annot=True,
            fmt=".2f",
            cmap="cividis",
            ax=axis,
            cbar_kws={"label": label},
        )
    axis.set(xlabel="initialisation seed", ylabel="data seed")
    return fig, axis
