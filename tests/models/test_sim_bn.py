"""The Sim-BN architecture, unit by unit."""

import numpy as np
import pytest
import torch

from flatminima.models import sim_bn

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


@pytest.mark.parametrize("bias_input", [0.0, 1.0])
def test_init(bias_input, rng):
    model = sim_bn.Model(0.5, bias_input)
    w, gamma, v = sim_bn.init(model, 25, 400, rng)
    x = sim_bn.inputs(model, np.zeros((2, 25)))
    assert w.shape == (x.shape[1], 400) == (25 + int(bias_input), 400)
    assert 0.196 < np.abs(w).max() <= 0.2 and 0.049 < np.abs(v).max() <= 0.05
    np.testing.assert_array_equal(gamma, 0.5)
    with pytest.raises(ValueError, match="width = 0: allowed are width >= 1"):
        sim_bn.init(model, 3, 0, rng)
