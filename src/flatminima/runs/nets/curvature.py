"""Columns of curvature, for runs that ask for them."""

from collections.abc import Mapping

import numpy as np

from flatminima.runs.nets.config import NetConfig
from flatminima.runs.nets.problem import data, network
from flatminima.sharpness import gauss_newton_trace, products, spectrum, trace
from flatminima.sharpness.landscape import landscape

PROBES = 100
TOLERANCE = 1e-4


def columns(config: NetConfig, arrays: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Curvature of the training loss, in evaluation mode.

    Args:
        config: the run.
        arrays: of its state.

    Returns:
        gauss_newton_trace (exact); trace (Tr Hess L) and its standard error
        trace_error; lambda_max (of the Hessian, to a relative 1e-4). The outputs of a
        ReLU network without group norm are linear in every single weight, so its two
        traces are the same and the error is 0; otherwise the trace is an estimate from
        100 Rademacher probes.
    """
    problem = data(config)
    at = landscape(network(config, arrays), problem.x, problem.y, config.loss)
    outer = gauss_newton_trace.exact(at).whole.value
    hessian = products.hessian(at)
    found = (outer, 0.0)
    if config.activation != "relu" or config.norm == "group":
        probed = trace.hutchinson(hessian, PROBES)
        found = (probed.value, probed.standard_error)
    top = spectrum.largest(hessian, tolerance=TOLERANCE)
    return {
        "gauss_newton_trace": outer,
        "trace": found[0],
        "trace_error": found[1],
        "lambda_max": top.value,
    }
