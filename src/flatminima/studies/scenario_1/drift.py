"""Where 1-SAM drifts along the interpolating set, to second order in its radius.

Take l = (f - y)^2 and a point with f = y on all examples. With a residual that is
nearly 0, of sign s, the ascent step leads to theta + rho s g / ||g||, g = grad f. There

    f - y  = rho s ||g|| + rho^2 g.Hg / (2 ||g||^2) + O(rho^3),
    grad f = g + rho s Hg / ||g|| + O(rho^2),

H the Hessian of f, and the gradient of the loss, 2 (f - y) grad f, is

    2 rho s ||g|| g + rho^2 (g.Hg / ||g||^2) g + 2 rho^2 Hg + O(rho^3).

The first two parts are along g and leave the set. What is tangent to it is in
2 Hg = grad ||g||^2. On average over the examples a step therefore drifts by

    -lr rho^2 P grad mean ||g||^2 = -(lr rho^2 / 2) P grad Tr Hess L,

P the projection on the tangent space, since Tr Hess L = 2 mean ||g||^2 on the set.
The sign s has dropped out, and the next order is odd in it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.special import expit

from flatminima.data.xor import sample_xor
from flatminima.models import softplus
from flatminima.sharpness.closed_form import linearised, per_example_gradients
from flatminima.sharpness.gauss_newton import least_norm, retract


class Point(NamedTuple):
    """A network of softplus units on the interpolating set.

    Attributes:
        w, v: parameters.
        inputs: rows x'.
        y: labels, which are the outputs.
    """

    w: Float[np.ndarray, "inputs width"]
    v: Float[np.ndarray, " width"]
    inputs: Float[np.ndarray, "n inputs"]
    y: Float[np.ndarray, " n"]


def interpolating(d: int, n: int, width: int, seed: int) -> Point:
    """A random network, moved onto the interpolating set of xor.

    Args:
        d, n, width: size of the problem and of the network.
        seed: of the data and of the network.

    Raises:
        ArithmeticError: if the set is not reached.
    """
    train, model = sample_xor(n, d, seed), softplus.Model()
    inputs = softplus.inputs(model, train.x)
    start = softplus.init(model, d, width, np.random.default_rng(seed))
    at = retract(linearised(model, inputs), start, train.y, tolerance=1e-26)
    if not at.converged:
        raise ArithmeticError(f"the loss is {at.loss:.1e}, after the last step")
    w, v = at.parameters
    return Point(w, v, inputs, train.y)


def step(
    at: Point, rho: float, signs: Float[np.ndarray, " n"]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the examples of 1-SAM's step, divided by the learning rate.

    Args:
        at: where all of them start.
        rho: radius.
        signs: of the residuals, which are taken to be nearly 0.

    Returns:
        The displacement of w and of v.
    """
    before = per_example_gradients(softplus.Model(), at.w, at.v, at.inputs)
    reach = rho * signs / np.sqrt(before.norm_sq)
    n = len(at.y)
    dw, dv = np.zeros_like(at.w), np.zeros_like(at.v)
    for i in range(n):
        up_w, up_v = before.pull_back(reach * (np.arange(n) == i))
        there = per_example_gradients(
            softplus.Model(), at.w + up_w, at.v + up_v, at.inputs[i : i + 1]
        )
        down_w, down_v = there.pull_back(-2 / n * (there.f - at.y[i]))
        dw, dv = dw + down_w, dv + down_v
    return dw, dv


def tangent(at: Point, dw: np.ndarray, dv: np.ndarray) -> np.ndarray:
    """The part of a displacement along the interpolating set, as one vector.

    Args:
        at: where.
        dw, dv: the displacement.
    """
    here = per_example_gradients(softplus.Model(), at.w, at.v, at.inputs)
    along = here.u @ dv + np.einsum("ij,ij->i", here.g, at.inputs @ dw)
    w_part, v_part = here.pull_back(least_norm(here.gram(), along))
    return np.concatenate([(dw - w_part).ravel(), dv - v_part])


def trace_gradient(at: Point) -> tuple[np.ndarray, np.ndarray]:
    """Gradient of (2/n) sum ||grad f||^2 in w and v.

    With z = w.T x', ||grad f||^2 = sum_j [softplus(z_j)^2 + ||x'||^2 v_j^2
    sigmoid(z_j)^2].

    Args:
        at: where.
    """
    here = per_example_gradients(softplus.Model(), at.w, at.v, at.inputs)
    on, size = expit(here.z), here.input_sq[:, None]
    by_z = 2 * on * (here.u + size * at.v**2 * on * (1 - on))
    by_v = 2 * at.v * np.sum(size * on**2, axis=0)
    share = 2 / len(at.y)
    return share * at.inputs.T @ by_z, share * by_v


def against_prediction(
    at: Point, radii: Sequence[float], seed: int = 0
) -> pd.DataFrame:
    """The drift of 1-SAM beside -(rho^2 / 2) P grad Tr Hess L.

    Args:
        at: where it starts.
        radii: a row each.
        seed: of the signs of the residuals.

    Returns:
        A row a radius: `drift / prediction`, the ratio of the drift along the
        prediction to its length; `relative error`, the distance of the two vectors
        as a share of the prediction's length; and `tangent share`, the drift's length
        as a share of the whole step's.
    """
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], len(at.y))
    downhill = -tangent(at, *trace_gradient(at))
    rows = []
    for rho in radii:
        dw, dv = step(at, rho, signs)
        drift, predicted = tangent(at, dw, dv), rho**2 / 2 * downhill
        size = np.linalg.norm(predicted)
        whole = np.sqrt(np.sum(dw**2) + np.sum(dv**2))
        rows.append(
            (
                rho,
                drift @ predicted / size**2,
                np.linalg.norm(drift - predicted) / size,
                np.linalg.norm(drift) / whole,
            )
        )
    columns = ["ρ", "drift / prediction", "relative error", "tangent share"]
    return pd.DataFrame(rows, columns=columns).set_index("ρ")
