"""Dots and intervals over the variations of several architectures."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from flatminima import claims
from flatminima.plots import ARCHITECTURES, RULE_STYLES, WIDTH
from flatminima.variations import label


def dots(table: pd.DataFrame, metric: str) -> Figure:
    """A metric of every variation, one column an architecture, one dot a rule.

    Dots are means of the test accuracy, in which a run that diverged counts as 0, or
    medians of trace over bound after retraction, over the seeds that reach it. Bars
    are 95 % bootstrap intervals over seeds. The number of diverged runs is written
    beside, with an arrow head.

    Args:
        table: from `variations.run_variations`, of several architectures.
        metric: "test_accuracy" or "ratio".

    Raises:
        ValueError: if the metric is another.
    """
    if metric not in METRICS:
        raise ValueError(f"metric = {metric!r}: must be one of {', '.join(METRICS)}")
    names = list(dict.fromkeys(table["architecture"]))
    settings = list(dict.fromkeys(zip(table["field"], table["factor"], strict=True)))
    fig, axes = plt.subplots(
        1,
        len(names),
        figsize=(WIDTH, 1.1 + 0.21 * len(settings)),
        sharey=True,
        squeeze=False,
    )
    for axis, architecture in zip(axes[0], names, strict=True):
        rows = table[table["architecture"] == architecture]
        for offset, (rule, of_rule) in zip(
            (-0.16, 0.16), rows.groupby("rule", sort=False), strict=False
        ):
            groups = of_rule.groupby(["field", "factor"], sort=False)
            found = [interval(groups.get_group(s), metric) for s in settings]
            y = np.arange(len(settings)) + offset
            middle, low, high = np.array(found).T
            axis.errorbar(
                middle,
                y,
                xerr=[middle - low, high - middle],
                color=RULE_STYLES[rule][0],
                marker="o" if rule == "1-SAM" else "D",
                ms=4.5,
                lw=1.3,
                ls="none",
                label=rule,
            )
            for position, setting in zip(y, settings, strict=True):
                lost = int(groups.get_group(setting)["diverged"].sum())
                if lost:
                    axis.annotate(
                        f"{lost} diverged",
                        (0.02, position),
                        xycoords=("axes fraction", "data"),
                        color=RULE_STYLES[rule][0],
                        fontsize=6.5,
                        va="center",
                    )
        if metric == "ratio":
            axis.set_xscale("log")
        axis.axvline(METRICS[metric][1], color="0.3", lw=0.8, ls=":")
        axis.set(title=ARCHITECTURES[architecture][0], xlabel=METRICS[metric][0])
        for k, (field, _) in enumerate(settings):
            if k and field != settings[k - 1][0]:
                axis.axhline(k - 0.5, color="0.85", lw=0.7)
    axes[0][0].set_yticks(range(len(settings)), [label(*s) for s in settings])
    axes[0][0].invert_yaxis()
    handles, rules = axes[0][0].get_legend_handles_labels()
    fig.legend(handles, rules, loc="outside lower center", ncols=len(rules))
    return fig


METRICS = {"test_accuracy": ("test accuracy", 0.95), "ratio": ("trace / bound", 1.05)}
"""Label of each metric, and the threshold that the claims' rules use."""


def interval(rows: pd.DataFrame, metric: str) -> tuple[float, float, float]:
    """Middle, low and high of a metric over the seeds of one setting.

    NaN if there is no value.
    """
    thresholds, _ = claims.load()
    if metric == "ratio":
        values = (rows["retracted_trace"] / rows["bound"])[~rows["diverged"]].dropna()
    else:
        values = claims.per_seed(rows, metric, diverged=0.0)
    if values.empty:
        return np.nan, np.nan, np.nan
    statistic: Callable[..., Any] = np.median if metric == "ratio" else np.mean
    low, high = claims.bootstrap(values.to_numpy(), thresholds, statistic)
    return float(statistic(values)), low, high
