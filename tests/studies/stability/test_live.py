"""The experiment on stability: its path against torch, its ends against theory."""

import numpy as np
import pytest
import torch

from flatminima.studies.stability import live


def loss(theta):
    return (theta[0] * theta[1] - 1) ** 2 / 2


@pytest.mark.parametrize("lr", [0.1, 0.5, 0.8])
def test_path_is_that_of_torch(lr):
    theta = torch.tensor(live.START, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.SGD([theta], lr=lr)
    expected = [theta.detach().numpy().copy()]
    for _ in range(20):
        optimiser.zero_grad()
        loss(theta).backward()
        optimiser.step()
        expected.append(theta.detach().numpy().copy())
    np.testing.assert_allclose(live.path(lr)[:21], expected, rtol=1e-10)


@pytest.mark.parametrize("point", [(2.0, 0.5), (0.3, -1.0), (1.0, 1.0)])
def test_sharpness_is_that_of_the_dense_hessian(point):
    theta = torch.tensor(point, dtype=torch.float64)
    dense = torch.func.hessian(loss)(theta).numpy()
    found = live.sharpness(np.array(point))
    assert found == pytest.approx(np.linalg.eigvalsh(dense)[-1], rel=1e-12)


def test_the_path_stays_below_the_threshold_and_leaves_above():
    lam = live.sharpness(np.array(live.MINIMUM))
    below, above = live.numbers(1.9 / lam), live.numbers(2.3 / lam)
    assert below["loss"] < 1e-12
    assert abs(below["sharpness"] - lam) < 0.1
    assert above["loss"] < 1e-12
    assert above["sharpness"] < above["stable"]
    assert above["sharpness"] < lam - 0.1


@pytest.mark.parametrize("lr", np.arange(0.1, 0.96, 0.05))
def test_it_converges_to_stable_minima_only(lr):
    found = live.numbers(lr)
    if found["loss"] < 1e-12:
        assert found["sharpness"] <= found["stable"] * (1 + 1e-6)


def test_nothing_holds_a_path_where_no_minimum_is_stable():
    assert live.numbers(1.1)["updates"] < live.STEPS


def test_a_learning_rate_must_be_positive():
    with pytest.raises(ValueError, match="lr"):
        live.numbers(0.0)
