"""Figures of the chapter on matrix sensing."""

from collections.abc import Sequence

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH, say_why
from flatminima.studies.matrix_sensing.completion import LEAST, floor
from flatminima.studies.matrix_sensing.runs import threshold

FLOOR = 1e-7
"""Least excess that is drawn: what is below is the solver's own."""

ONE_PERCENT = 0.01
MARKERS = "os^DvPX*"
STYLES = ("-", "--", "-.", ":")


def by_size(table: pd.DataFrame) -> Figure:
    """Excess over the least nuclear norm, and distance to the target, by n.

    Args:
        table: from `runs.sensing`.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.4))
    palette, kept = sns.color_palette("colorblind"), table[~table["diverged"]]
    for k, alpha in enumerate(sorted(table["alpha"].unique())):
        rows = kept[kept["alpha"] == alpha]
        style = {
            "color": palette[k % len(palette)],
            "marker": MARKERS[k % len(MARKERS)],
            "ls": STYLES[k % len(STYLES)],
            "ms": 4,
        }
        for axis, column in zip(axes, ("excess", "error"), strict=True):
            middle = rows.groupby("n")[column].median().clip(lower=FLOOR)
            axis.plot(middle.index, middle, label=f"α = {alpha:g}", **style)
            style_dots = {"color": style["color"], "s": 6, "alpha": 0.35, "lw": 0}
            axis.scatter(rows["n"], rows[column].clip(lower=FLOOR), **style_dots)
    missed = table.drop_duplicates(["seed", "n"]).groupby("n")["missed"].median()
    axes[1].plot(
        missed.index,
        missed.clip(lower=FLOOR),
        color="0.2",
        marker="x",
        ls=(0, (1, 1)),
        label="least nuclear norm",
    )
    axes[0].set_ylabel("excess over the\nleast nuclear norm")
    axes[1].set_ylabel("distance to the target")
    at = threshold(table)
    for axis in axes:
        axis.set(yscale="log", xlabel="measurements n")
        if at is not None:
            axis.axvspan(at, max(table["n"].max(), at + 0.5), color="0.92", lw=0)
        if kept.empty:
            say_why(axis, "every run diverged")
    axes[0].axhline(ONE_PERCENT, color="0.4", ls=":", lw=1)
    handles, labels = axes[1].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=5)
    return fig


def by_start(
    below: pd.DataFrame, compared: pd.DataFrame, limits: pd.DataFrame
) -> Figure:
    """What a smaller start does to general and to commuting measurements.

    Args:
        below: rows of `runs.sensing` at sizes below the threshold.
        compared: from `runs.against_greedy`, at the same sizes.
        limits: from `runs.commuting_limits`.
    """
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.2))
    palette = sns.color_palette("colorblind")
    _starts(axes[0], below, "excess", palette, "Gaussian: excess")
    _starts(axes[1], compared, "distance", palette, "Gaussian: from greedy")
    axes[1].set_ylim(bottom=0)
    axes[0].set_ylim(bottom=0)
    shown = limits.dropna(subset=["excess"])
    for k, (n, rows) in enumerate(shown.groupby("n")):
        values = rows.assign(excess=rows["excess"].clip(lower=FLOOR))
        middle = values.groupby("power")["excess"].median()
        colour, marker = palette[k % len(palette)], MARKERS[k % len(MARKERS)]
        axes[2].scatter(
            values["power"], values["excess"], color=colour, s=6, alpha=0.35, lw=0
        )
        axes[2].plot(
            middle.index, middle, color=colour, marker=marker, ms=4, label=f"n = {n}"
        )
    axes[2].axhline(ONE_PERCENT, color="0.4", ls=":", lw=1)
    axes[2].set(
        **{"title": "commuting: excess", "yscale": "log"},
        xlabel=r"$-\log_{10} \alpha$",
    )
    axes[2].set_xscale("symlog", base=2, linthresh=1)
    if shown.empty:
        say_why(axes[2], "no end of the flow was found")
    else:
        powers = sorted(shown["power"].unique())
        axes[2].set_xticks(powers, [f"{p:g}" for p in powers])
        axes[2].legend()
    return fig


def _starts(
    axis: Axes, table: pd.DataFrame, column: str, palette: Sequence, title: str
) -> None:
    shown = table.dropna(subset=[column])
    for k, (n, rows) in enumerate(shown.groupby("n")):
        colour, marker = palette[k % len(palette)], MARKERS[k % len(MARKERS)]
        middle = rows.groupby("alpha")[column].mean()
        spread = rows.groupby("alpha")[column].sem().fillna(0.0)
        axis.errorbar(
            middle.index,
            middle,
            yerr=spread,
            color=colour,
            marker=marker,
            ms=4,
            lw=1.4,
            label=f"n = {n}",
        )
    axis.set(xscale="log", xlabel="start α", title=title)
    axis.invert_xaxis()
    if shown.empty:
        say_why(axis, "no size is below the threshold")
    else:
        axis.legend()


def completions(table: pd.DataFrame, finer: pd.DataFrame) -> Figure:
    """Nuclear norm along descent on the completion of two rows.

    Args:
        table: from `completion.paths`.
        finer: the same with a smaller learning rate.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.2), sharey=True)
    palette = sns.color_palette("colorblind")
    drawn = (
        (table, 1, palette[3], "-", "determinant above 0"),
        (finer, 1, palette[1], "--", "the same, smaller rate"),
        (table, -1, palette[0], "-.", "determinant below 0"),
    )
    for source, sign, colour, style, label in drawn:
        name = label
        for _, rows in source[source["sign"] == sign].groupby("seed"):
            shown = rows[rows["loss"] > 1e-6]
            look = {"color": colour, "ls": style, "lw": 1.1}
            axes[0].plot(rows["step"], rows["nuclear"], label=name, **look)
            axes[1].plot(shown["loss"], shown["nuclear"], **look)
            name = "_"
    losses = table.loc[table["loss"].between(1e-3, 0.1), "loss"].sort_values()
    axes[1].plot(losses, floor(losses.to_numpy()), color="0.2", lw=2, ls=":")
    axes[0].set(xscale="log", xlabel="step", ylabel="nuclear norm", yscale="log")
    axes[1].set(xscale="log", xlabel="loss")
    axes[1].invert_xaxis()
    for axis in axes:
        axis.axhline(LEAST, color="0.5", lw=0.8)
        if table.empty:
            say_why(axis, "nothing is finite")
    fig.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3
    )
    return fig
