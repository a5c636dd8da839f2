"""The figures of the chapter on the flattest models."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH
from flatminima.studies.flattest.faces import FATES, fate_shares

_COLOURS = sns.color_palette("colorblind")
_FATE_COLOURS = dict(
    zip(FATES, (_COLOURS[2], _COLOURS[3], _COLOURS[8], (0.75,) * 3), strict=True)
)
_HATCHES = dict(zip(FATES, ("", "xx", "..", "//"), strict=True))


def certified(table: pd.DataFrame) -> Figure:
    """Certified minima over the pointwise bound, and the gap, against n / d.

    Args:
        table: from `certificates.certificates`, without bias.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(WIDTH, 3.3))
    for style, (d, rows) in enumerate(table.groupby("d")):
        colour, marker = _COLOURS[style], "os^D"[style % 4]
        ratio = rows["value"] / rows["pointwise"]
        x = rows["n"] / rows["d"]
        for axis, y in ((left, ratio), (right, rows["gap"])):
            axis.plot(x, y, marker, color=colour, ms=5, alpha=0.7, label=f"d = {d}")
    left.axhline(1.0, color="0.3", lw=0.8, ls=":")
    left.axhline(np.sqrt(2), color="0.3", lw=0.8, ls="--")
    left.set(ylabel="certified minimum / pointwise bound")
    right.set(yscale="log", ylabel="relative gap, primal to dual")
    right.axhline(1e-3, color="0.3", lw=0.8, ls=":")
    for axis in (left, right):
        axis.set_xlabel("training points n / dimension d")
    right.legend(loc="center right")
    return fig


def faces(table: pd.DataFrame, seed: int) -> Figure:
    """The ranges of one draw, one panel for each n.

    Args:
        table: of one architecture and d, from `faces.predictions`.
        seed: of the draw.
    """
    rows = table[table["seed"] == seed]
    sizes = sorted(rows["n"].unique())
    fig, axes = plt.subplots(
        1,
        len(sizes),
        figsize=(WIDTH, 3.2),
        sharey=True,
        squeeze=False,
        width_ratios=[3 + (rows["n"] == n).sum() for n in sizes],
    )
    for axis, n in zip(axes[0], sizes, strict=True):
        _ranges(axis, rows[rows["n"] == n], f"n = {n}")
    axes[0][0].set(xlabel="held-out points", ylabel="output times label")
    _name_fates(fig)
    return fig


def _ranges(axis: Axes, rows: pd.DataFrame, title: str) -> None:
    """Outputs are multiplied by the label: above 0 is right."""
    limit = 3.0
    ends = np.sort(rows[["low", "high"]].to_numpy() * rows[["y"]].to_numpy(), axis=1)
    order = np.lexsort((ends[:, 0], rows["fate"].map(FATES.index)))
    for at, (low, high) in enumerate(np.clip(ends[order], -limit, limit)):
        fate = rows["fate"].iloc[order[at]]
        # A point, the range of a single value, needs a height to be seen.
        middle, half = (low + high) / 2, max((high - low) / 2, 0.05)
        axis.bar(
            at,
            2 * half,
            bottom=middle - half,
            width=0.7,
            color=_FATE_COLOURS[fate],
            hatch=_HATCHES[fate],
            edgecolor="0.25",
            lw=0.6,
        )
    axis.axhline(0.0, color="0.3", lw=0.9)
    axis.set(ylim=(-limit, limit), title=title, xticks=[])


def face_shares(table: pd.DataFrame) -> Figure:
    """Mean share of held-out points of every fate against n, a panel for each d.

    Args:
        table: of one architecture, from `faces.predictions`.
    """
    shares = fate_shares(table)
    dims = sorted(shares["d"].unique())
    fig, axes = plt.subplots(
        1, len(dims), figsize=(WIDTH, 3.2), sharey=True, squeeze=False
    )
    for axis, d in zip(axes[0], dims, strict=True):
        means = shares[shares["d"] == d].groupby("n")[list(FATES)].mean()
        bottom = np.zeros(len(means))
        for fate in FATES:
            axis.bar(
                np.arange(len(means)),
                means[fate],
                bottom=bottom,
                width=0.8,
                color=_FATE_COLOURS[fate],
                hatch=_HATCHES[fate],
                edgecolor="0.25",
                lw=0.6,
            )
            bottom += means[fate].to_numpy()
        axis.set_xticks(np.arange(len(means)), means.index)
        axis.set(title=f"d = {d}", xlabel="training points n")
    axes[0][0].set_ylabel("share of held-out points")
    _name_fates(fig)
    return fig


def _name_fates(fig: Figure) -> None:
    handles = [
        plt.Rectangle(
            (0, 0),
            1,
            1,
            fc=_FATE_COLOURS[fate],
            hatch=_HATCHES[fate],
            ec="0.25",
            lw=0.6,
        )
        for fate in FATES
    ]
    fig.legend(handles, FATES, loc="outside lower center", ncols=len(FATES))
