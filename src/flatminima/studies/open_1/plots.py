"""Figures of the chapter open-1."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatminima.plots.style import ARCHITECTURES, RULE_STYLES, WIDTH, say_why
from flatminima.studies.open_1.firing import RULES
from flatminima.studies.open_1.tables import crossings, in_cells, shares

SHADES = "cividis"
CURVE, THRESHOLD = "#d55e00", "white"


def diagrams(
    rows: Sequence[tuple[str, pd.DataFrame, Sequence[str], pd.Series | None]],
    size: str,
) -> Figure:
    """Phase diagrams side by side: a row of panels for each table.

    Args:
        rows: what to write at the left, a table of a `diagram`, the methods to show,
            and by size the number of examples of a curve to overlay, if any.
        size: name of the vertical axis.
    """
    most = max(len(methods) for _, _, methods, _ in rows)
    fig, axes = plt.subplots(
        len(rows), most, figsize=(WIDTH, 0.5 + 2.1 * len(rows)), squeeze=False
    )
    for line, (label, table, methods, curve) in zip(axes, rows, strict=True):
        for axis in line[len(methods) :]:
            axis.set_axis_off()
        for axis, method in zip(line, methods, strict=False):
            _panel(axis, shares(table, method), curve)
            axis.set_title(method, fontsize=9.5)
        line[0].set_ylabel(f"{label}\n{size}" if label else size)
    for axis in axes[-1]:
        axis.set_xlabel("examples n")
    fig.colorbar(axes[0, 0].images[0], ax=axes, label="share recovered", shrink=0.8)
    return fig


def _panel(axis: Axes, grid: pd.DataFrame, curve: pd.Series | None) -> None:
    """One diagram, with its 50 % curve and one that is computed without data."""
    ns = [int(n) for n in grid.columns]
    axis.imshow(
        grid.to_numpy(), origin="lower", aspect="auto", vmin=0, vmax=1, cmap=SHADES
    )
    axis.set_xticks(range(0, len(ns), 2), [f"{n}" for n in ns[::2]])
    axis.set_yticks(range(len(grid)), [f"{size}" for size in grid.index])
    at = np.arange(len(grid))
    if curve is not None:
        wanted = in_cells(curve.reindex(grid.index).to_numpy(float), ns)
        axis.plot(wanted, at, color=THRESHOLD, lw=1.8, ls="--")
    found = crossings(grid).to_numpy()
    axis.plot(found, at, color=CURVE, lw=1.8, marker="o", ms=3)
    axis.set_xlim(-0.5, len(ns) - 0.5)
    axis.set_ylim(-0.5, len(grid) - 0.5)


SCORES = {"xor": "accuracy on new points", "ball": "R² on new points"}


def firing(rows: pd.DataFrame) -> Figure:
    """Score on new points against the firing rate, a panel for each data.

    Args:
        rows: from `firing.table`.
    """
    fig, axes = plt.subplots(1, len(SCORES), figsize=(WIDTH, 3.2))
    for axis, (data, score) in zip(axes, SCORES.items(), strict=True):
        drawn = rows[(rows["data"] == data) & rows["score"].notna()]
        for name in ("bias", "no_bias"):
            label, marker = ARCHITECTURES[name]
            for rule in RULES:
                some = drawn[(drawn["architecture"] == name) & (drawn["rule"] == rule)]
                axis.plot(
                    some["firing"],
                    some["score"],
                    marker,
                    color=RULE_STYLES[rule][0],
                    mfc="none" if name == "no_bias" else None,
                    ms=6,
                    alpha=0.8,
                    label=f"{label}, {rule}",
                )
        axis.axvline(0.5, color="0.5", lw=0.8, ls=":")
        axis.set(title=data, xlabel="firing rate, weighted", ylabel=score)
        if drawn.empty:
            say_why(axis, "every run diverged")
    handles, labels = axes[0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=2)
    return fig
