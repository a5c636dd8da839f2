"""What a construction promises, measured."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from flatminima.data.streams import Dataset
from flatminima.measures.predictions import batch_size, zero_one_error
from flatminima.models.base import load
from flatminima.sharpness.closed_form import per_example_gradients, trace_hessian

LARGEST_ERROR = 1e-6
"""Largest error of an output, as a share of the largest label, that counts as none."""

KINK = 1e-12
"""Distance from a kink, as a share of the largest pre-activation, that counts as 0."""


@dataclass(frozen=True)
class Verified:
    """A network beside the certified lower bound at interpolation.

    Attributes:
        worst_error: max_i |f(x_i) - y_i|.
        trace: Tr Hess L, closed form.
        bound: certified lower bound on the trace of every interpolating network.
        relative_excess: trace / bound - 1; 0 if both are 0. It is inf where they
            say nothing of each other: if the network does not interpolate, which
            the bound is for, or sits at a kink, where the trace is none.
        kink_distance: min |z_ij| over examples and live units, those whose weights
            are not all zero, and for Sim-LN also min_i | ||h_i|| - eps |. The
            trace is that of a smooth function where this is not 0.
        zero_one_error: share of held-out points that are wrong, an output of 0
            included; NaN if none were given.
    """

    worst_error: float
    trace: float
    bound: float
    relative_excess: float
    kink_distance: float
    zero_one_error: float


def verify(
    architecture_name: str,
    w: Float[np.ndarray, "inputs width"],
    v: Float[np.ndarray, " width"],
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, " n"],
    *,
    held_out: Dataset | None = None,
    **constants: float,
) -> Verified:
    """Measure a network on a training set, in batches of examples.

    Args:
        architecture_name: a module of `flatminima.models`.
        w, v: parameters.
        x, y: training set, repeats allowed.
        held_out: points for the zero-one error.
        constants: fields of the architecture's model, such as eps.

    Raises:
        ValueError: if w does not fit the inputs of the architecture, or if there
            are no training points.
    """
    architecture = load(architecture_name)
    model = architecture.Model(**constants)
    inputs = architecture.inputs(model, x)
    if len(x) == 0 or w.shape != (inputs.shape[1], len(v)):
        raise ValueError(
            f"w has shape {w.shape} for {len(v)} units and inputs of shape "
            f"{inputs.shape}: needed are n >= 1 and {(inputs.shape[1], len(v))}"
        )
    live = np.any(w != 0, axis=0) | (v != 0)
    rows = batch_size(len(v))
    worst_error, total, kink, largest = 0.0, 0.0, np.inf, 0.0
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        at = per_example_gradients(model, w, v, inputs[part])
        # unlike max, this keeps what is no number
        worst_error = np.maximum(worst_error, np.max(np.abs(at.f - y[part])))
        total += trace_hessian(architecture, model, at, y[part]) * len(at.f)
        z = np.abs(inputs[part] @ w[:, live])
        kink, largest = min(kink, z.min(initial=np.inf)), max(largest, z.max(initial=0))
        if "eps" in model._fields:
            norm = np.linalg.norm(at.h, axis=1)
            kink = min(kink, np.min(np.abs(norm - model.eps)))
    trace = total / len(x)
    bound = architecture.lower_bound(model, np.sum(inputs**2, axis=1), y)
    fits = worst_error <= LARGEST_ERROR * np.abs(y).max() and kink > KINK * largest
    return Verified(
        worst_error=float(worst_error),
        trace=trace,
        bound=bound,
        relative_excess=_relative_excess(trace, bound) if fits else np.inf,
        kink_distance=float(kink),
        zero_one_error=(
            float("nan")
            if held_out is None
            else zero_one_error(
                architecture_name, w, v, held_out.x, held_out.y, **constants
            )
        ),
    )


def _relative_excess(trace: float, bound: float) -> float:
    if bound == 0:
        return 0.0 if trace == 0 else float("inf")
    return trace / bound - 1
