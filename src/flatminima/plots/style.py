"""One figure style, and the figures that several chapters share.

Colours are the colour-blind safe set of seaborn; rules are told apart by line
style as well. Sizes and fonts are fixed, so every figure of the book matches.
"""

import sys
import textwrap

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from flatminima.sweeps.table import why_missing

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


INLINE = "module://matplotlib_inline.backend_inline"
"""What draws the figures of a page."""

LIVE = ("inline", "ipympl", "widget", "nbagg", "notebook")
"""Parts of the names of what can draw in a notebook."""

DISPLAY = ("backend", "interactive", "toolbar", "webagg.", "tk.", "savefig.directory")
"""Beginnings of the names of settings that say where figures are shown."""


TICKS_BY_DECADE = 5
"""Ratio of the ends of a logarithmic axis above which the coarse ticks do."""

COARSE = (1, 2, 3, 5)
"""Ticks of a decade."""

FINE = (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 8)
"""Ticks of a decade of which an axis shows a part."""

WIDEST_REASON = 26
"""Characters in a line of what an empty panel says."""


def use_style() -> None:
    """Set the figure style of the book for everything drawn afterwards.

    It starts from the library's own defaults, so that no setting of the reader's
    changes a figure, and replaces what cannot draw in a notebook.
    """
    defaults = mpl.rcParamsDefault.items()
    mpl.rcParams.update({k: v for k, v in defaults if not k.startswith(DISPLAY)})
    sns.set_theme(context="paper", style="ticks", palette="colorblind")
    mpl.rcParams.update(
        {
            "figure.figsize": (WIDTH, 3.0),
            "figure.dpi": 100,
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
            "svg.hashsalt": "flatminima",
            "svg.fonttype": "path",
        }
    )
    if "ipykernel" in sys.modules and not any(
        name in mpl.get_backend().lower() for name in LIVE
    ):
        mpl.use(INLINE)


def plain_log_ticks(axis: Axes) -> None:
    """Label a logarithmic vertical axis with numbers such as 20 and 0.5.

    Args:
        axis: the panel, with all that it shows.
    """
    low, high = axis.get_ylim()
    few = high / low > TICKS_BY_DECADE
    axis.yaxis.set_major_locator(LogLocator(subs=COARSE if few else FINE))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())


def explain_empty(
    axis: Axes, drawn: pd.Series, table: pd.DataFrame, metric: str
) -> None:
    """Write into a panel why it shows nothing; leave one that shows something.

    Args:
        axis: the panel.
        drawn: the values that it shows.
        table: of the runs that it is about, from `sweep`.
        metric: as in `why_missing`.
    """
    if not np.isfinite(drawn.to_numpy(dtype=float)).any():
        say_why(axis, why_missing(table, metric) or "nothing to show")


def say_why(axis: Axes, reason: str) -> None:
    """Write into a panel why it shows nothing.

    Args:
        axis: the panel, its scales chosen.
        reason: in a few words, such as "every run diverged".
    """
    reason = "\n".join(textwrap.wrap(reason, WIDEST_REASON))
    axis.text(
        *(0.5, 0.5, reason),
        transform=axis.transAxes,
        ha="center",
        va="center",
        fontsize=9,
        color="0.35",
    )
    # matplotlib has no ticks for a logarithmic axis on which nothing lies
    same_x = axis.get_shared_x_axes().get_siblings(axis)
    if axis.get_xscale() == "log" and not any(
        np.isfinite(each.dataLim.minposx) for each in same_x
    ):
        axis.set_xlim(1, 10)
    same_y = axis.get_shared_y_axes().get_siblings(axis)
    if axis.get_yscale() == "log" and not any(
        np.isfinite(each.dataLim.minposy) for each in same_y
    ):
        axis.set_ylim(1, 10)
