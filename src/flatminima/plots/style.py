"""One figure style, and the figures that several chapters share.

Colours are the colour-blind safe set of seaborn; rules are told apart by line
style as well. Sizes and fonts are fixed, so every figure of the book matches.
"""

import matplotlib as mpl
import seaborn as sns

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
