"""Heads against autograd of the forward functions, and what leaves f unchanged."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from flatminima.kernels.heads import heads
from flatminima.models.ascent import Frozen, Usual, ascended, holds_pattern
from flatminima.models.base import load
from flatminima.sharpness.closed_form import per_example_gradients, trace_hessian
from tests.autograd import dense_hessian

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


def pattern_held(model, z, z_up, v):
    """f with the pattern of z, and its derivatives in v and z_up, by autograd."""
    up, second = (torch.as_tensor(a).requires_grad_() for a in (z_up, v))
    h = up * torch.as_tensor(z > 0)
    f = second @ h
    if "eps" in model._fields:
        f = f / torch.linalg.vector_norm(h).clamp(min=model.eps)
    return f.item(), *(g.numpy() for g in torch.autograd.grad(f, (second, up)))


@pytest.mark.parametrize("eps", [1e-4, 30.0], ids=["above", "floored"])
@pytest.mark.parametrize("architecture", ["no_bias", "bias", "sim_ln"])
def test_a_frozen_ascent_holds_the_pattern_and_the_usual_one_does_not(
    architecture, eps, rng
):
    model_type = load(architecture).Model
    model = model_type(eps=eps) if "eps" in model_type._fields else model_type()
    z, z_up, v = rng.normal(size=(3, 30))
    z[2] = 0.0  # a unit on the kink is off
    assert ((z > 0) & (z_up < 0)).any() and ((z < 0) & (z_up > 0)).any()
    u, g = np.empty((2, 30))
    assert holds_pattern(Frozen()) and not holds_pattern(Usual())
    f = ascended(Frozen(), model, z, z_up, v, u, g)
    for found, expected in zip((f, u, g), pattern_held(model, z, z_up, v), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    f = ascended(Usual(), model, z, z_up, v, u, g)
    expected = through_autograd(architecture, model, z_up, v)
    for found, wanted in zip((f, u, g), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


def test_the_floor_of_sim_ln_includes_a_norm_that_equals_it():
    # ||h|| = 5 exactly: no part of the gradient is taken away along h
    module = load("sim_ln")
    model = module.Model(eps=5.0)
    z, v = np.array([3.0, -1.0, 4.0]), np.array([1.0, 2.0, -3.0])
    f, u, g = through_head(model, z, v)
    assert f == pytest.approx((3 - 12) / 5)
    np.testing.assert_allclose(u, [0.6, 0.0, 0.8])
    np.testing.assert_allclose(g, [0.2, 0.0, -0.6])
    ascended(Frozen(), model, z, z, v, u, g)
    np.testing.assert_allclose(g, [0.2, 0.0, -0.6])
    one = np.ones(1)
    assert module.laplacian(model, z[None], g[None], f * one, one) == [0.0]


@pytest.mark.parametrize("eps", [1e-4, 30.0], ids=["above", "floored"])
@each_architecture
def test_laplacian_is_the_trace_of_the_dense_hessian(architecture, eps, rng):
    module = load(architecture)
    has_eps = "eps" in module.Model._fields
    model = module.Model(eps=eps) if has_eps else module.Model()
    x = module.inputs(model, rng.normal(size=(4, 3)))
    w, v = rng.normal(size=(x.shape[1], 5)), rng.normal(size=5)
    rows = torch.as_tensor(x)
    expected = [
        np.trace(
            dense_hessian(
                lambda w, v, i=i: module.forward(model, w, v, rows[i : i + 1])[0],
                (w, v),
            )
        )
        for i in range(4)
    ]
    u, g = np.empty((2, 4, 5))
    f = np.empty(4)
    heads(model, x @ w, v, f, u, g)
    found = module.laplacian(model, x @ w, g, f, np.sum(x**2, axis=1))
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("architecture", ["no_bias", "bias", "sim_ln"])
def test_forward_has_no_derivative_at_a_kink(architecture, rng):
    module = load(architecture)
    model = module.Model()
    x = torch.as_tensor(module.inputs(model, rng.normal(size=(9, 2))))
    w, v = (torch.as_tensor(rng.normal(size=s)) for s in ((x.shape[1], 8), 8))
    w[:, 1] = 0
    (slope,) = torch.autograd.grad(
        module.forward(model, w.requires_grad_(), v, x).sum(), w
    )
    assert not slope[:, 1].any() and slope.any()


@each_architecture
def test_every_layer_starts_as_in_torch(architecture, rng):
    # torch.nn.Linear: uniform within one over the root of the fan-in; a bias, too
    module = load(architecture)
    model = module.Model()
    w, v = module.init(model, 16, 2500, rng)
    rows = module.inputs(model, np.zeros((1, 16))).shape[1]
    assert w.shape == (rows, 2500) and v.shape == (2500,)
    for layer, bound in ((w, 0.25), (w[-1], 0.25), (v, 0.02)):
        drawn = stats.uniform(-bound, 2 * bound)
        assert -bound <= layer.min() and layer.max() <= bound
        assert stats.kstest(layer.ravel(), drawn.cdf).pvalue > 1e-3


def test_constants_that_are_not_given_are_the_sources():
    assert load("bias").Model().bias_input == load("softplus").Model().bias_input == 1
    assert load("sim_ln").Model() == (1e-4, 1.0)
    assert load("deep").Model() == (3, 1.0)
    assert load("sim_bn").Model() == (1.0, 1.0)
