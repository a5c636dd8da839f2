"""The figures of the chapter on speed, in the style of `plots`."""

import numpy as np
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from flatminima.plots.style import ARCHITECTURES, WIDTH
from flatminima.studies.speed.tables import Measured, roofline

_COLOURS = sns.color_palette("colorblind")
_MARKERS = ("o", "s", "^", "D", "v", "P")
_LINES = ("-", (0, (5, 1)), (0, (1, 1)), (0, (5, 1, 1, 1)))


def race_times(race: Measured) -> Figure:
    """Microseconds a step of every candidate: a column an architecture, a row a dtype.

    Three markers a candidate, one for each point of training.
    """
    rows = race.rows
    candidates = list(rows["candidate"].unique())
    dtypes, architectures = rows["dtype"].unique(), rows["architecture"].unique()
    fig, axes = plt.subplots(
        len(dtypes),
        len(architectures),
        figsize=(WIDTH, 4.6),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for axis, (dtype, architecture) in zip(
        axes.flat, [(d, a) for d in dtypes for a in architectures], strict=True
    ):
        case = rows[(rows["dtype"] == dtype) & (rows["architecture"] == architecture)]
        for style, (when, part) in enumerate(case.groupby("when", sort=False)):
            part = part.set_index("candidate").loc[candidates]
            axis.plot(
                part["microseconds"],
                np.arange(len(candidates)) + 0.2 * (style - 1),
                ls="none",
                color=_COLOURS[style],
                marker=_MARKERS[style],
                ms=5,
                label=f"{when}: step {part['step'].iloc[0]:,}",
            )
        axis.set(xscale="log")
        axis.set_title(f"{ARCHITECTURES[architecture][0]}, {dtype}", fontsize=9)
        axis.set_yticks(range(len(candidates)), candidates)
        axis.grid(axis="x", which="both", lw=0.4, color="0.85")
    axes[0, 0].invert_yaxis()
    for axis in axes[-1]:
        axis.set_xlabel("microseconds a step")
        axis.set_xticks([1, 2, 5], ["1", "2", "5"])
        axis.minorticks_off()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    _sign(fig, race)
    return fig


def race_roofline(race: Measured) -> Figure:
    """Speed against arithmetic intensity under the measured ceilings, a panel a dtype.

    A line for each level of the memory, bent where arithmetic takes over; a point for
    every candidate, architecture and time.
    """
    rows = roofline(race)
    dtypes = list(race.peak)
    fig, axes = plt.subplots(1, len(dtypes), figsize=(WIDTH, 4.2), sharey=True)
    span = np.geomspace(rows["intensity"].min() / 2, rows["intensity"].max() * 2, 200)
    for axis, dtype in zip(axes, dtypes, strict=True):
        for style, (level, speed) in enumerate(race.bandwidth[dtype].items()):
            roof = np.minimum(race.peak[dtype], speed * span)
            axis.plot(span, roof, color="0.45", ls=_LINES[style], lw=1, label=level)
        part = rows[rows["dtype"] == dtype]
        for style, (name, of) in enumerate(part.groupby("candidate", sort=False)):
            axis.plot(
                of["intensity"],
                of["speed"],
                ls="none",
                marker=_MARKERS[style],
                ms=5,
                color=_COLOURS[style],
                label=name,
            )
        axis.set(xscale="log", yscale="log", title=dtype)
        axis.set_xlabel("products a byte moved")
    axes[0].set_ylabel("1e9 products a second")
    axes[0].set_yticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
    axes[0].yaxis.set_minor_locator(NullLocator())
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=5)
    _sign(fig, race)
    return fig


def architecture_times(costs: Measured) -> Figure:
    """A step of every architecture: ours, the least on paper and PyTorch's.

    A panel a dtype; the earliest point of training.
    """
    rows = roofline(costs)
    rows = rows[rows["when"] == rows["when"].iloc[0]]
    fig, axes = plt.subplots(
        1, len(costs.peak), figsize=(WIDTH, 3.2), sharex=True, sharey=True
    )
    looks = {
        "least": ("|", "0.35", "least on paper"),
        "microseconds": ("o", _COLOURS[3], "this engine"),
        "peer": ("s", _COLOURS[0], "PyTorch"),
    }
    for axis, dtype in zip(axes, costs.peak, strict=True):
        part = rows[rows["dtype"] == dtype].reset_index(drop=True)
        for column, (marker, colour, label) in looks.items():
            axis.plot(
                part[column],
                part.index,
                ls="none",
                marker=marker,
                ms=12 if marker == "|" else 6,
                color=colour,
                label=label,
            )
        axis.set_yticks(part.index, part["name"])
        axis.set(xscale="log", title=dtype, xlabel="microseconds a step")
        axis.grid(axis="x", lw=0.4, color="0.85")
    axes[0].invert_yaxis()
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    _sign(fig, costs)
    return fig


def _sign(fig: Figure, measured: Measured) -> None:
    fig.supxlabel(measured.origin, x=0.99, ha="right", fontsize=7.5, color="0.35")
