"""Heads against autograd of the forward functions, and what leaves f unchanged."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from flatminima.kernels.heads import heads
from flatminima.models.base import load
from flatminima.sharpness.closed_form import per_example_gradients, trace_hessian

ARCHITECTURES = ["no_bias", "bias", "sim_ln", "softplus"]
each_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
pytestmark = pytest.mark.uncompiled

# Away from the kinks: no |z| below 1e-3 but exact zeros, which are inactive.
numbers = st.floats(-3, 3).map(lambda z: 0.0 if abs(z) < 1e-3 else z)


def through_head(model, z, v):
    f, u, g = np.empty(1), np.empty((1, len(v))), np.empty((1, len(v)))
    heads(model, z[None], v, f, u, g)
    return f[0], u[0], g[0]


def through_autograd(architecture, model, z, v):
    """The forward function with w = z and the input 1, so that w.T x' = z."""
    w = torch.as_tensor(z[None]).requires_grad_()
    second = torch.as_tensor(v).requires_grad_()
    f = load(architecture).forward(model, w, second, torch.ones(1, 1).double())[0]
    u, g = torch.autograd.grad(f, (second, w), allow_unused=True)
    return f.item(), u.numpy(), g[0].numpy()


@pytest.mark.parametrize("eps", [1e-4, 2.0], ids=["above", "floored"])
@each_architecture
@given(z=arrays(float, 5, elements=numbers), v=arrays(float, 5, elements=numbers))
def test_gradients_equal_autograd(architecture, eps, z, v):
    model_type = load(architecture).Model
    model = model_type(eps=eps) if "eps" in model_type._fields else model_type()
    assume(abs(np.linalg.norm(np.maximum(z, 0)) - eps) > 1e-6)
    f, u, g = through_head(model, z, v)
    f_torch, u_torch, g_torch = through_autograd(architecture, model, z, v)
    np.testing.assert_allclose(f, f_torch, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(u, u_torch, rtol=1e-12, atol=1e-12)
    scale = 1 + np.abs(g_torch).max()
    np.testing.assert_allclose(g, g_torch, rtol=1e-11, atol=1e-11 * scale)


@each_architecture
def test_forward_is_the_same_in_numpy_and_torch(architecture, rng):
    module = load(architecture)
    model = module.Model()
    x = module.inputs(model, rng.normal(size=(9, 4)))
    w, v = rng.normal(size=(x.shape[1], 7)), rng.normal(size=7)
    f = module.forward(model, w, v, x)
    tensors = [torch.as_tensor(a) for a in (w, v, x)]
    np.testing.assert_allclose(f, module.forward(model, *tensors), rtol=1e-13)


@each_architecture
def test_inputs(architecture, rng):
    module = load(architecture)
    x = rng.normal(size=(3, 2))
    rows = module.inputs(module.Model(), x)
    expected = x if architecture == "no_bias" else np.hstack([x, np.ones((3, 1))])
    np.testing.assert_array_equal(rows, expected)


def random_net(architecture, rng, n=6, d=4, width=8):
    module = load(architecture)
    model = module.Model()
    inputs = module.inputs(model, rng.choice([-1.0, 1.0], (n, d)))
    w = rng.normal(size=(inputs.shape[1], width))
    return module, model, w, rng.normal(size=width), inputs


@pytest.mark.parametrize("scale", [0.1, 10.0, 100.0])
def test_sim_ln_output_ignores_the_first_layers_scale(scale, rng):
    module, model, w, v, inputs = random_net("sim_ln", rng)
    f = module.forward(model, w, v, inputs)
    np.testing.assert_allclose(
        module.forward(model, scale * w, v, inputs), f, rtol=1e-12
    )


def test_sim_ln_trace_tends_to_two_with_the_first_layers_scale(rng):
    # at interpolation, whatever the interpolator: labels are its own outputs
    module, model, w, v, inputs = random_net("sim_ln", rng)
    y = module.forward(model, w, v, inputs)
    traces = [
        trace_hessian(module, model, per_example_gradients(model, c * w, v, inputs), y)
        for c in (1.0, 10.0, 100.0)
    ]
    assert traces[0] > traces[1] > traces[2] > 2
    # the first-layer part of the trace falls with the square of the scale
    np.testing.assert_allclose(traces[1] - 2, (traces[0] - 2) / 100, rtol=1e-9)
    np.testing.assert_allclose(traces[2] - 2, (traces[0] - 2) / 10_000, rtol=1e-6)


@pytest.mark.parametrize("architecture", ["no_bias", "bias"])
@given(alpha=st.floats(0.1, 10))
def test_relu_rescaling_keeps_f_and_changes_the_trace(architecture, alpha):
    module, model, w, v, inputs = random_net(architecture, np.random.default_rng(0))
    f = module.forward(model, w, v, inputs)
    before = per_example_gradients(model, w, v, inputs)
    after = per_example_gradients(model, alpha * w, v / alpha, inputs)
    np.testing.assert_allclose(after.f, f, rtol=1e-12)
    second = np.sum(before.u**2, axis=1)
    first = np.sum(before.g**2, axis=1) * before.input_sq
    expected = 2 * np.mean(alpha**2 * second + first / alpha**2)
    trace = trace_hessian(module, model, after, f)
    assert trace == pytest.approx(expected, rel=1e-12)


def test_load_refuses_an_unknown_architecture():
    with pytest.raises(ModuleNotFoundError, match=r"'flatminima\.models\.resnet'"):
        load("resnet")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("z", [-1e4, 1e4])
def test_softplus_never_overflows(z):
    f, u, g = through_head(load("softplus").Model(), np.array([z]), np.array([2.0]))
    assert u[0] == max(z, 0)
    assert g[0] == (2 if z > 0 else 0)
    assert f == 2 * u[0]


def test_types_of_the_same_shape_are_told_apart():
    # numba compares NamedTuples by name and fields
    z, v = np.array([-1.0, 0.5]), np.array([3.0, 4.0])
    smooth, _, _ = through_head(load("softplus").Model(), z, v)
    kinked, _, _ = through_head(load("bias").Model(), z, v)
    assert kinked == 2.0
    assert smooth == pytest.approx(3 * np.log1p(np.exp(-1)) + 4 * np.log1p(np.exp(0.5)))


@pytest.mark.parametrize("architecture", ["bias", "sim_ln", "softplus"])
def test_a_bias_input_of_zero_takes_the_bias_away(architecture, rng):
    module = load(architecture)
    x = rng.normal(size=(5, 3))
    w, v = rng.normal(size=(4, 6)), rng.normal(size=6)
    without = module.Model(bias_input=0.0)
    f = module.forward(without, w, v, module.inputs(without, x))
    w[-1] = 0
    model = module.Model()
    expected = module.forward(model, w, v, module.inputs(model, x))
    np.testing.assert_allclose(f, expected, rtol=1e-13)


@each_architecture
def test_idle_at_zero_is_so(architecture):
    # what lets the kernels append units of zeros
    module = load(architecture)
    _, u, g = through_head(module.Model(), np.array([1.0, 0.0]), np.array([1.0, 0.0]))
    assert (u[1] == 0 and g[1] == 0) == module.IDLE_AT_ZERO
