"""One figure style, and the figures that several chapters share.

Colours are the colour-blind safe set of seaborn; rules are told apart by line
style as well. Sizes and fonts are fixed, so every figure of the book matches.
"""

from collections.abc import Sequence
from itertools import product

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from jaxtyping import Float
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatminima.models.base import load
from flatminima.statistics import near_interpolating

WIDTH = 8.0
"""Width of a figure that fills the column, in inches."""

_COLOURS = sns.color_palette("colorblind")

RULE_STYLES = {
    "GD + wd": (_COLOURS[0], "-"),
    "n-SAM": (_COLOURS[4], (0, (1, 1))),
    "SGD": (_COLOURS[7], (0, (5, 1))),
    "SGD + wd": (_COLOURS[9], (0, (5, 1, 1, 1))),
    "1-SAM": (_COLOURS[3], "-"),
    "1-SAM + wd": ((0.1, 0.1, 0.1), (0, (3, 1))),
    "SGD, projected": (_COLOURS[7], (0, (5, 1))),
    "1-SAM, projected": (_COLOURS[3], "-"),
    "SGD + wd, batch 10": (_COLOURS[8], (0, (5, 1, 1, 1, 1, 1))),
}
"""Colour and line style of every training rule."""

ARCHITECTURES = {
    "no_bias": ("2-MLP-No-Bias", "o"),
    "bias": ("2-MLP-Bias", "s"),
    "sim_ln": ("2-MLP-Sim-LN", "^"),
    "softplus": ("2-MLP-Softplus", "D"),
    "sim_bn": ("2-MLP-Sim-BN", "v"),
    "deep": ("3-layer MLP", "P"),
}
"""Name and marker of every architecture."""


def use_style() -> None:
    """Set the figure style of the book for everything drawn afterwards."""
    sns.set_theme(context="paper", style="ticks", palette="colorblind")
    mpl.rcParams.update(
        {
            "figure.figsize": (WIDTH, 3.0),
            "figure.constrained_layout.use": True,
            "figure.facecolor": "white",
            "font.family": "DejaVu Sans",
            "font.size": 10,
            "axes.titlesize": 11,
            "axes.labelsize": 10,
            "legend.fontsize": 9,
            "legend.frameon": False,
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "lines.linewidth": 1.8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "savefig.dpi": 150,
        }
    )


def training_curves(
    table: pd.DataFrame, rules: Sequence[str], *, loss_floor: float = 1e-8
) -> Figure:
    """Training loss, test accuracy and trace over bound against updates.

    Lines are medians over seeds, bands reach from the 10th to the 90th
    percentile. Below the raw training loss of 1e-2 the trace is that of the
    retracted point; before, it is that of the iterate over the bound at its own
    outputs, drawn thin.

    Args:
        table: of one architecture, from `sweep`.
        rules: which rules to draw, in the order of the legend.
        loss_floor: smaller training losses are drawn here.
    """
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.2))
    for rule in rules:
        rows = table[(table["rule"] == rule) & (table["step"] > 0)]
        colour, style = RULE_STYLES[rule]
        by_step = rows.groupby("step")
        _band(axes[0], by_step["train_loss"], colour, style, rule, loss_floor)
        _band(axes[1], by_step["test_accuracy"], colour, style, rule)
        raw = (rows["trace"] / rows["bound_outputs"]).where(rows["trace"] > 0)
        median = raw.groupby(rows["step"]).median()
        axes[2].plot(median.index, median, color=colour, lw=0.7, alpha=0.6)
        flat = (rows["retracted_trace"] / rows["bound"]).groupby(rows["step"])
        _band(axes[2], flat, colour, style, rule)
    for axis, title in zip(
        axes, ("training loss", "test accuracy", "trace / bound"), strict=True
    ):
        axis.set(xscale="log", xlabel="updates", title=title)
    axes[0].set_yscale("log")
    axes[1].axhline(0.5, color="0.6", lw=0.8, ls=":")
    axes[1].set_ylim(0.45, 1.03)
    axes[2].set_yscale("log")
    axes[2].axhline(1.0, color="0.3", lw=0.8, ls=":")
    handles, labels = axes[1].get_legend_handles_labels()
    fig.legend(
        handles, labels, loc="outside lower center", ncols=len(rules), handlelength=3
    )
    return fig


