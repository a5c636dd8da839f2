"""The figures of the chapter on the flow's end."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from flatminima.plots.style import WIDTH, explain_empty, say_why
from flatminima.statistics.intervals import centre, of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.open_2_1 import exact
from flatminima.studies.open_2_1 import runs as names
from flatminima.studies.open_2_1.tables import FOUND, Grid, found, ratio
from flatminima.sweeps.table import per_seed

_PALETTE = sns.color_palette("colorblind")
_MARKS = dict(
    zip(FOUND, ((2, "o"), (3, "s"), (1, "^"), (7, "D"), (0, "x")), strict=True)
)
"""Colour and marker of what a run found."""

_CASES = ("o", "s", "^", "D", "v", "P")


def answer(
    smooth: pd.DataFrame, orthonormal: pd.DataFrame, inputs: int, grid: Grid
) -> Figure:
    """Share of starts that reach the minimum, and where the others stop.

    Args:
        smooth, orthonormal: from `exact`.
        inputs: n of the orthonormal case.
        grid: tables of `runs.grid`.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.6), width_ratios=(1.15, 1))
    _shares(axes[0], smooth, orthonormal, inputs, grid)
    _stops(axes[1], grid)
    fig.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        fontsize=8,
    )
    return fig


def _shares(
    axis: Axes, smooth: pd.DataFrame, orthonormal: pd.DataFrame, inputs: int, grid: Grid
) -> None:
    there = orthonormal.groupby("width")["reached"].mean()
    axis.plot(there.index / inputs, there, "P-", color="0.2", label="ReLU, orthonormal")
    widths = np.arange(2, int(there.index.max()) + 1)
    chance = [exact.wendel(inputs, int(width)) for width in widths]
    axis.plot(widths / inputs, chance, color="0.3", ls=":", label="Wendel's theorem")
    for (d, n), marker in zip(cases(grid), _CASES, strict=False):
        points = [
            (share, float((ratio(table).dropna() <= exact.REACHED).mean()))
            for (*case, share), table in grid.items()
            if case == [d, n] and ratio(table).notna().any()
        ]
        if points:
            x, y = zip(*points, strict=True)
            label = f"2-MLP-Bias, d = {d}, n = {n}"
            axis.plot(x, y, marker=marker, ms=5, lw=1, label=label)
    arrived = float((smooth["ratio"] <= exact.REACHED).mean())
    axis.axhline(arrived, color=_PALETTE[0], ls="--", lw=1.2, label="smooth units")
    axis.set(ylim=(-0.05, 1.08), ylabel="share that reaches the minimum")
    _widths(axis, grid)


def _stops(axis: Axes, grid: Grid) -> None:
    """Ends of the blind flow in the case with the most inputs for its examples."""
    d, n = widest(cases(grid))
    rng = np.random.default_rng(0)
    drawn = []
    for (*case, share), table in grid.items():
        if case != [d, n]:
            continue
        words, excess = found(table), ratio(table) - 1
        for word in FOUND:
            values = excess[words == word].dropna()
            colour, marker = _MARKS[word]
            spread = share * np.exp(rng.uniform(-0.16, 0.16, len(values)))
            axis.plot(
                spread, values, marker, color=_PALETTE[colour], ms=4, mec="0.2", mew=0.3
            )
            drawn += list(values)
    for word in FOUND[:-1]:
        colour, marker = _MARKS[word]
        axis.plot([], [], marker, color=_PALETTE[colour], label=word)
    axis.axhline(exact.REACHED - 1, color="0.4", lw=0.8, ls=":")
    axis.set(yscale="log", ylabel="trace / bound − 1")
    _widths(axis, grid)
    axis.set_title(f"2-MLP-Bias, d = {d}, n = {n}", fontsize=9.5)
    axis.legend(fontsize=7.5, loc="best")
    if not drawn:
        say_why(axis, "no run starts on f = y")


def _widths(axis: Axes, grid: Grid) -> None:
    """A logarithmic axis with a tick at each of the grid's widths."""
    axis.set(xscale="log", xlabel="width / n")
    ticks = sorted({share for *_, share in grid})
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.xaxis.set_minor_formatter(NullFormatter())


