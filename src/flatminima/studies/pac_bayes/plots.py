"""The figures of the chapter on PAC-Bayes bounds, in the style of `plots`."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import ndtr

from flatminima.plots.style import WIDTH, say_why
from flatminima.statistics.intervals import of_count, of_mean
from flatminima.statistics.thresholds import Thresholds
from flatminima.studies.pac_bayes import linear
from flatminima.studies.pac_bayes.counterexamples import fixed_classifier, least_noise
from flatminima.studies.pac_bayes.nets import CENTRES
from flatminima.theory.pac_bayes.numbers import mcallester

_COLOURS = sns.color_palette("colorblind")
LINE, RIGHT, TRUE, NEW = _COLOURS[3], _COLOURS[0], (0.1, 0.1, 0.1), _COLOURS[2]
TALK = _COLOURS[4]
DATA = {"clusters": "clusters", "digits": "digits"}


def failing_line(regions: dict[str, pd.DataFrame], m: int, delta: float) -> Figure:
    """The line beside the gap at the endless table, and where it fails elsewhere.

    Args:
        regions: by the name of the features, from `counterexamples.region`.
        m: examples of the right bound that is drawn beside.
        delta: its confidence.
    """
    fig, axes = plt.subplots(
        1, 1 + len(regions), figsize=(WIDTH, 3.1), width_ratios=[1.25, 1, 1]
    )
    noise = np.geomspace(0.4, 20, 200)
    t = 1 / noise
    mean = ndtr(-t)
    line = mean + t / math.sqrt(8)
    right = [
        mcallester(q, m * s**2 / 2, m, delta) for q, s in zip(mean, t, strict=True)
    ]
    first = axes[0]
    first.axhline(0.5, color=TRUE, lw=1.2, label="the gap")
    first.plot(noise, line, color=LINE, label="the talk's line")
    first.plot(noise, right, color=RIGHT, ls=(0, (5, 1)), label="McAllester's bound")
    fails = noise > least_noise()
    first.fill_between(
        noise[fails], line[fails], 0.5, color=LINE, alpha=0.25, lw=0, label="it fails"
    )
    first.set(xscale="log", ylim=(0.42, 0.75), xlabel=r"noise $\sigma\sqrt{m}\,/\,|x|$")
    first.set_title("A table, never the same point")
    first.legend(loc="upper right", fontsize=8)
    for axis, (name, table) in zip(axes[1:], regions.items(), strict=True):
        shares = table.assign(fails=table["excess"] > 0).pivot_table(
            index="noise", columns="ratio", values="fails"
        )
        sns.heatmap(
            *(shares.iloc[::-1],),
            **{"ax": axis, "vmin": 0, "vmax": 1, "cmap": "viridis", "linewidths": 0.4},
            cbar=axis is axes[-1],
            cbar_kws={"label": "share of sets where it fails"},
        )
        axis.set_title({"table": "A finite table", "sphere": "A sphere"}[name])
        axis.set(xlabel="dimension / examples", ylabel="noise")
        axis.set_xticklabels([f"{x:g}" for x in shares.columns], rotation=0)
        axis.set_yticklabels([f"{x:g}" for x in shares.index[::-1]], rotation=0)
    return fig


def other_failures(
    squares: pd.DataFrame,
    strengths: Sequence[float],
    sizes: Sequence[int],
    error: float,
) -> Figure:
    """Without a bounded loss, and without a confidence.

    Args:
        squares: of `least_squares`: scale, seed, gap and line.
        strengths: |x| / sigma of classifiers that saw no data.
        sizes: numbers of examples.
        error: of these classifiers.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.0))
    for metric, colour, style, label in (
        ("gap", TRUE, "-", "the gap"),
        ("line", LINE, (0, (5, 1)), "the line, at its least"),
    ):
        means = squares.groupby("scale")[metric].mean()
        left.plot(means.index, means, color=colour, ls=style, label=label)
        left.scatter(
            squares["scale"], squares[metric], color=colour, s=7, alpha=0.4, lw=0
        )
    left.set(xscale="log", yscale="log", xlabel="scale of the labels", ylabel="loss")
    left.set_title("Least squares, for any sigma")
    left.legend()
    shades = sns.color_palette("viridis_r", len(strengths) + 1)[1:]
    for strength, shade in zip(strengths, shades, strict=True):
        failing = [fixed_classifier(error, strength, m) for m in sizes]
        right.plot(sizes, failing, color=shade, marker="o", ms=3, label=f"{strength:g}")
    right.set(xscale="log", ylim=(0, 0.75), xlabel="examples", ylabel="probability")
    right.set_title("It fails at a classifier that saw no data")
    right.legend(title=r"$|x|\,/\,\sigma$", ncols=4, loc="upper left")
    return fig


def coverages(table: pd.DataFrame, delta: float, given: Thresholds) -> Figure:
    """What bounds say beside the exact risk, and how often they cover it.

    Args:
        table: from `linear.coverage_runs`.
        delta: with which they may fail.
        given: for the level of the intervals.
    """
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(WIDTH, 3.6), width_ratios=[1.2, 1], sharey=True
    )
    names = [*linear.BOUNDS, linear.FORET, *map(linear.shrunk, linear.SHRUNK)]
    for place, name in enumerate(names):
        rows = table[table["bound"] == name]
        promises = name in (*linear.BOUNDS, linear.FORET)
        colour = RIGHT if promises else LINE
        spread = np.linspace(-0.25, 0.25, len(rows))
        left.scatter(rows["value"], place + spread, s=3, color=colour, alpha=0.5, lw=0)
        left.scatter(rows["risk"], place + spread, s=3, color=TRUE, alpha=0.5, lw=0)
        count, total = linear.coverage(table, name)
        low, high = of_count(count, total, given)
        right.plot([low, high], [place, place], color=colour)
        right.plot(count / total, place, "o", color=colour, ms=4)
    right.axvline(1 - delta, color=TRUE, lw=0.9, ls=":")
    left.set_yticks(range(len(names)), names)
    left.invert_yaxis()
    left.set(xlabel="bound (blue, orange) and exact risk (black)", xlim=(0, None))
    right.set(xlabel="share of training sets covered", xlim=(-0.02, 1.02))
    return fig


