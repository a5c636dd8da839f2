"""Neural tangent kernel of the plain two-layer networks, and regression with it.

For f(x) = sum_j v_j relu(w_j . x') the tangent kernel is

    K(a, b) = sum_j [ relu(z_aj) relu(z_bj) + v_j^2 1[z_aj > 0] 1[z_bj > 0] a . b ].

Its mean over Gaussian weights, Var w = s and Var v = t, with theta the angle
between a and b (Cho & Saul 2009: arc-cosine kernels of degrees 1 and 0), is

    width s ||a|| ||b|| (sin theta + (pi - theta) cos theta) / (2 pi)
    + width t a . b (pi - theta) / (2 pi).

The project draws W1 and b1 from U(+-1/sqrt(d)) and W2 from U(+-1/sqrt(width)), so
s = 1 / (3 d) and width t = 1/3. Uniform weights give the same means as Gaussian
ones only as d grows, since z is then a sum of many terms. The first part grows
with the width and the second does not: in this parametrisation, which divides
the output by nothing, wide networks learn with the second layer alone.
"""

import numpy as np
import scipy.linalg
from jaxtyping import Float

from flatminima.models.base import load

SINGULAR = 1e-12
"""Relative size below which an eigenvalue of the kernel matrix counts as null."""


def tangent_kernel(
    a: Float[np.ndarray, "rows inputs"],
    b: Float[np.ndarray, "columns inputs"],
    *,
    d: int,
    width: float,
) -> Float[np.ndarray, "rows columns"]:
    """Mean tangent kernel at the project's initialisation, divided by the width.

    >>> tangent_kernel(np.eye(2), np.eye(2), d=2, width=np.inf).round(4)
    array([[0.0833, 0.0265],
           [0.0265, 0.0833]])

    Args:
        a, b: rows x', the constant input of the bias included if there is one.
        d: fan-in of the initialisation, the bias not counted.
        width: number of hidden units; inf for the limit.

    Raises:
        ValueError: if d or the width is below 1, or if an input is 0.
    """
    for name, value in (("d", d), ("width", width)):
        if not value >= 1:
            raise ValueError(f"{name} = {value}: at least 1 is needed")
    norms = np.outer(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1))
    if not (norms > 0).all():
        raise ValueError("a and b hold an input that is 0: it has no angle")
    inner = a @ b.T
    cosine = np.clip(inner / norms, -1.0, 1.0)
    angle = np.arccos(cosine)
    second = norms * (np.sin(angle) + (np.pi - angle) * cosine) / (3 * d)
    first = inner * (np.pi - angle) / (3 * width)
    return (second + first) / (2 * np.pi)


def kernel_regression(
    architecture_name: str,
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    x_test: Float[np.ndarray, "points d"],
    *,
    width: float = np.inf,
) -> Float[np.ndarray, " points"]:
    """Ridgeless regression k(x_test, x) K^+ y with the mean tangent kernel.

    It is where gradient descent from a small learning rate ends for the linearised
    network, from an output that is 0 at the start.

    Args:
        architecture_name: "no_bias" or "bias".
        x, y: training set.
        x_test: points to predict.
        width: as in `tangent_kernel`.

    Raises:
        ValueError: if the architecture has no such kernel here, or as
            `tangent_kernel`.
    """
    if architecture_name not in ("no_bias", "bias"):
        raise ValueError(
            f"architecture_name = {architecture_name!r}: allowed are no_bias and bias"
        )
    architecture = load(architecture_name)
    model = architecture.Model()
    train, test = architecture.inputs(model, x), architecture.inputs(model, x_test)
    d = x.shape[1]
    gram = tangent_kernel(train, train, d=d, width=width)
    weights = scipy.linalg.lstsq(gram, y, cond=SINGULAR)[0]
    return tangent_kernel(test, train, d=d, width=width) @ weights