def _band(axis, groups, colour, style, label, floor=0.0) -> None:
    levels = [0.1, 0.5, 0.9]
    quantiles = groups.quantile(levels).unstack().reindex(columns=levels)
    quantiles = quantiles.clip(lower=floor).dropna()
    axis.plot(quantiles.index, quantiles[0.5], color=colour, ls=style, label=label)
    axis.fill_between(
        quantiles.index, quantiles[0.1], quantiles[0.9], color=colour, alpha=0.18, lw=0
    )


def largest_units(
    w: Float[np.ndarray, "inputs width"],
    v: Float[np.ndarray, " width"],
    count: int,
) -> Float[np.ndarray, "inputs shown"]:
    """First-layer columns of the units of largest |v_j| ||w_j||, scaled by |v_j|.

    Args:
        w, v: parameters.
        count: number of units.
    """
    size = np.abs(v) * np.linalg.norm(w, axis=0)
    order = np.argsort(-size)[:count]
    return w[:, order] * np.abs(v[order])


def units(
    panels: dict[str, Float[np.ndarray, "inputs shown"]], *, has_bias: bool
) -> Figure:
    """Weights of the largest units as an image, one panel a rule.

    Args:
        panels: output of `largest_units` by title.
        has_bias: whether the last row is the bias.
    """
    fig, axes = plt.subplots(
        1, len(panels), figsize=(WIDTH, 3.4), sharey=True, squeeze=False
    )
    for axis, (title, columns) in zip(axes[0], panels.items(), strict=True):
        limit = np.abs(columns).max() or 1.0
        image = axis.imshow(
            columns / limit,
            cmap="PuOr",
            vmin=-1,
            vmax=1,
            aspect="auto",
            interpolation="nearest",
        )
        axis.set(title=title, xlabel="unit, largest first", xticks=[])
        axis.axhline(1.5, color="0.3", lw=0.6)
    num_inputs = len(next(iter(panels.values())))
    ticks = [t for t in (0, 1, 9, 19) if t < num_inputs - 1]
    labels = [str(t + 1) for t in ticks]
    labels.append("bias" if has_bias else str(num_inputs))
    axes[0][0].set_yticks([*ticks, num_inputs - 1], labels)
    axes[0][0].set_ylabel("input")
    fig.colorbar(image, ax=axes[0], label="weight / largest", shrink=0.9)
    return fig


def flat_against_right(table: pd.DataFrame, architectures: Sequence[str]) -> Figure:
    """Test accuracy against trace over bound, one panel an architecture.

    A point is a near-interpolating checkpoint of one seed, after retraction;
    the large outlined ones are the ends of the runs.

    Args:
        table: from `sweep`, over architectures and rules.
        architectures: panels, keys of `ARCHITECTURES`.
    """
    fig, axes = plt.subplots(
        1, len(architectures), figsize=(WIDTH, 3.5), sharey=True, squeeze=False
    )
    for axis, architecture in zip(axes[0], architectures, strict=True):
        rows = table[table["architecture"] == architecture]
        rows = rows.dropna(subset=["retracted_trace"])
        name, marker = ARCHITECTURES[architecture]
        for rule, (colour, _) in RULE_STYLES.items():
            part = rows[rows["rule"] == rule]
            if part.empty:
                continue
            ratio = part["retracted_trace"] / part["bound"]
            axis.scatter(
                ratio,
                part["test_accuracy"],
                s=6,
                color=colour,
                alpha=0.6,
                lw=0,
                marker=marker,
                rasterized=True,
            )
            end = part["last"]
            axis.scatter(
                ratio[end],
                part.loc[end, "test_accuracy"],
                s=26,
                color=colour,
                edgecolor="black",
                lw=0.5,
                marker=marker,
                label=rule,
                rasterized=True,
            )
        axis.set(xscale="log", xlabel="trace / bound", title=name)
        axis.axvline(1.0, color="0.3", lw=0.8, ls=":")
    axes[0][0].set(ylabel="test accuracy", ylim=(0.45, 1.03))
    handles: dict[str, Artist] = {}
    for axis in axes[0]:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    fig.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=len(handles),
        handletextpad=0.2,
        columnspacing=1.2,
    )
    return fig


