"""Figures of the chapter on diagonal networks."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH, say_why
from flatminima.studies.diagonal_networks.runs import Compared
from flatminima.studies.diagonal_networks.tables import level_set, norm_ball, shares

FLOOR = 1e-8
"""Distance to the target at which a drawn line ends: what is nearer is exact."""


def _palette() -> list[tuple[float, float, float]]:
    return list(sns.color_palette("colorblind"))


def level_sets(alphas: Sequence[float]) -> Figure:
    """Level sets of phi_alpha in the plane, with the balls of both norms.

    Args:
        alphas: one panel each.
    """
    angles = np.linspace(0.0, 2 * np.pi, 241)
    fig, axes = plt.subplots(
        1, len(alphas), figsize=(WIDTH, 2.9), squeeze=False, sharey=True
    )
    grey, own = "0.55", _palette()[0]
    for axis, alpha in zip(axes[0], alphas, strict=True):
        for p, style in ((1, "--"), (2, ":")):
            radius = norm_ball(p, angles)
            axis.plot(
                *(radius * np.cos(angles), radius * np.sin(angles)),
                color=grey,
                ls=style,
                lw=1.4,
                label=f"$\\ell_{p}$ ball",
            )
        for factor in (1.0, 0.6, 0.3):
            radius = factor * level_set(alpha, angles)
            axis.plot(
                *(radius * np.cos(angles), radius * np.sin(angles)),
                color=own,
                alpha=1.0 if factor == 1.0 else 0.35,
                label="$\\phi_\\alpha$" if factor == 1.0 else None,
            )
        axis.set(aspect="equal", title=f"α = {alpha:g}", xlabel="$\\beta_1$")
    axes[0, 0].set_ylabel("$\\beta_2$")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3)
    return fig


def distances(table: pd.DataFrame) -> Figure:
    """Distance from the programme's solution against the learning rate.

    Args:
        table: from `runs.limits`.
    """
    fig, axis = plt.subplots(figsize=(WIDTH, 3.2))
    axis.set(xscale="log", yscale="log", xlabel="learning rate")
    axis.set_ylabel("relative distance from\nthe convex programme")
    shown = table[np.isfinite(table["distance"]) & (table["distance"] > 0)]
    for (alpha, rows), colour, marker in zip(
        shown.groupby("alpha"), _palette(), "os^DvPX*", strict=False
    ):
        axis.scatter(rows["lr"], rows["distance"], color=colour, s=9, alpha=0.5, lw=0)
        middle = rows.groupby("lr")["distance"].median()
        axis.plot(
            middle.index, middle, color=colour, marker=marker, label=f"α = {alpha:g}"
        )
    if shown.empty:
        say_why(axis, "no run has a distance")
        return fig
    lrs = np.sort(shown["lr"].unique())
    first = shown.loc[shown["lr"] == lrs[0], "distance"].median()
    axis.plot(
        lrs, 3 * first * lrs / lrs[0], color="0.4", ls="--", lw=1, label="slope 1"
    )
    axis.axhline(1e-3, color="0.4", ls=":", lw=1)
    axis.legend(ncols=2)
    return fig


def against_rho(compared: Compared) -> Figure:
    """Test loss over the grids of ρ, and from smaller starts.

    Args:
        compared: from `runs.compare`.
    """
    fig, axes = plt.subplots(
        1, 2, figsize=(WIDTH, 3.4), sharey=True, width_ratios=[3, 2]
    )
    reference = compared.at_best("GD")["log_test_loss"].mean()
    names = [rule for rule in compared.judged if rule != "GD"]
    for rule, colour, marker in zip(names, _palette(), "os^D", strict=False):
        axis = axes[1] if rule.startswith("GD") else axes[0]
        tables = compared.judged[rule]
        means = {at: t["log_test_loss"].mean() for at, t in tables.items()}
        for at, ends in tables.items():
            axis.scatter(
                np.full(len(ends), at),
                ends["log_test_loss"],
                color=colour,
                s=8,
                alpha=0.4,
                lw=0,
            )
        axis.plot(
            list(means), list(means.values()), color=colour, marker=marker, label=rule
        )
        chosen = compared.best[rule]
        axis.plot(
            *([chosen], [means[chosen]]),
            color=colour,
            marker="o",
            ms=13,
            mfc="none",
            mew=1.6,
        )
    for axis, label in zip(axes, ("ρ", "α of the start"), strict=True):
        axis.set(xscale="log", xlabel=label)
        if np.isfinite(reference):
            axis.axhline(reference, color="0.3", ls="--", lw=1.2, label="GD")
        axis.legend()
    ends = pd.concat([t for each in compared.judged.values() for t in each.values()])
    if ends["log_test_loss"].isna().all():
        for axis in axes:
            lost = ends["diverged"].all()
            say_why(axis, "every run diverged" if lost else "no run converged")
    axes[0].set_ylabel("log10 of the test loss")
    return fig


def recoveries(table: pd.DataFrame) -> Figure:
    """Share of targets recovered, and median error, against the number of examples.

    Args:
        table: from `runs.recovery`.
    """
    fig, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.2))
    hit = shares(table)
    for (alpha, share), colour, marker in zip(
        hit.items(), _palette(), "Xos^DvP*", strict=False
    ):
        label = f"α = {alpha:g}" if alpha else "basis pursuit"
        style = "-" if alpha else "--"
        axes[0].plot(share.index, share, color=colour, marker=marker, ls=style)
        rows = table[table["alpha"] == alpha]
        middle = rows.groupby("n")["error"].median().clip(lower=FLOOR)
        axes[1].plot(
            middle.index, middle, color=colour, marker=marker, ls=style, label=label
        )
    axes[0].set(
        xlabel="examples n", ylabel="share of targets recovered", ylim=(-0.05, 1.05)
    )
    axes[1].set(xlabel="examples n", ylabel="distance to the target", yscale="log")
    fig.legend(
        *axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=5
    )
    return fig
