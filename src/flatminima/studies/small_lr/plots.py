"""The figures of the chapter on small learning rates, in the style of `plots`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH, say_why
from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.small_lr.curves import ERROR, LOSS, NAMES, NORM
from flatminima.studies.small_lr.runs import PERIODS, RULES, SETTINGS
from flatminima.studies.small_lr.tables import equal_loss

_COLOURS = sns.color_palette("colorblind")
STYLES = ("-", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
AXES = {"sgd_steps": "updates t", "periods": "η λ t"}
ALIKE = ("lr", "weight_decay", "norm", "amplification")
"""What tells the long runs apart."""

NOTHING = "no such run here"


def _shades(count: int) -> list[Any]:
    """Colours from the smallest rate to the largest, readable without hue."""
    return sns.color_palette("viridis", count + 1)[:count]


def _line(
    axis: Axes, rows: pd.DataFrame, quantity: str, along: str, **style: Any
) -> None:
    """Means over seeds of the logarithm, with a band of one standard deviation."""
    kept = rows[(rows["periods"] > 0) & ~rows["diverged"]]
    values = np.log(kept[quantity].clip(lower=1e-6)).groupby(kept[along])
    mean, wide = values.mean(), values.std().fillna(0)
    if mean.empty:
        return
    axis.plot(mean.index, np.exp(mean), lw=1.5, **style)
    colour = style["color"]
    axis.fill_between(
        mean.index,
        np.exp(mean - wide),
        np.exp(mean + wide),
        color=colour,
        alpha=0.15,
        lw=0,
    )


def collapse(
    settings: Sequence[pd.DataFrame], live: pd.DataFrame, name: str = "lr"
) -> Figure:
    """Norm, training loss and test error against updates, and against ηλt.

    Args:
        settings: rows of one setting each, from the largest ηλ down.
        live: rows of this build, drawn as dots where they are of these settings.
        name: column that varies.
    """
    fig, axes = plt.subplots(2, 3, figsize=(WIDTH, 5.0), sharey="col")
    shades = _shades(len(settings))
    sign = "η" if name == "lr" else "λ"
    for row, (along, label) in enumerate(AXES.items()):
        for column, quantity in enumerate((NORM, LOSS, ERROR)):
            axis = axes[row, column]
            for rows, shade, style in zip(settings, shades, STYLES, strict=False):
                value = rows[name].iloc[0]
                told = {"color": shade, "ls": style, "label": f"{sign} = {value:g}"}
                before = rows[~(rows["periods"] > PERIODS)]
                _line(axis, before, quantity, along, **told)
                own = live[(live["periods"] > 0) & (live["periods"] <= PERIODS)]
                for field in ALIKE:
                    own = own[own[field] == rows[field].iloc[0]]
                axis.plot(own[along], own[quantity], ".", ms=2.5, color=shade)
            axis.set(xscale="log", yscale="log", xlabel=label)
            _plain_ticks(axis)
            if row == 0:
                axis.set_title(NAMES[quantity])
            if not axis.lines or all(not len(x.get_xdata()) for x in axis.lines):
                say_why(axis, NOTHING)
    axes[0, 2].legend(fontsize=7.5, loc="lower left")
    return fig


def _plain_ticks(axis: Axes) -> None:
    axis.yaxis.set_major_locator(plt.LogLocator(base=10, subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.yaxis.set_minor_formatter(lambda value, _: "")


def settings_apart(groups: Mapping[str, Sequence[pd.DataFrame]]) -> Figure:
    """Norm and test error against time, a column a setting, a line a learning rate.

    Args:
        groups: by name; each rows of one learning rate, from the largest down.
    """
    fig, axes = plt.subplots(
        2, len(groups), figsize=(WIDTH, 4.4), sharex=True, sharey="row"
    )
    for column, (name, settings) in enumerate(groups.items()):
        for row, quantity in enumerate((NORM, ERROR)):
            axis = axes[row, column]
            shades = _shades(len(settings))
            for rows, shade, style in zip(settings, shades, STYLES, strict=False):
                told = {"color": shade, "ls": style}
                told["label"] = f"η = {rows['lr'].iloc[0]:g}"
                _line(axis, rows, quantity, "periods", **told)
            axis.axvline(PERIODS, color="0.5", lw=0.8, ls=":")
            axis.set(xscale="log", yscale="log")
            _plain_ticks(axis)
            if not axis.collections:
                say_why(axis, NOTHING)
        axes[0, column].set_title(name, fontsize=9.5)
        axes[1, column].set_xlabel("time, periods")
    axes[0, 0].set_ylabel(NAMES[NORM])
    axes[1, 0].set_ylabel(NAMES[ERROR])
    axes[1, 0].legend(fontsize=7.5, loc="lower left")
    return fig


def amplified(groups: Mapping[str, Sequence[pd.DataFrame]]) -> Figure:
    """Norm, training loss and test error of SGD and SVAG, a row a learning rate.

    Args:
        groups: by name; each rows of one l, from SGD on.
    """
    fig, axes = plt.subplots(
        len(groups), 3, figsize=(WIDTH, 2.4 * len(groups)), sharex=True, squeeze=False
    )
    for row, (name, settings) in enumerate(groups.items()):
        for column, quantity in enumerate((NORM, LOSS, ERROR)):
            axis = axes[row, column]
            for rows, colour, style in zip(settings, _COLOURS, STYLES, strict=False):
                count = int(rows["amplification"].iloc[0])
                label = "SGD" if count == 1 else f"SVAG, l = {count}"
                told = {"color": colour, "ls": style, "label": label}
                _line(axis, rows, quantity, "periods", **told)
            axis.axvline(PERIODS, color="0.5", lw=0.8, ls=":")
            axis.set(xscale="log", yscale="log")
            _plain_ticks(axis)
            if not axis.collections:
                say_why(axis, NOTHING)
            if row == 0:
                axis.set_title(NAMES[quantity])
            axes[-1, column].set_xlabel("η λ t")
        axes[row, 0].set_ylabel(name)
        axes[row, 0].legend(fontsize=7.5)
    return fig


def order(short: pd.DataFrame) -> Figure:
    """Test error and trace at equal training loss, a column a setting.

    Args:
        short: from `runs.evidence`.
    """
    fig, axes = plt.subplots(2, len(SETTINGS), figsize=(WIDTH, 4.4), sharex=True)
    for column, setting in enumerate(SETTINGS):
        for place, rule in enumerate(RULES):
            ends = equal_loss(short, setting, rule)
            good = ends[~ends["diverged"]]
            errors = 100 * (1 - good["test_accuracy"].dropna().to_numpy(float))
            traces = good["trace"].dropna().to_numpy(float)
            colour = _COLOURS[place]
            _dots(axes[0, column], place, errors, colour, np.asarray)
            _dots(axes[1, column], place, traces, colour, np.log)
        axes[0, column].set_title(setting, fontsize=9.5)
        axes[1, column].set_yscale("log")
        _plain_ticks(axes[1, column])
        axes[1, column].set_xticks(range(len(RULES)), list(RULES), rotation=60)
        for axis in axes[:, column]:
            axis.set_xlim(-0.5, len(RULES) - 0.5)
            if not axis.lines:
                say_why(axis, NOTHING)
    axes[0, 0].set_ylabel("test error, %")
    axes[1, 0].set_ylabel("trace of the Hessian")
    return fig


def _dots(axis: Axes, place: int, values: np.ndarray, colour: Any, scale: Any) -> None:
    """Seeds as small dots, and their mean with its interval, on some scale."""
    if not len(values):
        return
    back = np.exp if scale is np.log else np.asarray
    axis.plot(np.full(len(values), place), values, ".", ms=3, color=colour, alpha=0.35)
    low, high = of_mean(scale(values), thresholds())
    if np.isfinite(low):
        axis.plot([place + 0.2] * 2, back(np.array([low, high])), color=colour, lw=1.5)
    axis.plot(place + 0.2, back(scale(values).mean()), "o", color=colour, ms=4.5)
