"""The sharpness-reduction flow: closed forms, a second solver, certified ends."""

import numpy as np
import pytest
import scipy.integrate
from hypothesis import given, settings
from hypothesis import strategies as st

from flatminima.flows.diagonal import Diagonal
from flatminima.flows.gradient_flow import settle
from flatminima.flows.sharpness_flow import land, reduction, sharpness_flow
from flatminima.theory.certificates.basis_pursuit import basis_pursuit
from tests.flows.examples import as_torch, diagonal, factorisation, two_layer

TIMES = [0.05, 0.2, 0.6]


def test_in_one_dimension_the_path_is_known():
    """u^2 - v^2 = y is held, and u v decays as exp(-16 c tau)."""
    model, c = Diagonal(np.array([[1.0]]), np.array([0.7])), 0.3
    start = np.array([np.sqrt(0.7 + 0.25), 0.5])
    path = sharpness_flow(model, start, c=c, times=TIMES).at
    product = np.prod(start) * np.exp(-16 * c * np.array(TIMES))
    s = np.sqrt(0.7**2 + 4 * product**2)
    expected = np.sqrt(np.column_stack([s + 0.7, s - 0.7]) / 2)
    np.testing.assert_allclose(path, expected, rtol=1e-5)


def test_every_product_decays_alike_where_inputs_are_signs():
    model, start = diagonal(0)
    start = land(model, start)
    path = sharpness_flow(model, start, times=TIMES, rtol=1e-8).at
    for tau, theta in zip(TIMES, path, strict=True):
        ratio = np.prod(np.split(theta, 2), axis=0) / np.prod(
            np.split(start, 2), axis=0
        )
        np.testing.assert_allclose(ratio, np.exp(-16 * tau), rtol=1e-5)


@pytest.mark.parametrize("make", [diagonal, factorisation])
def test_it_equals_a_solver_without_retraction(make):
    """The projected field by itself, at tolerances at which it does not drift."""
    model, start = make(1)
    start = land(model, start)
    solved = scipy.integrate.solve_ivp(
        lambda _, theta: 0.1 * reduction(model, theta),
        (0, TIMES[-1]),
        start,
        t_eval=TIMES,
        method="DOP853",
        rtol=1e-11,
        atol=1e-12,
    )
    found = sharpness_flow(model, start, c=0.1, times=TIMES, rtol=1e-8)
    assert found.reason == "time"
    assert found.tau[-1] == TIMES[-1]
    np.testing.assert_allclose(found.at, solved.y.T, atol=1e-5)
    np.testing.assert_array_equal(found.at[-1], found.theta)


