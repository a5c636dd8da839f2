"""Models, probes and the descent of the race, against autograd and closed forms."""

import numpy as np
import pytest
import torch

from flatminima.flows.cubic import Cubic
from flatminima.flows.kinked import Kinked
from flatminima.flows.probes import probe, probe_gradient
from flatminima.flows.sharpness_flow import land, reduction
from flatminima.flows.spectral import spectral_descent
from flatminima.flows.two_layer import TwoLayer
from flatminima.theory.certificates.basis_pursuit import basis_pursuit
from tests.flows.examples import diagonal, factorisation, two_layer


def cubic(seed: int = 0):
    rng = np.random.default_rng(seed)
    model = Cubic(rng.standard_normal((4, 6)), rng.standard_normal(4))
    return model, rng.standard_normal(18)


def kinked(smoothing: float, seed: int = 1):
    rng = np.random.default_rng(seed)
    x, y = rng.standard_normal((5, 3)), rng.standard_normal(5)
    return Kinked(x, y, 7, smoothing=smoothing), rng.standard_normal(28)


def jacobian_of(function, theta):
    return torch.func.jacrev(function)(torch.from_numpy(theta)).numpy()


def cubic_outputs(model):
    z = torch.from_numpy(model.z)

    def outputs(theta):
        u, v, w = theta.reshape(3, -1)
        return z @ (u * v * w)

    return outputs


def test_the_cubic_model_is_that_of_autograd():
    model, theta = cubic()
    outputs = cubic_outputs(model)
    at, jacobian = model.tangent(theta), jacobian_of(outputs, theta)

    def trace(point):
        return torch.func.jacrev(outputs)(point).square().sum() / len(model.y)

    np.testing.assert_allclose(at.jacobian, jacobian, atol=1e-13)
    np.testing.assert_allclose(at.f, outputs(torch.from_numpy(theta)), atol=1e-13)
    assert model.trace(theta) == pytest.approx(
        np.mean(np.sum(jacobian**2, axis=1)), rel=1e-13
    )
    np.testing.assert_allclose(
        model.trace_gradient(theta),
        torch.func.grad(trace)(torch.from_numpy(theta)).numpy(),
        atol=1e-12,
    )


@pytest.mark.parametrize("smoothing", [0.3, 1.0])
def test_the_kinked_gradient_is_that_of_the_smoothed_trace(smoothing):
    """tau is held, so a difference quotient has to hold it too."""
    model, theta = kinked(smoothing)
    w, _ = model.split(theta)
    tau = torch.from_numpy(smoothing * np.sqrt(np.mean((model.x @ w.T) ** 2, axis=0)))
    x = torch.from_numpy(model.x)

    def smoothed(point):
        first, v = point[:21].reshape(7, 3), point[21:]
        t = x @ first.T
        lengths = x.square().sum(dim=1, keepdim=True)
        value = torch.relu(t).square() + lengths * v**2 * torch.sigmoid(t / tau)
        return value.sum() / len(x)

    expected = torch.func.grad(smoothed)(torch.from_numpy(theta)).numpy()
    np.testing.assert_allclose(model.trace_gradient(theta), expected, atol=1e-12)


def test_without_smoothing_it_is_the_plain_network():
    model, theta = kinked(0.0)
    plain = TwoLayer(model.x, model.y, model.width, "relu")
    np.testing.assert_array_equal(
        model.trace_gradient(theta), plain.trace_gradient(theta)
    )
    assert kinked(0.5)[0].trace(theta) == plain.trace(theta)


def test_what_does_not_fit_is_refused():
    x, y = np.ones((2, 3)), np.ones(2)
    with pytest.raises(ValueError, match="activation = 'tanh': must be 'relu'"):
        Kinked(x, y, 4, activation="tanh")
    for value in (-1.0, np.inf, np.nan):
        message = f"smoothing = {value}: must be at least 0 and finite"
        with pytest.raises(ValueError, match=message):
            Kinked(x, y, 4, smoothing=value)
    assert Kinked(x, y, 4).smoothing == 0.1
    model, theta = two_layer(3, "tanh")
    with pytest.raises(ValueError, match="activation = 'tanh': must be 'relu'"):
        probe_gradient(model, theta, np.ones_like(theta))


