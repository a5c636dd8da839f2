"""Dots and intervals over the variations of several architectures."""

import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, ScalarFormatter

from flatminima.plots.style import (
    ARCHITECTURES,
    RULE_STYLES,
    WIDTH,
    explain_empty,
)
from flatminima.statistics.intervals import centre
from flatminima.studies.robust.runs import label

METRICS = {"test_accuracy": ("test accuracy", 0.95), "ratio": ("trace / bound", 1.05)}
"""Label of each metric, and the threshold that the claims' rules use."""

MARKERS = {"1-SAM": "o", "SGD": "D"}


def dots(table: pd.DataFrame, metric: str) -> Figure:
    """A metric of every variation, one column an architecture, one dot a rule.

    Dots are means of the test accuracy, in which a run that diverged counts as 0, or
    medians of trace over bound after retraction, over the seeds that reach it. Bars
    are 95 % intervals over seeds. A dot is hollow if some run diverged, and
    a cross at the edge if all did. A column without a dot says why.

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
        figsize=(WIDTH, 1.2 + 0.22 * len(settings)),
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    title, threshold = METRICS[metric]
    for axis, architecture in zip(axes[0], names, strict=True):
        rows = table[table["architecture"] == architecture]
        for rule, of_rule in rows.groupby("rule", sort=False):
            groups = of_rule.groupby(["field", "factor"], sort=False)
            for k, setting in enumerate(settings):
                offset = -0.17 if rule == "1-SAM" else 0.17
                _dot(axis, groups.get_group(setting), str(rule), metric, k + offset)
        axis.axvline(threshold, color="0.3", lw=0.8, ls=":")
        axis.set(title=ARCHITECTURES[architecture][0], xlabel=title)
        kept = rows[~rows["diverged"]]
        values = kept["retracted_trace"] / kept["bound"]
        values = kept.get(metric, values)
        explain_empty(axis, values, rows, metric)
        for k, (field, _) in enumerate(settings):
            if k and field != settings[k - 1][0]:
                axis.axhline(k - 0.5, color="0.85", lw=0.7)
    first = axes[0][0]
    if metric == "ratio":
        first.set_xscale("log")
        first.set_xticks([1, 2, 5, 10, 20])
        first.xaxis.set_major_formatter(ScalarFormatter())
        first.xaxis.set_minor_formatter(NullFormatter())
    else:
        first.set_xlim(0.45, 1.03)
    first.set_yticks(range(len(settings)), [label(*s) for s in settings])
    first.invert_yaxis()
    legend = [
        Line2D([], [], color=RULE_STYLES[rule][0], marker=marker, ls="none", label=rule)
        for rule, marker in MARKERS.items()
    ]
    for text, marker, face in (("some", "o", "white"), ("all", "x", "0.3")):
        about = f"{text} runs diverged"
        legend.append(
            Line2D([], [], color="0.3", marker=marker, mfc=face, ls="none", label=about)
        )
    fig.legend(handles=legend, loc="outside lower center", ncols=len(legend))
    return fig


def _dot(axis: Axes, rows: pd.DataFrame, rule: str, metric: str, y: float) -> None:
    """One setting of one rule."""
    colour = RULE_STYLES[rule][0]
    if rows["diverged"].all():
        edge = axis.get_yaxis_transform()
        axis.plot(0.02, y, color=colour, marker="x", ms=5, transform=edge)
        return
    middle, low, high = centre(rows, metric)
    axis.errorbar(
        middle,
        y,
        xerr=[[middle - low], [high - middle]],
        color=colour,
        marker=MARKERS[rule],
        mfc="white" if rows["diverged"].any() else colour,
        ms=4.5,
        lw=1.3,
        ls="none",
    )
