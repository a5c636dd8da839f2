"""Figures of the chapter open-1-1."""

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from flatminima.plots.style import RULE_STYLES, WIDTH, say_why
from flatminima.studies.open_1_1.runs import (
    DECAY,
    DEPTHS,
    PENALTY,
    POINTS,
    SAM,
    SGD,
    SMALL,
    USUAL,
)
from flatminima.studies.open_1_1.tables import MEMORISING, RIGHT, TREE

RULES = (SAM, PENALTY, DECAY, SGD)
COLOURS = {rule: RULE_STYLES[rule][0] for rule in (SAM, DECAY, SGD)} | {
    PENALTY: sns.color_palette("colorblind")[2]
}
BUILT = {MEMORISING: "X", TREE: "^", RIGHT: "*"}
STARTS = {USUAL: ("-", "o"), SMALL: ("--", "s")}
MARKERS = {USUAL: "o", SMALL: "s", POINTS: "+"}
WHENCE = {
    USUAL: "usual start",
    SMALL: "small start",
    POINTS: "from a memorising network",
}


NEAR = 1e-3
"""Excess below which the axis of traces is linear."""


def flat_and_right(ended: pd.DataFrame, built: pd.DataFrame) -> Figure:
    """Accuracy on new points against trace over bound, a panel for each depth.

    Args:
        ended: from `tables.ends`; networks without a bias are shown.
        built: from `tables.constructions`.
    """
    fig, axes = plt.subplots(1, len(DEPTHS), figsize=(WIDTH, 3.8), sharey=True)
    for axis, depth in zip(axes, DEPTHS, strict=True):
        rows = ended[(ended["depth"] == depth) & ~ended["bias"]]
        rows = rows.dropna(subset=["ratio", "test_accuracy"])
        axis.axvline(0.0, color="0.6", lw=0.8, ls=":")
        for (rule, start), some in rows.groupby(["rule", "start"], sort=False):
            if rule in RULES and start in MARKERS:
                axis.plot(
                    *(some["ratio"] - 1, some["test_accuracy"], MARKERS[start]),
                    color=COLOURS[rule],
                    mfc="none" if start == SMALL else None,
                    ms=6 if start == POINTS else 5,
                    alpha=0.8,
                    label=f"{rule}, {WHENCE[start]}",
                )
        exact = built[(built["depth"] == depth) & ~built["bias"]]
        for kind, marker in BUILT.items():
            some = exact[exact["kind"] == kind]
            if not some.empty:
                axis.plot(
                    *(some["excess"], some["accuracy"], marker),
                    **{"color": "black", "mec": "white", "mew": 0.5, "ms": 9},
                    label=f"built: {kind}",
                    zorder=3,
                )
        axis.set_xscale("symlog", linthresh=NEAR)
        axis.set(title=f"depth {depth}", xlim=(-0.3 * NEAR, 9.0), ylim=(-0.06, 1.06))
        axis.set_xticks([0, 0.001, 0.01, 0.1, 1], ["0", ".001", ".01", ".1", "1"])
        axis.set_xlabel("trace / bound − 1")
        if rows.empty and exact["accuracy"].dropna().empty:
            say_why(axis, "no run interpolates")
    axes[0].set_ylabel("accuracy on new points")
    by_label: dict[str, Artist] = {}
    for axis in axes:
        handles, labels = axis.get_legend_handles_labels()
        by_label |= dict(zip(labels, handles, strict=True))
    fig.legend(
        list(by_label.values()),
        list(by_label),
        loc="outside lower center",
        ncols=3,
        fontsize=8,
    )
    return fig


def against_depth(ended: pd.DataFrame) -> Figure:
    """Accuracy and trace over bound against depth, without and with a bias.

    Args:
        ended: from `tables.ends`; runs from drawn starts are shown.
    """
    fig, axes = plt.subplots(2, 2, figsize=(WIDTH, 4.6), sharex=True, sharey="row")
    shown = (("test_accuracy", "accuracy"), ("ratio", "trace over bound"))
    for column, bias in zip(axes.T, (False, True), strict=True):
        rows = ended[ended["bias"] == bias]
        for axis, (metric, label) in zip(column, shown, strict=True):
            for rule in RULES:
                for start, (style, marker) in STARTS.items():
                    some = rows[(rows["rule"] == rule) & (rows["start"] == start)]
                    if not some.empty:
                        _line(axis, some, metric, rule, style, marker)
            axis.set_ylabel(label if not bias else "")
        column[0].set_title("with a bias" if bias else "without a bias")
        column[1].set(xlabel="depth", xticks=DEPTHS, yscale="log")
        column[1].axhline(1.0, color="0.6", lw=0.8, ls=":")
        column[1].yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        column[1].yaxis.set_minor_formatter(NullFormatter())
        column[1].set_yticks([1, 2, 5, 10])
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=8)
    return fig


def _line(
    axis: Axes, rows: pd.DataFrame, metric: str, rule: str, style: str, marker: str
) -> None:
    """Means over seeds, or medians of ratios, and a dot for every seed."""
    how = "mean" if metric == "test_accuracy" else "median"
    by = rows.groupby("depth")[metric].agg(how)
    start = rows["start"].iloc[0]
    axis.plot(
        by.index,
        by,
        ls=style,
        marker=marker,
        ms=5,
        mfc="none" if start == SMALL else None,
        color=COLOURS[rule],
        label=f"{rule}, {start} start",
    )
    axis.plot(rows["depth"], rows[metric], ".", ms=3, alpha=0.35, color=COLOURS[rule])


def least_traces(rows: pd.DataFrame) -> Figure:
    """The certified least trace at depth two, for two kinds of labels, a line a seed.

    Args:
        rows: from `tables.certificates`.
    """
    fig, axis = plt.subplots(figsize=(0.6 * WIDTH, 2.8))
    wide = rows.pivot_table("over", "seed", "labels", dropna=False)
    kinds = [kind for kind in ("xor", "random") if kind in wide]
    for _, line in wide[kinds].iterrows():
        axis.plot(range(len(kinds)), line, "o-", color="0.35", ms=4, lw=1)
    axis.axhline(1.0, color=COLOURS[SAM], lw=1.8)
    axis.annotate(
        "depth three and more, any labels",
        (0.5, 1.0),
        xytext=(0, -5),
        textcoords="offset points",
        ha="center",
        va="top",
        color=COLOURS[SAM],
    )
    axis.set_xticks(range(len(kinds)), [f"{kind} labels" for kind in kinds])
    axis.set(ylabel="least trace over bound", xlim=(-0.4, max(len(kinds), 1) - 0.6))
    axis.set_ylim(bottom=0.93)
    if not wide.notna().to_numpy().any():
        say_why(axis, "no network of depth two fits these labels")
    return fig
