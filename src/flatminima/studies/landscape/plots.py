"""The figures of the chapter on landscapes, in the style of `plots`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from jaxtyping import Float
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from flatminima.plots.style import WIDTH, say_why
from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.landscape.runs import CONTROL, Shown, name
from flatminima.studies.landscape.scenes import Bend, Picture
from flatminima.sweeps.table import per_seed

SCALE = (0.01, 100.0)
"""Ends of the colour scale of pictures; losses beyond an end have its colour."""

PATH_SCALE = (1e-4, 10.0)
"""The same of planes through two minima, where losses are smaller."""

CHANCE = np.log(10)
"""The loss of ten equal outputs."""

MAP = "viridis"
_BLUE, _ORANGE = sns.color_palette("colorblind")[:2]
_GREEN, _RED = (sns.color_palette("colorblind")[k] for k in (2, 3))
KINDS = {"plain": (_ORANGE, "s"), "skips": (_BLUE, "o")}


def pictures(
    rows: Sequence[Mapping[str, Picture]], labels: Sequence[str] = ()
) -> Figure:
    """Planes through minima, all in one colour scale and with equal axes.

    Args:
        rows: of the figure; pictures by title.
        labels: one a row, if given.
    """
    columns = max(len(row) for row in rows)
    size = min(2.0, (WIDTH - 1.3) / columns)
    fig, axes = plt.subplots(
        len(rows),
        columns,
        figsize=(WIDTH, (size + 0.62) * len(rows) + 0.2),
        squeeze=False,
        sharex=True,
        sharey=True,
    )
    for line, row in zip(axes, rows, strict=True):
        for axis in line[len(row) :]:
            axis.set_axis_off()
        for axis, (title, each) in zip(line, row.items(), strict=False):
            axis.set_title(title, fontsize=10)
            axis.set_aspect("equal")
            _picture(axis, each)
    for axis, label in zip(axes[:, 0], labels, strict=False):
        axis.set_ylabel(label)
    _colour_bar(fig, axes)
    return fig


def _picture(axis: Axes, each: Picture) -> None:
    span = each.span
    axis.set(xlim=(-span, span), ylim=(-span, span), xticks=[-span, 0, span])
    axis.set_yticks([-span, 0, span])
    if each.loss is None or not np.isfinite(each.loss).any():
        say_why(axis, "no run to show")
        return
    ticks = np.linspace(-span, span, len(each.loss))
    _contours(axis, ticks, ticks, each.loss)
    axis.plot(0, 0, "+", color="white", ms=7, mew=1.2)
    row = each.row
    axis.set_xlabel(
        f"Tr {row['trace']:.3g}, λ {row['lambda_max']:.2g}\n"
        f"test error {1 - row['test_accuracy']:.1%}",
        fontsize=8,
    )


def _contours(
    axis: Axes,
    x: np.ndarray,
    y: np.ndarray,
    loss: np.ndarray,
    ends: tuple[float, float] = SCALE,
) -> None:
    """Filled contours of the clipped loss, thin lines, and a bold one at chance."""
    low, high = np.log10(ends)
    finite = np.nan_to_num(loss, nan=ends[1], posinf=ends[1])
    shown = np.log10(np.clip(finite, *ends))
    levels = np.linspace(low, high, 33)
    filled = axis.contourf(x, y, shown, levels, cmap=MAP)
    filled.set_edgecolor("face")  # else a page shows seams between the bands
    if np.ptp(shown) > 0:
        thin: dict[str, Any] = {"linewidths": 0.4, "alpha": 0.6, "linestyles": "solid"}
        axis.contour(x, y, shown, levels[::4], colors="white", **thin)
        if shown.min() < np.log10(CHANCE) < shown.max():
            axis.contour(
                x, y, shown, [np.log10(CHANCE)], colors="white", linewidths=1.6
            )


def _colour_bar(
    fig: Figure, axes: np.ndarray, ends: tuple[float, float] = SCALE
) -> None:
    bar = fig.colorbar(
        ScalarMappable(LogNorm(*ends), MAP),
        ax=axes,
        extend="both",
        fraction=0.03,
        pad=0.02,
        aspect=30,
    )
    bar.set_label("training loss")
    powers = 10.0 ** np.arange(np.log10(ends[0]), np.log10(ends[1]) + 0.5)
    bar.set_ticks(list(powers), labels=[f"{power:g}" for power in powers])
    bar.ax.minorticks_off()
    bar.ax.axhline(CHANCE, color="white", lw=1.6)


def _logarithmic(axis: Axis) -> None:
    """Ticks of a short logarithmic axis as plain numbers."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _seeds(
    axis: Axes, at: float, values: Float[np.ndarray, " seeds"], colour: object
) -> tuple[float, float, float]:
    """Draw a dot for every seed; mean and interval, NaN where there is none."""
    if not len(values):
        return np.nan, np.nan, np.nan
    axis.scatter(np.full(len(values), at), values, s=8, alpha=0.4, lw=0, color=colour)
    return float(values.mean()), *of_mean(values, thresholds())


