"""The closed-form gradient against autograd of per-example gradient norms.

The reference never uses the formula for ||grad f||^2: it differentiates the
forward function, with the indicator of the trace put in by hand as a mask on df/dz.
"""

import numpy as np
import pytest
import torch

from flatminima.runs.flow.trace import (
    hard,
    interpolation_trace,
    modelled_trace,
    smooth,
    trace_gradient,
    widths,
)
from flatminima.sharpness.closed_form import per_example_gradients, trace_hessian
from tests.runs.flow.points import start

ARCHITECTURES = ["no_bias", "bias", "sim_ln"]
each_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)


def at_random(architecture, seed=0):
    case = start(architecture, seed)
    gradients = per_example_gradients(
        case.manifold.model, case.w, case.v, case.manifold.inputs
    )
    return case, gradients, case.manifold.inputs @ case.w


def autograd(case, tau=None):
    """(trace, its gradient over w and v) by torch; smoothed over tau if given."""
    w = torch.tensor(case.w, requires_grad=True)
    v = torch.tensor(case.v, requires_grad=True)
    total = torch.zeros((), dtype=torch.float64)
    for x in torch.as_tensor(case.manifold.inputs):
        f = case.module.forward(case.manifold.model, w, v, x[None])[0]
        dw, dv = torch.autograd.grad(f, (w, v), create_graph=True)
        total = total + (dw**2).sum() + (dv**2).sum()
        if tau is not None:
            # only v_j^2 1[z_j > 0] ||x'||^2 / m^2 carries the indicator
            z = x @ w
            h = z * (z > 0)
            sim_ln = case.module.__name__.endswith("sim_ln")
            m_sq = (h**2).sum() if sim_ln else 1.0
            swap = torch.sigmoid(z / torch.as_tensor(tau)) - (z > 0).double()
            total = total + (swap * v**2).sum() * (x**2).sum() / m_sq
    trace = 2 * total / len(case.manifold.inputs)
    gradient = torch.autograd.grad(trace, (w, v))
    return trace.item(), *(g.numpy() for g in gradient)


@pytest.mark.parametrize("seed", range(3))
@each_architecture
def test_naive_gradient_is_that_of_autograd(architecture, seed):
    case, gradients, z = at_random(architecture, seed)
    trace, dw, dv = autograd(case)
    model, inputs = case.manifold.model, case.manifold.inputs
    ours = trace_gradient(model, case.v, inputs, gradients, hard(z))
    np.testing.assert_allclose(ours[0], dw, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(ours[1], dv, rtol=1e-9, atol=1e-10)
    assert interpolation_trace(gradients) == pytest.approx(trace, rel=1e-12)
    held = modelled_trace(model, case.v, gradients, hard(z).value)
    assert held == pytest.approx(trace, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
@each_architecture
def test_kink_aware_gradient_is_that_of_the_smoothed_trace(architecture, seed):
    case, gradients, z = at_random(architecture, seed)
    tau = widths(z, 0.3)
    trace, dw, dv = autograd(case, tau)
    model, inputs = case.manifold.model, case.manifold.inputs
    indicator = smooth(z, tau)
    ours = trace_gradient(model, case.v, inputs, gradients, indicator)
    np.testing.assert_allclose(ours[0], dw, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(ours[1], dv, rtol=1e-9, atol=1e-10)
    smoothed = modelled_trace(model, case.v, gradients, indicator.value)
    assert smoothed == pytest.approx(trace, rel=1e-12)
    naive = trace_gradient(model, case.v, inputs, gradients, hard(z))
    assert np.linalg.norm(ours[0] - naive[0]) > 1e-2 * np.linalg.norm(naive[0])


def test_below_eps_sim_ln_is_a_scaled_plain_network():
    case, _, _ = at_random("sim_ln")
    model = case.manifold.model._replace(eps=1e3)
    case = case._replace(manifold=type(case.manifold)(model, *manifold_rest(case)))
    inputs = case.manifold.inputs
    gradients = per_example_gradients(model, case.w, case.v, inputs)
    _, dw, dv = autograd(case)
    ours = trace_gradient(model, case.v, inputs, gradients, hard(inputs @ case.w))
    np.testing.assert_allclose(ours[0], dw, rtol=1e-9, atol=1e-16)
    np.testing.assert_allclose(ours[1], dv, rtol=1e-9, atol=1e-16)


def manifold_rest(case):
    return case.manifold.inputs, case.manifold.y, case.manifold.radius


@each_architecture
def test_at_interpolation_it_is_the_trace_of_the_hessian(architecture):
    case = start(architecture)
    manifold, point = case.manifold, case.point
    trace = trace_hessian(case.module, manifold.model, point.gradients, manifold.y)
    assert point.trace == pytest.approx(trace, rel=1e-8)


@each_architecture
def test_kink_aware_tends_to_naive_as_the_width_vanishes(architecture):
    case, gradients, z = at_random(architecture)
    model, inputs = case.manifold.model, case.manifold.inputs
    naive = trace_gradient(model, case.v, inputs, gradients, hard(z))
    gaps = []
    for smoothing in (1e-1, 1e-2, 1e-3, 1e-5):
        indicator = smooth(z, widths(z, smoothing))
        aware = trace_gradient(model, case.v, inputs, gradients, indicator)
        gaps.append(np.linalg.norm(aware[0] - naive[0]))
    assert gaps[0] > 1e-3
    assert gaps[-1] == 0.0


def test_widths_follow_the_scale_of_a_unit_and_dead_units_have_none():
    _, _, z = at_random("bias")
    z = z * np.where(np.arange(z.shape[1]) == 2, 0.0, 7.0)
    tau = widths(z, 0.5)
    np.testing.assert_allclose(tau, 0.5 * np.sqrt(np.mean(z**2, axis=0)))
    assert tau[2] == 0
    indicator = smooth(z, tau)
    assert not indicator.slope[:, 2].any()
    assert not indicator.value[:, 2].any()


@pytest.mark.parametrize("smoothing", [0.0, -1.0, np.inf, np.nan])
def test_bad_smoothing(smoothing):
    with pytest.raises(ValueError, match=r"smoothing = .* allowed are finite"):
        widths(np.ones((2, 3)), smoothing)
