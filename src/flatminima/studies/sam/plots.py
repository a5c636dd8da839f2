"""Figures of the chapter on SAM."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH, explain_empty, say_why
from flatminima.studies.sam.runs import GRADIENTS
from flatminima.studies.sam.steps import NORMS
from flatminima.theory.inner_maximisation import dual_step


def balls(g: np.ndarray) -> Figure:
    """The inner step in balls of several norms, in the plane.

    Args:
        g: gradient, shape (2,).
    """
    fig, axes = plt.subplots(1, len(NORMS), figsize=(WIDTH, 2.2), sharey=True)
    angles = np.linspace(0, 2 * np.pi, 361)
    ways = np.array([np.cos(angles), np.sin(angles)])
    palette = sns.color_palette("colorblind")
    for axis, p in zip(axes, NORMS, strict=True):
        ball = ways / np.linalg.norm(ways, p, axis=0)
        axis.plot(*ball, color="0.55", lw=1.3)
        for vector, colour, label in (
            (g / np.linalg.norm(g), palette[7], "gradient"),
            (dual_step(g, 1.0, p), palette[3], "step"),
        ):
            axis.annotate(
                "",
                xy=tuple(vector),
                xytext=(0, 0),
                arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.8},
            )
            axis.plot([], [], color=colour, label=label)
        name = "∞" if np.isinf(p) else f"{p:g}"
        axis.set(aspect="equal", title=f"p = {name}", xlim=(-1.2, 1.2))
        axis.set(ylim=(-1.2, 1.2), xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    fig.legend(
        *axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2
    )
    return fig


def rises(shares: pd.DataFrame) -> Figure:
    """Share of the largest rise of the loss that each ascent attains along a run.

    Args:
        shares: rows with step, the seed and a column for each ascent.
    """
    fig, axis = plt.subplots(figsize=(WIDTH, 3.0))
    palette = sns.color_palette("colorblind")
    names = [name for name in shares if name not in ("step", "seed")]
    by_step = shares.groupby("step")[names]
    for name, colour, marker in zip(names, palette, "os^D", strict=False):
        middle, low, high = (
            by_step.mean()[name],
            by_step.min()[name],
            by_step.max()[name],
        )
        axis.plot(middle.index, middle, color=colour, marker=marker, label=name)
        axis.fill_between(middle.index, low, high, color=colour, alpha=0.15, lw=0)
    axis.set(xscale="symlog", xlabel="updates of gradient descent")
    axis.set_ylabel("share of the largest rise")
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return fig


def found(panels: Mapping[str, tuple[Mapping[str, pd.DataFrame], str]]) -> Figure:
    """What each ascent finds: dots for seeds and their mean.

    Args:
        panels: by title, tables by rule and the column that is shown.
    """
    fig, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 3.2), squeeze=False)
    colours = sns.color_palette("colorblind")
    for axis, (title, (tables, metric)) in zip(axes[0], panels.items(), strict=True):
        names = list(tables)
        for k, (name, table) in enumerate(tables.items()):
            colour = colours[list(GRADIENTS).index(name)]
            kept = table.loc[~table["diverged"], metric]
            axis.scatter(
                kept, np.full(len(kept), k), color=colour, s=9, alpha=0.5, lw=0
            )
            if kept.notna().any():
                axis.plot(kept.mean(), k, marker="|", ms=16, mew=2.2, color=colour)
            else:
                axis.plot([], [], label=name)
        axis.set(title=title, yticks=range(len(names)), ylim=(len(names) - 0.5, -0.5))
        axis.set_yticklabels(names)
        every = pd.concat(tables.values())
        if every["diverged"].all() or every[metric].notna().any():
            explain_empty(axis, every.loc[~every["diverged"], metric], every, metric)
        else:
            say_why(axis, "no run converged")
    return fig
