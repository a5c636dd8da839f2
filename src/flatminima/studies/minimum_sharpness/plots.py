"""The figures of the chapter."""

from typing import Literal

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from flatminima.plots.style import WIDTH
from flatminima.runs.images.config import NAMES
from flatminima.studies.minimum_sharpness.tables import OWN, SHARP

COLOURS = sns.color_palette("colorblind")
SAM_STYLES = {
    False: ("optimiser alone", COLOURS[7], "o"),
    True: ("SAM", COLOURS[3], "^"),
}
NET_NAMES = {
    "simple": "SimpleBatch",
    "middle": "MiddleBatch",
    "complex": "ComplexBatch",
}
SET_NAMES = {
    "fashion_mnist_subset": "Fashion-MNIST, the subset",
    "fashion_mnist": "Fashion-MNIST",
    "cifar10": "CIFAR-10",
}


def _arrived(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["converged"] & (rows[SHARP] > 0)]


def bars(rows: pd.DataFrame) -> Figure:
    """Test accuracy and minimum sharpness: a mark a run, as figures 1 and 2.

    Args:
        rows: from `tables.ends`; runs that missed the target are crosses, where they
            ended, and those that diverged are left out.
    """
    rows = rows[~rows["diverged"] & (rows[SHARP] > 0)]
    sets = [name for name in SET_NAMES if name in set(rows["data"])] or [""]
    size = (WIDTH, 3.2 * len(sets) + 0.6)
    figure, axes = plt.subplots(len(sets), 2, figsize=size, squeeze=False)
    for line, data in zip(axes, sets, strict=True):
        part = rows[rows["data"] == data]
        _dots(line[0], part, "test_accuracy", "test accuracy")
        _dots(line[1], part, SHARP, "minimum sharpness")
        if len(part):
            _in_decades(line[1], "y")
        line[0].set_title(SET_NAMES.get(data, "no run arrived"), pad=16)
    named: dict[str, Artist] = {}
    for panel in axes.flat:  # runs may have missed the target in one panel alone
        handles, labels = panel.get_legend_handles_labels()
        named |= dict(zip(labels, handles, strict=True))
    if named:
        words = sorted(named, key=lambda word: "missed" in word)
        handles = [named[word] for word in words]
        figure.legend(handles, words, loc="outside lower center", ncols=2)
    return figure


def _dots(axes: Axes, rows: pd.DataFrame, metric: str, label: str) -> None:
    """One column an optimiser and network; a dot a seed, a dash their mean."""
    columns = [
        (net, name)
        for net in NET_NAMES
        for name in NAMES
        if len(rows[(rows["net"] == net) & (rows["optimiser"] == name)])
    ]
    for sam, (words, colour, marker) in SAM_STYLES.items():
        shift = 0.15 if sam else -0.15
        values: list[tuple[float, float]] = []
        lost: list[tuple[float, float]] = []
        for place, (net, name) in enumerate(columns):
            which = (rows["net"] == net) & (rows["optimiser"] == name)
            found = rows[which & (rows["sam"] == sam)]
            for arrived, there in ((True, values), (False, lost)):
                there += [
                    (place + shift, value)
                    for value in found[found["converged"] == arrived][metric]
                ]
        style = {"color": colour, "ms": 3.5, "alpha": 0.7}
        axes.plot(*_xy(values), marker, label=words, **style)
        if lost:
            axes.plot(*_xy(lost), "x", label=f"{words}, target missed", **style)
    labels = [NAMES[name] for _, name in columns]
    axes.set_xticks(range(len(columns)), labels, rotation=90)
    axes.set_xlim(-0.6, max(len(columns), 1) - 0.4)
    axes.set_ylabel(label)
    _name_nets(axes, [net for net, _ in columns])