def test_autograd_walks_the_same_path():
    model, start = diagonal(2, n=3, d=5)
    ours = sharpness_flow(model, start, times=TIMES)
    theirs = sharpness_flow(as_torch(model, start), start, times=TIMES)
    np.testing.assert_allclose(ours.at, theirs.at, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("sparse", [0, 3])
@pytest.mark.parametrize("seed", range(10))
def test_it_ends_at_the_linear_programmes_optimum(seed, sparse):
    """Labels of a sparse map too, where the optimum has a rank below n."""
    rng = np.random.default_rng(seed)
    z = rng.choice([-1.0, 1.0], (10, 20))
    beta = np.zeros(20)
    beta[:sparse] = rng.standard_normal(sparse)
    model = Diagonal(z, z @ beta if sparse else rng.standard_normal(10))
    least = 4 * basis_pursuit(z, model.y).bound
    start = settle(model, 0.5 + 0.1 * rng.standard_normal(40)).theta
    flow = sharpness_flow(model, start, bound=least, tolerance=1e-3, rtol=1e-2)
    assert flow.reason == "bound"
    assert least * (1 - 1e-9) <= flow.trace[-1] <= 1.001 * least
    assert (np.diff(flow.trace) <= 1e-12 * flow.trace[1:]).all()
    assert flow.error.max() <= 1e-8


def test_a_factorisation_ends_flattest_for_its_own_matrix():
    """Over U V^T = M the least trace is 2 |P^(1/2) M Q^(1/2)|_*."""
    model, start = factorisation(3)
    flow = sharpness_flow(model, start, rtol=1e-2, flat=1e-6)
    u, v = model.split(flow.theta)
    roots = [np.linalg.cholesky(moment) for moment in model.moments]
    certified = 2 * np.linalg.norm(roots[0].T @ u @ v.T @ roots[1], "nuc")
    assert flow.reason == "flat"
    assert flow.trace[-1] == pytest.approx(certified, rel=1e-6)
    assert flow.trace[-1] < 0.9 * flow.trace[0]


@settings(max_examples=10)
@given(st.integers(0, 10**6), st.permutations(range(4)))
def test_order_and_sign_of_the_examples_do_not_matter(seed, order):
    model, start = diagonal(seed)
    signs = np.array([1.0, -1.0, -1.0, 1.0])
    z, y = (signs * model.z.T).T[list(order)], (signs * model.y)[list(order)]
    paths = [sharpness_flow(m, start, times=[0.1]).at for m in (model, Diagonal(z, y))]
    np.testing.assert_allclose(*paths, atol=1e-8)


def test_ends_are_told_apart():
    model, start = diagonal(7)
    assert sharpness_flow(model, start, max_steps=3).reason == "steps"
    end = sharpness_flow(model, start, rtol=1e-2)
    assert end.reason == "flat"
    assert end.gradient[-1] < 1e-6 * end.gradient[0]
    later = sharpness_flow(model, end.theta, times=[1.0, 2.0])
    assert len(later.at) == 2
    impossible = Diagonal(np.ones((2, 3)), np.array([0.0, 1.0]))
    nowhere = sharpness_flow(impossible, np.ones(6))
    assert nowhere.reason == "no start"
    assert not len(nowhere.tau)


def test_the_history_begins_at_the_landed_start():
    model, start = diagonal(5)
    landed = land(model, start)
    flow = sharpness_flow(model, start, c=0.25, max_steps=4)
    force = reduction(model, landed)
    assert flow.tau[0] == 0
    assert flow.trace[0] == model.trace(landed)
    assert flow.gradient[0] == pytest.approx(np.linalg.norm(force), rel=1e-12)
    assert flow.error[0] == np.abs(model.tangent(landed).f - model.y).max()
    # the first step, a hundredth of |theta| long, is taken
    first = 1e-2 * np.linalg.norm(landed) / (0.25 * np.linalg.norm(force))
    assert flow.tau[1] == pytest.approx(first, rel=1e-12)
    assert (np.diff(flow.tau) > 0).all()
    assert flow.trace[-1] == model.trace(flow.theta)
    assert len(flow.tau) == len(flow.gradient) == len(flow.error) == 5
    assert flow.at.shape == (0, len(start))


def test_the_factor_is_a_unit_of_time():
    """Twice c is half the time; rows say the gradient without it."""
    model, start = diagonal(5)
    one = sharpness_flow(model, start, c=1.0, max_steps=6)
    two = sharpness_flow(model, start, c=2.0, max_steps=6)
    np.testing.assert_allclose(2 * two.tau, one.tau, rtol=1e-9)
    np.testing.assert_allclose(two.trace, one.trace, rtol=1e-9)
    np.testing.assert_allclose(two.gradient, one.gradient, rtol=1e-9)


def test_wanted_times_are_met_to_the_bit_and_only_those_that_it_reached():
    model, start = diagonal(5)
    times = [1e-4, 0.05, 0.051]
    flow = sharpness_flow(model, start, times=times)
    assert set(times) <= set(flow.tau.tolist())
    at = {tau: trace for tau, trace in zip(flow.tau, flow.trace, strict=True)}
    assert [model.trace(theta) for theta in flow.at] == [at[tau] for tau in times]
    early = sharpness_flow(model, start, times=[1e-4, 9.0], max_steps=3)
    assert (early.reason, len(early.at)) == ("steps", 1)
    # what a wanted time cuts short does not slow the steps after it
    free = sharpness_flow(model, start, times=[0.05])
    assert len(flow.tau) <= len(free.tau) + 3


def test_it_stands_still_where_it_is_flat():
    model, start = diagonal(7)
    end = sharpness_flow(model, start, rtol=1e-2).theta
    later = sharpness_flow(model, end, times=[1.0, 2.0])
    assert later.reason == "flat"
    np.testing.assert_array_equal(later.at, [later.theta, later.theta])


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_flat_and_bound_are_where_they_are_said_to_be(factor):
    model, start = diagonal(5)
    landed = land(model, start)
    trace, force = model.trace(landed), reduction(model, landed)
    flat = factor * np.linalg.norm(landed) * np.linalg.norm(force) / trace
    found = sharpness_flow(model, start, c=3.0, flat=flat, max_steps=1)
    assert found.reason == ("flat" if factor > 1 else "steps")
    assert len(found.tau) == (1 if factor > 1 else 2)
    bound = trace / (1 + 0.2 * factor)  # within a tolerance of .2 times the bound
    found = sharpness_flow(model, start, bound=bound, tolerance=0.2, max_steps=1)
    assert found.reason == ("steps" if factor > 1 else "bound")


class Counted:
    """A model that counts how often it is looked at."""

    def __init__(self, model):
        self.model, self.y, self.count, self.gradients = model, model.y, 0, 0

    def tangent(self, theta):
        return self.model.tangent(theta)

    def trace(self, theta):
        self.count += 1
        return self.model.trace(theta)

    def trace_gradient(self, theta):
        self.gradients += 1
        return self.model.trace_gradient(theta)


@pytest.mark.parametrize(("rtol", "evaluations"), [(1e-4, 4), (0.9e-4, 7)])
def test_a_loose_tolerance_takes_the_pair_of_fewer_evaluations(rtol, evaluations):
    """Stages of the pairs of orders 3 and 2, and 5 and 4, and one at its end."""
    model = Counted(diagonal(5)[0])
    flow = sharpness_flow(model, diagonal(5)[1], rtol=rtol, max_steps=3)
    assert len(flow.tau) == 4  # none is refused
    assert model.gradients == 1 + 3 * evaluations


def test_it_asks_nothing_more_once_it_has_ended():
    ended = {"bound": {"bound": 1e9}, "flat": {"flat": 1e9}}
    for reason, arguments in ended.items():
        model = Counted(diagonal(5)[0])
        flow = sharpness_flow(model, diagonal(5)[1], max_steps=1000, **arguments)
        assert (flow.reason, model.count, model.gradients) == (reason, 1, 1)


class Rising(Counted):
    """One whose trace is higher each time that it is asked for."""

    def trace(self, theta):
        return super().trace(theta) + self.count


def test_it_stalls_where_every_step_raises_the_trace():
    model = Rising(diagonal(5)[0])
    flow = sharpness_flow(model, diagonal(5)[1], max_steps=200)
    assert (flow.reason, len(flow.tau)) == ("stalled", 1)
    # steps that are accurate enough are halved, until 1e-10 of the first
    assert model.count == 1 + np.ceil(np.log2(1e10))


def test_it_lowers_a_trace_that_jumps():
    """A kink of a ReLU raises the trace behind a step of a small error."""
    model, start = two_layer(5, "relu")
    flow = sharpness_flow(model, start, rtol=1e-1, max_steps=100)
    assert (np.diff(flow.trace) <= 1e-12 * flow.trace[1:]).all()
    assert flow.trace[-1] < 0.9 * flow.trace[0]
    assert flow.error.max() < 1e-8


def test_the_error_of_a_step_is_what_is_allowed():
    """The end of a short path comes closer as the tolerance falls, by its order."""
    model, c = Diagonal(np.array([[1.0]]), np.array([0.7])), 1.0
    start = np.array([np.sqrt(0.7 + 0.25), 0.5])
    product = 0.5 * start[0] * np.exp(-16 * c * 0.1)
    s = np.sqrt(0.7**2 + 4 * product**2)
    exact = np.sqrt(np.array([s + 0.7, s - 0.7]) / 2)
    found = [
        sharpness_flow(model, start, times=[0.1], rtol=rtol)
        for rtol in (1e-2, 1e-4, 1e-6, 1e-8)
    ]
    errors = [np.linalg.norm(flow.at[-1] - exact) for flow in found]
    for error, rtol in zip(errors, (1e-2, 1e-4, 1e-6, 1e-8), strict=True):
        assert error < 3 * rtol * np.linalg.norm(exact)
    assert errors == sorted(errors, reverse=True)


def test_steps_are_as_long_as_they_may_be():
    """On a smooth path hardly any is refused, and they grow with the tolerance."""
    model, start = Diagonal(np.array([[1.0]]), np.array([0.7])), np.array([0.98, 0.5])
    for rtol, most in ((1e-2, 8), (1e-5, 8), (1e-8, 16)):
        counted, stages = Counted(model), 4 if rtol > 1e-4 else 7
        flow = sharpness_flow(counted, start, times=[0.1], rtol=rtol)
        tried = (counted.gradients - 1) / stages
        accepted = len(flow.tau) - 1
        assert accepted <= most
        assert tried <= accepted + 1


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        ({"c": 0}, "above 0 and finite"),
        ({"c": np.inf}, "above 0 and finite"),
        ({"rtol": -1}, "above 0 and finite"),
        ({"rtol": np.nan}, "above 0 and finite"),
        ({"bound": -1}, "at least 0 and finite"),
        ({"bound": np.inf}, "at least 0 and finite"),
        ({"tolerance": -0.1}, "at least 0 and finite"),
        ({"flat": np.nan}, "at least 0 and finite"),
        ({"max_steps": 0}, "at least 1"),
        ({"times": [0.0]}, "increase, from above 0"),
        ({"times": [-1.0, 2.0]}, "increase, from above 0"),
        ({"times": [2.0, 1.0]}, "increase, from above 0"),
        ({"times": [1.0, 1.0]}, "increase, from above 0"),
        ({"times": [np.nan]}, "increase, from above 0, and be finite"),
        ({"times": [1.0, np.inf]}, "increase, from above 0, and be finite"),
    ],
)
def test_bad_arguments_are_refused(arguments, allowed):
    model, start = diagonal(8)
    message = f"{next(iter(arguments))} = .*: must (be )?{allowed}"
    with pytest.raises(ValueError, match=message):
        sharpness_flow(model, start, **arguments)


@pytest.mark.parametrize("entry", [np.nan, np.inf])
def test_a_start_that_is_not_finite_is_refused(entry):
    model, start = two_layer(0, "tanh")
    start[0] = entry
    with pytest.raises(ValueError, match="start: all entries must be finite"):
        sharpness_flow(model, start, times=[0.1])


def test_arguments_may_be_named_and_0_is_allowed_where_it_means_something():
    model, start = diagonal(8)
    zeros = {"bound": 0.0, "tolerance": 0.0, "flat": 0.0}
    flow = sharpness_flow(model=model, start=start, max_steps=1, **zeros)
    assert flow.reason == "steps"
