"""The figures of the chapter on the manifold of minimisers."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH, say_why
from flatminima.statistics.intervals import of_count
from flatminima.statistics.thresholds import thresholds

NAMES = {"tanh": "tanh", "relu": "ReLU"}


def along_walks(table: pd.DataFrame) -> Figure:
    """Turn of the tangent space in a step, and the kernel's least eigenvalue.

    Args:
        table: from `runs.walks`, for one seed and activations.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.0))
    palette = sns.color_palette("colorblind")
    drawn = table[table["steps"] == table["steps"].max()]
    for k, (activation, rows) in enumerate(drawn.groupby("activation", sort=False)):
        style = {"color": palette[k * 3], "label": NAMES[str(activation)], "lw": 1.2}
        first = rows[rows["seed"] == rows["seed"].min()]
        axes[0].plot(first["at"], first["turn"], ls="-" if k == 0 else ":", **style)
        for _, each in rows.groupby("seed"):
            axes[1].plot(
                each["at"], each["smallest"], ls="-" if k == 0 else ":", **style
            )
            style["label"] = "_"
    for axis, label in zip(
        axes,
        ("turn in a step (radians)", r"kernel, $\lambda_{\min} / \lambda_{\max}$"),
        strict=True,
    ):
        axis.set(xlabel="length of the walk, over ‖θ‖", ylabel=label, yscale="log")
        if drawn.empty:
            say_why(axis, "no minimiser was found")
    axes[0].legend()
    return fig


def reached(live: pd.DataFrame, widths: pd.DataFrame, n: int) -> Figure:
    """Share of starts from which gradient flow ends at a minimiser of rank n.

    Args:
        live: from `starts.live_starts`.
        widths: from `starts.widths`.
        n: examples.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.0), sharey=True)
    _shares(axes[0], live, "live", n)
    axes[0].set(xlabel="live coordinates / n", title="quadratic model")
    spans = live.groupby("live")["span"].mean()
    axes[0].plot(spans.index / n, spans, ls=":", color="0.3", label="columns span")
    axes[0].legend(loc="center right")
    _shares(axes[1], widths, "D", n)
    axes[1].set(xlabel="parameters D / n", title="tanh network")
    axes[0].set(ylabel="share of starts inside", ylim=(-0.05, 1.05))
    return fig


def _shares(axis: Axes, table: pd.DataFrame, column: str, n: int) -> None:
    for at in sorted(table[column].unique()):
        rows = table[table[column] == at]
        count, total = int(rows["inside"].sum()), len(rows)
        low, high = of_count(count, total, thresholds())
        axis.vlines(at / n, low, high, color="0.2", lw=1.5)
        axis.scatter(at / n, count / total, color="0.2", s=24, zorder=3)
    axis.axvline(1, color="0.6", lw=0.8, ls="--")


def spectra(kernels: Mapping[str, np.ndarray]) -> Figure:
    """Eigenvalues of the tangent kernel at several points, over the largest.

    Args:
        kernels: by name, ascending.
    """
    fig, axis = plt.subplots(figsize=(0.6 * WIDTH, 3.0))
    palette = sns.color_palette("colorblind")
    for (name, values), colour, marker in zip(
        kernels.items(), palette, "os^D", strict=False
    ):
        shown = np.maximum(values[::-1], 1e-18)
        axis.plot(
            range(1, len(shown) + 1), shown, color=colour, marker=marker, label=name
        )
    axis.set(
        yscale="log",
        xlabel="rank of the eigenvalue",
        ylabel=r"$\lambda / \lambda_{\max}$",
    )
    axis.legend()
    return fig