def test_a_unit_that_no_example_moves_adds_nothing_to_the_kinked_gradient():
    """Its pre-activations are all 0, and so is the width of its kink."""
    model, theta = kinked(0.3)
    w, v = model.split(theta.copy())
    w[2] = 0.0
    gradient = model.trace_gradient(np.concatenate([w.ravel(), v]))
    by_w, by_v = model.split(gradient)
    assert np.isfinite(gradient).all()
    assert not by_w[2].any() and by_v[2] == 0
    others = np.arange(7) != 2
    expected = model.split(model.trace_gradient(theta))
    np.testing.assert_allclose(by_w[others], expected[0][others], atol=1e-13)
    np.testing.assert_allclose(by_v[others], expected[1][others], atol=1e-13)


PROBED = {
    "diagonal": diagonal(1, signs=False),
    "factorisation": factorisation(2),
    "cubic": cubic(),
    "kinked": kinked(0.1),
    "relu": two_layer(5, "relu"),
}


@pytest.mark.parametrize("name", PROBED)
def test_the_gradient_of_a_probe_is_its_difference_quotient(name):
    model, theta = PROBED[name]
    z = np.random.default_rng(6).choice([-1.0, 1.0], len(theta))
    h = 1e-6
    expected = [
        (probe(model, theta + h * e, z) - probe(model, theta - h * e, z)) / (2 * h)
        for e in np.eye(len(theta))
    ]
    np.testing.assert_allclose(probe_gradient(model, theta, z), expected, atol=1e-6)


def test_probes_have_the_trace_as_their_mean():
    model, theta = PROBED["factorisation"]
    rng = np.random.default_rng(8)
    draws = [
        probe(model, theta, rng.choice([-1.0, 1.0], len(theta))) for _ in range(2000)
    ]
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws) - model.trace(theta)) < 3 * error


def test_spectral_descent_finds_the_minimum_of_a_linear_programme():
    model, start = diagonal(0)
    least = 4 * basis_pursuit(model.z, model.y).bound
    found = spectral_descent(model, start, bound=least, tolerance=1e-6)
    assert found.reason == "bound"
    assert found.trace <= (1 + 1e-6) * least
    np.testing.assert_allclose(model.tangent(found.theta).f, model.y, atol=1e-8)


def test_it_keeps_the_flattest_point_that_it_met():
    """With a long memory the trace may rise on the way."""
    model, start = diagonal(2)
    short = spectral_descent(model, start, memory=20, max_steps=3)
    longer = spectral_descent(model, start, memory=20, max_steps=12)
    first = model.trace(land(model, start))
    assert longer.trace <= short.trace <= first
    assert short.reason == "steps"
    assert model.trace(short.theta) == pytest.approx(short.trace)


class Watched:
    """A model that notes where it is asked for its tangent, and how often for more."""

    def __init__(self, model, trace=None):
        self.model, self.y, self.points = model, model.y, []
        self.traces = self.gradients = 0
        self.given = trace or model.trace

    def tangent(self, theta):
        self.points.append(theta)
        return self.model.tangent(theta)

    def trace(self, theta):
        self.traces += 1
        return self.given(theta)

    def trace_gradient(self, theta):
        self.gradients += 1
        return self.model.trace_gradient(theta)


@pytest.mark.parametrize(("first", "share"), [(1e-3, 1e-3), (0.02, 0.02), (9.0, 0.5)])
def test_the_first_move_is_a_share_of_the_parameters_and_at_most_half(first, share):
    model, start = diagonal(0)
    landed = land(model, start)
    watched = Watched(model)
    spectral_descent(watched, landed, first=first, max_steps=1)
    moves = [np.linalg.norm(point - landed) for point in watched.points]
    tried = next(move for move in moves if move > 0)
    assert tried == pytest.approx(share * np.linalg.norm(landed), rel=1e-9)


def test_every_step_is_counted_and_lowers_the_trace_without_a_memory():
    model, start = diagonal(3)
    traces = [
        spectral_descent(model, start, memory=1, max_steps=count).trace
        for count in range(1, 8)
    ]
    assert (np.diff(traces) < 0).all()
    found = spectral_descent(model, start, memory=1, max_steps=7)
    assert (found.steps, found.reason) == (7, "steps")
    assert found.trace == model.trace(found.theta) == traces[-1]


