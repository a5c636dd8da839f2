"""The figures of the chapter, in the style of `plots.style`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from flatminima.plots.style import WIDTH, say_why
from flatminima.statistics.intervals import mean_ends
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.switching import live, tables
from flatminima.studies.switching.path import Line
from flatminima.studies.switching.runs import RANDOM, TO_ERM, TO_SAM

_COLOURS = sns.color_palette("colorblind")
STYLES = {
    TO_SAM: (_COLOURS[3], "-", "o"),
    TO_ERM: (_COLOURS[0], (0, (5, 1)), "s"),
    "ERM": ((0.35, 0.35, 0.35), (0, (1, 1)), "v"),
    "SAM": (_COLOURS[2], (0, (5, 1, 1, 1)), "^"),
    RANDOM: (_COLOURS[1], "none", "D"),
}
"""Colour, line and marker by rule."""

LINES = {
    live.LATE: (_COLOURS[3], "-"),
    live.SAM: (_COLOURS[2], (0, (5, 1, 1, 1))),
    live.OTHER: ((0.35, 0.35, 0.35), (0, (1, 1))),
}
"""Colour and line of the straight lines from the end of ERM."""

METRICS = {"error": 100.0, "test_loss": 1.0}
"""What is drawn against the time of the switch, and in which unit."""

NONE = "no run to show"


def timing(panels: Mapping[str, pd.DataFrame]) -> Figure:
    """Final test error and loss, minus those of ERM, against the time of the switch.

    Args:
        panels: from `tables.ends`, each of one schedule and length, by title; a column
            each.
    """
    figure, axes = plt.subplots(
        2, len(panels), figsize=(WIDTH, 5.0), sharex=True, squeeze=False
    )
    for column, (title, rows) in zip(axes.T, panels.items(), strict=True):
        for axis, (metric, unit) in zip(column, METRICS.items(), strict=True):
            for way in (TO_SAM, TO_ERM):
                of = tables.from_erm(tables.curve(rows, way, metric), way)
                if of.shape[1] > 2 or (way == TO_SAM and of.shape[1]):
                    _band(axis, tables.places(of), unit * of.to_numpy(float), way)
            drawn = set(rows["share"][rows["way"] == RANDOM])
            for share in sorted(drawn):
                at = (RANDOM, share)
                apart = tables.against(rows, at, tables.ERM, metric)
                _dot(axis, float(share), unit * apart)
            if not axis.has_data():
                say_why(axis, NONE)
            else:
                axis.axhline(0, color="0.6", lw=0.8, ls=":")
        column[0].set_title(title)
        column[-1].set_xlabel("time of the switch")
    axes[0, 0].set_ylabel("test error minus ERM's (points)")
    axes[1, 0].set_ylabel("test loss minus ERM's")
    _legend(figure, list(axes.ravel()))
    return figure


def _dot(axis: Axes, at: float, values: np.ndarray) -> None:
    if not len(values):
        return
    colour, _, marker = STYLES[RANDOM]
    low, high = mean_ends(values, thresholds().level)
    axis.plot(at, values.mean(), marker, color=colour, ms=5, label=RANDOM)
    axis.vlines(at, low, high, color=colour, lw=1.2)


def _band(
    axis: Axes, x: np.ndarray, values: np.ndarray, rule: str, label: str = ""
) -> None:
    """A mean over seeds with its 95 % interval."""
    colour, line, marker = STYLES[rule]
    markers: dict[str, Any] = {"marker": marker, "ms": 4} if len(x) < 15 else {}
    mean = values.mean(axis=0)
    axis.plot(x, mean, color=colour, ls=line, label=label or rule, **markers)
    low, high = mean_ends(values.T, thresholds().level)
    axis.fill_between(x, low, high, color=colour, alpha=0.18, lw=0)


def _legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """One entry a name, below all panels."""
    found = {
        name: handle
        for axis in axes
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    if found:
        figure.legend(
            list(found.values()), list(found), loc="outside lower center", ncols=4
        )


def epochs(rows: pd.DataFrame, share: float, begin: float = 0.6) -> Figure:
    """The late switch epoch by epoch, as the source's figure 9.

    Args:
        rows: labelled, of one schedule and length, with rows at several epochs.
        share: of training at which the rule is switched.
        begin: share of training from which the figure shows it.
    """
    figure, axes = plt.subplots(
        2, 2, figsize=(WIDTH, 5.0), sharex="col", width_ratios=[1.3, 1]
    )
    labels = {"error": "test error (%)", "test_loss": "test loss"}
    for (left, right), (metric, unit) in zip(axes, METRICS.items(), strict=True):
        _by_epoch(left, right, rows, metric, share, begin)
        for axis in (left, right):
            if not axis.has_data():
                say_why(axis, NONE)
        left.set_ylabel(labels[metric])
        right.set_ylabel("change, points" if unit > 1 else "change of test loss")
    axes[1, 0].set_xlabel("epoch")
    axes[1, 1].set_xlabel("epochs after the switch")
    if axes[0, 1].get_legend_handles_labels()[0]:
        axes[0, 1].legend(loc="best")
    _legend(figure, list(axes[:, 0]))
    return figure


def _by_epoch(
    left: Axes,
    right: Axes,
    rows: pd.DataFrame,
    metric: str,
    share: float,
    begin: float,
) -> None:
    """Means over seeds, and what the switches change, seed by seed."""
    unit = METRICS[metric]
    at = {"ERM": 1.0, "SAM": 0.0, TO_SAM: share, TO_ERM: share}
    of = {way: tables.by_epoch(rows, way, when, metric) for way, when in at.items()}
    ends = [tables.places(each)[-1] for each in of.values() if not each.empty]
    length = float(max(ends, default=1.0))
    for way, each in of.items():
        epoch = tables.places(each)
        late = epoch >= begin * length
        if late.any():
            colour, line, _ = STYLES[way]
            mean = unit * each.to_numpy(float)[:, late].mean(axis=0)
            left.plot(epoch[late], mean, color=colour, ls=line, label=way)
            left.axvline(share * length, color="0.6", lw=0.8, ls=":")
    pairs = {TO_SAM: ("ERM", 1.0), TO_ERM: ("SAM", -1.0)}
    for way, (kept, sign) in pairs.items():
        fall = tables.after_switch(of[way], of[kept], share * length)
        if fall.size:
            label = "gained by SAM" if way == TO_SAM else "lost without SAM"
            values = unit * sign * fall.to_numpy(float)
            _band(right, tables.places(fall), values, way, label)
            right.axhline(0, color="0.6", lw=0.8, ls=":")


def valley(lines: Mapping[str, Sequence[Line]]) -> Figure:
    """Loss and test error on straight lines from the end of ERM.

    Args:
        lines: one a seed, by the name of the run in which they end.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    for name, each in lines.items():
        colour, style = LINES[name]
        for axis, values in zip(
            axes,
            ([one.loss for one in each], [100 * one.error for one in each]),
            strict=True,
        ):
            kept = [v for v in values if np.isfinite(v).all()]
            for one in kept:
                axis.plot(each[0].share, one, color=colour, lw=0.5, alpha=0.4)
            if kept:
                mean = np.mean(kept, axis=0)
                axis.plot(each[0].share, mean, color=colour, ls=style, label=name)
    left, right = axes
    for axis in axes:
        axis.set_xlabel("share of the way from ERM")
        if not axis.has_data():
            say_why(axis, NONE)
    left.set(yscale="log", ylabel="training loss")
    left.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    left.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    left.yaxis.set_minor_formatter(NullFormatter())
    right.set_ylabel("test error (%)")
    _legend(figure, axes)
    return figure


def escape(ways: Mapping[str, Sequence[pd.DataFrame]]) -> Figure:
    """Training loss and distance in the first updates after the end of ERM.

    Args:
        ways: from `live.Slice.onwards`, one a seed, by "SAM" and "ERM".
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.0))
    for rule, each in ways.items():
        for axis, column in zip(axes, ("loss", "distance"), strict=True):
            values = np.array([one[column].to_numpy(float) for one in each])
            kept = values[np.isfinite(values).all(axis=1)]
            if len(kept):
                _band(
                    axis, each[0]["update"].to_numpy(), kept, rule, f"onwards by {rule}"
                )
    for axis, label in zip(axes, ("training loss", "distance"), strict=True):
        axis.set(xlabel="updates after the end of ERM", ylabel=label)
        if not axis.has_data():
            say_why(axis, NONE)
    _legend(figure, axes)
    return figure
