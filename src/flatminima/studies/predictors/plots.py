"""The figures of the chapter on predictors, in the style of `plots`."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH, say_why
from flatminima.studies.predictors.tables import FAMILIES, NAMES, usable

_COLOURS = sns.color_palette("colorblind")
SHADES = {
    "control": _COLOURS[7],
    "norm": _COLOURS[0],
    "margin": _COLOURS[2],
    "sharpness": _COLOURS[3],
}
MARKERS = {
    "overall": "s",
    "granulated": "o",
    "worst": "v",
    "pooled": "s",
    "within": "o",
}


def _intervals(axis: Axes, table: pd.DataFrame, kind: str, shift: float) -> None:
    """Dots with intervals, a line a measure, from the top down."""
    rows = table[table["kind"] == kind].reset_index(drop=True)
    for line, (_, row) in enumerate(rows.iterrows()):
        colour, height = SHADES[row["family"]], line + shift
        filled = colour if kind in ("granulated", "within") else "white"
        if np.isfinite(row["low"]):
            axis.plot([row["low"], row["high"]], [height] * 2, color=colour, lw=1.2)
        axis.plot(row["tau"], height, MARKERS[kind], color=colour, mfc=filled, ms=4.5)
    axis.set_yticks(range(len(rows)), rows["name"])
    axis.set_ylim(len(rows) - 0.4, -0.6)


def _frame(axis: Axes, table: pd.DataFrame) -> None:
    axis.axvline(0, color="0.3", lw=0.8, ls=":")
    axis.set(xlim=(-1.05, 1.05))
    axis.grid(axis="y", color="0.92", lw=0.6)
    if not np.isfinite(table["tau"].to_numpy(float)).any():
        say_why(axis, "no two networks to compare")


def coefficients(table: pd.DataFrame) -> Figure:
    """Three panels: tau overall, granulated and in the worst slice, by measure.

    Args:
        table: from `tables.coefficients`.
    """
    titles = {
        "overall": "all networks",
        "granulated": "slices, on average",
        "worst": "the worst slice",
    }
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 5.6), sharey=True)
    for axis, (kind, title) in zip(axes, titles.items(), strict=True):
        _intervals(axis, table, kind, 0.0)
        _frame(axis, table)
        axis.set(title=title, xlabel="Kendall's τ with the gap")
    for label in axes[0].get_yticklabels():
        family = next(f for f, m in FAMILIES.items() if label.get_text() in _names(m))
        label.set_color(SHADES[family])
    return fig


def _names(measures: tuple[str, ...]) -> list[str]:
    return [NAMES[measure] for measure in measures]


def effects(table: pd.DataFrame) -> Figure:
    """What every hyper-parameter does to the test error, a panel a data set.

    Args:
        table: from `tables.effects`.
    """
    sets = list(dict.fromkeys(table["data"])) or [""]
    fig, axes = plt.subplots(
        1, len(sets), figsize=(WIDTH, 2.4), sharey=True, squeeze=False
    )
    for axis, name in zip(axes[0], sets, strict=True):
        rows = table[table["data"] == name].reset_index(drop=True)
        for line, row in rows.iterrows():
            ends = [100 * row["low"], 100 * row["high"]]
            axis.plot(ends, [line] * 2, color=_COLOURS[0], lw=1.4)
            axis.plot(100 * row["effect"], line, "o", color=_COLOURS[0], ms=5)
        axis.axvline(0, color="0.3", lw=0.8, ls=":")
        words = [axis_name.replace("_", " ") for axis_name in rows["axis"]]
        axis.set_yticks(range(len(rows)), words)
        axis.set_ylim(max(len(rows), 1) - 0.5, -0.5)
        axis.set(title=name, xlabel="change of the test error, points")
        if rows.empty:
            say_why(axis, "no two networks to compare")
    return fig


def shuffled(rows: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Minimum sharpness against the gap by share of labels, and tau of every measure.

    Args:
        rows: of the shuffled design, from `runs.evidence`.
        table: from `tables.shuffled_coefficients`.
    """
    fig, axes = plt.subplots(
        1, 2, figsize=(WIDTH, 5.2), gridspec_kw={"width_ratios": [1.2, 1]}
    )
    kept = usable(rows)
    shares = sorted(kept["label_shuffle"].unique()) if len(kept) else []
    shades = sns.color_palette("viridis", max(len(shares), 1))
    for share, shade in zip(shares, shades, strict=False):
        for name, marker in zip(sorted(kept["data"].unique()), "o^", strict=False):
            part = kept[(kept["label_shuffle"] == share) & (kept["data"] == name)]
            axes[0].plot(
                part["minimum"], 100 * part["gap"], marker, color=shade, ms=3.5,
                alpha=0.7, label=f"{name}, {share:.0%}",
            )  # fmt: skip
    axes[0].set(xscale="log", xlabel="minimum sharpness", ylabel="gap, points")
    if shares:
        axes[0].legend(
            title="labels redrawn", fontsize=7.5, title_fontsize=8, ncols=2,
            loc="upper center", bbox_to_anchor=(0.5, -0.12),
        )  # fmt: skip
    else:
        say_why(axes[0], "this build has no networks with redrawn labels")
    for kind, shift in (("pooled", -0.17), ("within", 0.17)):
        _intervals(axes[1], table, kind, shift)
    _frame(axes[1], table)
    axes[1].set(xlabel="Kendall's τ with the gap", title="pooled □, within a share ●")
    return fig