def _values(table: pd.DataFrame, metric: str) -> Float[np.ndarray, " seeds"]:
    return per_seed(table, metric).dropna().to_numpy(float)


def against_depth(shown: Mapping[str, Shown], depths: Sequence[int]) -> Figure:
    """Height of the picture, trace, lambda_max and test error against depth.

    Args:
        shown: from `runs.depths`, by name.
        depths: of the networks.
    """
    metrics = {
        "log_height": "height of the picture",
        "log_trace": "trace",
        "log_lambda": "largest eigenvalue",
        "test_accuracy": "test error",
    }
    fig, axes = plt.subplots(1, 4, figsize=(WIDTH, 2.7))
    for axis, (metric, label) in zip(axes, metrics.items(), strict=True):
        logarithmic = metric.startswith("log_")
        every: list[float] = []
        for kind, (colour, marker) in KINDS.items():
            points = []
            for depth in depths:
                table = shown[name(depth, kind == "skips")].table
                values = _values(table, metric)
                values = np.exp(values) if logarithmic else 1 - values
                points.append(_seeds(axis, depth, values, colour))
                every.extend(values)
            middle, low, high = np.array(points).T
            axis.plot(depths, middle, color=colour, marker=marker, ms=4, label=kind)
            axis.fill_between(depths, low, high, color=colour, alpha=0.2, lw=0)
        control = _values(shown[CONTROL].table, metric)
        control = np.exp(control) if logarithmic else 1 - control
        if len(control):
            axis.plot(
                depths[-1], control.mean(), "D", color=_BLUE, mfc="white", ms=6,
                label="skips, a tenth of the rate",
            )  # fmt: skip
        axis.set(title=label, xlabel="depth", xscale="log")
        if logarithmic:
            axis.set_yscale("log")
            _logarithmic(axis.yaxis)
        axis.set_xticks(depths, [str(depth) for depth in depths])
        axis.xaxis.set_minor_locator(NullLocator())
        if not every:
            say_why(axis, "no run to show")
    handles, names = axes[0].get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=3)
    return fig


def two_planes(
    first: Picture, second: Picture, curvatures: Float[np.ndarray, " probes"]
) -> Figure:
    """Two planes through one minimum, and what random directions see of its Hessian.

    Args:
        first, second: the planes.
        curvatures: along random directions of length 1.
    """
    fig, axes = plt.subplots(
        1, 3, figsize=(WIDTH, 3.0), gridspec_kw={"width_ratios": [1, 1, 1.35]}
    )
    for axis, each, title in zip(
        axes, (first, second), ("one plane", "another plane"), strict=False
    ):
        axis.set_title(title)
        axis.set_aspect("equal")
        _picture(axis, each)
    _colour_bar(fig, axes[:2])
    last = axes[2]
    last.set(title="curvature along directions", xscale="log", yticks=[])
    positive = curvatures[curvatures > 0]
    if not len(positive):
        say_why(last, "no curvature to show")
        return fig
    top = float(first.row["lambda_max"])
    mean = float(curvatures.mean())
    edges = np.geomspace(positive.min() / 1.5, top * 1.6, 60)
    last.hist(positive, edges, color=_BLUE, lw=0)
    last.axvline(mean, color="0.2", ls=":", lw=1.4)
    last.axvline(top, color=_RED, ls="--", lw=1.4)
    height = last.get_ylim()[1]
    last.text(mean * 1.5, height * 0.95, "mean = Tr/D", fontsize=9, va="top")
    last.text(top / 1.2, height * 0.95, "λ max", fontsize=9, va="top", ha="right")
    last.set_xlabel(f"d′Hd, {len(curvatures)} random d of length 1")
    last.spines["left"].set_visible(False)
    return fig


WAYS = {
    "straight": ("straight line", _ORANGE, "-"),
    "matched": ("straight, units matched", _GREEN, (0, (5, 1))),
    "order": ("straight, one start", (0.35, 0.35, 0.35), (0, (1, 1))),
    "curve": ("trained curve", _BLUE, "-"),
}


