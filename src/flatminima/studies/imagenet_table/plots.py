"""The figure of the chapter: errors and gains, the talk's and those of this book."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH, say_why
from flatminima.sources.imagenet import Cell, Estimate
from flatminima.studies.imagenet_table.tables import (
    estimates,
    gains,
    talk_estimates,
)

COLOURS = sns.color_palette("colorblind")
MARKERS = "os^Dv"
LINES = {"plain": (0, (4, 2)), "SAM": "-"}


def both(found: pd.DataFrame, title: str) -> Figure:
    """Errors above, gains below; the talk's table on the left, ours on the right.

    Args:
        found: from `tables.cells`.
        title: of the right column.
    """
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.4), sharex="col")
    columns: tuple[tuple[str, Any, Any, str], ...] = (
        ("ImageNet, the talk's table", talk_estimates(), gains(), "ResNet-{}"),
        (title, estimates(found), gains(found), "{} convolutions"),
    )
    for column, (name, errors, gained, words) in enumerate(columns):
        _errors(axes[0, column], errors)
        _gains(axes[1, column], gained, words)
        axes[0, column].set_title(name)
        axes[1, column].set_xlabel("epochs")
    axes[0, 0].set_ylabel("test error, %")
    axes[1, 0].set_ylabel("error of plain minus SAM")
    return figure


def _errors(axis: Axes, errors: Mapping[Cell, Estimate]) -> None:
    depths = sorted({depth for depth, _, _ in errors})
    for k, depth in enumerate(depths):
        for rule, line in LINES.items():
            points = {
                e: v for (d, e, r), v in errors.items() if (d, r) == (depth, rule)
            }
            _line(axis, points, k, line)
    axis.set_xscale("log", base=2)
    _explain(axis, [one.value for one in errors.values()])


def _gains(axis: Axes, found: Mapping[tuple[int, int], Estimate], words: str) -> None:
    depths = sorted({depth for depth, _ in found})
    for k, depth in enumerate(depths):
        points = {e: v for (d, e), v in found.items() if d == depth}
        _line(axis, points, k, "-", words.format(depth))
    axis.axhline(0, color="0.4", lw=0.8)
    axis.legend(fontsize=8)
    lengths = sorted({epochs for _, epochs in found})
    axis.set_xscale("log", base=2)
    axis.set_xticks(lengths, [str(length) for length in lengths])
    axis.minorticks_off()
    _explain(axis, [one.value for one in found.values()])


def _line(
    axis: Axes,
    points: Mapping[int, Estimate],
    k: int,
    line: Any,
    label: str | None = None,
) -> None:
    """Means with intervals, a little apart for every depth."""
    at = np.array([*points]) * 1.03 ** (k - 1)
    values = np.array([one.ends for one in points.values()]).T
    colour = COLOURS[k % len(COLOURS)]
    axis.plot(at, values[0], ls=line, color=colour, lw=1.4, label=label)
    axis.vlines(at, values[1], values[2], color=colour, lw=1.2)
    axis.plot(at, values[0], MARKERS[k % len(MARKERS)], color=colour, ms=4)


def _explain(axis: Axes, values: list[float]) -> None:
    if not np.isfinite(values).any():
        say_why(axis, "every run diverged")
