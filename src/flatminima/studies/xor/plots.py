"""The figure of the chapter on xor."""

import numpy as np
from jaxtyping import Float
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from flatminima.models.base import load


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
