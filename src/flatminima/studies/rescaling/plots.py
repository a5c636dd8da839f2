"""The figures of the chapter on rescaling."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from jaxtyping import Float
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH, say_why
from flatminima.statistics.intervals import mean_interval
from flatminima.studies.rescaling import curves, norms
from flatminima.studies.rescaling.runs import AFTER, Continued, Trained, ends

COLOURS = sns.color_palette("colorblind")


def plain(trained: Sequence[Trained], factors: Float[np.ndarray, " factors"]) -> Figure:
    """Trace and largest eigenvalue of one net as its ends are rescaled.

    Lines are formulas, dots are measured at the rescaled net.

    Args:
        trained: plain nets, of which the first is drawn; none draws empty panels.
        factors: a, at which dots are drawn.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    labels = ("trace", "largest eigenvalue")
    for axis, label in zip(axes, labels, strict=True):
        axis.set(xscale="log", yscale="log", xlabel="first layer × a, last layer / a")
        axis.set(ylabel=label)
        if not trained:
            say_why(axis, "every run diverged")
    if not trained:
        return fig
    each = trained[0]
    formula, least = curves.curve(curves.of_net(each)), curves.least(each)
    grid = np.geomspace(factors.min(), factors.max(), 200)
    alphas = [ends(float(a), each.config.depth) for a in factors]
    traces = [curves.trace(each, curves.moved(each, a)) for a in alphas]
    axes[0].plot(grid, formula.at(grid), color=COLOURS[0], label="A / a² + E + C a²")
    axes[0].scatter(factors, traces, color="0.2", s=14, zorder=3, label="measured")
    axes[0].axhline(
        least.layers, color=COLOURS[2], ls="--", label="least over all layers"
    )
    axes[0].axhline(least.units, color=COLOURS[1], ls=":", label="least over all units")
    fine = np.geomspace(factors.min(), factors.max(), 25)
    values = [
        curves.largest_formula(each, ends(float(a), each.config.depth)) for a in fine
    ]
    measured = [curves.largest_measured(each, a) for a in alphas]
    axes[1].plot(fine, values, color=COLOURS[0], label="of D⁻¹ H D⁻¹")
    axes[1].scatter(factors, measured, color="0.2", s=14, zorder=3, label="measured")
    stable = 2 / each.config.lr
    axes[1].axhline(stable, color=COLOURS[3], ls="--", label="2 / η")
    for axis in axes:
        axis.axvline(1, color="0.6", lw=0.8)
        axis.legend(loc="upper center")
    return fig


def hidden(
    norm: Sequence[Trained],
    ln: norms.LayerNorm,
    factors: Float[np.ndarray, " factors"],
) -> Figure:
    """Trace over its floor where a normalisation hides the scale of weights.

    Args:
        norm: nets with batch norm.
        ln: networks of 2-MLP-Sim-LN.
        factors: of the weights before batch norm.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.0), sharey=True)
    titles = ("batch norm", "2-MLP-Sim-LN")
    for axis, title in zip(axes, titles, strict=True):
        axis.set(xscale="log", yscale="log", title=title)
        axis.set(xlabel="weights before the norm × a")
        axis.axhline(1, color=COLOURS[2], ls="--", label="what no a removes")
    axes[0].set(ylabel="trace / floor")
    grid = np.geomspace(factors.min(), factors.max(), 200)
    for each in norm:
        moving, stays = norms.norm_shares(each)
        if stays:
            ratio = (moving / grid**2 + stays) / stays
            axes[0].plot(grid, ratio, color=COLOURS[0], lw=0.8, alpha=0.7)
    if norm:
        _, stays = norms.norm_shares(norm[0])
        dots = [curves.trace(norm[0], norms.behind_norm(norm[0], a)) for a in factors]
        if stays:
            axes[0].scatter(
                factors, np.array(dots) / stays, color="0.2", s=14, zorder=3
            )
    else:
        say_why(axes[0], "every run diverged")
    for trace, bound in zip(ln.traces, ln.bounds, strict=True):
        axes[1].plot(ln.factors, trace / bound, color=COLOURS[0], lw=0.8, alpha=0.7)
        axes[1].scatter(ln.factors, trace / bound, color="0.2", s=8, zorder=3)
    if not len(ln.bounds):
        say_why(axes[1], "no run interpolates")
    axes[0].legend()
    return fig


def after(found: Continued, factor: float) -> Figure:
    """Trace, minimum sharpness and accuracy after training went on.

    Args:
        found: from `runs.continue_all`.
        factor: of the rescaled starts, for the labels.
    """
    fig, axes = plt.subplots(1, 3, figsize=(WIDTH, 3.2), sharey=True)
    metrics = {
        "log_trace": "trace",
        "log_minimum": "minimum sharpness",
        "test_accuracy": "test accuracy",
    }
    for axis, (metric, label) in zip(axes, metrics.items(), strict=True):
        for place, (name, table) in enumerate(found.tables.items()):
            _row(axis, place, table, metric, AFTER[name].rescaled)
        axis.set(xlabel=label)
        if metric != "test_accuracy":
            axis.set_xscale("log")
        if not any(len(table) for table in found.tables.values()):
            say_why(axis, "every run diverged")
    names = [name.replace("rescaled", f"× {factor:g}") for name in found.tables]
    axes[0].set_yticks(range(len(names)), names)
    axes[0].invert_yaxis()
    return fig


def _row(
    axis: Axes, place: int, table: pd.DataFrame, metric: str, rescaled: bool
) -> None:
    """Seeds, mean and interval of one setting."""
    alive = table[~table["diverged"]]
    if alive.empty:
        return
    raised = np.exp if metric.startswith("log_") else np.asarray
    colour = COLOURS[1] if rescaled else COLOURS[0]
    values = raised(alive[metric].to_numpy(float))
    axis.scatter(values, [place] * len(values), color=colour, s=9, alpha=0.5, lw=0)
    mean, low, high = (raised(end) for end in mean_interval(alive, metric))
    axis.plot([low, high], [place, place], color=colour, lw=2)
    axis.scatter(mean, place, color=colour, s=30, zorder=3)
