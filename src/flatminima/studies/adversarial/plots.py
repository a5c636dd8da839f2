"""The figures of the chapter."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH, plain_log_ticks, say_why
from flatminima.runs.images.around import LENGTHS as ATTACKS
from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.adversarial.runs import LENGTHS
from flatminima.studies.adversarial.tables import (
    ARMS,
    EIGENVALUE,
    NAMES,
    RANDOM_RISE,
    RISE,
    of,
)

_COLOURS = sns.color_palette("colorblind")
STYLES = {
    "plain": (NAMES["plain"], _COLOURS[7], (0, (5, 1)), "o"),
    "random": (NAMES["random"], _COLOURS[1], ":", "s"),
    "weights": (NAMES["weights"], _COLOURS[3], "-", "^"),
    "inputs": (NAMES["inputs"], _COLOURS[0], "-.", "D"),
}
"""Name, colour, line and marker of every arm."""

NO_RUNS = "these runs are not committed yet"


def lengths(rows: pd.DataFrame) -> Figure:
    """Test accuracy against how far weights (left) or images (right) are moved.

    Args:
        rows: from `tables.gathered`. Lines and bars are of the seeds that are compared,
            small marks means of those that chose.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.0), sharey=True)
    panels = {"weights": axes[0], "random": axes[0], "inputs": axes[1]}
    for arm, panel in panels.items():
        found = [of(rows, arm, rho)["test_accuracy"] for rho in LENGTHS[arm]]
        _line(panel, arm, LENGTHS[arm], found)
        chose = [of(rows, arm, rho, chose=True) for rho in LENGTHS[arm]]
        means = [float(ends["test_accuracy"].mean()) for ends in chose]
        if np.isfinite(means).any():
            _, colour, _, marker = STYLES[arm]
            panel.plot(LENGTHS[arm], means, marker, color=colour, mfc="white", ms=4)
    mean, low, high = _interval(of(rows, "plain")["test_accuracy"])
    name, colour, line, _ = STYLES["plain"]
    for panel in axes:
        if np.isfinite(mean):
            panel.axhline(mean, color=colour, ls=line, label=name)
            panel.axhspan(low, high, color=colour, alpha=0.15, lw=0)
        panel.set_xscale("log")
        panel.minorticks_off()
        if rows.empty:
            say_why(panel, NO_RUNS)
        elif panel.get_legend_handles_labels()[0]:
            panel.legend()
    for panel, arm in ((axes[0], "random"), (axes[1], "inputs")):
        panel.set_xticks(LENGTHS[arm], [f"{length:g}" for length in LENGTHS[arm]])
    axes[0].set(xlabel="length, over all weights", ylabel="test accuracy")
    axes[1].set(xlabel="length, in standardised pixels")
    return figure


def _interval(values: pd.Series) -> tuple[float, float, float]:
    found = values.dropna().to_numpy(float)
    mean = float(found.mean()) if len(found) else np.nan
    return mean, *of_mean(found, thresholds())


def _line(panel: Axes, arm: str, x: tuple[float, ...], found: list[pd.Series]) -> None:
    """Means with their intervals, where there are any."""
    means, low, high = np.array([_interval(values) for values in found]).T
    if not np.isfinite(means).any():
        return
    name, colour, line, marker = STYLES[arm]
    ends = [means - low, high - means]
    panel.errorbar(x, means, ends, color=colour, ls=line, marker=marker, label=name)


def attacks(arms: Mapping[str, pd.DataFrame]) -> Figure:
    """Accuracy against how far test images are moved: by an ascent, and at random.

    Args:
        arms: from `tables.whole`.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.0), sharey=True)
    kinds = {"adversarial": "by an ascent", "noisy": "at random"}
    for panel, (kind, title) in zip(axes, kinds.items(), strict=True):
        columns = ["test_accuracy", *(f"{kind}_{length}" for length in ATTACKS)]
        for arm in ARMS:
            _line(panel, arm, (0.0, *ATTACKS), [arms[arm][name] for name in columns])
        panel.set(title=title, xlabel="images moved by")
        if not panel.lines:
            say_why(panel, NO_RUNS)
    axes[0].set_ylabel("test accuracy")
    if axes[0].lines:
        axes[0].legend()
    return figure


def flatness(arms: Mapping[str, pd.DataFrame]) -> Figure:
    """What lies around the weights at one training loss: a mark a seed and arm.

    Args:
        arms: from `tables.alike`.
    """
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.0))
    labels = {
        EIGENVALUE: "largest eigenvalue",
        RISE: f"rise along an ascent of {RISE.split('_')[-1]}",
        RANDOM_RISE: f"rise at random, {RANDOM_RISE.split('_')[-1]}",
    }
    for panel, (column, label) in zip(axes, labels.items(), strict=True):
        shown = False
        for place, arm in enumerate(ARMS):
            values = arms[arm][column].astype(float)
            values = values[values > 0]
            shown |= len(values) > 0
            _, colour, _, marker = STYLES[arm]
            panel.plot([place] * len(values), values, marker, color=colour, ms=4)
            if len(values):
                mean = np.exp(np.log(values).mean())
                panel.plot(place, mean, "_", color="black", ms=16, mew=2)
        names = [STYLES[arm][0].replace(" ", "\n") for arm in ARMS]
        panel.set_xticks(range(len(ARMS)), names, fontsize=8)
        panel.set_xlim(-0.5, len(ARMS) - 0.5)
        panel.set_title(label, fontsize=9)
        panel.set_yscale("log")
        plain_log_ticks(panel)
        if not shown:
            say_why(panel, NO_RUNS)
    return figure
