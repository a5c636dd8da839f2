"""The figure of the chapter on intervals, in the style of `plots`."""

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from flatminima.plots.style import WIDTH
from flatminima.statistics.thresholds import thresholds

_COLOURS = sns.color_palette("colorblind")

LOOKS = {
    "percentile bootstrap": (_COLOURS[7], "s", (0, (1, 1))),
    "Student's t": (_COLOURS[0], "^", (0, (5, 1))),
    "this book": (_COLOURS[3], "o", "-"),
}
"""Colour, marker and line of every kind of interval."""

COLUMNS = 4


def coverage(found: pd.DataFrame) -> Figure:
    """Coverage against the number of seeds, a panel for each kind of outcomes.

    Args:
        found: from `coverage.table`.
    """
    names = list(dict.fromkeys(found["outcomes"]))
    seeds = [column for column in found.columns if isinstance(column, int)]
    rows = -(-len(names) // COLUMNS)
    fig, axes = plt.subplots(
        rows,
        COLUMNS,
        figsize=(WIDTH, 0.6 + 2.0 * rows),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for axis, name in zip(axes.flat, names, strict=False):
        part = found[found["outcomes"] == name].set_index("interval")
        for label, (colour, marker, line) in LOOKS.items():
            values = part.loc[label, seeds].to_numpy(dtype=float)
            axis.plot(
                seeds, values, color=colour, marker=marker, ms=4, ls=line, label=label
            )
        axis.axhline(thresholds().level, color="0.3", lw=0.8, ls=":")
        axis.set_title(name.replace(", ", ",\n", 1), fontsize=8.5)
        axis.set(xscale="log", xticks=seeds, xticklabels=map(str, seeds))
        axis.xaxis.set_minor_locator(NullLocator())
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    for axis in axes[-1]:
        axis.set_xlabel("seeds")
    for axis in axes[:, 0]:
        axis.set_ylabel("coverage")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return fig
