"""The first layer, unit by unit."""

import numpy as np
from jaxtyping import Float
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from flatminima.plots.style import WIDTH, say_why
from flatminima.sweeps.table import DIVERGED


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
    with np.errstate(over="ignore", invalid="ignore"):  # about to diverge
        size = np.abs(v) * np.linalg.norm(w, axis=0)
        order = np.argsort(-size)[:count]
        return w[:, order] * np.abs(v[order])


def units(
    panels: dict[str, Float[np.ndarray, "inputs shown"]], *, has_bias: bool
) -> Figure:
    """Weights of the largest units as an image, one panel a rule.

    A panel without weights, as those of a run that diverged, says so.

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
        if np.isnan(columns).all():
            say_why(axis, DIVERGED)
    num_inputs = len(next(iter(panels.values())))
    ticks = [t for t in (0, 1, 9, 19) if t < num_inputs - 1]
    labels = [str(t + 1) for t in ticks]
    labels.append("bias" if has_bias else str(num_inputs))
    axes[0][0].set_yticks([*ticks, num_inputs - 1], labels)
    axes[0][0].set_ylabel("input")
    fig.colorbar(image, ax=axes[0], label="weight / largest", shrink=0.9)
    return fig