def cases(grid: Grid) -> list[tuple[int, int]]:
    """The pairs (d, n) of a grid, in order."""
    return list(dict.fromkeys((d, n) for d, n, _ in grid))


def widest(pairs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """The pair with the most inputs for its examples."""
    return max(pairs, key=lambda pair: pair[0] / pair[1])


def treatments(tables: Mapping[str, pd.DataFrame], order: Iterable[str]) -> Figure:
    """Accuracy, trace and breadth of every treatment.

    Args:
        tables: by name.
        order: of the rows.
    """
    rows = [name for name in order if name in tables]
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 0.27 * len(rows) + 1.1), sharey=True)
    for at, name in enumerate(rows):
        table = tables[name]
        colour = _colour(name)
        seeds = per_seed(table, "test_accuracy").dropna()
        axes[0].plot(seeds, [at] * len(seeds), "|", color=colour, alpha=0.5, ms=6)
        mean, low, high = centre(table[table["last"]], "test_accuracy")
        axes[0].hlines(at, low, high, color="0.2", lw=1.4)
        axes[0].plot(mean, at, "o", color=colour, ms=5, mec="0.2", mew=0.5)
        excess = (ratio(table) - 1).dropna()
        axes[1].plot(excess, [at] * len(excess), "|", color=colour, alpha=0.6, ms=6)
        if table["breadth"].notna().any():
            values = per_seed(table, "breadth").dropna()
            axes[2].plot(values, [at] * len(values), "|", color=colour, alpha=0.5, ms=6)
            low, high = of_mean(values.to_numpy(), thresholds())
            axes[2].hlines(at, low, high, color="0.2", lw=1.4)
            axes[2].plot(values.mean(), at, "o", color=colour, ms=5, mec="0.2", mew=0.5)
    axes[0].set_yticks(range(len(rows)), rows, fontsize=8)
    axes[0].invert_yaxis()
    axes[0].set(xlabel="test accuracy", xlim=(0.45, 1.03))
    axes[1].set(xlabel="trace / bound − 1")
    axes[1].set_xscale("symlog", linthresh=5e-3)
    axes[1].axvspan(-0.005, 0.005, color="0.9", zorder=0)
    axes[1].set_xticks([-0.005, 0.005, 0.1], ["−.005", ".005", ".1"])
    axes[2].set(xlabel="breadth", xlim=(0, None))
    every = pd.concat(tables.values())
    explain_empty(
        axes[0], every.loc[every["last"], "test_accuracy"], every, "test_accuracy"
    )
    return fig


def _colour(name: str) -> tuple[float, float, float]:
    """One for what feels kinks, one for what does not, one for other starts."""
    if "small" in name or "memoriser" in name:
        return _PALETTE[4]
    blind = (names.FROZEN, names.BLIND, names.BLIND_INIT)
    return _PALETTE[2] if name in blind else _PALETTE[1]


def mechanism(tables: Mapping[str, pd.DataFrame], flat: float) -> Figure:
    """Accuracy against breadth, every run that ends flat enough a dot.

    Args:
        tables: by name.
        flat: excess over the bound up to which a run is shown.
    """
    fig, axis = plt.subplots(figsize=(0.75 * WIDTH, 3.6))
    shown = 0
    for (name, table), marker in zip(tables.items(), "osD^vP*X<>hd8", strict=False):
        if "breadth" not in table:
            continue
        near = (ratio(table) - 1).abs() <= flat
        x, y = per_seed(table, "breadth")[near], per_seed(table, "test_accuracy")[near]
        known = x.notna() & y.notna()
        if not known.any():
            continue
        shown += 1
        axis.plot(x[known], y[known], marker, color=_colour(name), ms=3.5, alpha=0.45)
        axis.plot(
            x[known].mean(),
            y[known].mean(),
            marker,
            color=_colour(name),
            ms=9,
            mec="black",
            label=name,
        )
    axis.set(xlabel="breadth", ylabel="test accuracy", ylim=(0.45, 1.03))
    if shown:
        fig.legend(loc="outside right upper", fontsize=7.5)
    else:
        say_why(axis, "no run ends near the bound")
    return fig
