"""The figures of the chapter on flattest models, in the style of `plots`."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from flatminima.plots.style import WIDTH
from flatminima.studies.flattest import contest
from flatminima.studies.flattest.faces import FATES, fate_shares

_COLOURS = sns.color_palette("colorblind")
_FATE_COLOURS = dict(
    zip(FATES, (_COLOURS[2], _COLOURS[3], _COLOURS[8], (0.75,) * 3), strict=True)
)
_HATCHES = dict(zip(FATES, ("", "xx", "..", "//"), strict=True))
_STYLES = {
    contest.NAIVE: (_COLOURS[0], "-", "o"),
    contest.NAIVE_TRUE: (_COLOURS[9], (0, (5, 1)), "v"),
    contest.KINK_AWARE: (_COLOURS[1], "-", "s"),
    contest.WIDER: (_COLOURS[4], (0, (3, 1)), "D"),
    contest.SAM: (_COLOURS[3], (0, (5, 1, 1, 1)), "^"),
}
"""Colour, line style and marker of every contender."""


def certified(table: pd.DataFrame) -> Figure:
    """Certified minima over the pointwise bound, and the gap, against n / d.

    Args:
        table: from `certificate_tables.certificates`, without bias.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.3))
    for style, (d, rows) in enumerate(table.groupby("d")):
        colour, marker = _COLOURS[style], "os^D"[style % 4]
        ratio = rows["value"] / rows["pointwise"]
        x = rows["n"] / rows["d"]
        for axis, y in ((left, ratio), (right, rows["gap"])):
            axis.plot(x, y, marker, color=colour, ms=5, alpha=0.7, label=f"d = {d}")
    left.axhline(1.0, color="0.3", lw=0.8, ls=":")
    left.axhline(np.sqrt(2), color="0.3", lw=0.8, ls="--")
    left.set(ylabel="certified minimum / pointwise bound")
    right.set(yscale="log", ylabel="relative gap, primal to dual")
    right.axhline(1e-3, color="0.3", lw=0.8, ls=":")
    for axis in (left, right):
        axis.set_xlabel("training points n / dimension d")
    right.legend(loc="center right")
    return fig


def faces(table: pd.DataFrame, seed: int) -> Figure:
    """The ranges of one draw, one panel for each n.

    Args:
        table: of one architecture and d, from `face_tables.predictions`.
        seed: of the draw.
    """
    rows = table[table["seed"] == seed]
    sizes = sorted(rows["n"].unique())
    fig, axes = plt.subplots(
        1,
        len(sizes),
        figsize=(WIDTH, 3.2),
        sharey=True,
        squeeze=False,
        width_ratios=[3 + (rows["n"] == n).sum() for n in sizes],
    )
    for axis, n in zip(axes[0], sizes, strict=True):
        _ranges(axis, rows[rows["n"] == n], f"n = {n}")
    axes[0][0].set(xlabel="held-out points", ylabel="output times label")
    _name_fates(fig)
    return fig


def _ranges(axis: Axes, rows: pd.DataFrame, title: str) -> None:
    """Outputs are multiplied by the label: above 0 is right."""
    limit = 3.0
    ends = np.sort(rows[["low", "high"]].to_numpy() * rows[["y"]].to_numpy(), axis=1)
    order = np.lexsort((ends[:, 0], rows["fate"].map(FATES.index)))
    for at, (low, high) in enumerate(np.clip(ends[order], -limit, limit)):
        fate = rows["fate"].iloc[order[at]]
        # A point, the range of a single value, needs a height to be seen.
        middle, half = (low + high) / 2, max((high - low) / 2, 0.05)
        axis.bar(
            at,
            2 * half,
            bottom=middle - half,
            width=0.7,
            color=_FATE_COLOURS[fate],
            hatch=_HATCHES[fate],
            edgecolor="0.25",
            lw=0.6,
        )
    axis.axhline(0.0, color="0.3", lw=0.9)
    axis.set(ylim=(-limit, limit), title=title, xticks=[])


def face_shares(table: pd.DataFrame) -> Figure:
    """Mean share of held-out points of every fate against n, a panel for each d.

    Args:
        table: of one architecture, from `face_tables.predictions`.
    """
    shares = fate_shares(table)
    dims = sorted(shares["d"].unique())
    fig, axes = plt.subplots(
        1, len(dims), figsize=(WIDTH, 3.2), sharey=True, squeeze=False
    )
    for axis, d in zip(axes[0], dims, strict=True):
        means = shares[shares["d"] == d].groupby("n")[list(FATES)].mean()
        bottom = np.zeros(len(means))
        for fate in FATES:
            axis.bar(
                np.arange(len(means)),
                means[fate],
                bottom=bottom,
                width=0.8,
                color=_FATE_COLOURS[fate],
                hatch=_HATCHES[fate],
                edgecolor="0.25",
                lw=0.6,
            )
            bottom += means[fate].to_numpy()
        axis.set_xticks(np.arange(len(means)), means.index)
        axis.set(title=f"d = {d}", xlabel="training points n")
    axes[0][0].set_ylabel("share of held-out points")
    _name_fates(fig)
    return fig


def _name_fates(fig: Figure) -> None:
    handles = [
        plt.Rectangle(
            (0, 0),
            1,
            1,
            fc=_FATE_COLOURS[fate],
            hatch=_HATCHES[fate],
            ec="0.25",
            lw=0.6,
        )
        for fate in FATES
    ]
    fig.legend(handles, FATES, loc="outside lower center", ncols=len(FATES))


def flow_paths(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Excess of the trace and accuracy along flows, and one against the other.

    Lines are medians over seeds, bands reach from the 10th to the 90th percentile. A
    flow that stopped stays where it is. Training has another time, so it is in the
    last panel only.

    Args:
        tables: from `flow_recipes.contest`.
    """
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.4))
    for name, table in tables.items():
        colour, line, marker = _STYLES[name]
        rows = table.assign(excess=table["retracted_trace"] / table["bound"] - 1)
        if "max_iterations" in table:
            for axis, metric in ((axes[0], "excess"), (axes[1], "test_accuracy")):
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

    A point is a seed; a bar is the median.

    Args:
        tables: from `flow_recipes.contest`.
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
            values = table.loc[table["last"], metric]
            spread = np.linspace(-0.25, 0.25, len(values))
            axis.plot(
                values, at + spread, marker, color=colour, ms=4, mec="black", mew=0.4
            )
            axis.plot([values.median()] * 2, [at - 0.4, at + 0.4], color="0.2", lw=1.4)
        axis.set(xlim=(-0.03, 1.03), xlabel="share", title=title)
    axes[0].set_yticks(range(len(tables)), list(tables))
    axes[0].invert_yaxis()
    return fig
