"""Figures of the chapter on least squares."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH, say_why
from flatminima.studies.least_squares.runs import Compared

FLOOR = 1e-16
"""Least distance that is drawn."""

STYLES = ("-", "--", "-.", ":")
MARKERS = "os^DvPX*<>h"


def against_lr(table: pd.DataFrame) -> Figure:
    """Distance of the end of gradient descent, and steps, against the learning rate.

    Args:
        table: from `runs.by_lr`.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.0), sharex=True)
    colour = sns.color_palette("colorblind")[0]
    kept = table[table["converged"]]
    for axis, column, label in zip(
        axes,
        ("distance", "steps"),
        ("distance from the closed form", "steps to the tolerance"),
        strict=True,
    ):
        values = kept[column].clip(lower=FLOOR)
        axis.scatter(kept["lr"], values, s=10, alpha=0.6, lw=0, color=colour)
        axis.set(xscale="log", yscale="log", ylabel=label)
        axis.set_xlabel(r"learning rate over $2 / \lambda_{\max}$")
        axis.axvline(1.0, color="0.4", ls="--", lw=1)
        lost = np.sort(table.loc[table["diverged"], "lr"].unique())
        for lr in lost:
            axis.axvspan(lr / 1.02, lr * 1.02, color="0.85", lw=0)
        if kept.empty:
            say_why(axis, "no run reached the tolerance")
    axes[0].axhline(1e-10, color="0.4", ls=":", lw=1)
    return fig


def by_rule(compared: Compared) -> Figure:
    """Distance of the end from the closest solution, for every rule and rate.

    Args:
        compared: from `runs.compare`.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.6), sharey=True)
    shown = compared.table[compared.table["converged"]]
    palette = sns.color_palette("colorblind", len(compared.chosen))
    for k, (name, chosen) in enumerate(compared.chosen.items()):
        colour, marker = palette[k % len(palette)], MARKERS[k % len(MARKERS)]
        rows = shown[shown["rule"] == name]
        middle = rows.groupby("lr")["distance"].median().clip(lower=FLOOR)
        axes[0].plot(
            middle.index,
            middle,
            color=colour,
            marker=marker,
            ms=4,
            lw=1.2,
            ls=STYLES[k % len(STYLES)],
            label=name,
        )
        own = rows[rows["lr"] == chosen]
        axes[1].scatter(
            own["off"].clip(lower=FLOOR),
            own["distance"].clip(lower=FLOOR),
            color=colour,
            marker=marker,
            s=16,
            lw=0,
            alpha=0.8,
        )
    axes[0].set(xscale="log", yscale="log", xlabel="learning rate, as a share")
    axes[0].set_ylabel("distance from the\nclosest solution")
    axes[1].set(xscale="log", xlabel="distance from x0 + row space")
    if shown.empty:
        for axis in axes:
            say_why(axis, "no run reached the tolerance")
    fig.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4
    )
    return fig
