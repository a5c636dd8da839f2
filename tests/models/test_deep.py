"""The deep architecture against torch.nn, and its bad arguments."""

import numpy as np
import pytest
import torch

from flatminima.models import deep

pytestmark = pytest.mark.uncompiled


@pytest.mark.parametrize("bias_input", [0.0, 1.0])
@pytest.mark.parametrize("depth", [2, 3, 5])
def test_forward_equals_torch_modules(depth, bias_input, rng):
    model = deep.Model(depth, bias_input)
    w, middle, v = deep.init(model, 4, 6, rng)
    has_bias = bias_input != 0
    layers = [torch.nn.Linear(4, 6, bias=has_bias)]
    layers += [torch.nn.Linear(6, 6, bias=False) for _ in range(depth - 2)]
    layers += [torch.nn.Linear(6, 1, bias=False)]
    with torch.no_grad():
        for layer, weights in zip(layers, (w[:4], *middle, v[:, None]), strict=True):
            layer.weight.copy_(torch.as_tensor(weights.T))
        if has_bias:
            layers[0].bias.copy_(torch.as_tensor(w[4]))
    modules = [m for layer in layers for m in (layer, torch.nn.ReLU())][:-1]
    x = rng.normal(size=(9, 4))
    f = torch.nn.Sequential(*modules)(torch.as_tensor(x, dtype=torch.float32))
    ours = deep.forward(model, w, middle, v, deep.inputs(model, x))
    np.testing.assert_allclose(ours, f[:, 0].detach().numpy(), atol=1e-6)


def test_init_has_the_stated_ranges(rng):
    w, middle, v = deep.init(deep.Model(), 25, 400, rng)
    assert w.shape == (26, 400) and middle.shape == (1, 400, 400)
    for a, bound in ((w, 0.2), (middle, 0.05), (v, 0.05)):
        assert np.abs(a).max() <= bound
        assert np.abs(a).max() > 0.98 * bound
        assert np.std(a) == pytest.approx(bound / 3**0.5, rel=0.1)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [((0, 3, 3), "d = 0"), ((3, 0, 3), "width = 0"), ((3, 3, 1), "depth = 1")],
)
def test_bad_sizes(sizes, message, rng):
    d, width, depth = sizes
    with pytest.raises(ValueError, match=f"{message}: allowed are"):
        deep.init(deep.Model(depth), d, width, rng)


@pytest.mark.parametrize("bias_input", [-2.0, 0.0, 0.5, 1.0])
def test_rows_of_the_first_layer_are_those_of_the_inputs(bias_input, rng):
    model = deep.Model(2, bias_input)
    x = deep.inputs(model, rng.normal(size=(2, 3)))
    w, middle, v = deep.init(model, 3, 1, rng)
    assert w.shape == (x.shape[1], 1) == (3 + (bias_input != 0), 1)
    assert (x[:, 3:] == bias_input).all()
    assert middle.shape == (0, 1, 1) and v.shape == (1,)
    assert deep.init(model, 1, 1, rng)[0].shape == (1 + (bias_input != 0), 1)


def test_init_draws_as_torch_does_in_both_directions(rng):
    for part, bound in zip(
        deep.init(deep.Model(4), 25, 400, rng), (0.2, 0.05, 0.05), strict=True
    ):
        assert -bound <= part.min() < -0.98 * bound
        assert 0.98 * bound < part.max() <= bound


def squared_gradient(model, parameters, inputs):
    """||grad f||^2 of one example by autograd, and f."""
    tensors = [torch.as_tensor(p).requires_grad_() for p in parameters]
    f = deep.forward(model, *tensors, torch.as_tensor(inputs))
    used = [p for p in tensors if p.numel()]
    gradients = torch.autograd.grad(f.sum(), used)
    return sum(float(g.square().sum()) for g in gradients), f.detach().numpy()


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_the_bound_is_attained_by_one_balanced_unit_a_layer(depth):
    model, x = deep.Model(depth, 0.0), np.array([[1.0, -2.0, 2.0]])
    norm, s = 3.0, 0.7
    w, v = s * x.T / norm, np.array([s])
    parameters = w, np.full((depth - 2, 1, 1), s), v
    square, f = squared_gradient(model, parameters, x)
    assert f == pytest.approx(s**depth * norm)
    bound = deep.lower_bound(model, np.array([norm**2]), f)
    assert 2 * square == pytest.approx(bound, rel=1e-12)
    weighted = deep.lower_bound(model, np.array([norm**2]), f, np.array([0.5]))
    assert weighted == pytest.approx(bound / 4, rel=1e-12)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_no_network_is_below_its_bound(depth, rng):
    model = deep.Model(depth)
    for _ in range(20):
        x = deep.inputs(model, rng.normal(size=(1, 3)))
        square, f = squared_gradient(model, deep.init(model, 3, 4, rng), x)
        bound = deep.lower_bound(model, np.sum(x**2, axis=1), f)
        assert 0 <= bound <= 2 * square * (1 + 1e-12)


def test_the_bound_is_a_mean_and_refuses_a_single_layer(rng):
    model, f, square = deep.Model(2), rng.normal(size=5), rng.uniform(1, 4, 5)
    by_hand = np.mean(2 * 2 * np.abs(f) * np.sqrt(square))
    assert deep.lower_bound(model, square, f) == pytest.approx(by_hand, rel=1e-13)
    with pytest.raises(ValueError, match="depth = 1: allowed are depth >= 2"):
        deep.lower_bound(deep.Model(1), square, f)


def test_forward_has_no_derivative_at_a_kink(rng):
    model = deep.Model(3)
    w, middle, v = (torch.as_tensor(p) for p in deep.init(model, 2, 5, rng))
    w[:, 1] = 0
    middle[0, :, 3] = 0
    x = torch.as_tensor(deep.inputs(model, rng.normal(size=(4, 2))))
    f = deep.forward(model, w.requires_grad_(), middle.requires_grad_(), v, x)
    first, second = torch.autograd.grad(f.sum(), (w, middle))
    assert not first[:, 1].any() and first.any()
    assert not second[0, :, 3].any() and second.any()
