"""The figures of the chapter on stability, in the style of `plots`."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from jaxtyping import Float
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from flatminima.plots.style import WIDTH, say_why

_COLOURS = sns.color_palette("colorblind")
_GREY = "0.35"
MARKERS = ("o", "s", "^", "D", "v", "P")

SHOWN = 25
"""Paths that a figure shows one by one."""

METHOD_LABELS = {
    "gradient descent": "GD: 2",
    "heavy ball": "heavy ball: 2 + 2β",
    "nesterov": "Nesterov: (2 + 2β) / (1 + 2β)",
}


def thresholds(
    distances: pd.DataFrame, found: pd.DataFrame, tolerance: float = 0.02
) -> Figure:
    """Distance from one minimum along the path, and measured thresholds of all.

    Args:
        distances: index updates, a column for each lr lambda_max / 2.
        found: from `runs.gd_thresholds`.
        tolerance: half-width of the band.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.2), width_ratios=[1, 1.4])
    colours = sns.color_palette("viridis", len(distances.columns))
    for colour, name in zip(colours, distances.columns, strict=True):
        left.plot(distances.index, distances[name], color=colour, label=f"{name:g}")
    left.set(yscale="log", xlabel="update", ylabel="distance from the minimum")
    left.legend(title="η λ / 2", fontsize=8, loc="center", bbox_to_anchor=(0.6, 0.68))
    right.axhspan(1 - tolerance, 1 + tolerance, color="0.92", lw=0)
    right.axhline(1, color=_GREY, lw=0.8, ls=":")
    models = list(dict.fromkeys(found["model"]))
    for number, (method, label) in enumerate(METHOD_LABELS.items()):
        rows = found[found["method"] == method]
        place = rows["model"].map(models.index) + 0.24 * (number - 1)
        spread = np.linspace(-0.08, 0.08, len(rows))
        right.plot(
            place + spread,
            rows["ratio"],
            MARKERS[number],
            ms=3.5,
            color=_COLOURS[number],
            label=label,
        )
    right.set_xticks(range(len(models)), [m.replace(" ", "\n", 1) for m in models])
    right.set_ylabel("measured / predicted")
    right.set_ylim(1 - 1.6 * tolerance, 1 + 1.2 * tolerance)
    right.legend(loc="lower center", ncols=3, fontsize=7, columnspacing=0.8)
    if not np.isfinite(found["ratio"]).any():
        say_why(right, "no threshold found")
    return fig


def words(
    stairs: pd.DataFrame,
    well: Float[np.ndarray, "starts steps"],
    labels: Sequence[str],
    cusp: pd.DataFrame,
    kinks: pd.DataFrame,
) -> Figure:
    """One panel for each word of the statement.

    Args:
        stairs: from `counterexamples.stairs_table`.
        well: from `counterexamples.around_the_well`.
        labels: of its starts.
        cusp: from `counterexamples.cusp_table`.
        kinks: from `counterexamples.kinked`.
    """
    fig, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.4))
    (first, second), (third, fourth) = axes
    first.vlines(stairs["lr"], 0, stairs["converging"], color=_COLOURS[0])
    first.plot(stairs["lr"], stairs["converging"], "o", ms=4, color=_COLOURS[0])
    first.set(title="almost every η", xlabel="η", ylabel="share converging")
    tiny = np.finfo(float).tiny
    for number, (path, label) in enumerate(zip(well, labels, strict=True)):
        shown = np.where(path > tiny, path, np.nan)
        second.plot(shown, color=_COLOURS[number], marker=".", ms=4, label=label)
    second.set(title="a set of measure 0", xlabel="update", yscale="log")
    second.set_ylabel("distance from the minimum")
    second.legend(title="start", fontsize=8)
    for number, name in enumerate(("with a cusp", "quadratic")):
        third.plot(
            cusp["lr lambda"],
            cusp[name],
            MARKERS[number] + "-",
            ms=4,
            color=_COLOURS[number],
            label=name,
        )
    third.axvline(2, color=_GREY, lw=0.8, ls=":")
    third.set(title="the Hessian", xlabel="η λ max", ylabel="share converging")
    third.legend(fontsize=8)
    ratio = kinks["2 / largest"]
    fourth.plot(kinks["predicted"] / ratio, kinks["measured"] / ratio, "o", ms=4)
    ends = [1, float((kinks["predicted"] / ratio).max()) * 1.05]
    fourth.plot(ends, ends, color=_GREY, lw=0.8, ls=":", label="1 / left + 1 / right")
    fourth.plot(ends, [1, 1], color=_COLOURS[3], lw=1, ls="--", label="2 / larger")
    fourth.set(title="a kink", xscale="log", yscale="log")
    _plain_ticks(fourth.xaxis, [1, 2, 4, 8, 16])
    _plain_ticks(fourth.yaxis, [1, 2, 4, 8, 16])
    fourth.set_xlabel("predicted threshold · larger / 2")
    fourth.set_ylabel("measured · larger / 2")
    fourth.legend(fontsize=8)
    return fig


