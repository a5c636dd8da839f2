"""Figures of the chapter open-1-map."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from flatminima.plots.style import ARCHITECTURES, WIDTH, say_why
from flatminima.studies.open_1_map import runs
from flatminima.studies.open_1_map.tables import BETTER, UNDECIDED, WORSE

SHADES = "cividis"
COLOURS = {BETTER: "#0173b2", UNDECIDED: "#dddddd", WORSE: "#de8f05"}
SIGNS = {BETTER: "+", UNDECIDED: "", WORSE: "–"}
COLUMNS = ("low", "mean", "high", "verdict")

NAMES = {
    "xor": "xor",
    "parity": "3-parity",
    "ball": "ball",
    "sparse": "sparse",
    "low_rank": "low rank",
    "single_index": "single index",
    "multi_index": "multi-index",
}
"""What figures call the data sets."""


def sphere(table: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """Mean score over examples and inputs, a panel a method.

    Args:
        table: from `tables.rows`, of the sphere.
        methods: in the order of the panels.
    """
    fig, axes = plt.subplots(1, len(methods), figsize=(WIDTH, 2.6), sharey=True)
    means = table.pivot_table("score", ["method", "d"], "n", aggfunc="mean")
    for axis, method in zip(np.atleast_1d(axes), methods, strict=True):
        axis.set_title(method, fontsize=10)
        axis.set_xlabel("examples n")
        if method not in means.index:
            say_why(axis, "nothing was run")
            continue
        grid = means.loc[method]
        image = axis.imshow(
            grid.to_numpy(float),
            origin="lower",
            aspect="auto",
            vmin=0,
            vmax=1,
            cmap=SHADES,
        )
        axis.set_xticks(range(grid.shape[1]), [f"{n}" for n in grid.columns])
        axis.set_yticks(range(grid.shape[0]), [f"{d}" for d in grid.index])
        for (i, j), value in np.ndenumerate(grid.to_numpy(float)):
            if np.isfinite(value):
                dark = "black" if value > 0.55 else "white"
                axis.text(
                    j,
                    i,
                    f"{value:.2f}",
                    ha="center",
                    va="center",
                    fontsize=8.5,
                    color=dark,
                )
    first = np.atleast_1d(axes)[0]
    first.set_ylabel("inputs d")
    if first.images:
        fig.colorbar(image, ax=axes, label="mean R²", shrink=0.9)
    return fig


def the_map(judged: Mapping[str, pd.DataFrame]) -> Figure:
    """All places, a half of a square for each flat-finder; those not run are empty.

    Args:
        judged: by flat-finder, from `tables.verdicts`: the left half, then the right.
    """
    lines = [(a, w) for a in runs.ARCHITECTURES for w in runs.WIDTHS]
    columns = [(data, noisy) for data in runs.SIZES for noisy in (False, True)]
    fig, axis = plt.subplots(figsize=(WIDTH, 7.0))
    for i, (architecture, width) in enumerate(lines):
        for j, (data, noisy) in enumerate(columns):
            corner = (j - 0.46, i - 0.42)
            axis.add_patch(Rectangle(corner, 0.92, 0.84, fill=False, ec="0.85", lw=0.6))
            for half, verdicts in enumerate(judged.values()):
                key = (architecture, width, data, noisy)
                if key in verdicts.index:
                    _half(axis, corner, half, str(verdicts.loc[key, "verdict"]))
    axis.set_xlim(-0.6, len(columns) - 0.4)
    axis.set_ylim(len(lines) - 0.4, -0.6)
    labels = ["noise" if noisy else "clean" for _, noisy in columns]
    axis.set_xticks(range(len(columns)), labels, rotation=90)
    axis.set_yticks(range(len(lines)), [f"{width}" for _, width in lines])
    for k, name in enumerate(NAMES.values()):
        axis.text(2 * k + 0.5, -0.8, name, ha="center", fontsize=9.5)
    for k, name in enumerate(runs.ARCHITECTURES):
        middle = len(runs.WIDTHS) * (k + 0.5) - 0.5
        axis.text(
            -2.1,
            middle,
            ARCHITECTURES[name][0].removeprefix("2-MLP-"),
            ha="center",
            va="center",
            rotation=90,
            fontsize=9.5,
        )
        if k:
            axis.axhline(len(runs.WIDTHS) * k - 0.5, color="0.6", lw=0.8)
    for k in range(1, len(NAMES)):
        axis.axvline(2 * k - 0.5, color="0.6", lw=0.8)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    handles = [
        Patch(
            fc=COLOURS[word], ec="0.4", lw=0.5, label=f"{word} ({SIGNS[word] or ' '})"
        )
        for word in COLOURS
    ]
    handles.append(Patch(fc="white", ec="0.85", label="not run"))
    fig.legend(handles=handles, loc="outside lower center", ncols=4)
    return fig


def _half(axis: Axes, corner: tuple[float, float], half: int, word: str) -> None:
    left, top = corner[0] + 0.46 * half, corner[1]
    axis.add_patch(
        Rectangle((left, top), 0.46, 0.84, fc=COLOURS[word], ec="white", lw=0.6)
    )
    axis.text(
        left + 0.23,
        top + 0.45,
        SIGNS[word],
        ha="center",
        va="center",
        color="white",
        fontsize=10,
        fontweight="bold",
    )


def gains(comparisons: Mapping[str, pd.DataFrame]) -> Figure:
    """Gains of all places with their intervals, sorted, a panel a comparison.

    Args:
        comparisons: by title, from `tables.verdicts`.
    """
    fig, axes = plt.subplots(
        1, len(comparisons), figsize=(WIDTH, 3.2), sharey=True, squeeze=False
    )
    for axis, (title, judged) in zip(axes[0], comparisons.items(), strict=True):
        axis.axhline(0, color="0.4", lw=0.8)
        axis.set_title(title, fontsize=9.5)
        axis.set_xlabel("places, sorted")
        axis.set_xticks([])
        shown = judged.dropna(subset=["mean"]).sort_values("mean")
        if shown.empty:
            say_why(axis, "nothing was run")
            continue
        for k, (low, mean, high, word) in enumerate(
            zip(*(shown[name] for name in COLUMNS), strict=True)
        ):
            axis.plot([k, k], [low, high], color=_edge(word), lw=1.4)
            axis.plot(k, mean, "o", color=_edge(word), ms=4)
    axes[0][0].set_ylabel("difference of scores")
    return fig


def _edge(word: str) -> str:
    return "0.55" if word == UNDECIDED else COLOURS[word]


def explained(gain: pd.Series, by: Mapping[str, pd.Series], label: str) -> Figure:
    """The gain of every place against what might explain it, a panel each.

    Args:
        gain: by place.
        by: name of the axis, and values by place.
        label: of the vertical axis.
    """
    fig, axes = plt.subplots(
        1, len(by), figsize=(WIDTH, 3.8), sharey=True, squeeze=False
    )
    for axis, (name, values) in zip(axes[0], by.items(), strict=True):
        both = pd.concat([values.rename("x"), gain.rename("y")], axis=1).dropna()
        both = both.reset_index()
        axis.axhline(0, color="0.6", lw=0.8)
        axis.set_xlabel(name)
        if both.empty:
            say_why(axis, "nothing was run")
        for architecture, (label_of, marker) in ARCHITECTURES.items():
            own = both[both["architecture"] == architecture]
            for noisy in (False, True):
                some = own[own["noisy"] == noisy]
                axis.plot(
                    some["x"],
                    some["y"],
                    marker,
                    color="#0173b2" if noisy else "#de8f05",
                    mfc="none" if noisy else None,
                    ms=6.5,
                    label=None if noisy else label_of,
                )
    axes[0][0].set_ylabel(label)
    handles, labels = axes[0][0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3)
    return fig
