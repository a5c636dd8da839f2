"""Gradient flow against closed forms."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.linalg
import torch

from flatminima.flows.any_model import AnyModel
from flatminima.flows.diagonal import Diagonal
from flatminima.flows.factorisation import JacobianTangent
from flatminima.flows.gradient_flow import FAR, descent, gradient_flow, settle
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


@dataclass(frozen=True)
class OneNumber:
    """f(theta) of one number, with its derivative, on one example."""

    f: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    y: np.ndarray

    def tangent(self, theta: np.ndarray) -> JacobianTangent:
        return JacobianTangent(self.f(theta), self.slope(theta)[:, None])


ESCAPING = OneNumber(lambda t: -1 - 1 / t, lambda t: t**-2, np.zeros(1))
"""Its loss falls to 1/2 at infinity, and nowhere else."""

SINGULAR = OneNumber(np.log, np.reciprocal, np.full(1, -1e4))
"""Flow meets 0, where it ends, long before log theta = -10^4."""

LINE = OneNumber(lambda t: 2 * t, lambda t: np.full(1, 2.0), np.full(1, 3.0))
"""theta(s) - 3/2 decays as exp(-4 s)."""


def test_its_velocity_is_minus_the_gradient_of_the_loss():
    model, a, b = linear(2)
    expected = a.T @ (b - a @ model.start) / len(b)
    np.testing.assert_allclose(descent(model, model.start), expected, atol=1e-14)


def test_at_time_0_it_is_at_the_start():
    model, start = diagonal(6)
    path = gradient_flow(model, start, [0.0])
    np.testing.assert_array_equal(path, start[None])
    path[0, 0] = np.nan
    assert np.isfinite(start).all()


def test_times_need_not_begin_at_0():
    path = gradient_flow(LINE, np.zeros(1), [0.25, 1.0])
    np.testing.assert_allclose(path[:, 0], 1.5 - 1.5 * np.exp([-1.0, -4.0]), atol=1e-6)
    at_end = gradient_flow(LINE, np.zeros(1), [1.0])
    np.testing.assert_allclose(at_end[0], path[1], atol=1e-6)


def test_tighter_tolerances_come_closer():
    """Of a step: 1e-3 leaves more error than 1e-10."""
    start, exact = np.zeros(1), 1.5 - 1.5 * np.exp(-2.0)
    errors = [
        abs(gradient_flow(LINE, start, [0.5], rtol=r, atol=a)[0, 0] - exact)
        for r, a in ((1e-3, 1e-3), (1e-10, 1e-12))
    ]
    assert errors[1] < 1e-8 < errors[0]
    assert abs(gradient_flow(LINE, start, [0.5])[0, 0] - exact) < 1e-6


def test_a_start_that_interpolates_is_its_own_end():
    end = settle(LINE, np.full(1, 1.5))
    assert (end.reason, end.time, end.loss) == ("interpolates", 0.0, 0.0)
    np.testing.assert_array_equal(end.theta, [1.5])


def test_labels_of_0_are_met():
    end = settle(OneNumber(LINE.f, LINE.slope, np.zeros(1)), np.ones(1))
    assert end.reason == "interpolates"
    np.testing.assert_allclose(end.theta, 0, atol=1e-12)


@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_what_is_near_does_not_depend_on_the_unit_of_the_labels(size):
    """On a line, labels and start times a factor give the path times it."""
    one = settle(LINE, np.zeros(1))
    line = OneNumber(LINE.f, LINE.slope, size * LINE.y)
    other = settle(line, np.zeros(1), atol=size * 1e-12)
    assert other.reason == one.reason == "interpolates"
    np.testing.assert_allclose(other.theta, size * one.theta, rtol=1e-9)
    # from 1/2 to 1e-12 of the mean square, and the loss decays as exp(-8 s)
    assert one.time == pytest.approx(np.log(0.5e12) / 8, rel=1e-3)
    assert other.time == pytest.approx(one.time, rel=1e-3)


def test_it_gives_up_after_its_time():
    end = settle(LINE, np.zeros(1), max_time=0.25)
    assert (end.reason, end.time) == ("time", 0.25)
    np.testing.assert_allclose(end.theta, 1.5 - 1.5 / np.e, atol=1e-6)
    assert end.loss == pytest.approx(0.5 * (3 / np.e) ** 2, rel=1e-6)


@pytest.mark.parametrize("size", [1.0, 10.0])
def test_stationary_is_a_gradient_relative_to_the_labels(size):
    line = OneNumber(LINE.f, LINE.slope, size * LINE.y)
    gradient = 2.0  # |2 (0 - y)| over the root mean square |y|
    still = settle(line, np.zeros(1), stationary=1.01 * gradient)
    assert (still.reason, still.time) == ("stationary", 0.0)
    assert still.loss == pytest.approx(0.5 * (3 * size) ** 2)
    moves = settle(line, np.zeros(1), stationary=0.99 * gradient)
    assert moves.reason == "stationary"
    assert moves.time == pytest.approx(-np.log(0.99) / 4, rel=1e-3)


def test_a_flow_to_infinity_diverges():
    end = settle(ESCAPING, np.ones(1), max_time=1e30, stationary=0.0)
    assert (end.reason, end.loss) == ("diverged", np.inf)
    # as far as FAR times 1 + |start|, with theta' about theta^-2 on the way
    assert end.theta[0] == pytest.approx(2 * FAR, rel=1e-3)
    assert end.time == pytest.approx((2 * FAR) ** 3 / 3, rel=1e-2)


def test_a_solver_that_cannot_go_on_is_told():
    """theta' = -(log theta + 10^4) / theta: 0 is met at about 1 / 20000."""
    with np.errstate(invalid="ignore"):  # logarithms beyond 0, in steps not taken
        end = settle(SINGULAR, np.ones(1), method="RK45")
        with pytest.raises(FloatingPointError, match="gradient flow stopped: Requir"):
            gradient_flow(SINGULAR, np.ones(1), [1.0], method="RK45")
    assert end.reason == "gave up"
    assert 0 < end.time < 1e-4
    assert np.isfinite(end.loss) and end.loss > 1e7


@pytest.mark.parametrize(
    "times",
    [
        *([], [-1.0, 1.0], [1.0, 0.5], [0.5, 0.5], [0.0, 1.0, 0.5]),
        *([np.nan], [np.inf], [1.0, np.nan], [np.nan, 1.0], [1.0, np.inf]),
    ],
)
def test_times_that_do_not_increase_from_0_are_refused(times):
    with pytest.raises(ValueError, match="times = .*: must increase, from at least 0"):
        gradient_flow(LINE, np.zeros(1), times)


def test_bad_arguments_are_refused():
    model, start = diagonal(6)
    for time in (0, -1.0, np.nan):
        with pytest.raises(ValueError, match=f"max_time = {time}: must be above 0"):
            settle(model, start, max_time=time)
    with pytest.raises(ValueError, match="start: all entries"):
        settle(model, start * np.nan)
    with pytest.raises(ValueError, match="start: all entries"):
        gradient_flow(model, start * np.nan, [0.0])


def test_arguments_may_be_named():
    path = gradient_flow(model=LINE, start=np.zeros(1), times=[1.0])
    end = settle(model=LINE, start=np.zeros(1), max_time=1.0)
    np.testing.assert_allclose(end.theta, path[0], atol=1e-6)
