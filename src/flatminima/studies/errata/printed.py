"""Formulas of Wen, Li & Ma 2023 exactly as printed, to be checked by computation.

Each function builds what the source writes down, slips included. The corrected forms
are elsewhere in this package.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.optimize import minimize_scalar

from flatminima.data.streams import Dataset
from flatminima.models import bias, deep, sim_bn, sim_ln
from flatminima.models.losses import Logistic
from flatminima.sharpness import deep as deep_sharpness
from flatminima.sharpness import sim_bn as sim_bn_sharpness
from flatminima.sharpness.closed_form import per_example_gradients
from flatminima.sharpness.dense import dense_trace
from flatminima.theory.constructions.generalising_networks import (
    SIGNS,
    generalising_bias,
)
from flatminima.theory.constructions.memorising_networks import (
    memorising_bias,
    memorising_sim_ln,
)
from flatminima.theory.constructions.verify import verify

FIGURE_2B = np.array(
    [
        [18.581, -18.582, 0.02],
        [-14.363, -14.363, 0.03],
        [13.768, 13.771, 0.03],
        [-12.601, 12.601, 0.01],
    ]
)
"""The paper's table of the four largest units: weights on x[1] and x[2], norm of the
weights on the other inputs."""

FIGURE_2B_COLUMNS = np.array([42.47, 42.48])
"""The norms that it gives for the first two columns of the first layer."""

FLAT = 1e-6
"""Slope of a loss, of order 1 elsewhere, that counts as 0."""


def equation_5_as_indexed(
    d: int,
) -> tuple[Float[np.ndarray, "inputs 4"], Float[np.ndarray, " 4"]]:
    """The generalising 2-MLP-Bias with the indices of eq. (5).

    Units are numbered 2i + j + 1 in the first layer but 2i + j in the second, for i,
    j in {0, 1}. So the second layer is shifted by one place; its last weight, of which
    the equation says nothing, is taken as 0. Scaled as `generalising_bias`.

    Args:
        d: input dimension, at least 2.
    """
    w, v = generalising_bias(d)
    return w, np.append(v[1:], 0.0)


def equation_4_gap(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> float:
    """How far the memorising 2-MLP-Bias is from eq. (4), the condition for equality.

    The equation asks for v_j = h_j / ||x'|| at the units that are active on a point.
    A network whose label there is negative has v_j = -h_j / ||x'||.

    Args:
        x: points, all of them extreme.
        y: labels.

    Returns:
        The largest |v_j 1[z_j > 0] - h_j / ||x'||| over points and units.
    """
    w, v = memorising_bias(x, y)
    inputs = bias.inputs(bias.Model(), x)
    z = inputs @ w
    norm = np.linalg.norm(inputs, axis=1, keepdims=True)
    return float(np.max(np.abs(v * (z > 0) - np.maximum(z, 0.0) / norm)))


def lemma_a1_network(
    d: int, *, signed: bool = False, scale: float = 1.0
) -> tuple[
    Float[np.ndarray, "inputs 4"], Float[np.ndarray, " 4"], Float[np.ndarray, " 4"]
]:
    """The 2-MLP-Sim-BN in the proof of Lemma A.1, which is said to interpolate P_xor.

    One unit a quadrant of (x[1], x[2]), gamma = 1 and v = 1/2. A unit that is active
    on a quarter of the points is doubled by the normalisation, so every output is
    gamma v 2 = 1. Interpolation needs v to carry the label of the quadrant.

    Args:
        d: input dimension, at least 2.
        signed: multiply v by the labels, and balance: |v| = gamma = sqrt(1/2).
        scale: factor on the first layer, which no output sees.

    Returns:
        w, gamma, v.
    """
    w, _ = generalising_bias(d, r=scale)
    if signed:
        size = np.full(4, 0.5**0.5)
        return w, size, size * SIGNS.prod(axis=1)
    return w, np.ones(4), np.full(4, 0.5)


def theorem_41_network(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], depth: int
) -> tuple[
    Float[np.ndarray, "inputs n"],
    Float[np.ndarray, "middles n n"],
    Float[np.ndarray, " n"],
]:
    """The memorising deep MLP in the proof of Theorem 4.1.

    With r_i = (||x'_i|| / |y_i|)^(1/D), unit i of the first layer outputs
    |y_i| r_i^(D-1) on x_i alone, middle layers are diag(1 / r_i), and v_i =
    sign(y_i) / r_i. Where y_i = 0, r_i and the output of unit i are 1.

    Args:
        x: distinct extreme points.
        y: labels, 0 allowed.
        depth: layers of weights D, at least 2.

    Returns:
        w, middle, v.
    """
    w, norm = _units_of_height_one(x)
    zero = y == 0
    size = np.where(zero, norm, np.abs(y))
    r = (norm / size) ** (1 / depth)
    height = np.where(zero, 1.0, size * r ** (depth - 1))
    middle = np.tile(np.diag(1 / r), (depth - 2, 1, 1))
    return w * height, middle, np.sign(y) / r


def theorem_51_network(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], eps: float
) -> tuple[Float[np.ndarray, "inputs n"], Float[np.ndarray, " n"]]:
    """The memorising 2-MLP-Sim-LN in the proof of Theorem 5.1.

    With s_i = ||x'_i|| |y_i|, unit i outputs 2 eps and v_i = y_i where s_i > eps or
    y_i = 0. Where 0 < s_i <= eps it outputs sqrt(eps s_i), and v_i =
    y_i sqrt(eps / s_i).

    Args:
        x: distinct extreme points.
        y: labels, 0 allowed.
        eps: floor of the norm in Sim-LN, above 0.

    Returns:
        w, v.
    """
    w, norm = _units_of_height_one(x)
    s = norm * np.abs(y)
    below = (s > 0) & (s <= eps)
    ratio = np.where(below, s / eps, 1.0)
    height = np.where(below, eps * np.sqrt(ratio), 2 * eps)
    return w * height, y / np.sqrt(ratio)


def with_a_zero_label(train: Dataset) -> Dataset:
    """The same points; the label of the first is 0."""
    return replace(train, y=np.append(0.0, train.y[1:]))


def deep_trace(
    make: Callable[..., tuple[np.ndarray, ...]], train: Dataset, depth: int = 3
) -> dict[str, float]:
    """A memorising deep MLP beside its certified bound.

    Args:
        make: from points, labels and depth to w, middle, v.
        train: training set.
        depth: layers of weights, at least 3.

    Returns:
        worst error of an output; trace (by layers, as if the network were
        differentiable); bound; excess (trace - bound); and the share of the
        pre-activations of the first middle layer that are exactly 0.
    """
    w, middle, v = make(train.x, train.y, depth)
    model = deep.Model(depth=depth)
    inputs = deep.inputs(model, train.x)
    found = deep_sharpness.per_example_gradients(w, middle, v, inputs)
    trace = float(deep_sharpness.trace_hessian(found).sum())
    bound = deep.lower_bound(model, np.sum(inputs**2, axis=1), train.y)
    return {
        "worst error": float(np.max(np.abs(found.f - train.y))),
        "trace": trace,
        "bound": bound,
        "excess": trace - bound,
        "on a kink": float(np.mean(found.entering[1] @ middle[0] == 0)),
    }


def sim_ln_excess(train: Dataset, share: float) -> float:
    """Trace minus bound of the printed Sim-LN network, labels of one size.

    Args:
        train: points of the hypercube, labels -1, 0 and 1.
        share: ||x'|| |y| / eps at labels that are not 0.
    """
    eps = 1.0
    y = train.y * share * eps / (train.x.shape[1] + 1) ** 0.5
    w, v = theorem_51_network(train.x, y, eps)
    checked = verify("sim_ln", w, v, train.x, y, eps=eps)
    return checked.trace - checked.bound


def sim_bn_traces(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"], scales: Sequence[float]
) -> pd.DataFrame:
    """The corrected network of Lemma A.1 as its first layer grows, beside Lemma A.3.

    Args:
        x, y: a training set on which every quadrant has a quarter of the points.
        scales: factors on the first layer.

    Returns:
        One row a scale: trace; as printed (||v||^2 + ||gamma||^2); twice that.
    """
    inputs = sim_bn.inputs(sim_bn.Model(), x)
    rows = []
    for scale in scales:
        w, gamma, v = lemma_a1_network(x.shape[1], signed=True, scale=scale)
        found = sim_bn_sharpness.per_example_gradients(w, gamma, v, inputs)
        trace = sim_bn_sharpness.trace_hessian(found, 2 * (found.f - y))
        printed = float(v @ v + gamma @ gamma)
        rows.append({"trace": trace, "as printed": printed, "twice that": 2 * printed})
    return pd.DataFrame(rows, index=pd.Index(scales, name="scale"))


def logistic_traces(train: Dataset, p: float) -> pd.Series:
    """Tr Hess L of the logistic loss at the flattest generalising 2-MLP-Bias.

    Its outputs are the loss's minimisers +-gamma, gamma = log((1 - p) / p), if p
    weighs the other class.

    Args:
        train: a training set of P_xor.
        p: label smoothing probability, below 1/2.

    Returns:
        The trace of the dense Hessian; (1/n) sum ||grad f||^2 multiplied and divided
        by p (1 - p); and the certified bound.
    """
    d = train.x.shape[1]
    gamma = float(np.log((1 - p) / p))
    w, v = generalising_bias(d, r=(gamma * (d + 1) ** 0.5) ** 0.5)
    v *= gamma
    model, loss = bias.Model(), Logistic(p)
    inputs = bias.inputs(model, train.x)
    found = per_example_gradients(model, w, v, inputs)
    mean = found.norm_sq.mean()
    target = loss.target(train.y)
    return pd.Series(
        {
            "dense Hessian": dense_trace(bias, model, w, v, train.x, train.y, loss),
            "times p (1 - p)": p * (1 - p) * mean,
            "divided by p (1 - p)": mean / (p * (1 - p)),
            "certified bound": bias.lower_bound(
                model, found.input_sq, target, loss.curvature(target)
            ),
        }
    )


def smoothed_minimiser(p: float, b: int) -> float:
    """The output a that minimises the loss of definition A.2, found numerically.

    -p log(e^(b a) / (1 + e^a)) - (1 - p) log(e^((1 - b) a) / (1 + e^a))

    Args:
        p: label smoothing probability, above 0 and below 1.
        b: class, 0 or 1.

    Raises:
        ValueError: if p or b is not allowed.
        ArithmeticError: if what is found is no minimiser.
    """
    if not 0 < p < 1:
        raise ValueError(f"p = {p}: allowed are 0 < p < 1")
    if b not in (0, 1):
        raise ValueError(f"b = {b}: allowed are 0 and 1")

    def loss(a: float) -> float:
        return float(np.logaddexp(0.0, a) - p * b * a - (1 - p) * (1 - b) * a)

    found = float(minimize_scalar(loss, method="brent", tol=1e-10).x)
    # the loss is convex, so a slope of 0 is all that a minimiser needs
    slope = 1 / (1 + np.exp(-found)) - p * b - (1 - p) * (1 - b)
    if not abs(slope) <= FLAT:
        raise ArithmeticError(f"the loss has slope {slope:.2g} at a = {found:.6g}")
    return found


def undefined_share(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    points: Float[np.ndarray, "m d"],
) -> float:
    """Share of points at which a memorising 2-MLP-Sim-LN is 0/0 if eps = 0.

    Off the training set no unit is active, so the norm that divides is 0.

    Args:
        x, y: training set, all of it extreme points, labels not 0.
        points: where to evaluate.
    """
    w, v = memorising_sim_ln(x, y, eps=1e-4)
    model = sim_ln.Model(eps=0.0)
    with np.errstate(invalid="ignore"):
        f = sim_ln.forward(model, w, v, sim_ln.inputs(model, points))
    return float(np.mean(np.isnan(f)))


def gradients_beside_the_floor(d: int, eps: float) -> tuple[float, float]:
    """||grad f||^2 of a Sim-LN with one active unit, just below and above ||h|| = eps.

    f is continuous there and its gradient is not: (v^2 ||x'||^2 + eps^2) / eps^2
    below, 1 above; v = 1, ||x'||^2 = d + 1.

    Args:
        d: input dimension.
        eps: floor of the norm, above 0.
    """
    inputs = np.ones((1, d + 1))
    w, v = np.full((d + 1, 1), eps / (d + 1)), np.ones(1)
    model = sim_ln.Model(eps=eps)
    below, above = (
        float(per_example_gradients(model, factor * w, v, inputs).norm_sq[0])
        for factor in (1 - 1e-9, 1 + 1e-9)
    )
    return below, above


def _units_of_height_one(
    x: Float[np.ndarray, "n d"],
) -> tuple[Float[np.ndarray, "inputs n"], Float[np.ndarray, " n"]]:
    """A first layer whose unit i outputs 1 on x_i alone, and ||x'_i||."""
    norm = np.sqrt(np.sum(x**2, axis=1) + 1)
    w, _ = memorising_bias(x, np.ones(len(x)))
    return w / np.sqrt(norm), norm