def _plain_ticks(axis: Axis, values: Sequence[float]) -> None:
    """Ticks of a logarithmic axis at some values, written as they are."""
    low, high = sorted(axis.get_view_interval())
    inside = [value for value in values if low <= value <= high]
    axis.set_major_locator(FixedLocator(inside))
    axis.set_major_formatter(FixedFormatter([f"{value:g}" for value in inside]))
    axis.set_minor_locator(NullLocator())


def edge(table: pd.DataFrame) -> Figure:
    """Sharpness over the edge, and loss, along the path: a column for each setting.

    Args:
        table: from `edge.path`, of one setting or several.
    """
    names = list(dict.fromkeys(table["setting"]))
    fig, axes = plt.subplots(
        2,
        len(names),
        figsize=(WIDTH, 4.2),
        sharex="col",
        sharey="row",
        squeeze=False,
    )
    for column, name in enumerate(names):
        rows = table[table["setting"] == name]
        top, bottom = axes[:, column]
        for number, (_, one) in enumerate(rows.groupby("data_seed", sort=False)):
            look = {"color": _COLOURS[number % len(_COLOURS)], "lw": 0.9, "alpha": 0.8}
            top.plot(one["step"], one["ratio"], **look)
            bottom.plot(one["step"], one["loss"], **look)
        top.axhline(1, color="black", lw=1, ls=":")
        top.set_title(name)
        bottom.set(yscale="log", xlabel="update")
    axes[0, 0].set(ylabel="sharpness over the edge", ylim=(0, 1.6))
    axes[1, 0].set_ylabel("training loss")
    return fig


def ends(table: pd.DataFrame) -> Figure:
    """The sharpness at which runs ended, against the learning rate.

    Args:
        table: from `landing.ends`.
    """
    fig, axis = plt.subplots(figsize=(0.62 * WIDTH, 3.0))
    rows = table[table["converged"]]
    for _, one in rows.groupby("data_seed"):
        axis.plot(one["lr"], one["lambda_max"], "-", color="0.8", lw=0.7, zorder=1)
    axis.plot(rows["lr"], rows["lambda_max"], "o", ms=4, alpha=0.7)
    lrs = np.array(sorted(set(table["lr"])))
    axis.plot(lrs, 2 / lrs, color="black", ls=":", label="2 / η")
    axis.set(xscale="log", yscale="log", xlabel="learning rate η")
    _plain_ticks(axis.xaxis, lrs.tolist())
    axis.set_ylabel("λ max at the end")
    axis.legend()
    if rows.empty:
        say_why(axis, "no run converged")
    return fig