@pytest.mark.parametrize(
    ("made", "capped"), [(two_layer(3, "tanh"), False), (diagonal(3), True)]
)
def test_the_second_step_is_that_of_barzilai_and_borwein(made, capped):
    """<s, s> / <s, q> of the first move s and the change q of the gradient."""
    model, landed = made[0], land(*made)
    one = spectral_descent(model, landed, max_steps=1)
    slopes = [reduction(model, theta) for theta in (landed, one.theta)]
    move, change = one.theta - landed, slopes[0] - slopes[1]
    step = (move @ move) / (move @ change)
    longest = 0.5 * np.linalg.norm(one.theta) / np.linalg.norm(slopes[1])
    assert (step > longest) == capped
    watched = Watched(model)
    spectral_descent(watched, landed, max_steps=2)
    wanted = one.theta + min(step, longest) * slopes[1]
    gaps = [np.linalg.norm(point - wanted) for point in watched.points]
    assert min(gaps) < 1e-9 * np.linalg.norm(wanted)


def test_where_no_step_lowers_the_trace_it_stalls():
    model, start = diagonal(0)
    heights = iter(range(1000))
    watched = Watched(model, trace=lambda theta: float(next(heights)))
    found = spectral_descent(watched, start)
    assert (found.reason, found.steps, found.trace) == ("stalled", 0, 0.0)
    assert watched.traces == 1 + 25  # the step is halved 24 times
    np.testing.assert_allclose(found.theta, land(model, start), atol=1e-12)


def test_a_step_must_lower_the_trace_by_enough():
    """A ten-thousandth of what the slope promises."""
    model, start = diagonal(0)
    start = land(model, start)
    slope = reduction(model, start)
    promised = 1e-2 * np.linalg.norm(start) * np.linalg.norm(slope)
    for share, steps in ((0.9e-4, 0), (1.1e-4, 1)):
        traces = iter([1.0, *[1.0 - share * promised] * 1])
        watched = Watched(model, trace=lambda theta, left=traces: next(left, 2.0))
        assert spectral_descent(watched, start, max_steps=1).steps == steps


def test_a_memory_lets_the_trace_rise_for_once():
    model, start = diagonal(0)
    heights = [9.0, 5.0, 7.0, 6.0]
    for memory, reason in ((1, "stalled"), (2, "steps")):
        left = iter(heights)
        watched = Watched(model, trace=lambda theta, left=left: next(left, 99.0))
        found = spectral_descent(watched, start, memory=memory, max_steps=3)
        assert (found.reason, found.trace) == (reason, 5.0)


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_a_descent_ends_at_its_bound_or_where_it_is_flat(factor):
    model, start = diagonal(0)
    landed = land(model, start)
    trace, slope = model.trace(landed), reduction(model, landed)
    flat = factor * np.linalg.norm(landed) * np.linalg.norm(slope) / trace
    found = spectral_descent(model, start, flat=flat, max_steps=1)
    assert found.reason == ("flat" if factor > 1 else "steps")
    bound = trace / (1 + 0.2 * factor)
    found = spectral_descent(model, start, bound=bound, tolerance=0.2, max_steps=1)
    assert found.reason == ("steps" if factor > 1 else "bound")
    if factor < 1:
        assert (found.steps, found.trace) == (0, trace)
        np.testing.assert_array_equal(found.theta, landed)


def test_arguments_may_be_named():
    model, start = diagonal(0)
    assert spectral_descent(model=model, start=start, max_steps=1).reason == "steps"


def test_a_flat_start_is_flat_and_a_bad_one_is_none():
    model, start = diagonal(0)
    found = spectral_descent(model, start, flat=1e-7)
    again = spectral_descent(model, found.theta, flat=1e-6)
    assert (found.reason, again.reason, again.steps) == ("flat", "flat", 0)
    nowhere = spectral_descent(model, np.zeros_like(start))
    assert (nowhere.reason, nowhere.trace, nowhere.steps) == ("no start", np.inf, 0)
    np.testing.assert_array_equal(nowhere.theta, 0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"first": 0.0}, "first = 0.0: must be above 0"),
        ({"memory": 0}, "memory = 0: must be at least 1"),
        ({"max_steps": 0}, "max_steps = 0: must be at least 1"),
        ({"flat": np.inf}, "flat = inf: must be above 0 and finite"),
        ({"flat": 0.0}, "flat = 0.0: must be above 0 and finite"),
        ({"tolerance": np.nan}, "tolerance = nan: must be above 0 and finite"),
    ],
)
def test_settings_out_of_range_are_refused(fields, message):
    model, start = diagonal(0)
    with pytest.raises(ValueError, match=message):
        spectral_descent(model, start, **fields)
