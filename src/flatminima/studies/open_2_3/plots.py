"""The figure of the chapter on realistic noise."""

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
from flatminima.studies.open_2_3.rules import EVERY
from flatminima.studies.open_2_3.runs import MODELS, NETWORK, QUADRATIC
from flatminima.studies.open_2_3.tables import COLUMNS, means, of_rule

SHOWN = [name for name in COLUMNS if name != "run"]
"""Directions of the figure."""

LOWEST = 0.3
"""Cosine from which cells begin to be coloured."""

DARK = 0.55
"""Cosine above which a cell's number is white."""


def answer(table: pd.DataFrame) -> Figure:
    """Cosines of every drift with every direction, and the trace at the end.

    Args:
        table: from `runs.table`.
    """
    fig, axes = plt.subplots(
        1, 3, figsize=(WIDTH, 5.4), width_ratios=(1.15, 1.15, 1.0), sharey=True
    )
    for axis, model in zip(axes, MODELS, strict=False):
        _cosines(axis, means(table, model)[SHOWN].to_numpy(float))
        axis.set_title(f"{model}: cosines", fontsize=9.5)
    _ends(axes[2], table)
    axes[0].set_yticks(range(len(EVERY)), EVERY, fontsize=8.5)
    axes[0].set_ylim(len(EVERY) - 0.5, -0.5)
    return fig


def _cosines(axis: Axes, values: np.ndarray) -> None:
    colours = sns.color_palette("mako_r", as_cmap=True)
    axis.imshow(values, aspect="auto", cmap=colours, vmin=LOWEST, vmax=1.1)
    for (row, column), value in np.ndenumerate(values):
        known = np.isfinite(value)
        text = f"{value:.2f}".replace("0.", ".") if known else "–"
        ink = "white" if known and value > DARK else "0.2"
        axis.text(column, row, text, ha="center", va="center", fontsize=7.5, color=ink)
    names = ["Tr", "λ max", "log det", "Adam's", "its own"]
    axis.set_xticks(range(len(names)), names, fontsize=8, rotation=30)
    axis.tick_params(length=0)
    for side in axis.spines.values():
        side.set_visible(False)


def _ends(axis: Axes, table: pd.DataFrame) -> None:
    palette = sns.color_palette("colorblind")
    axis.axvline(1, color="0.4", lw=0.8, ls=":")
    for model, colour, marker, shift in (
        (QUADRATIC, palette[0], "o", -0.12),
        (NETWORK, palette[1], "s", 0.12),
    ):
        at, middle = [], []
        for k, rule in enumerate(EVERY):
            values = np.log(of_rule(table, rule, "end")[model].dropna().to_numpy())
            low, high = np.exp(of_mean(values, thresholds()))
            at.append(k + shift)
            middle.append(np.exp(values.mean()) if len(values) else np.nan)
            axis.hlines(k + shift, low, high, color=colour, lw=1.4)
        axis.plot(middle, at, marker, color=colour, ms=4.5, label=model)
    axis.set(xscale="log", xlabel="trace, end over start")
    axis.set_xticks([0.5, 1, 2])
    axis.xaxis.set_major_formatter(ScalarFormatter())
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_title("after a long run", fontsize=9.5)
    axis.grid(axis="y", color="0.93", lw=0.6)
    if table.empty:
        say_why(axis, "no start interpolates")
        return
    axis.legend(fontsize=7.5, loc="upper right")