def memorising_plane(
    x: Float[np.ndarray, "n 2"],
    w: Float[np.ndarray, "3 units"],
    v: Float[np.ndarray, " units"],
) -> Figure:
    """A memorising 2-MLP-Bias in two dimensions: each unit cuts off one point.

    Args:
        x: training points.
        w, v: the network, one unit a point.
    """
    fig, axis = plt.subplots(figsize=(4.6, 4.2))
    span = np.linspace(-1.7, 1.7, 401)
    grid = np.stack(np.meshgrid(span, span), axis=-1).reshape(-1, 2)
    bias = load("bias")
    model = bias.Model()
    f = bias.forward(model, w, v, bias.inputs(model, grid)).reshape(401, 401)
    image = axis.contourf(
        span, span, f, levels=np.linspace(-2.0, 2.0, 17), cmap="PuOr", extend="both"
    )
    for unit in w.T:
        axis.contour(
            span,
            span,
            (grid @ unit[:2] + unit[2]).reshape(401, 401),
            [0.0],
            colors="0.2",
            linewidths=0.9,
            linestyles="--",
        )
    labels = np.sign(bias.forward(model, w, v, bias.inputs(model, x)))
    for label, marker in ((1, "o"), (-1, "X")):
        chosen = labels == label
        axis.scatter(
            x[chosen, 0],
            x[chosen, 1],
            marker=marker,
            s=70,
            color="white",
            edgecolor="black",
            label=f"y = {label:+d}",
            zorder=3,
        )
    axis.set(xlabel="x[1]", ylabel="x[2]", aspect="equal")
    axis.legend(loc="center")
    fig.colorbar(image, ax=axis, label="f(x)", shrink=0.85)
    return fig


def verdict_map(table: pd.DataFrame, rules: Sequence[str]) -> Figure:
    """The book in one figure: where each rule ends, for each architecture.

    Medians over the seeds that nearly interpolate, with bars from the 10th to the
    90th percentile: test accuracy against trace over bound at the last checkpoint,
    after retraction. A rule none of whose seeds gets there is left out.

    Args:
        table: from `sweep`.
        rules: which rules to draw, in the order of the legend.
    """
    fig, axis = plt.subplots(figsize=(WIDTH, 3.8))
    last = near_interpolating(table[table["last"]])
    for rule, (architecture, (name, marker)) in product(rules, ARCHITECTURES.items()):
        part = last[(last["rule"] == rule) & (last["architecture"] == architecture)]
        if part.empty:
            continue
        levels = [0.1, 0.5, 0.9]
        x0, x, x1 = part["ratio"].quantile(levels)
        y0, y, y1 = part["test_accuracy"].quantile(levels)
        axis.errorbar(
            x,
            y,
            xerr=[[x - x0], [x1 - x]],
            yerr=[[y - y0], [y1 - y]],
            color=RULE_STYLES[rule][0],
            marker=marker,
            ms=12 if architecture == "no_bias" else 8,
            mec="black",
            lw=1.2,
            ls="none",
            label=f"{rule}, {name}",
        )
    axis.set(
        xscale="log",
        xlabel="trace / bound (left is flatter)",
        ylabel="test accuracy",
        ylim=(0.45, 1.03),
    )
    axis.axvline(1.0, color="0.3", lw=0.8, ls=":")
    axis.axhspan(0.95, 1.03, color=_COLOURS[2], alpha=0.12, lw=0)
    if axis.containers:
        fig.legend(loc="outside right upper")
    return fig


def seed_grid(table: pd.DataFrame, metric: str, label: str) -> tuple[Figure, Axes]:
    """A crossed table of data seeds and initialisation seeds as an image.

    Args:
        table: from `sweep` over pairs of seeds, one setting.
        metric: column to show at the last checkpoint.
        label: of the colour bar.
    """
    last = table[table["last"]]
    cells = last.pivot(index="data_seed", columns="init_seed", values=metric)
    fig, axis = plt.subplots(figsize=(5.0, 3.6))
    sns.heatmap(
        cells, annot=True, fmt=".2f", cmap="cividis", ax=axis, cbar_kws={"label": label}
    )
    axis.set(xlabel="initialisation seed", ylabel="data seed")
    return fig, axis
