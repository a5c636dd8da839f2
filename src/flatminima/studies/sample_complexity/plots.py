"""The figures of the chapter on sample complexity, in the style of `plots`."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator, ScalarFormatter
from matplotlib.typing import ColorType

from flatminima.plots.style import WIDTH, say_why
from flatminima.statistics.growth import (
    LEVELS,
    METRICS,
    Estimate,
    Need,
    Needs,
    exponent,
    falling,
    need_table,
)
from flatminima.studies.sample_complexity import runs
from flatminima.sweeps.table import ALL_DIVERGED, NOT_NEAR

_COLOURS = sns.color_palette("colorblind")

LOOKS = {
    runs.SAM: (_COLOURS[3], "o"),
    runs.SMALL_SAM: (_COLOURS[1], "v"),
    runs.SMALL_SGD: (_COLOURS[7], "P"),
    runs.DECAYED_SGD: (_COLOURS[9], "X"),
    runs.DECAYED_GD: (_COLOURS[5], "*"),
    runs.FLOW: (_COLOURS[0], "s"),
    runs.SEARCH: (_COLOURS[2], "D"),
    runs.KERNEL: (_COLOURS[4], "^"),
}
"""Colour and marker of every method."""

HIGHEST = {"zero_one": 0.5, "mse": 2.0}
"""Ends of the error axes: chance, and twice the error of the function 0."""

_LABELS = dict(zip(runs.METHODS, runs.METHODS, strict=True)) | {
    runs.SEARCH: "convex search",
    runs.KERNEL: "NTK regression",
}

CURVES = (runs.SAM, runs.SMALL_SAM, runs.DECAYED_SGD, runs.FLOW, runs.KERNEL)
"""Methods whose error curves are drawn; those of the others are like them."""

FLAT = (runs.SAM, runs.SMALL_SAM, runs.FLOW, runs.SEARCH)
"""Methods that lower the trace."""


def error_curves(errors: pd.DataFrame, needs: Needs) -> Figure:
    """Test error against n: a row for each metric, a column for each method.

    Points are means over seeds, lines the falling curves through them; a diamond at
    the level is the n that is needed, with its interval. Left out are methods with a
    single d, those not in `CURVES`, and what lies above `HIGHEST`. A panel of runs that
    all diverged says so.

    Args:
        errors: a row for each run, as in `sample_complexity.needs`.
        needs: found from them.
    """
    dimensions = errors.groupby("method", sort=False)["d"].nunique()
    methods = [m for m in dimensions.index[dimensions > 1] if m in CURVES]
    ds = sorted(errors["d"].unique())
    colours = dict(zip(ds, sns.color_palette("viridis", len(ds)), strict=True))
    fig, axes = plt.subplots(
        len(METRICS),
        len(methods),
        figsize=(WIDTH, 5.4),
        sharex="col",
        sharey="row",
        squeeze=False,
    )
    for row, metric in zip(axes, METRICS, strict=True):
        for axis, method in zip(row, methods, strict=True):
            part = errors[errors["method"] == method]
            means = part.groupby(["d", "n"])[metric].mean()
            for d, curve in means.groupby(level="d"):
                n = curve.index.get_level_values("n").to_numpy()
                look = {"color": colours[d]}
                axis.plot(n, curve, "o", ms=3.5, **look)
                axis.plot(n, falling(curve.to_numpy()), lw=1.2, label=str(d), **look)
                _mark(axis, needs[method, metric][d], LEVELS[metric], colours[d])
            axis.axhline(LEVELS[metric], color="0.4", lw=0.8, ls=":")
            if part["diverged"].all():
                say_why(axis, ALL_DIVERGED)
        row[0].set_ylabel(f"test {METRICS[metric]}")
    for axis, method in zip(axes[0], methods, strict=True):
        axis.set_title(_LABELS[method])
    for axis in axes[-1]:
        axis.set(xscale="log", xlabel="training points n")
        _plain_ticks(axis.xaxis)
    for axis, metric in zip(axes[:, 0], METRICS, strict=True):
        highest = HIGHEST[metric]
        axis.set_ylim(-0.04 * highest, highest)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(
        handles, labels, title="d", loc="outside lower center", ncols=len(labels)
    )
    return fig


def growth(needs: Needs) -> Figure:
    """The n that is needed against d, one panel a metric, with slopes 1 and 2.

    Bars are intervals over seeds, lines least squares in the logarithms; grey lines
    have slope 1 and 2. A censored n is not drawn.

    Args:
        needs: by method, metric and d.
    """
    fig, axes = plt.subplots(
        1, len(METRICS), figsize=(WIDTH, 4.0), sharex=True, sharey=True
    )
    table = need_table(needs)
    known = table[table["censored"] == ""]
    for axis, (metric, name) in zip(axes, METRICS.items(), strict=True):
        rows = known[known["metric"] == name]
        for method in rows["method"].unique().tolist():
            part = rows[rows["method"] == method]
            colour, marker = LOOKS[method]
            ends = part[["low", "high"]].replace(0, np.nan)
            ends = ends.replace([np.inf, -np.inf], np.nan)
            bars = [part["n"] - ends["low"], ends["high"] - part["n"]]
            axis.errorbar(
                part["d"],
                part["n"],
                yerr=np.clip(bars, 0, None),
                color=colour,
                marker=marker,
                ls="none",
                lw=1.2,
                capsize=2.5,
                label=_LABELS[method],
            )
            _fitted(axis, needs[method, metric], colour)
        axis.set(xscale="log", yscale="log", xlabel="dimension d")
        axis.set_title(f"test {name} = {LEVELS[metric]}")
    if not known.empty:
        _guides(axes, known)
    for axis in axes:
        axis.set_xticks(sorted(table["d"].unique()))
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_locator(NullLocator())
        _plain_ticks(axis.yaxis)
    axes[0].set_ylabel("training points needed")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4)
    return fig


def against_sam(errors: pd.DataFrame, needs: Needs) -> Figure:
    """The n that methods need over that of 1-SAM: against d, and against flatness.

    Left and middle: for both metrics, with intervals paired by seeds. Right: at the
    largest d, the zero-one error's against the median of trace over bound there. The
    kernel, which needs far more, is left out, and so are methods with a single d.

    Args:
        errors: a row for each run.
        needs: found from them.
    """
    fig, (*left, right) = plt.subplots(1, 3, figsize=(WIDTH, 3.6), sharey=True)
    largest = max(needs[runs.SAM, "mse"])
    for axis, (metric, name) in zip(left, METRICS.items(), strict=True):
        base = needs[runs.SAM, metric]
        drawn = [m for m in runs.METHODS if len(needs.get((m, metric), {})) > 1]
        drawn = [m for m in drawn if m not in (runs.SAM, runs.KERNEL)]
        for k, method in enumerate(drawn):
            colour, marker = LOOKS[method]
            aside = 1 + 0.02 * (k - len(drawn) / 2)
            for d, need in needs[method, metric].items():
                ratio = need.log_over(base[d])
                at = {"color": colour, "marker": marker, "label": _LABELS[method]}
                _with_interval(axis, d * aside, ratio, **at)
                if d == largest and metric == "zero_one":
                    here = (errors["method"] == method) & (errors["d"] == d)
                    trace = errors.loc[here, "ratio"].median()
                    _with_interval(right, trace, ratio, **at)
        axis.set(xscale="log", xlabel="dimension d", title=f"{name} = {LEVELS[metric]}")
        axis.set_xticks(sorted(base), [str(d) for d in sorted(base)])
        axis.xaxis.set_minor_locator(NullLocator())
    here = (errors["method"] == runs.SAM) & (errors["d"] == largest)
    colour, marker = LOOKS[runs.SAM]
    trace = errors.loc[here, "ratio"].median()
    right.plot(trace, 1.0, color=colour, marker=marker, ls="none", label=runs.SAM)
    right.set(xlabel="trace / bound", title=f"zero-one error, d = {largest}")
    for axis in (*left, right):
        axis.axhline(1.0, color="0.3", lw=0.8, ls=":")
    left[0].set(yscale="log", ylabel="points needed / those of 1-SAM")
    _plain_ticks(left[0].yaxis)
    left[0].yaxis.set_major_locator(FixedLocator([0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4]))
    handles, labels = right.get_legend_handles_labels()
    shown = dict(zip(labels, handles, strict=True))
    fig.legend(
        list(shown.values()), list(shown), loc="outside lower center", ncols=len(shown)
    )
    return fig


def _with_interval(axis: Axes, x: float, ratio: Estimate, **look: Any) -> None:
    """A quotient, given by its logarithm, with the finite part of its interval."""
    if ratio.censored:
        return
    low, high = ratio.interval()
    ends = [0.0 if np.isinf(end) else abs(end - ratio.value) for end in (low, high)]
    value = np.exp(ratio.value)
    bars = value - np.exp(ratio.value - ends[0]), np.exp(ratio.value + ends[1]) - value
    axis.errorbar(
        x, value, yerr=np.reshape(bars, (2, 1)), ls="none", lw=1.2, capsize=2.0, **look
    )


def flatness(errors: pd.DataFrame) -> Figure:
    """Trace over the pointwise bound against n / d, for methods that seek flatness.

    A line for each d: medians over seeds. Others, which end far above, are left out.

    Args:
        errors: a row for each run.
    """
    fig, axis = plt.subplots(figsize=(5.6, 3.4))
    found = errors[errors["method"].isin(FLAT)].dropna(subset="ratio")
    for method in found["method"].unique().tolist():
        colour, marker = LOOKS[method]
        part = found[found["method"] == method]
        medians = part.groupby(["d", "n"])["ratio"].median().unstack("d")
        for k, d in enumerate(medians):
            line = medians[d].dropna()
            axis.plot(
                line.index / d,
                line,
                color=colour,
                marker=marker,
                ms=4,
                lw=1.0,
                label=_LABELS[method] if k == 0 else None,
            )
    axis.axhline(1.0, color="0.3", lw=0.8, ls=":")
    axis.set(xlabel="n / d", ylabel="trace / bound")
    if found.empty:
        say_why(axis, NOT_NEAR)
    else:
        axis.legend()
    return fig


def _mark(axis: Axes, need: Need, level: float, colour: ColorType) -> None:
    """A diamond at a crossing, with the finite part of its interval."""
    if need.censored:
        return
    low, high = need.interval()
    ends = [end for end in (low, high) if np.isfinite(end) and end > 0]
    axis.plot([*ends, need.value], [level] * (len(ends) + 1), color=colour, lw=2.5)
    axis.plot(need.value, level, "D", ms=5, color=colour, mec="black", mew=0.6)


def _fitted(axis: Axes, needs: Mapping[int, Need], colour: ColorType) -> None:
    """The line whose slope is the exponent; none if an n is censored."""
    if len(needs) < 2 or exponent(needs).censored:
        return
    slope = exponent(needs).value
    logs = np.log([[d, need.value] for d, need in needs.items()])
    centre = np.exp(logs.mean(axis=0))
    d = np.array([min(needs), max(needs)], dtype=float)
    axis.plot(d, centre[1] * (d / centre[0]) ** slope, color=colour, lw=1.0)


def _guides(axes: Iterable[Axes], known: pd.DataFrame) -> None:
    """A line of slope 1 below all points, and one of slope 2 above."""
    d = np.array([known["d"].min(), known["d"].max()], dtype=float)
    below = (0.75 * known["n"] / known["d"]).min()
    above = (1.3 * known["n"] / known["d"] ** 2).max()
    for axis in axes:
        for slope, line, style in (
            (1, below * d, (0, (5, 2))),
            (2, above * d**2, (0, (1, 1))),
        ):
            axis.plot(d, line, color="0.5", lw=1.0, ls=style)
            axis.annotate(
                f"slope {slope}",
                (d[1], line[1]),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                color="0.35",
                annotation_clip=False,
            )


def _plain_ticks(axis: Axis) -> None:
    """Plain numbers on a logarithmic axis."""
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(ScalarFormatter())
    axis.set_minor_locator(NullLocator())
