"""The figures of Wen, Li & Ma 2023 redrawn, in the style of `plots`."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from flatminima.plots.style import WIDTH, explain_empty
from flatminima.plots.training import CEILING, band
from flatminima.sources.wen_li_ma import FIGURES
from flatminima.studies.paper_figures.runs import FigureRuns
from flatminima.sweeps.table import median

_COLOURS = sns.color_palette("colorblind")
QUICK: dict[str, Any] = {"color": _COLOURS[0], "ls": "-"}
COMMITTED: dict[str, Any] = {"color": _COLOURS[1], "ls": (0, (4, 1.5))}
DECADES = 50.0
"""Ratio of the ends of a logarithmic axis up to which 2 and 5 are labelled too."""

BOUND: dict[str, Any] = {"color": "0.35", "ls": ":", "lw": 1.2}


def figure_curves(shown: Mapping[str, FigureRuns]) -> Figure:
    """Accuracy and trace against epochs, one column a figure of the paper.

    Lines are medians over seeds, bands reach from the 10th to the 90th percentile:
    solid for the runs of this build, dashed for the committed ones. Bold traces are
    those of retracted networks, thin ones those of the iterates, where positive. A
    dotted line is the certified bound at interpolation, where one is known, and a
    tick on the time axis a change of learning rate and radius. The title says where
    even the committed runs are shorter than the source's, and a panel without a
    value why it has none.

    Args:
        shown: figures by name, as from `figures.run`; at most four fit.
    """
    fig, axes = plt.subplots(
        2, len(shown), figsize=(WIDTH, 4.6), sharex="col", squeeze=False
    )
    for (upper, lower), runs in zip(axes.T, shown.values(), strict=True):
        for table, style in ((runs.paper, COMMITTED), (runs.quick, QUICK)):
            if not table.empty:
                _curves(upper, lower, runs.metric, table, style)
        bound = median(runs.table["bound"])
        if pd.notna(bound):
            lower.axhline(bound, **BOUND)
        _phases(lower, runs)
        _label(upper, lower, runs, shown.values())
        _explain(upper, lower, runs)
    axes[0][0].set_ylabel("test R²" if _regression(shown) else "test accuracy")
    axes[1][0].set_ylabel("trace of the Hessian")
    handles = {"this build": Line2D([], [], **QUICK)}
    if any(not runs.paper.empty for runs in shown.values()):
        handles["committed runs, longer"] = Line2D([], [], **COMMITTED)
    if any(runs.table["bound"].notna().any() for runs in shown.values()):
        handles["certified bound"] = Line2D([], [], **BOUND)
    fig.legend(
        list(handles.values()),
        list(handles),
        loc="outside lower center",
        ncols=len(handles),
        handlelength=3,
    )
    return fig


def _curves(
    upper: Axes, lower: Axes, metric: str, table: pd.DataFrame, style: dict
) -> None:
    rows = table[table["step"] > 0]
    band(upper, rows.groupby("epoch")[metric], **style)
    raw = rows["trace"].where(rows["trace"] > 0).groupby(rows["epoch"]).median()
    raw = raw.clip(upper=CEILING)
    lower.plot(raw.index, raw, color=style["color"], lw=0.8, alpha=0.7)
    band(lower, rows.groupby("epoch")["retracted_trace"], **style)


def _explain(upper: Axes, lower: Axes, runs: FigureRuns) -> None:
    """Say in a panel why it is empty."""
    drawn = pd.concat([runs.quick, runs.paper])
    drawn = drawn[drawn["step"] > 0]
    explain_empty(upper, drawn[runs.metric], runs.table, runs.metric)
    trace = drawn["trace"].where(drawn["trace"] > 0)
    trace = trace.fillna(drawn["retracted_trace"])
    explain_empty(lower, trace, runs.table, "retracted_trace")


def _phases(axis: Axes, runs: FigureRuns) -> None:
    """A tick at the end of every phase but the last, for the longer runs."""
    share = runs.share(runs.table)
    epochs = 0.0
    for _, _, length in FIGURES[runs.name].phases[:-1]:
        epochs += share * length
        axis.axvline(epochs, ymax=0.06, color="0.2", lw=1.2)


def _label(
    upper: Axes, lower: Axes, runs: FigureRuns, others: Iterable[FigureRuns]
) -> None:
    architecture, rule = runs.setting.split(", ", 1)
    title = f"{runs.name}: {architecture}\n{rule}"
    if any(_reduced(shown) for shown in others):
        share = runs.share(runs.table)
        part = f"reduced: {share:.2g} of the epochs" if _reduced(runs) else ""
        title += f"\n{part}"
    upper.set_title(title, fontsize=9)
    upper.set_xscale("log")
    if runs.metric == "test_accuracy":
        upper.axhline(0.5, color="0.6", lw=0.8, ls=":")
        upper.set_ylim(0.45, 1.03)
    else:
        upper.set_ylim(top=1.03)
    lower.set(yscale="log", xlabel="epochs")
    bottom, top = lower.get_ylim()
    subs = (1, 2, 5) if top < DECADES * bottom else (1,)
    lower.yaxis.set_major_locator(LogLocator(subs=subs))
    lower.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    lower.yaxis.set_minor_formatter(NullFormatter())


def _reduced(runs: FigureRuns) -> bool:
    """Whether even the committed runs are shorter than the source's."""
    return runs.committed and runs.share(runs.table) < 1


def _regression(shown: Mapping[str, FigureRuns]) -> bool:
    return all(runs.metric == "test_r2" for runs in shown.values())
