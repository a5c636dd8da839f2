"""Losses against autograd and another library, plain and compiled."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flatminima.kernels.compile import compiled
from flatminima.models.losses import (
    SQUARED,
    Logistic,
    Scaled,
    output_scale,
    slope,
    value,
)
from flatminima.sharpness.objective import objective

pytestmark = pytest.mark.uncompiled

LOSSES = [SQUARED, Logistic(0.2), Logistic(0.01)]
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=str)
outputs = st.floats(-30, 30)
labels = st.sampled_from([-1.0, 1.0])


@compiled
def of_one(loss, f, y):
    return value(loss, f, y), slope(loss, f, y)


def by_hand(loss, f: torch.Tensor, y: float) -> torch.Tensor:
    """The definition, for outputs whose exponentials do not overflow."""
    if loss == SQUARED:
        return (f - y) ** 2
    right, wrong = torch.sigmoid(y * f), torch.sigmoid(-y * f)
    return -(1 - loss.smoothing) * right.log() - loss.smoothing * wrong.log()


@each_loss
@given(f=outputs, y=labels)
def test_value_slope_and_curvature_equal_autograd(loss, f, y):
    output = torch.tensor(f, dtype=torch.float64, requires_grad=True)
    expected = by_hand(loss, output, y)
    (first,) = torch.autograd.grad(expected, output, create_graph=True)
    (second,) = torch.autograd.grad(first, output)
    for found in (of_one(loss, f, y), (value(loss, f, y), slope(loss, f, y))):
        assert found[0] == pytest.approx(expected.item(), rel=1e-12, abs=1e-13)
        assert found[1] == pytest.approx(first.item(), rel=1e-12, abs=1e-13)
    curvature = loss.curvature(np.array([f]))[0]
    # autograd's own second derivative cancels in the tails
    assert curvature == pytest.approx(second.item(), rel=1e-6, abs=1e-13)


@each_loss
def test_arrays_equal_a_second_library(loss, rng):
    f, y = rng.normal(size=50) * 20, rng.choice([-1.0, 1.0], 50)
    mean = objective(loss, torch.as_tensor(f), torch.as_tensor(y))
    assert np.mean(value(loss, f, y)) == pytest.approx(float(mean), rel=1e-13)


@each_loss
def test_the_target_is_the_minimum(loss):
    y = np.array([-1.0, 1.0])
    target = loss.target(y)
    np.testing.assert_allclose(slope(loss, target, y), 0.0, atol=1e-15)
    assert (loss.curvature(target) > 0).all()
    for step in (-1e-3, 1e-3):
        assert (value(loss, target + step, y) > value(loss, target, y)).all()


def test_published_target_and_curvature():
    # Wen, Li & Ma 2023: smoothing 0.2 puts the target at ln 4, where l'' = .8 * .2
    loss = Logistic(0.2)
    np.testing.assert_allclose(loss.target(np.array([1.0])), np.log(4))
    assert loss.curvature(np.array([np.log(4)]))[0] == pytest.approx(0.16)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("f", [-1e4, 1e4, -1e300, 1e300])
def test_logistic_never_overflows(f):
    loss = Logistic(0.2)
    for found in (of_one(loss, f, 1.0), (value(loss, f, 1.0), slope(loss, f, 1.0))):
        assert found[0] == pytest.approx(0.2 * f if f > 0 else -0.8 * f)
        assert found[1] == pytest.approx(0.2 if f > 0 else -0.8)
    assert loss.curvature(np.array([f]))[0] == 0.0


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@each_loss
@pytest.mark.parametrize("f", [-np.inf, np.inf, np.nan])
def test_a_lost_output_shows_in_the_value(loss, f):
    assert not np.isfinite(of_one(loss, f, 1.0)[0])


def test_squared_stays_in_float32():
    for found in of_one(SQUARED, np.float32(0.1), np.float32(1)):
        assert found == np.float32(found)


SCALED = [Scaled(SQUARED, 3.0), Scaled(Logistic(0.2), 0.5)]
each_scaled = pytest.mark.parametrize("loss", SCALED, ids=str)


@each_scaled
@given(f=outputs, y=labels)
def test_a_scaled_loss_is_that_of_the_scaled_output_by_autograd(loss, f, y):
    output = torch.tensor(f, dtype=torch.float64, requires_grad=True)
    expected = by_hand(loss.base, loss.factor * output, y)
    (first,) = torch.autograd.grad(expected, output, create_graph=True)
    (second,) = torch.autograd.grad(first, output)
    assert value(loss, f, y) == pytest.approx(expected.item(), rel=1e-12, abs=1e-13)
    assert slope(loss, f, y) == pytest.approx(first.item(), rel=1e-12, abs=1e-13)
    curvature = loss.curvature(np.array([f]))[0]
    assert curvature == pytest.approx(second.item(), rel=1e-6, abs=1e-13)


@each_scaled
def test_the_target_of_a_scaled_loss_is_its_minimum(loss):
    y = np.array([-1.0, 1.0])
    target = loss.target(y)
    np.testing.assert_allclose(slope(loss, target, y), 0.0, atol=1e-15)
    np.testing.assert_allclose(loss.factor * target, loss.base.target(y))


def test_the_scale_of_the_output_is_one_unless_a_loss_has_one():
    assert [output_scale(loss) for loss in (*LOSSES, *SCALED)] == [1, 1, 1, 3, 0.5]