def connected(bend: Bend | None, losses: Mapping[str, Sequence[np.ndarray]]) -> Figure:
    """A pair's minima from above, and the loss along four paths.

    Args:
        bend: the plane through two minima and the bend between them.
        losses: by way, the losses along it, one array a pair.
    """
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(WIDTH, 3.3), gridspec_kw={"width_ratios": [1.1, 1]}
    )
    left.set(title="two minima from above", xlabel="length along the line between them")
    left.set_ylabel("length across")
    if bend is None:
        say_why(left, "no pair to show")
    else:
        _contours(left, bend.slice.x, bend.slice.y, bend.slice.loss, PATH_SCALE)
        left.set_aspect("equal")
        left.plot(*bend.ends.T, color=_ORANGE, lw=2)
        left.plot(*bend.curve.T, color="white", lw=4)
        left.plot(*bend.curve.T, color=_BLUE, lw=2)
        left.plot(*bend.ends.T, "o", color="white", mec="0.1", ms=7)
        _colour_bar(fig, np.array([left]), PATH_SCALE)
    for way, (label, colour, style) in WAYS.items():
        each = [np.asarray(loss, dtype=float) for loss in losses.get(way, ())]
        if not each:
            continue
        many = np.stack(each)
        t = np.linspace(0, 1, many.shape[1])
        right.plot(t, np.median(many, axis=0), color=colour, ls=style, label=label)
        right.fill_between(
            t, many.min(axis=0), many.max(axis=0), color=colour, alpha=0.15, lw=0
        )
    right.set(title="the loss along the path", xlabel="t", yscale="log")
    right.set_ylabel("training loss")
    if losses and any(len(each) for each in losses.values()):
        right.axhline(CHANCE, color="0.5", lw=0.8, ls=":")
        fig.legend(
            *right.get_legend_handles_labels(), loc="outside lower center", ncols=4
        )
    else:
        say_why(right, "no pair to show")
    return fig


def barriers(shown: Mapping[str, Shown], bad: str, margin: float) -> Figure:
    """Barriers of all pairs by width and way, with the mean and its interval.

    Args:
        shown: from `runs.pairs`, by name.
        bad: name of the pairs whose second network is a bad minimum.
        margin: below which a path counts as having none.
    """
    fig, axes = plt.subplots(1, len(shown), figsize=(WIDTH, 2.9), sharey=True)
    for axis, (title, each) in zip(np.atleast_1d(axes), shown.items(), strict=True):
        for at, (way, (_, colour, _)) in enumerate(WAYS.items()):
            values = _values(each.table, f"{way}_barrier")
            shift = np.linspace(-0.18, 0.18, len(values))
            axis.scatter(at + shift, values, s=9, alpha=0.5, lw=0, color=colour)
            if len(values):
                low, high = of_mean(values, thresholds())
                axis.plot(at, values.mean(), "_", color=colour, ms=22, mew=2)
                axis.vlines(at, max(low, 0), high, color=colour, lw=1.4)
        axis.axhline(margin, color="0.5", lw=0.8, ls=":")
        axis.set(title=title, yscale="symlog", xlim=(-0.6, 3.6))
        axis.set_yscale("symlog", linthresh=margin)
        axis.set_ylim(bottom=-margin / 4)
        labels = ["straight", "matched", "one start", "curve"]
        axis.set_xticks(range(4), labels, rotation=35, ha="right")
    np.atleast_1d(axes)[0].set_ylabel("barrier of the loss")
    return fig


def methods(shown: Mapping[str, Shown], target: float) -> Figure:
    """Test error of every method at one training loss, and against flatness.

    Args:
        shown: settings that stop at the target, by name.
        target: the training loss.
    """
    fig, axes = plt.subplots(
        1, 3, figsize=(WIDTH, 3.2), gridspec_kw={"width_ratios": [1.25, 1, 1]}
    )
    palette = sns.color_palette("colorblind", len(shown))
    markers = "os^DvPX*<>"
    names = list(shown)
    left = axes[0]
    for at, (each, colour) in enumerate(zip(names, palette, strict=True)):
        table = shown[each].table
        error = 1 - _values(table, "test_accuracy")
        if not len(error):
            continue
        shift = np.linspace(-0.2, 0.2, len(error))
        left.scatter(error, at + shift, s=9, alpha=0.5, lw=0, color=colour)
        low, high = of_mean(error, thresholds())
        left.plot(error.mean(), at, "|", color=colour, ms=16, mew=2.2)
        left.hlines(at, low, high, color=colour, lw=1.6)
        for axis, metric in zip(axes[1:], ("trace", "height"), strict=True):
            ends = pd.DataFrame(
                {m: per_seed(table, m) for m in (metric, "test_accuracy")}
            ).dropna()
            axis.scatter(
                ends[metric],
                1 - ends["test_accuracy"],
                s=20,
                alpha=0.75,
                lw=0,
                color=colour,
                marker=markers[at % len(markers)],
            )
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.set(xlabel="test error", title=f"at a training loss of {target:g}")
    for axis, label in zip(axes[1:], ("trace", "height of the picture"), strict=True):
        axis.set(xlabel=label, title="against " + label.split(" ")[0])
        if axis.collections:
            axis.set_xscale("log")
            _logarithmic(axis.xaxis)
        else:
            say_why(axis, "no run to show")
    axes[1].set_ylabel("test error")
    return fig
