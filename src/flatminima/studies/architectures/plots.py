"""The figures of the chapter: gains, and largest eigenvalues with and without SAM."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from flatminima.plots.style import WIDTH, plain_log_ticks, say_why
from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.architectures.runs import ARMS
from flatminima.studies.architectures.tables import (
    ENDS,
    LOG,
    TARGETS,
    Part,
    change,
    of,
)

COLOURS = sns.color_palette("colorblind")
MARKERS = {"without SAM": "o", "with SAM": "^"}
LABELS = [name.replace(", ", "\n") for name in ARMS]


def gains(rows: pd.DataFrame) -> Figure:
    """What SAM adds to the accuracy: a dot a seed, a bar for the mean.

    Args:
        rows: from `tables.ends`.
    """
    panels = (
        ("at the end of training", ENDS),
        ("at equal training loss", TARGETS),
    )
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 3.2), sharey=True)
    for axis, (title, part) in zip(axes, panels, strict=True):
        found = [change(rows, arm, part=part).to_numpy(float) for arm in ARMS]
        _columns(axis, found)
        axis.axhline(0, color="0.4", lw=0.8)
        axis.set_title(title)
    axes[0].set_ylabel("accuracy of SAM minus plain, points")
    return figure


def _columns(axis: Axes, found: list[np.ndarray]) -> None:
    for place, values in enumerate(found):
        axis.plot([place] * len(values), values, "o", color="0.6", ms=3, alpha=0.7)
        if len(values):
            low, high = of_mean(values, thresholds())
            colour = COLOURS[place]
            axis.vlines(place + 0.2, low, high, color=colour, lw=2)
            axis.plot(place + 0.2, values.mean(), "D", color=colour, ms=5)
    axis.set_xticks(range(len(ARMS)), LABELS, fontsize=8)
    axis.set_xlim(-0.5, len(ARMS) - 0.3)
    if not any(map(len, found)):
        say_why(axis, "no two runs to compare")


def eigenvalues(rows: pd.DataFrame) -> Figure:
    """Largest eigenvalue without and with SAM, joined by seed; a panel a stop.

    Args:
        rows: from `tables.ends`.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.2), sharey=True)
    panels = (("at the end of training", ENDS), ("at equal training loss", TARGETS))
    for axis, (title, part) in zip(axes, panels, strict=True):
        _pairs(axis, rows, part)
        axis.set_title(title)
    plain_log_ticks(axes[0])
    axes[0].set_ylabel("largest eigenvalue of the Hessian")
    return figure


def _pairs(axis: Axes, rows: pd.DataFrame, part: Part) -> None:
    axis.set_yscale("log")
    found = {arm: _both(rows, arm, part) for arm in ARMS}
    measured = [arm for arm, values in found.items() if len(values)]
    for place, arm in enumerate(measured):
        colour = COLOURS[list(ARMS).index(arm)]
        at = np.array([place - 0.15, place + 0.15])
        for line in found[arm]:
            axis.plot(at, line, color="0.75", lw=0.8, zorder=1)
            for x, y, marker in zip(at, line, MARKERS.values(), strict=True):
                axis.plot(x, y, marker, color=colour, ms=5)
    names = [arm.replace(", ", "\n") for arm in measured]
    axis.set_xticks(range(len(names)), names, fontsize=8)
    axis.set_xlim(-0.5, max(len(names), 1) - 0.5)
    if not measured:
        say_why(axis, "no two runs to compare")
        return
    handles = [
        Line2D([], [], ls="", marker=marker, color="0.3", label=label)
        for label, marker in MARKERS.items()
    ]
    axis.legend(handles=handles, fontsize=8)


def _both(rows: pd.DataFrame, arm: str, part: Part) -> np.ndarray:
    """Largest eigenvalues of an arm, a row a seed: without SAM, with it."""
    plain, with_sam = (
        of(rows, arm, sam=sam, part=part).set_index("init_seed")[LOG]
        for sam in (False, True)
    )
    both = pd.concat([plain, with_sam], axis=1, join="inner").dropna()
    return np.exp(both.to_numpy(float))
