"""The full-batch gradient against autograd."""

import numpy as np
import pytest
import torch

from flatminima.kernels import full_batch
from flatminima.kernels.vectors import grid
from flatminima.models.ascent import Usual
from flatminima.models.base import load
from flatminima.models.losses import SQUARED, Logistic, Scaled
from flatminima.sharpness.objective import objective

pytestmark = pytest.mark.uncompiled


@pytest.mark.parametrize(
    "loss",
    [SQUARED, Logistic(0.2), Scaled(SQUARED, 3.0), Scaled(Logistic(0.2), 0.5)],
    ids=str,
)
@pytest.mark.parametrize("architecture", ["no_bias", "bias", "sim_ln", "softplus"])
def test_gradient(architecture, loss, rng):
    module = load(architecture)
    model = module.Model()
    x = module.inputs(model, rng.choice([-1.0, 1.0], (6, 4)))
    y = rng.choice([-1.0, 1.0], 6)
    w, v = rng.normal(size=(x.shape[1], 5)), rng.normal(size=5)
    u, g, dv = np.empty((3, 5))
    z, before = grid(v, 6, 5), grid(v, 6, 5)
    first, dw = grid(v, len(w), 5), grid(v, len(w), 5)
    first[:, :5] = w
    mean = full_batch.gradient(
        Usual(), model, loss, first, first, v, x, y, before, z, u, g, dw, dv
    )
    np.testing.assert_array_equal(dw[:, 5:], 0)
    dw = dw[:, :5]
    first = torch.as_tensor(w).requires_grad_()
    second = torch.as_tensor(v).requires_grad_()
    f = module.forward(model, first, second, torch.as_tensor(x))
    expected = objective(loss, f, torch.as_tensor(y))
    expected.backward()
    assert mean == pytest.approx(expected.item(), rel=1e-13)
    np.testing.assert_allclose(dw, first.grad, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(dv, second.grad, rtol=1e-10, atol=1e-12)


def test_squared_norm(rng):
    a = rng.normal(size=15)
    assert full_batch.squared_norm(a) == pytest.approx(np.sum(a * a), rel=1e-14)
