"""The closed-form gradient of the trace against reverse differentiation twice."""

import numpy as np
import pytest
import torch

from flatminima.models import deep
from flatminima.sharpness.deep import per_example_gradients, trace_hessian
from flatminima.sharpness.deep_gradient import trace_gradient


def trace_by_autograd(params, x):
    """(2/n) sum_i ||grad f_i||^2, one example after the other."""
    total = torch.zeros((), dtype=torch.float64)
    for row in x:
        f = deep.forward(deep.Model(), *params, row[None])[0]
        slopes = torch.autograd.grad(f, params, create_graph=True, allow_unused=True)
        total = total + sum((g**2).sum() for g in slopes if g is not None)
    return 2 * total / len(x)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_equals_autograd(depth, rng):
    params = deep.init(deep.Model(depth, 0.0), 6, 7, rng)
    x = rng.normal(size=(5, 6))
    at = per_example_gradients(*params, x)
    theirs = tuple(torch.tensor(p, requires_grad=True) for p in params)
    trace = trace_by_autograd(theirs, torch.from_numpy(x))
    assert float(trace.detach()) == pytest.approx(trace_hessian(at).sum(), rel=1e-12)
    slopes = torch.autograd.grad(trace, theirs, allow_unused=True)
    for ours, slope, p in zip(trace_gradient(params, at), slopes, params, strict=True):
        wanted = np.zeros_like(p) if slope is None else slope.numpy()
        np.testing.assert_allclose(ours, wanted, atol=1e-13)


def test_is_the_slope_of_the_trace_along_a_line(rng):
    params = deep.init(deep.Model(4, 0.0), 3, 5, rng)
    x = rng.normal(size=(4, 3))
    step = tuple(rng.normal(size=p.shape) for p in params)

    def trace(t, curvature):
        moved = tuple(p + t * s for p, s in zip(params, step, strict=True))
        return trace_hessian(per_example_gradients(*moved, x), curvature).sum()

    at = per_example_gradients(*params, x)
    slopes = trace_gradient(params, at, 3.0)
    slope = sum(np.sum(g * s) for g, s in zip(slopes, step, strict=True))
    measured = (trace(1e-6, 3.0) - trace(-1e-6, 3.0)) / 2e-6
    assert measured == pytest.approx(slope, rel=1e-6)
