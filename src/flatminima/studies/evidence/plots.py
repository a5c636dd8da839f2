"""The figure of the chapter: every conclusion, and what each of its claims came to."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from flatminima.plots.style import WIDTH, say_why

_COLOURS = sns.color_palette("colorblind")
MARKS = {
    "met": ("s", _COLOURS[0], _COLOURS[0], "came out as the conclusion needs"),
    "against": ("X", _COLOURS[3], _COLOURS[3], "came out otherwise, or in part"),
    "open": ("s", (0.55, 0.55, 0.55), (1.0, 1.0, 1.0), "undecided or not testable"),
}
"""Marker, edge, face and words of what a claim came to."""

ROW = 0.19
"""Inches that a line of the figure takes."""

WORDS_AT = 7.0
"""Where the words begin, in claims from the left."""


def conclusions(table: pd.DataFrame) -> Figure:
    """A line each conclusion: a mark each of its claims, then the verdict in words.

    Args:
        table: from `claims.conclusions.overview`.
    """
    titles = table["section"].drop_duplicates()
    figure, axis = plt.subplots(figsize=(WIDTH, ROW * (len(table) + len(titles) + 4)))
    names: list[str] = []
    for title in titles:
        names.append(title)
        for _, row in table[table["section"] == title].iterrows():
            _line(axis, len(names), row)
            names.append(f"  {row['conclusion']}")
    _ticks(axis, names, most=max(WORDS_AT, table[list(MARKS)].sum(axis=1).max()))
    if not table["verdict"].any():
        say_why(axis, "no chapter has been run")
    keys = [
        Line2D([], [], linestyle="", label=words, **_style(kind))
        for kind, (*_, words) in MARKS.items()
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=3, frameon=False)
    return figure


def _line(axis: Axes, y: int, row: pd.Series) -> None:
    axis.axhline(y, color="0.9", linewidth=0.7, zorder=0)
    if not row["verdict"]:
        return
    start = 0
    for kind in MARKS:
        places = range(start, start + row[kind])
        axis.plot(places, [y] * row[kind], linestyle="", **_style(kind))
        start += row[kind]
    sure = "" if row["sure"] == "open" else f", {row['sure']}"
    words = f"{row['verdict']}{sure}"
    style: dict[str, Any] = {
        "va": "center_baseline",
        "fontsize": 9,
        "backgroundcolor": "white",
    }
    axis.text(max(WORDS_AT, start), y, words, **style)


def _style(kind: str) -> dict[str, Any]:
    marker, edge, face, _ = MARKS[kind]
    return {
        "marker": marker,
        "markersize": 7,
        "markeredgecolor": edge,
        "markerfacecolor": face,
        "markeredgewidth": 1.2,
    }


def _ticks(axis: Axes, names: list[str], most: float) -> None:
    axis.set_yticks(range(len(names)), names)
    for label in axis.get_yticklabels():
        label.set_horizontalalignment("left")
        if not label.get_text().startswith("  "):
            label.set_fontweight("bold")
    axis.tick_params(axis="y", length=0, pad=215)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.set_xlim(-0.7, most + 3)
    axis.set_xticks([])
    for side in axis.spines.values():
        side.set_visible(False)
