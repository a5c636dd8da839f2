"""The figures of the chapter on flows that lower the trace."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from flatminima.plots.style import WIDTH, explain_empty
from flatminima.studies.flattest_flows import contest
from flatminima.sweeps.table import median

_COLOURS = sns.color_palette("colorblind")
_STYLES = {
    contest.NAIVE: (_COLOURS[0], "-", "o"),
    contest.NAIVE_TRUE: (_COLOURS[9], (0, (5, 1)), "v"),
    contest.KINK_AWARE: (_COLOURS[1], "-", "s"),
    contest.WIDER: (_COLOURS[4], (0, (3, 1)), "D"),
    contest.SAM: (_COLOURS[3], (0, (5, 1, 1, 1)), "^"),
}
"""Colour, line style and marker of every contender."""


def flow_paths(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Excess of the trace and accuracy along flows, and one against the other.

    Lines are medians over seeds, bands reach from the 10th to the 90th percentile. A
    flow that stopped stays where it is. Training has another time, so it is in the
    last panel only. A run that diverged is left out; a panel without a value says why.

    Args:
        tables: from `contest.contest`.
    """
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.4))
    drawn = []
    for name, table in tables.items():
        colour, line, marker = _STYLES[name]
        rows = table.assign(excess=table["retracted_trace"] / table["bound"] - 1)
        rows = rows[~rows["diverged"]]
        drawn.append(rows)
        if "max_iterations" in table:
            for axis, metric in ((axes[0], "excess"), (axes[1], "test_accuracy")):
                if rows[metric].isna().all():
                    axis.plot([], [], color=colour, ls=line, label=name)
                    continue
                low, middle, high = _quantiles(rows, metric)
                axis.plot(middle.index, middle, color=colour, ls=line, label=name)
                axis.fill_between(
                    middle.index, low, high, color=colour, alpha=0.18, lw=0
                )
        else:
            axes[1].plot([], [], color=colour, ls=line, label=name)
        seen = rows.dropna(subset=["excess", "test_accuracy"])
        path = seen.groupby("step")[["excess", "test_accuracy"]].median()
        axes[2].plot(path["excess"], path["test_accuracy"], color=colour, ls=line)
        end = rows[rows["last"]]
        axes[2].scatter(
            end["excess"],
            end["test_accuracy"],
            color=colour,
            marker=marker,
            s=22,
            edgecolor="black",
            lw=0.5,
            zorder=3,
        )
    axes[0].set(yscale="log", ylabel="trace / bound − 1", xlabel="iterations")
    axes[1].set(ylabel="test accuracy", xlabel="iterations")
    axes[2].set(xscale="log", xlabel="trace / bound − 1", ylabel="test accuracy")
    for axis in axes[:2]:
        axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    for axis in axes[1:]:
        axis.set_ylim(0.45, 1.03)
    shown, every = pd.concat(drawn), pd.concat(tables.values())
    flows, of_flows = (t[t["rule"].str.endswith("flow")] for t in (shown, every))
    explain_empty(axes[0], flows["excess"], of_flows, "ratio")
    explain_empty(axes[1], flows["test_accuracy"], of_flows, "test_accuracy")
    both = shown["excess"].where(shown["test_accuracy"].notna())
    metric = "test_accuracy" if shown["excess"].notna().any() else "ratio"
    explain_empty(axes[2], both, every, metric)
    handles, labels = axes[1].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3, handlelength=3)
    return fig


def _quantiles(rows: pd.DataFrame, metric: str) -> tuple[pd.Series, ...]:
    """10th, 50th and 90th percentile over seeds by step; the last value stays."""
    measured = rows.dropna(subset=[metric])
    by_seed = measured.pivot_table(
        index="step", columns=["data_seed", "init_seed"], values=metric
    ).ffill()
    return tuple(by_seed.quantile(q, axis=1) for q in (0.1, 0.5, 0.9))


def rising(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Shares of proposed steps, or of updates, that raise the true trace.

    A point is a seed; a bar is the median. A panel without a value says why.

    Args:
        tables: from `contest.contest`.
    """
    metrics = {
        "rising_share": "rising proposals",
        "jump_share": "rising by jumps alone",
        "accepted_rising_share": "rising, accepted",
    }
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.9), sharey=True, sharex=True)
    for axis, (metric, title) in zip(axes, metrics.items(), strict=True):
        for at, (name, table) in enumerate(tables.items()):
            if metric not in table:
                continue
            colour, _, marker = _STYLES[name]
            values = table.loc[table["last"], metric].dropna()
            if values.empty:
                continue
            spread = np.linspace(-0.25, 0.25, len(values))
            axis.plot(
                values, at + spread, marker, color=colour, ms=4, mec="black", mew=0.4
            )
            axis.plot([median(values)] * 2, [at - 0.4, at + 0.4], color="0.2", lw=1.4)
        axis.set(xlim=(-0.03, 1.03), xlabel="share", title=title)
        every = pd.concat(tables.values())
        explain_empty(axis, every.loc[every["last"], metric], every, metric)
    axes[0].set_yticks(range(len(tables)), list(tables))
    axes[0].invert_yaxis()
    return fig