def noise(
    curves: pd.DataFrame,
    losses: Float[np.ndarray, "steps paths"],
    expected: Float[np.ndarray, " steps"],
    marks: Mapping[str, float],
    above: float,
) -> Figure:
    """Mean square against typical paths of one linear model.

    Args:
        curves: from `noise.growth_curves`.
        losses: of paths, from `noise.free_paths`.
        expected: from `noise.expected_loss`.
        marks: other thresholds over the exact one, by name.
        above: learning rate of the paths over the exact threshold.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.4))
    left.axhline(0, color=_GREY, lw=0.8)
    left.axvline(1, color=_GREY, lw=0.8, ls=":")
    left.plot(curves["relative"], curves["exact"], color=_COLOURS[0])
    left.plot(curves["relative"], curves["measured"], "o", ms=4, color=_COLOURS[0])
    left.plot(curves["relative"], curves["typical"], "s--", ms=4, color=_COLOURS[3])
    for number, (name, at) in enumerate(marks.items()):
        if at <= curves["relative"].max():
            left.axvline(at, color=_COLOURS[2 + 5 * number], lw=1.2, ls="-.")
            left.annotate(
                name,
                (at, 0.5),
                xycoords=("data", "axes fraction"),
                rotation=90,
                ha="right",
                va="top",
                fontsize=8,
            )
    left.legend(
        left.lines[2:5],
        ["E loss, operator", "E loss, weighted paths", "typical path"],
        fontsize=8,
        loc="upper left",
        bbox_to_anchor=(0.16, 1),
    )
    left.set(xlabel="η / exact threshold", ylabel="log growth an update")
    floor = 1e-300
    every = max(len(losses) // 250, 1)
    steps = np.arange(0, len(losses), every)
    shown = np.maximum(losses[steps, :SHOWN], floor)
    right.plot(steps, shown, color="0.75", lw=0.5)
    right.plot(np.median(losses, axis=1), color=_COLOURS[3], label="median path")
    right.plot(
        losses.mean(axis=1),
        color="black",
        lw=1.2,
        ls="--",
        label=f"mean of {losses.shape[1]} paths",
    )
    right.plot(expected, color=_COLOURS[0], label="expectation, exact")
    right.set(yscale="log", xlabel="update", title=f"η = {above:g} × threshold")
    right.set_ylabel("loss")
    right.legend(fontsize=8, loc="lower left")
    return fig


def escapes(curves: Mapping[int, pd.DataFrame], marks: Mapping[int, float]) -> Figure:
    """The share of paths that leave the minimum of a network, over learning rates.

    Args:
        curves: from `noise.escapes`, by batch size.
        marks: Wu et al.'s threshold over the exact one, by batch size.
    """
    fig, axis = plt.subplots(figsize=(0.62 * WIDTH, 3.0))
    axis.axvline(1, color="black", lw=1, ls=":")
    for number, (batch, rows) in enumerate(curves.items()):
        axis.plot(
            rows["relative"],
            rows["escaped"],
            MARKERS[number] + "-",
            ms=4,
            color=_COLOURS[number],
            label=f"batch {batch}",
        )
        axis.axvline(marks[batch], color=_COLOURS[number], lw=1, ls="-.")
    axis.set(xlabel="η / exact threshold", ylabel="share of paths that leave")
    axis.legend()
    return fig


BATCH_METRICS = {
    "lambda_max": "λ max",
    "trace": "trace",
    "test_accuracy": "test accuracy",
}


def batches(live: pd.DataFrame, kept: pd.DataFrame) -> Figure:
    """Where runs with different batches end at one training loss.

    Args:
        live: from `batches.at_ends`, of this build.
        kept: the same of committed runs; it may be empty.
    """
    fig, axes = plt.subplots(1, len(BATCH_METRICS), figsize=(WIDTH, 3.0))
    looks = {
        False: ("lr fixed", _COLOURS[0], "o"),
        True: ("lr ∝ batch", _COLOURS[3], "s"),
    }
    for axis, (metric, name) in zip(axes, BATCH_METRICS.items(), strict=True):
        for scaled, (label, colour, marker) in looks.items():
            _medians(
                axis, kept, scaled, metric, colour, "", f"{label}, committed", "--"
            )
            _medians(axis, live, scaled, metric, colour, marker, label, "-")
        axis.set(xscale="log", xlabel="batch", title=name)
        _plain_ticks(axis.xaxis, sorted({*live["batch"], *kept["batch"]}))
        if live[metric].notna().sum() + kept[metric].notna().sum() == 0:
            say_why(axis, "every run diverged")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4)
    return fig


def _medians(
    axis: Axes,
    rows: pd.DataFrame,
    scaled: bool,
    metric: str,
    colour: tuple[float, float, float],
    marker: str,
    label: str,
    line: str,
) -> None:
    part = rows[(rows["scaled"] == scaled) & ~rows["diverged"].astype(bool)]
    if part.empty:
        return
    by_batch = part.groupby("batch")[metric]
    middle = by_batch.median()
    axis.plot(
        middle.index, middle, line, marker=marker, ms=5, color=colour, label=label
    )
    low, high = by_batch.quantile(0.1), by_batch.quantile(0.9)
    axis.fill_between(middle.index, low, high, color=colour, alpha=0.15, lw=0)
