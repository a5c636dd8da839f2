"""The figures of the chapter on measures, in the style of `plots`."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

from flatminima.plots.style import WIDTH, say_why
from flatminima.sharpness.density import Density
from flatminima.studies.measures.runs import ACTIVATIONS

_COLOURS = sns.color_palette("colorblind")
NAMES = {"tanh": "tanh", "relu": "ReLU"}
COLOUR = {"tanh": _COLOURS[0], "relu": _COLOURS[3]}
DASHES = ("-", (0, (5, 1)), (0, (1, 1)), (0, (5, 1, 1, 1)))
SHORTER = 30
"""By what factor the nearest kinks that are drawn may be nearer than the noise."""

NONE = "no network interpolates"


def valley(values: pd.DataFrame, points: Sequence[float], radius: float) -> Figure:
    """The toy's landscape, and its measures along the valley.

    Args:
        values: from `toy.along_valley`.
        points: u of the balls that are drawn.
        radius: of the balls.
    """
    fig, (left, right) = plt.subplots(
        1, 2, figsize=(WIDTH, 3.6), width_ratios=(1, 1.25)
    )
    u, v = np.meshgrid(*[np.linspace(0.05, 4.2, 300)] * 2)
    levels = np.geomspace(0.003, 100, 12)
    left.contourf(
        u, v, (u * v - 1) ** 2, levels=levels, norm="log", cmap="Greys", extend="both"
    )
    line = np.linspace(0.24, 4.2, 200)
    left.plot(line, 1 / line, color=_COLOURS[3], lw=1.5)
    for place in points:
        circle = plt.Circle(
            (place, 1 / place), radius, fill=False, color=_COLOURS[0], lw=1.5
        )
        left.add_patch(circle)
    left.set(xlabel="u", ylabel="v", aspect="equal", title="loss and its valley")
    left.set(xlim=(0.05, 4.2), ylim=(0.05, 4.2))
    for number, name in enumerate(values.columns):
        right.plot(
            values.index,
            values[name],
            color=_COLOURS[number % len(_COLOURS)],
            ls=DASHES[number % len(DASHES)],
            label=name,
        )
    right.set(xscale="log", yscale="log", xlabel="u, at (u, 1/u)")
    _plain(right.xaxis, (0.25, 0.5, 1, 2, 4))
    _plain(right.yaxis, (1, 2, 4, 8))
    right.set(ylabel="measure over its value at (1, 1)", title="along the valley")
    right.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
    return fig


def _plain(axis: Axis, places: Sequence[float]) -> None:
    """Few plain ticks on a logarithmic axis."""
    axis.set_major_locator(FixedLocator(places))
    axis.set_major_formatter(ScalarFormatter())
    axis.set_minor_locator(NullLocator())


def _lines(axis: Axes, table: pd.DataFrame, column: str, colour: tuple) -> None:
    """Thin lines of networks, and their median."""
    if table.empty:
        axis.set(xscale="log", yscale="log")
        say_why(axis, NONE)
        return
    wide = table.pivot(index="size", columns="seed", values=column)
    axis.plot(wide.index, wide.to_numpy(), color=colour, lw=0.6, alpha=0.5)
    axis.plot(wide.index, wide.median(axis=1), color=colour, lw=2.2)
    axis.set(xscale="log", yscale="log")


def _guide(axis: Axes, table: pd.DataFrame, column: str, power: float) -> None:
    """A dotted line of a power, below the largest median."""
    if table.empty:
        return
    middle = table.groupby("size")[column].median()
    top = float(middle.index.max())
    line = 0.4 * middle.loc[top] * (middle.index.to_numpy() / top) ** power
    axis.plot(middle.index, line, color="0.3", lw=1, ls=":")
    axis.annotate(
        f"slope {power:g}".replace("-", "−"),
        (middle.index[0], line[0]),
        textcoords="offset points",
        xytext=(4, 5),
        fontsize=8,
        color="0.3",
    )


def balls(table: pd.DataFrame) -> Figure:
    """Error of 2 phi/eps^2 at interpolation, and its quotient before.

    Args:
        table: from `rates.balls`.
    """
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.9))
    at = table[table["place"] == "at"]
    for axis, activation in zip(axes, ACTIVATIONS, strict=False):
        part = at[at["activation"] == activation]
        _lines(axis, part, "error", COLOUR[activation])
        _guide(axis, part, "error", 1)
        axis.set(title=f"{NAMES[activation]}, interpolating", xlabel="ε")
    axes[0].set(ylabel="relative error of 2φ/ε²")
    axes[1].sharey(axes[0])
    before = table[table["place"] == "before"]
    for activation in ACTIVATIONS:
        part = before[before["activation"] == activation]
        _lines(axes[2], part, "ratio", COLOUR[activation])
    _guide(axes[2], before, "ratio", -1)
    axes[2].axhline(1, color="0.3", lw=0.8)
    axes[2].set(title="before: both", xlabel="ε", ylabel="2φ/ε² over λ")
    return fig


def noises(table: pd.DataFrame) -> Figure:
    """Error of the trace from PAC-Bayesian sharpness, with the nearest kinks.

    Args:
        table: from `rates.noises`.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.0), sharex=True, sharey=True)
    for axis, activation in zip(axes, ACTIVATIONS, strict=True):
        part = table[table["activation"] == activation]
        _lines(axis, part, "error", COLOUR[activation])
        axis.set(title=f"{NAMES[activation]}, interpolating", xlabel="σ")
        _guide(axis, part, "error", 2)
        if part.empty:
            continue
        kinks = part["kink"].dropna().unique()
        kinks = kinks[kinks > part["size"].min() / SHORTER]
        axis.plot(
            kinks,
            np.full(len(kinks), 0.03),
            transform=axis.get_xaxis_transform(),
            ls="",
            marker="|",
            ms=9,
            color="0.2",
        )
    axes[0].set(ylabel="relative error of the trace")
    return fig


