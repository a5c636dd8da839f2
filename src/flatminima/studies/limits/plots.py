"""Figures on noisy labels and on other architectures."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, ScalarFormatter

from flatminima.plots.style import (
    ARCHITECTURES,
    RULE_STYLES,
    WIDTH,
    explain_empty,
)
from flatminima.statistics.intervals import centre

MARKERS = {"1-SAM": "o", "SGD": "D", "SGD + wd": "s"}


def accuracy_against_noise(table: pd.DataFrame) -> Figure:
    """Test accuracy on clean labels against the share of flipped training labels.

    Means over seeds with 95 % intervals, a diverged run counting as 0; one panel an
    architecture. One without a value, or of runs that all diverged, says so.

    Args:
        table: from `sweep` of the configs of `limits.noise`.
    """
    ends = table[table["last"]]
    names = list(dict.fromkeys(ends["architecture"]))
    rows = -(-len(names) // 3)
    fig, axes = plt.subplots(
        rows,
        3,
        figsize=(WIDTH, 0.6 + 2.2 * rows),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    for axis, name in zip(axes.flat, names, strict=False):
        of_network = ends[ends["architecture"] == name]
        for rule, of_rule in of_network.groupby("rule", sort=False):
            levels = of_rule.groupby("label_noise")
            found = [centre(part, "test_accuracy") for _, part in levels]
            middle, low, high = np.array(found).T
            colour, style = RULE_STYLES[str(rule)]
            axis.errorbar(
                list(levels.groups),
                middle,
                yerr=[middle - low, high - middle],
                color=colour,
                ls=style,
                marker=MARKERS[str(rule)],
                ms=4.5,
            )
        axis.axhline(0.95, color="0.3", lw=0.8, ls=":")
        axis.set(title=ARCHITECTURES[name][0])
        kept = of_network.loc[~of_network["diverged"], "test_accuracy"]
        explain_empty(axis, kept, of_network, "test_accuracy")
    for axis in axes[-1]:
        axis.set_xlabel("share of labels flipped")
    for axis in axes[:, 0]:
        axis.set(ylabel="test accuracy", ylim=(0.45, 1.03))
    _legend(fig)
    return fig


def accuracy_against_size(table: pd.DataFrame) -> Figure:
    """Test accuracy against the number of training points, with noise and without.

    Means over seeds with 95 % intervals, a diverged run counting as 0; one panel an
    architecture. Filled markers are under the most noise, hollow ones without.

    Args:
        table: from `sweep` of the configs of `limits.by_size`.
    """
    ends = table[table["last"]]
    names = list(dict.fromkeys(ends["architecture"]))
    fig, axes = plt.subplots(
        1, len(names), figsize=(WIDTH, 3.2), sharey=True, squeeze=False
    )
    worst = ends["label_noise"].max()
    for axis, name in zip(axes[0], names, strict=True):
        of_network = ends[ends["architecture"] == name]
        groups = of_network.groupby(["rule", "label_noise"], sort=False)
        for (rule, level), rows in groups:
            sizes = rows.groupby("n")
            found = [centre(part, "test_accuracy") for _, part in sizes]
            middle, low, high = np.array(found).T
            colour, style = RULE_STYLES[str(rule)]
            axis.errorbar(
                list(sizes.groups),
                middle,
                yerr=[middle - low, high - middle],
                color=colour,
                ls=style if level == worst else ":",
                lw=1.6 if level == worst else 1.0,
                marker=MARKERS[str(rule)],
                mfc=colour if level == worst else "white",
                ms=4.5,
            )
        axis.axhline(0.95, color="0.3", lw=0.8, ls=":")
        axis.set(title=ARCHITECTURES[name][0], xlabel="training points", xscale="log")
        sizes = sorted(set(of_network["n"]))
        axis.set_xticks(sizes, [str(size) for size in sizes])
        axis.minorticks_off()
        kept = of_network.loc[~of_network["diverged"], "test_accuracy"]
        explain_empty(axis, kept, of_network, "test_accuracy")
    axes[0][0].set(ylabel="test accuracy", ylim=(0.45, 1.03))
    _legend(fig)
    return fig


def dots_by_network(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Test accuracy and trace over bound of every network and rule.

    Means of the accuracy and medians of the ratio, after retraction, with 95 %
    intervals over seeds. A network with no certified bound has no ratio. A panel
    without a value says why.

    Args:
        tables: from `sweep`, by name of the network.
    """
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(WIDTH, 1.1 + 0.36 * len(tables)), sharey=True
    )
    for axis, metric in ((left, "test_accuracy"), (right, "ratio")):
        for k, table in enumerate(tables.values()):
            ends = table[table["last"]]
            for offset, (rule, rows) in zip(
                (-0.22, 0.0, 0.22), ends.groupby("rule", sort=False), strict=False
            ):
                middle, low, high = centre(rows, metric)
                axis.errorbar(
                    middle,
                    k + offset,
                    xerr=[[middle - low], [high - middle]],
                    color=RULE_STYLES[str(rule)][0],
                    marker=MARKERS[str(rule)],
                    ms=4.5,
                    lw=1.3,
                    ls="none",
                )
            if k % 2 == 0 and k:
                axis.axhline(k - 0.5, color="0.85", lw=0.7)
    every = pd.concat(tables.values())
    ends = every[every["last"] & ~every["diverged"]]
    explain_empty(left, ends["test_accuracy"], every, "test_accuracy")
    explain_empty(right, ends["retracted_trace"] / ends["bound"], every, "ratio")
    left.set(xlabel="test accuracy", xlim=(0.45, 1.03))
    left.axvline(0.95, color="0.3", lw=0.8, ls=":")
    right.set(xlabel="trace / bound", xscale="log", xlim=(0.9, None))
    right.axvline(1.05, color="0.3", lw=0.8, ls=":")
    right.set_xticks([1, 2, 5, 10])
    right.xaxis.set_major_formatter(ScalarFormatter())
    right.xaxis.set_minor_formatter(NullFormatter())
    left.set_yticks(range(len(tables)), list(tables))
    left.invert_yaxis()
    _legend(fig)
    return fig


def _legend(fig: Figure) -> None:
    handles = [
        Line2D([], [], color=RULE_STYLES[rule][0], marker=marker, ls="none", label=rule)
        for rule, marker in MARKERS.items()
    ]
    fig.legend(handles=handles, loc="outside lower center", ncols=len(handles))
