"""The full-batch gradient against autograd."""

import numpy as np
import pytest
import torch

from flatminima.kernels import full_batch
from flatminima.kernels.vectors import grid
from flatminima.models.ascent import Frozen, Usual
from flatminima.models.base import load
from flatminima.models.losses import SQUARED, Logistic, Scaled
from flatminima.sharpness.objective import objective
from tests import autograd

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


@pytest.mark.parametrize("n", [1, 47, 48, 49, 97, 150])
def test_more_examples_than_are_held_at_a_time_give_the_same_mean(n, rng, plain):
    # beside a plain product, and with the pattern of other weights
    module = load("bias")
    model = module.Model()
    x, y = module.inputs(model, rng.normal(size=(n, 3))), rng.normal(size=n)
    w, w_up = rng.normal(size=(2, 4, 5))
    v = rng.normal(size=5)
    held = min(n, 48)
    u, g, dv = np.full((3, 5), np.nan)
    z, before = grid(v, held, 5), grid(v, held, 5)
    first, first_up, dw = (grid(v, 4, 5) for _ in range(3))
    first[:, :5], first_up[:, :5] = w, w_up
    dw[:] = 7.0  # what was there is gone
    for ascent in (Usual(), Frozen()):
        mean = plain(full_batch).gradient(
            *(ascent, model, SQUARED, first, first_up, v, x, y),
            *(before, z, u, g, dw, dv),
        )
        up, second = (torch.tensor(a, requires_grad=True) for a in (w_up, v))
        at = torch.tensor(x) @ up
        on = at > 0 if isinstance(ascent, Usual) else torch.tensor(x @ w > 0)
        expected = ((at * on) @ second - torch.tensor(y)).square().mean()
        expected.backward()
        assert mean == pytest.approx(expected.item(), rel=1e-12)
        np.testing.assert_allclose(dw[:, :5], up.grad, rtol=1e-10, atol=1e-11)
        np.testing.assert_allclose(dv, second.grad, rtol=1e-10, atol=1e-11)


RULES = {
    "SGD": {},
    "decay": {"weight_decay": 0.5},
    "SAM": {"rho": 0.2},
    "a slow bias": {"rho": 0.2, "bias_rate": 0.3, "weight_decay": 0.5},
    "no bias": {"bias_rate": 0.0},
    "projected": {"rho": 0.2, "radius": 2.0, "weight_decay": 0.5},
    "frozen": {"rho": 1.0, "ascent": Frozen()},
}
USUAL = {
    "ascent": Usual(),
    "lr": 0.05,
    "rho": 0.0,
    "weight_decay": 0.0,
    "bias_rate": 1.0,
    "radius": 0.0,
}


def by_autograd(w, v, x, y, order, ascent, lr, rho, weight_decay, bias_rate, radius):
    """Steps of 2-MLP-Bias with torch's gradients."""
    for rows in order:
        inputs, labels = torch.tensor(x[rows]), torch.tensor(y[rows])
        pattern = torch.tensor(x[rows] @ w > 0)

        def gradient(w, v, on, inputs=inputs, labels=labels):
            at = [torch.tensor(a, requires_grad=True) for a in (w, v)]
            z = inputs @ at[0]
            f = (z * (z > 0 if on is None else on)) @ at[1]
            loss = (f - labels).square().mean()
            return [g.numpy() for g in torch.autograd.grad(loss, at)]

        dw, dv = gradient(w, v, None)
        if rho > 0:
            norm = np.sqrt(np.sum(dw**2) + np.sum(dv**2))
            climb = rho / norm if norm > 0 else 0.0
            on = pattern if isinstance(ascent, Frozen) else None
            dw, dv = gradient(w + climb * dw, v + climb * dv, on)
        dw[-1] *= bias_rate
        w = w - lr * (dw + weight_decay * w)
        v = v - lr * (dv + weight_decay * v)
        if radius > 0:
            w = w * radius / np.linalg.norm(w)
    return w, v


@pytest.mark.parametrize("batch", [1, 3, 8])
@pytest.mark.parametrize("rule", RULES)
def test_steps_are_those_of_autograd(rule, batch, rng, plain):
    module, given = load("bias"), USUAL | RULES[rule]
    model = module.Model()
    x, y = module.inputs(model, rng.normal(size=(8, 3))), rng.normal(size=8)
    w, v = rng.normal(size=(4, 5)), rng.normal(size=5)
    order = rng.integers(8, size=(6, batch))
    ours, rates = (w.copy(), v.copy()), list(given.values())[1:]
    ascent = given["ascent"]
    kernel = plain(full_batch)
    done = kernel.run(model, SQUARED, ascent, *ours, x, y, order, *rates)
    assert done == 6
    theirs = by_autograd(w, v, x, y, order, **given)
    np.testing.assert_allclose(
        autograd.flat(ours), autograd.flat(theirs), rtol=1e-11, atol=1e-12
    )
    assert np.abs(ours[0] - w).max() > 1e-2


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
@pytest.mark.parametrize("rho", [0.0, 0.2])
def test_steps_stop_where_the_loss_is_lost_and_rest_where_it_is_flat(rho, rng, plain):
    module = load("bias")
    model = module.Model()
    x, y = module.inputs(model, rng.normal(size=(4, 3))), rng.normal(size=4)
    w, v = rng.normal(size=(4, 5)), rng.normal(size=5)
    y[2] = np.nan
    order = np.array([[0, 1], [3, 3], [1, 2], [0, 0]])
    rates = 0.05, rho, 0.0, 1.0, 0.0
    kernel = plain(full_batch)
    start = model, SQUARED, Usual()
    assert kernel.run(*start, w, v, x, y, order, *rates) == 2
    assert np.isfinite(w).all() and np.isfinite(v).all()
    w[:], v[:] = 0, 0
    assert kernel.run(*start, w, v, x, y, order[:2], *rates) == 2
    assert not w.any() and not v.any()