def bits(table: pd.DataFrame) -> Figure:
    """Bits against trace and test error, a marker a way to train.

    Every seed's values are shown relative to their geometric mean, since it is within
    a seed that networks are compared.

    Args:
        table: from `tables.descriptions`.
    """
    pairs = [
        ("trace", "bits"),
        ("trace", "relative bits"),
        ("bits", "test error"),
        ("relative bits", "test error"),
    ]
    fig, axes = plt.subplots(2, 2, figsize=(WIDTH * 0.85, 5.4))
    columns = ["trace", "bits", "relative bits", "test error"]
    logs = table[columns].astype(float).where(table[columns] > 0).apply(np.log)
    centred = (logs - logs.groupby(table["seed"]).transform("mean")).apply(np.exp)
    for axis, (x, y) in zip(axes.flat, pairs, strict=True):
        axis.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
        if not np.isfinite(centred[[x, y]].to_numpy()).all(axis=1).any():
            say_why(axis, "no network reaches the loss")
            continue
        for number, way in enumerate(dict.fromkeys(table["way"])):
            rows = centred[table["way"] == way]
            axis.plot(
                rows[x],
                rows[y],
                ls="",
                marker="osD^vP"[number % 6],
                ms=4,
                color=_COLOURS[number % len(_COLOURS)],
                label=way,
            )
        for each in (axis.xaxis, axis.yaxis):
            _plain(each, (0.5, 0.6, 0.8, 1, 1.2, 1.5, 2, 3, 4))
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if handles:
        fig.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=8)
    return fig


def spectrum(values: np.ndarray, found: Density) -> Figure:
    """How many eigenvalues exceed a level, exactly and by quadrature.

    Args:
        values: all eigenvalues.
        found: from `density`.
    """
    fig, axis = plt.subplots(figsize=(WIDTH * 0.6, 3.0))
    top = float(np.abs(values).max(initial=0.0)) or 1.0
    levels = np.geomspace(1e-4 * top, top, 80)
    exact = (values[None, :] > levels[:, None]).sum(axis=1)
    estimates = [found.share_below(level) for level in levels]
    above = np.array([found.size * (1 - each.value) for each in estimates])
    error = np.array([found.size * each.standard_error for each in estimates])
    axis.plot(levels, exact, color="0.2", drawstyle="steps-post", label="all")
    axis.plot(levels, above, color=_COLOURS[3], ls=(0, (5, 1)), label="quadrature")
    axis.fill_between(
        levels, above - 2 * error, above + 2 * error, color=_COLOURS[3], alpha=0.25
    )
    axis.set(
        xscale="log", xlabel="level", ylabel="eigenvalues above it", ylim=(0, None)
    )
    axis.legend()
    return fig
