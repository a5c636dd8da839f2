"""Gradient flow against closed forms."""

import numpy as np
import pytest
import scipy.linalg
import torch

from flatminima.flows.any_model import AnyModel
from flatminima.flows.diagonal import Diagonal
from flatminima.flows.gradient_flow import gradient_flow, settle
from flatminima.sharpness.landscape import landscape
from tests.flows.examples import as_torch, diagonal

TIMES = [0.0, 0.5, 3.0]


def linear(seed: int) -> tuple[AnyModel, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((4, 7)), rng.standard_normal(4)
    module = torch.nn.Linear(7, 1, bias=False).double()
    data = torch.from_numpy(a), torch.from_numpy(b)
    return AnyModel(landscape(module, *data, "squared")), a, b


def test_on_a_linear_model_it_is_the_matrix_exponential():
    model, a, b = linear(0)
    limit = model.start + np.linalg.pinv(a) @ (b - a @ model.start)
    expected = [
        limit + scipy.linalg.expm(-t * a.T @ a / len(a)) @ (model.start - limit)
        for t in TIMES
    ]
    found = gradient_flow(model, model.start, TIMES)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_on_a_linear_model_it_settles_at_the_nearest_interpolator():
    model, a, b = linear(1)
    end = settle(model, model.start)
    limit = model.start + np.linalg.pinv(a) @ (b - a @ model.start)
    assert end.reason == "interpolates"
    np.testing.assert_allclose(end.theta, limit, atol=1e-7)


def test_stiff_or_not_the_end_is_the_same():
    model, start = diagonal(3)
    ends = [settle(model, start, method=m).theta for m in ("LSODA", "DOP853", "BDF")]
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-5)
    np.testing.assert_allclose(ends[2], ends[1], atol=1e-5)


def test_the_product_of_u_and_v_is_conserved():
    """u' = -2 u (Z^T r) / n and v' = 2 v (Z^T r) / n: the two rates cancel."""
    model, start = diagonal(4, signs=False)
    u, v = np.split(settle(as_torch(model, start), start).theta, 2)
    before = np.prod(np.split(start, 2), axis=0)
    np.testing.assert_allclose(u * v, before, rtol=1e-6)


def test_from_a_saddle_it_does_not_move():
    model, start = diagonal(5)
    end = settle(model, 0 * start)
    assert end.reason == "stationary"
    assert end.loss == pytest.approx(0.5 * np.mean(model.y**2))


def test_a_sign_that_cannot_be_reached_is_stationary():
    """With v = 0 no coordinate of u^2 - v^2 is ever negative."""
    model = Diagonal(np.array([[1.0]]), np.array([-1.0]))
    end = settle(model, np.array([1.0, 0.0]))
    assert end.reason == "stationary"
    assert end.loss == pytest.approx(0.5, rel=1e-6)


def test_bad_arguments_are_refused():
    model, start = diagonal(6)
    with pytest.raises(ValueError, match="times = "):
        gradient_flow(model, start, [1.0, 0.5])
    with pytest.raises(ValueError, match="max_time = 0"):
        settle(model, start, max_time=0)
    with pytest.raises(ValueError, match="start: all entries"):
        settle(model, start * np.nan)