def against_sigma(curves: pd.DataFrame) -> Figure:
    """The bound at every sigma, with the errors that go into it, and the talk's line.

    The line is drawn as what it says of the error: L_n(x) plus its right side.

    Args:
        curves: from `nets.bounds`, of several data sets.
    """
    sets = list(curves["data"].unique())
    fig, axes = plt.subplots(
        1, len(sets), figsize=(WIDTH, 3.2), sharey=True, squeeze=False
    )
    for axis, name in zip(axes[0], sets, strict=True):
        rows = curves[curves["data"] == name]
        for prior, style in zip(CENTRES, ((0, (5, 1)), "-"), strict=True):
            own = rows[rows["bound"] == prior]
            _band(axis, own, "value", RIGHT, style, f"bound, {prior}")
        zero = rows[rows["bound"] == CENTRES[0]]
        talk = zero.assign(talk=zero["empirical"] + (zero["kl"] / zero["m"]) ** 0.5 / 2)
        _band(axis, talk, "talk", TALK, (0, (5, 1, 1, 1)), "the talk's line")
        one = rows[rows["bound"] == CENTRES[1]]
        _band(axis, one, "empirical", LINE, "-", "training error with noise")
        _band(axis, one, "risk", NEW, (0, (1, 1)), "error on new points with noise")
        axis.axhline(rows["chance"].iloc[0], color=TRUE, lw=0.9, ls=":")
        axis.set(xscale="log", xlabel=r"$\sigma$", ylim=(-0.03, 1.05))
        axis.set_title(DATA.get(name, name))
    axes[0, 0].set(ylabel="error")
    axes[0, 0].legend(loc="center left", fontsize=7, bbox_to_anchor=(0, 0.42))
    return fig


def _band(
    axis: Axes,
    rows: pd.DataFrame,
    metric: str,
    colour: tuple[float, ...],
    style: object,
    label: str,
) -> None:
    groups = rows.groupby("sigma")[metric]
    axis.plot(
        groups.mean().index, groups.mean(), color=colour, ls=style, label=label, lw=1.6
    )
    axis.fill_between(
        groups.min().index, groups.min(), groups.max(), color=colour, alpha=0.15, lw=0
    )


def beside_risk(table: pd.DataFrame, given: Thresholds) -> Figure:
    """Every bound of the trained networks beside the error that it bounds.

    Args:
        table: from `nets.bounds`, of several data sets.
        given: for the level of the intervals.
    """
    sets = list(table["data"].unique())
    fig, axes = plt.subplots(
        1, len(sets), figsize=(WIDTH, 3.0), sharey=True, sharex=True, squeeze=False
    )
    for axis, name in zip(axes[0], sets, strict=True):
        rows = table[table["data"] == name]
        names = list(rows["bound"].unique())
        for place, each in enumerate(names):
            own = rows[rows["bound"] == each]
            for metric, colour in (("value", RIGHT), ("risk", TRUE)):
                values = own[metric].to_numpy()
                low, high = of_mean(values, given)
                axis.plot([low, high], [place, place], color=colour, lw=2)
                axis.scatter(
                    values, [place] * len(values), s=9, color=colour, alpha=0.5, lw=0
                )
        axis.axvline(rows["chance"].iloc[0], color=TRUE, lw=0.9, ls=":")
        axis.set_yticks(range(len(names)), names)
        axis.set(xlabel="bound (blue) and error (black)", xlim=(0, None))
        axis.set_title(DATA.get(name, name))
    axes[0, 0].invert_yaxis()
    return fig


def orders(nets: pd.DataFrame, labels: dict[str, str]) -> Figure:
    """Measures of networks against their error.

    Args:
        nets: from `families.ordered`.
        labels: of the measures, by column.
    """
    fig, axes = plt.subplots(1, len(labels), figsize=(WIDTH, 2.9), sharey=True)
    ways = nets[["lr", "weight_decay"]].drop_duplicates().to_numpy()
    widths = sorted(nets["width"].unique())
    for axis, (column, label) in zip(np.atleast_1d(axes), labels.items(), strict=True):
        for (lr, decay), colour in zip(ways, _COLOURS, strict=False):
            for width, marker in zip(widths, "osD^vP", strict=False):
                own = nets[
                    (nets["lr"] == lr)
                    & (nets["weight_decay"] == decay)
                    & (nets["width"] == width)
                ]
                name = f"lr {lr:g}" + (f", decay {decay:g}" if decay else "")
                axis.scatter(
                    *(own[column], own["risk"]),
                    **{"color": colour, "marker": marker, "s": 16, "lw": 0},
                    alpha=0.75,
                    label=name if width == widths[0] else None,
                )
        if not np.isfinite(nets[column]).any():
            say_why(axis, "nothing to show")
        axis.set(xlabel=label)
    first = np.atleast_1d(axes)[0]
    first.set(ylabel="error on new points")
    np.atleast_1d(axes)[-1].legend(fontsize=8)
    return fig
