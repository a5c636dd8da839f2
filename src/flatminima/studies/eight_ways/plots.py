"""The one figure of the chapter on eight ways to one trace."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH, explain_empty
from flatminima.statistics.intervals import mean_ends
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.eight_ways.runs import (
    FROZEN,
    GENERALISER,
    KINK_AWARE,
    LIMIT,
    MEMORISER,
    NAIVE,
    NOISE,
    SAM,
    SAM_SMALL,
    WAYS,
)

LABELS = {
    MEMORISER: "built to\nmemorise",
    SAM: "1-SAM",
    KINK_AWARE: "flow that\nsees kinks",
    NOISE: "SGD with\nlabel noise",
    FROZEN: "1-SAM,\npattern frozen",
    NAIVE: "flow blind\nto kinks",
    SAM_SMALL: "1-SAM,\nsmall start",
    GENERALISER: "built to\ngeneralise",
}
"""What the ways are called under the axis."""

KINDS = {
    "constructed": (MEMORISER, GENERALISER),
    "trained": (SAM, SAM_SMALL, FROZEN, NOISE),
    "flow of the trace": (NAIVE, KINK_AWARE),
}
"""How a network came about, which is told by colour and marker."""


def eight_ways(every: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Accuracy above, flatness below, of every network of every way.

    Small marks are seeds, each at the same place in its column in both panels. Large
    ones are means over seeds with their intervals. A network above `LIMIT` is hollow.

    Args:
        every: from `runs.ends`.
        table: of all training and flows, which says why a panel shows nothing.
    """
    fig, (top, bottom) = plt.subplots(
        2, 1, figsize=(WIDTH, 5.4), sharex=True, height_ratios=[3, 1.3]
    )
    colours = sns.color_palette("colorblind")
    looks: dict[str, tuple[str, object, str]] = {}
    for (kind, ways), colour, marker in zip(
        KINDS.items(), (colours[7], colours[3], colours[0]), "Dos", strict=True
    ):
        looks |= dict.fromkeys(ways, (kind, colour, marker))
    told = set()
    for column, way in enumerate(WAYS):
        kind, colour, marker = looks[way]
        rows = every[every["way"] == way]
        accuracy, ratio = (rows[name].to_numpy() for name in ("test_accuracy", "ratio"))
        place = column + np.linspace(-0.28, 0.28, len(rows))
        flat = ratio <= LIMIT
        look = {"s": 16, "marker": marker, "edgecolor": colour, "lw": 0.8}
        for axis, height in ((top, accuracy), (bottom, ratio - 1)):
            axis.scatter(place[flat], height[flat], color=colour, alpha=0.45, **look)
            axis.scatter(place[~flat], height[~flat], facecolor="none", **look)
        low, high = np.clip(mean_ends(accuracy, thresholds().level), 0, 1)
        mean = float(np.mean(accuracy)) if len(accuracy) else np.nan
        top.vlines(column, low, high, color="black", lw=2, zorder=4)
        top.scatter(
            column,
            mean,
            s=70,
            color=colour,
            marker=marker,
            edgecolor="black",
            zorder=5,
            label=None if kind in told else kind,
        )
        told.add(kind)
        if np.isfinite(mean):
            top.annotate(
                f"{mean:.3f}",
                (column, 1.035),
                ha="center",
                fontsize=9,
                annotation_clip=False,
            )
    top.axhspan(thresholds().high, 1.02, color=colours[2], alpha=0.12, lw=0)
    top.axhline(0.5, color="0.3", lw=0.8, ls=":")
    top.set(ylabel="test accuracy", ylim=(0.45, 1.02))
    top.legend(loc="lower right")
    bottom.axhline(LIMIT - 1, color="0.3", lw=0.8, ls=":")
    explain_empty(top, every["test_accuracy"], table, "test_accuracy")
    bottom.set_yscale("symlog", linthresh=1e-4, linscale=0.5)
    highest = np.nanmax([LIMIT - 1, *(every["ratio"] - 1)])
    bottom.set(ylabel="trace / bound − 1", ylim=(-5e-5, max(0.03, 2 * highest)))
    bottom.set_yticks([0, 1e-4, 1e-3, 1e-2], ["0", ".0001", ".001", ".01"])
    bottom.set_xticks(range(len(WAYS)), [LABELS[way] for way in WAYS], fontsize=8)
    return fig
