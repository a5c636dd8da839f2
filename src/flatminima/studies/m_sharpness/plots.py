"""The figures of the chapter."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from flatminima.plots.style import WIDTH, say_why
from flatminima.runs.images.around import RADII
from flatminima.runs.images.config import ImageConfig
from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.m_sharpness.ranking import SOURCE_M
from flatminima.studies.m_sharpness.runs import Radii
from flatminima.studies.m_sharpness.tables import accuracy, fresh, own, tuned

COLOURS = sns.color_palette("colorblind")
NONE = "no committed run"
SAM_MARKS = {False: ("o", "without SAM"), True: ("^", "SAM")}


def steps_of_m(
    rows: pd.DataFrame, ladder: Mapping[int, Radii], plain: ImageConfig
) -> Figure:
    """Accuracy by m at the radius that was chosen for it, and how it was chosen.

    Args:
        rows: of committed runs.
        ladder: radii by m.
        plain: the same without SAM.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.4))
    base = fresh(accuracy(rows, plain))
    for m, radii in ladder.items():
        _seeds(left, m, own(rows, radii), "C0")
    left.set(xscale="log", xlabel="m: images that share an ascent")
    left.set_xticks(list(ladder), list(map(str, ladder)), minor=False)
    left.xaxis.set_minor_formatter(NullFormatter())
    left.set_ylabel("test accuracy")
    left.set_title("each m at its own radius")
    for colour, (m, radii) in zip(COLOURS, ladder.items(), strict=False):
        means = {rho: tuned(accuracy(rows, c)).mean() for rho, c in radii.items()}
        line = pd.Series(means, dtype=float).dropna()
        if len(line):
            right.plot(line.index, line, "o-", color=colour, ms=4, label=f"m = {m}")
    right.set(xscale="log", xlabel="radius ρ", ylabel="test accuracy")
    right.set_title("by radius, on the tuning seeds")
    tried = sorted({rho for radii in ladder.values() for rho in radii})
    right.set_xticks(tried, [f"{rho:g}" for rho in tried], rotation=45)
    right.xaxis.set_minor_formatter(NullFormatter())
    if len(base):
        left.axhline(base.mean(), color="0.5", ls=":", label="without SAM")
        left.legend(fontsize=8)
    if right.has_data():
        right.legend(fontsize=8)
    for axis in (left, right):
        if not axis.has_data():
            say_why(axis, NONE)
    return figure


def by_ascent(
    rows: pd.DataFrame, ascents: Mapping[str, Radii], plain: Mapping[int, ImageConfig]
) -> Figure:
    """Accuracy by how the inner maximum is approached, each at its own radius.

    Args:
        rows: of committed runs.
        ascents: radii by the name of the way.
        plain: without SAM, by how many times the epochs it has.
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 3.0))
    columns = {f"no SAM, epochs × {k}": accuracy(rows, c) for k, c in plain.items()}
    columns = {name: fresh(values) for name, values in columns.items()}
    columns |= {name: own(rows, radii) for name, radii in ascents.items()}
    for place, (name, values) in enumerate(columns.items()):
        _seeds(axis, place, values, "C7" if name.startswith("no SAM") else "C0")
    labels = [
        f"{name} step{'s' if name != '1' else ''}" if name.isdigit() else name
        for name in columns
    ]
    axis.set_xticks(range(len(columns)), labels, rotation=20, ha="right")
    axis.set_ylabel("test accuracy")
    if not axis.has_data():
        say_why(axis, NONE)
    return figure


def _seeds(axis: Axes, place: float, values: pd.Series, colour: str) -> None:
    """A dot a seed, and the mean with its interval."""
    if values.empty:
        return
    axis.plot([place] * len(values), values, "o", color=colour, ms=3, alpha=0.5)
    mean = values.mean()
    low, high = of_mean(values.to_numpy(float), thresholds())
    if np.isfinite([low, high]).all():
        axis.vlines(place, low, high, color=colour)
    axis.plot([place], [mean], "D", color=colour, ms=6)


def rankings(table: pd.DataFrame) -> Figure:
    """Test error against m-sharpness, a panel a radius.

    Args:
        table: from `ranking.compared`.
    """
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.4), sharey=True)
    batches = sorted(table["batch"].unique()) if len(table) else []
    for axis, radius in zip(axes.flat, RADII, strict=True):
        column = f"rise_{SOURCE_M}_{radius}"
        for colour, batch in zip(COLOURS, batches, strict=False):
            for sam, (mark, words) in SAM_MARKS.items():
                part = table[(table["batch"] == batch) & (table["sam"] == sam)]
                label = f"batch {int(batch)}, {words}"
                axis.plot(
                    *(part[column], part["error"], mark),
                    **{"color": colour, "ms": 5, "alpha": 0.8, "label": label},
                )
        positive = len(table) > 0 and (table[column] > 0).all()
        axis.set(xscale="log" if positive else "linear", title=f"ρ = {radius:g}")
        if positive:
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter("{x:g}")
            axis.xaxis.set_minor_formatter(NullFormatter())
        if not len(table):
            say_why(axis, NONE)
    for axis in axes[1]:
        axis.set_xlabel(f"{SOURCE_M}-sharpness")
    for axis in axes[:, 0]:
        axis.set_ylabel("test error")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
    return figure


def noise(squares: pd.DataFrame) -> Figure:
    """Mean square of a micro-batch's gradient against m, with the line 1 / m.

    Args:
        squares: from `live.squares`.
    """
    figure, axis = plt.subplots(figsize=(WIDTH * 0.6, 3.0))
    if squares.empty:
        say_why(axis, "every run diverged")
    else:
        for name in squares:
            axis.plot(squares.index, squares[name], color=COLOURS[0], alpha=0.4, lw=1)
        m = squares.index.to_numpy(float)
        axis.plot(m, squares.mean(axis=1), "o-", color=COLOURS[0], ms=4, label="mean")
        axis.plot(m, 1 / m, ls=":", color="black", label="1 / m")
        axis.set(xscale="log", yscale="log")
        axis.legend()
    axis.set(xlabel="m", ylabel="mean square of the gradient\nover that at m = 1")
    return figure
