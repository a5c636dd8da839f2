"""The Sim-BN architecture, unit by unit."""

import numpy as np
import pytest
import torch

from flatminima.models import sim_bn

pytestmark = pytest.mark.uncompiled

MODEL = sim_bn.Model()


def test_forward_is_the_definition(rng):
    train = sim_bn.inputs(MODEL, rng.normal(size=(7, 3)))
    fresh = sim_bn.inputs(MODEL, rng.normal(size=(4, 3)))
    w, _, v = sim_bn.init(MODEL, 3, 5, rng)
    gamma = rng.normal(size=5)
    for x, reference in ((train, None), (fresh, train)):
        f = np.zeros(len(x))
        for j in range(5):
            h = [max(0.0, float(row @ w[:, j])) for row in train]
            sigma = (sum(a**2 for a in h) / len(h)) ** 0.5
            activation = np.array([max(0.0, float(row @ w[:, j])) for row in x])
            f += v[j] * gamma[j] * activation / sigma
        np.testing.assert_allclose(
            sim_bn.forward(MODEL, w, gamma, v, x, reference), f, rtol=1e-12
        )


def test_dead_units_have_no_output_and_finite_gradients(rng):
    x = torch.as_tensor(sim_bn.inputs(MODEL, rng.normal(size=(7, 3))))
    parameters = [torch.as_tensor(p) for p in sim_bn.init(MODEL, 3, 5, rng)]
    parameters[0][:, 2] = 0
    parameters = [p.requires_grad_() for p in parameters]
    f = sim_bn.forward(MODEL, *parameters, x)
    gradients = torch.autograd.grad(f.sum(), parameters)
    assert all(torch.isfinite(g).all() for g in gradients)
    assert not any(g[..., 2].any() for g in gradients)


@pytest.mark.parametrize("bias_input", [-2.0, 0.0, 0.5, 1.0])
def test_init(bias_input, rng):
    model = sim_bn.Model(0.5, bias_input)
    w, gamma, v = sim_bn.init(model, 25, 400, rng)
    x = sim_bn.inputs(model, np.zeros((2, 25)))
    assert w.shape == (x.shape[1], 400) == (25 + (bias_input != 0), 400)
    assert (x[:, 25:] == bias_input).all()
    for part, bound in ((w, 0.2), (v, 0.05)):
        assert -bound <= part.min() < -0.98 * bound
        assert 0.98 * bound < part.max() <= bound
        assert part.std() == pytest.approx(bound / 3**0.5, rel=0.1)
    np.testing.assert_array_equal(gamma, 0.5)
    with pytest.raises(ValueError, match="width = 0: allowed are width >= 1"):
        sim_bn.init(model, 3, 0, rng)
    with pytest.raises(ValueError, match="d = 0: allowed are d >= 1"):
        sim_bn.init(model, 0, 3, rng)
    assert [p.shape[-1] for p in sim_bn.init(model, 1, 1, rng)] == [1, 1, 1]


def test_the_bound_is_of_the_root_mean_squares_of_both_signs():
    f = np.array([3.0, -4.0, 0.0, 1.0])
    by_hand = 2 * 2 * (np.sqrt(10 / 4) + np.sqrt(16 / 4))
    nothing = np.full(4, np.nan)  # inputs do not enter
    assert sim_bn.lower_bound(MODEL, nothing, f) == pytest.approx(by_hand, rel=1e-14)
    curvature = np.array([0.5, 0.3, 7.0, 0.4])
    least = sim_bn.lower_bound(MODEL, nothing, f, curvature)
    assert least == pytest.approx(0.15 * by_hand, rel=1e-14)


def test_the_part_of_the_last_two_layers_attains_the_bound(rng):
    # one unit of each sign that is active on one half of the examples, v = gamma
    x = np.array([[1.0], [2.0], [-1.0], [-3.0]])
    model = sim_bn.Model(bias_input=0.0)
    w, theta = np.array([[1.0, -1.0]]), np.array([1.5, 0.5])
    gamma, v = (torch.tensor(a, requires_grad=True) for a in (theta, theta * [1, -1]))
    f = sim_bn.forward(model, torch.tensor(w), gamma, v, torch.tensor(x))
    trace = 0.0
    for each in f:
        slopes = torch.autograd.grad(each, (gamma, v), retain_graph=True)
        trace += 2 * sum(float(g.square().sum()) for g in slopes) / 4
    bound = sim_bn.lower_bound(model, np.ones(4), f.detach().numpy())
    assert trace == pytest.approx(bound, rel=1e-13)
