"""The figures of the chapter on label noise."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from flatminima.plots.style import WIDTH, say_why
from flatminima.statistics.intervals import of_mean
from flatminima.statistics.thresholds import thresholds
from flatminima.studies.label_noise.paths import Observed, constants, distances


def phases(seen: Observed) -> Figure:
    """Loss and trace of one seed at all learning rates, on three time scales.

    Args:
        seen: the seed.
    """
    fig, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.2))
    rates = list(seen.first)
    colours = sns.color_palette("viridis", len(rates))
    panels = (
        (axes[0, 0], seen.same_t, "loss", 0, "t"),
        (axes[0, 1], seen.first, "loss", 1, "η t"),
        (axes[1, 0], seen.same_lr_t, "trace", 1, "η t"),
        (axes[1, 1], seen.second, "trace", 2, "η² t"),
    )
    for axis, paths, metric, order, label in panels:
        for lr, colour in zip(rates, colours, strict=True):
            path = paths[lr]
            values = getattr(path, metric)
            at = path.steps * lr**order
            axis.plot(
                at, values, color=colour, marker="o", ms=3, lw=1.2, label=f"{lr:g}"
            )
        axis.set(xlabel=label, ylabel={"loss": "loss", "trace": "Tr ∇²L"}[metric])
        if metric == "loss":
            axis.set_yscale("log")
        if all(not np.isfinite(getattr(p, metric)).any() for p in paths.values()):
            say_why(axis, "every run diverged")
    _flow(axes[0, 1], seen.times, _loss(seen), "gradient flow")
    _flow(axes[1, 1], seen.taus, 4 * np.sum(seen.limit**2, axis=1), "limiting flow")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, title="η", ncols=len(rates), loc="outside upper center")
    return fig


def _loss(seen: Observed) -> np.ndarray:
    path = next(iter(seen.first.values()))
    return type(path)(path.config, path.steps, seen.descent).loss


def _flow(axis: Axes, at: np.ndarray, values: np.ndarray, name: str) -> None:
    axis.plot(at, values, color="0.1", ls="--", lw=1.6, label=name, zorder=5)
    handles, labels = axis.get_legend_handles_labels()
    axis.legend(handles[-1:], labels[-1:])


def against_rate(seen: Sequence[Observed]) -> Figure:
    """Distance to both flows, and the measured constant, against the learning rate.

    Args:
        seen: one a seed.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    first = pd.DataFrame([distances(s.first, s.descent) for s in seen])
    second = pd.DataFrame([distances(s.second, s.limit) for s in seen])
    palette = sns.color_palette("colorblind")
    for table, colour, marker, name in (
        (first, palette[0], "o", "gradient flow, at T/η"),
        (second, palette[3], "s", "limiting flow, at τ/η²"),
    ):
        _means(axes[0], table, colour, marker, name)
    axes[0].set(xscale="log", yscale="log", xlabel="η", ylabel="distance / ‖Y‖")
    axes[0].legend()
    measured = pd.DataFrame([constants(s.second) for s in seen])
    printed = pd.DataFrame([constants(s.printed) for s in seen])
    _means(axes[1], measured, palette[3], "s", "(f − y − δ)² / 2")
    _means(axes[1], printed, palette[2], "D", "(f − y − δ)²")
    for level in (0.25, 0.5):
        axes[1].axhline(level, color="0.3", lw=0.8, ls=":")
    axes[1].set(xlabel="η", ylabel="constant c / δ²", xlim=(0, None))
    axes[1].xaxis.set_major_locator(MaxNLocator(4))
    axes[1].legend(loc="center right")
    for axis, table in zip(axes, (second, measured), strict=True):
        if not np.isfinite(table.to_numpy()).any():
            say_why(axis, "every run diverged")
    return fig


def _means(
    axis: Axes, table: pd.DataFrame, colour: tuple, marker: str, name: str
) -> None:
    """Means over seeds with their intervals, joined."""
    known = table.dropna()
    means = known.mean()
    axis.plot(means.index, means, color=colour, marker=marker, ms=5, lw=1.2, label=name)
    for lr in known.columns:
        low, high = of_mean(known[lr].to_numpy(), thresholds())
        axis.vlines(lr, low, high, color=colour, lw=1.5)


def to_the_boundary(paths: Mapping[str, pd.DataFrame]) -> Figure:
    """What vanishes along the flow, for sparse and for random labels.

    Args:
        paths: by labels, from `facts.along`.
    """
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.9))
    palette = sns.color_palette("colorblind")
    titles = {
        "excess": "trace over optimum, − 1",
        "smallest": "least $u_j^2 + v_j^2$",
        "kernel": r"kernel, $\lambda_{\min} / \lambda_{\max}$",
    }
    for axis, (column, title) in zip(axes, titles.items(), strict=True):
        for (name, table), colour, style in zip(
            paths.items(), palette[::3], ("-", "--"), strict=False
        ):
            shown = table[column].clip(lower=1e-16)
            axis.plot(table["tau"], shown, color=colour, ls=style, label=name)
        axis.set(yscale="log", xlabel="τ, for c = 1", title=title)
        if all(table.empty for table in paths.values()):
            say_why(axis, "no flow started")
    axes[0].legend(title="labels")
    return fig


def recovery(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Distance to the truth and trace against updates, one line a rule.

    Args:
        tables: from `recovery.run`.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.0))
    palette = sns.color_palette("colorblind")
    styles = ("-", "--", ":")
    for (name, table), colour, style in zip(
        tables.items(), (palette[3], palette[0], palette[7]), styles, strict=False
    ):
        alive = table[(table["step"] > 0) & ~table["diverged"]]
        for axis, metric in zip(axes, ("error", "trace"), strict=True):
            groups = alive.groupby("step")[metric]
            middle = groups.median()
            axis.plot(middle.index, middle, color=colour, ls=style, label=name)
            axis.fill_between(
                middle.index, groups.min(), groups.max(), color=colour, alpha=0.15, lw=0
            )
    for axis, label in zip(axes, ("‖β − w*‖", "Tr ∇²L"), strict=True):
        axis.set(xscale="log", xlabel="updates", ylabel=label)
        if all(table["diverged"].all() for table in tables.values()):
            say_why(axis, "every run diverged")
    axes[0].set_yscale("log")
    axes[0].legend()
    return fig