def _name_nets(axes: Axes, nets: list[str]) -> None:
    """Above the columns of a network its name, and a line to the next."""
    for net in dict.fromkeys(nets):
        first, count = nets.index(net), nets.count(net)
        if first:
            axes.axvline(first - 0.5, color="0.8", lw=0.8, zorder=0)
        axes.annotate(
            NET_NAMES[net],
            (first + (count - 1) / 2, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize="small",
        )


def _in_decades(axes: Axes, which: Literal["x", "y"]) -> None:
    """A logarithmic axis with plain numbers, the more the less it spans."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    low, high = axis.get_view_interval()
    subs = (1.0, 2.0, 5.0) if high > 5 * low else (1.0, 2.0, 3.0, 4.0, 5.0, 7.0)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _xy(points: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def scatter(rows: pd.DataFrame) -> Figure:
    """Gap against minimum sharpness, as figure 3: a panel a data set.

    Args:
        rows: from `tables.ends`; runs that did not converge are left out.
    """
    figure = _clouds(rows, "gap", SHARP)
    for panel in figure.axes:
        panel.set(xlabel="training minus test accuracy", ylabel="minimum sharpness")
    return figure


def connection(rows: pd.DataFrame) -> Figure:
    """SAM's own sharpness against minimum sharpness: a panel a data set.

    Args:
        rows: from `tables.ends`; runs that did not converge are left out, and so are
            those whose own sharpness is not above 0.
    """
    figure = _clouds(rows[rows[OWN] > 0], OWN, SHARP)
    for panel in figure.axes:
        panel.set(xlabel="SAM's own sharpness", ylabel="minimum sharpness")
        if panel.get_yscale() == "log":  # there is a mark
            _in_decades(panel, "x")
    return figure


def _clouds(rows: pd.DataFrame, across: str, up: str) -> Figure:
    """One mark a run, by whether it is of SAM; a panel a data set."""
    rows = _arrived(rows)
    sets = [name for name in SET_NAMES if name in set(rows["data"])] or [""]
    figure, axes = plt.subplots(1, len(sets), figsize=(WIDTH, 3.2), squeeze=False)
    for panel, data in zip(axes[0], sets, strict=True):
        part = rows[rows["data"] == data]
        for sam, (words, colour, marker) in SAM_STYLES.items():
            chosen = part[part["sam"] == sam]
            panel.plot(
                *(chosen[across], chosen[up], marker),
                **{"color": colour, "ms": 4, "alpha": 0.7, "label": words},
            )
        if len(part):
            _in_decades(panel, "y")
        panel.set_title(SET_NAMES.get(data, "no run arrived"))
    axes[0, 0].legend()
    return figure


def distributions(rows: pd.DataFrame) -> Figure:
    """Accuracy and minimum sharpness by optimiser without SAM, as figures 4 and 8.

    Args:
        rows: from `tables.ends`; runs that did not converge are left out.
    """
    rows = _arrived(rows)
    rows = rows[~rows["sam"]]
    sets = [name for name in SET_NAMES if name in set(rows["data"])] or [""]
    size = (WIDTH, 2.3 * len(sets) + 0.3)
    figure, axes = plt.subplots(len(sets), 2, figsize=size, squeeze=False)
    for line, data in zip(axes, sets, strict=True):
        part = rows[rows["data"] == data]
        for panel, metric in zip(line, ("test_accuracy", SHARP), strict=True):
            order = part.groupby("optimiser")[metric].mean().sort_values().index
            for place, name in enumerate(order):
                values = part[part["optimiser"] == name][metric]
                panel.plot([place] * len(values), values, "o", color=COLOURS[0], ms=3.5)
                panel.plot(place, values.mean(), "_", color="black", ms=16, mew=2)
            labels = [NAMES[name] for name in order]
            panel.set_xticks(range(len(order)), labels, rotation=30, ha="right")
            panel.margins(x=0.15)
            panel.set_ylabel(metric.replace("_", " "))
        line[0].set_title(SET_NAMES.get(data, "no run arrived"))
    return figure
