"""The figures of the chapter."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH, plain_log_ticks, say_why
from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.noise_and_finetuning.runs import SHARES, TUNED_LATE
from flatminima.studies.noise_and_finetuning.tables import (
    LATE_ARMS,
    RULES,
    choose,
    finetuned,
    outcome,
    runs_of,
)

_COLOURS = sns.color_palette("colorblind")
STYLES = {
    "plain": (_COLOURS[7], (0, (5, 1)), "o"),
    "plain, longer": (_COLOURS[7], ":", "D"),
    "weight decay": (_COLOURS[9], (0, (5, 1, 1, 1)), "s"),
    "SAM at last": (_COLOURS[1], "-.", "v"),
    "SAM": (_COLOURS[3], "-", "^"),
}
"""Colour, line and marker of every arm."""

NO_RUNS = "these runs are not committed yet"


def curves(table: pd.DataFrame) -> Figure:
    """Test accuracy by epoch: a panel a share of wrong labels, a line a rule.

    Args:
        table: all committed runs; those of the compared seeds are drawn.
    """
    figure, axes = plt.subplots(1, len(SHARES), figsize=(WIDTH, 2.9), sharey=True)
    for panel, share in zip(axes, SHARES, strict=True):
        panel.set_title(f"{100 * share:.0f} % wrong")
        panel.set_xlabel("epoch")
        for rule in RULES:
            rows = runs_of(table, choose(table, share, rule))
            _band(panel, rows, rule, "test_accuracy")
            stop = choose(table, share, rule, stopped=True)
            there = runs_of(table, stop)
            there = there[there["step"] == (stop.step or -1)]
            if len(there):
                colour, _, marker = STYLES[rule]
                at = there["epoch"].mean(), there["test_accuracy"].mean()
                panel.plot(*at, marker, color=colour, ms=6, mec="black", mew=0.6)
        if table.empty:
            say_why(panel, NO_RUNS)
    axes[0].set_ylabel("test accuracy")
    _legend(figure, axes[0])
    return figure


def _band(panel: Axes, rows: pd.DataFrame, name: str, metric: str) -> None:
    """The mean over seeds by epoch, and a band from the least to the largest."""
    rows = rows[(rows["epoch"] > 0) & ~rows["diverged"]]
    if rows.empty:
        return
    colour, line, _ = STYLES[name]
    by = rows.groupby("epoch")[metric].agg(["mean", "min", "max"])
    panel.plot(by.index, by["mean"], color=colour, linestyle=line, label=name)
    panel.fill_between(by.index, by["min"], by["max"], color=colour, alpha=0.15, lw=0)


def _legend(figure: Figure, panel: Axes) -> None:
    handles, labels = panel.get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def ends(table: pd.DataFrame) -> Figure:
    """Accuracy against the share of wrong labels: at the end, and stopped early.

    Args:
        table: all committed runs.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.1), sharey=True)
    titles = ("at the end", "stopped early")
    for panel, stopped, title in zip(axes, (False, True), titles, strict=True):
        panel.set(title=title, xlabel="share of wrong labels")
        for place, rule in enumerate(RULES):
            means, below, above = [], [], []
            for share in SHARES:
                choice = choose(table, share, rule, stopped=stopped)
                values = outcome(table, choice)["test_accuracy"].dropna().to_numpy()
                mean = values.mean() if len(values) else np.nan
                low, high = of_mean(values, thresholds())
                means.append(mean)
                below.append(mean - low)
                above.append(high - mean)
            colour, line, marker = STYLES[rule]
            x = np.array(SHARES) + 0.012 * (place - 1)
            if np.isfinite(means).any():
                panel.errorbar(
                    *(x, means, [below, above]),
                    **{"color": colour, "ls": line, "marker": marker, "ms": 5},
                    label=rule,
                )
        panel.set_xticks(SHARES)
        if table.empty:
            say_why(panel, NO_RUNS)
    axes[0].set_ylabel("test accuracy")
    _legend(figure, axes[0])
    return figure


def finetuning(table: pd.DataFrame) -> Figure:
    """Accuracy at the end of a network that SAM trained on, and of the others.

    Args:
        table: all committed runs.
    """
    figure, axes = plt.subplots(1, len(TUNED_LATE), figsize=(WIDTH, 2.9))
    for panel, share in zip(axes, TUNED_LATE, strict=True):
        panel.set_title(f"{100 * share:.0f} % of labels wrong")
        _columns(panel, finetuned(table, share))
        if table.empty:
            say_why(panel, NO_RUNS)
    axes[0].set_ylabel("test accuracy")
    return figure


def _columns(panel: Axes, arms: Mapping[str, pd.DataFrame]) -> None:
    """A column an arm: a mark a seed, joined by lines, and a dash for the mean."""
    names = [name for name in LATE_ARMS if name in arms]
    values = {
        name: rows.loc[~rows["diverged"].astype(bool)]
        .set_index("data_seed")["test_accuracy"]
        .dropna()
        for name, rows in arms.items()
    }
    wide = pd.DataFrame({name: values[name] for name in names})
    for _, row in wide.iterrows():
        panel.plot(range(len(names)), row, color="0.85", lw=0.8, zorder=0)
    for place, name in enumerate(names):
        colour, _, marker = STYLES[name]
        points = values[name]
        panel.plot([place] * len(points), points, marker, color=colour, ms=4)
        if len(points):
            panel.plot(place, points.mean(), "_", color="black", ms=18, mew=2)
    panel.set_xticks(range(len(names)), [n.replace(", ", ",\n") for n in names])
    panel.set_xlim(-0.5, len(names) - 0.5)


def live(arms: Mapping[str, pd.DataFrame]) -> Figure:
    """Training loss and test accuracy by epoch of the runs of this build.

    Args:
        arms: from `tables.live_arms`.
    """
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 2.9))
    for name, rows in arms.items():
        _band(axes[0], rows, name, "train_loss")
        _band(axes[1], rows, name, "test_accuracy")
    axes[0].set(xlabel="epoch", ylabel="training loss", yscale="log")
    axes[1].set(xlabel="epoch", ylabel="test accuracy")
    if not axes[1].lines:
        for panel in axes:
            say_why(panel, "every run diverged")
    else:
        plain_log_ticks(axes[0])
    _legend(figure, axes[1])
    return figure
