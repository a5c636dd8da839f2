"""The figure of the chapter on escape."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH, say_why

STYLES = ("-", (0, (5, 1)), (0, (1, 1)), "--", "-.")


def escapes(table: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Test error and trace along all rules.

    Args:
        table: from `runs.paths`.
        names: of the rules, in order.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.4))
    palette = sns.color_palette("colorblind")
    colours = [palette[k] for k in (7, 0, 2, 3, 4)]
    for name, colour, style in zip(names, colours, STYLES, strict=True):
        rows = table[(table["rule"] == name) & (table["step"] > 0)]
        for axis, column in zip(axes, ("error", "trace"), strict=True):
            groups = rows.dropna(subset=[column]).groupby("step")[column]
            middle = groups.median()
            axis.plot(middle.index, middle, color=colour, ls=style, label=name)
            low, high = groups.quantile(0.1), groups.quantile(0.9)
            axis.fill_between(middle.index, low, high, color=colour, alpha=0.15, lw=0)
    for level, label in (("poor", "poor minimum"), ("good", "without random labels")):
        if table[level].notna().any():
            axes[0].axhline(table[level].median(), color="0.3", lw=0.8, ls=":")
            axes[0].text(
                1, table[level].median(), label, fontsize=8, va="top", color="0.3"
            )
    axes[0].set(xscale="log", xlabel="updates", ylabel="test error")
    axes[1].set(xscale="log", yscale="log", xlabel="updates", ylabel="Tr ∇²L")
    if table.empty:
        for axis in axes:
            say_why(axis, "no start led to both minima")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, ncols=len(names), loc="outside upper center")
    return fig
