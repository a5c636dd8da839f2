"""Models, probes and the descent of the race, against autograd and closed forms."""

import numpy as np
import pytest
import torch

from flatminima.flows.cubic import Cubic
from flatminima.flows.kinked import Kinked
from flatminima.flows.probes import probe, probe_gradient
from flatminima.flows.sharpness_flow import land
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


def test_the_kinked_gradient_is_that_of_the_smoothed_trace():
    """tau is held, so a difference quotient has to hold it too."""
    model, theta = kinked(0.3)
    w, _ = model.split(theta)
    tau = torch.from_numpy(0.3 * np.sqrt(np.mean((model.x @ w.T) ** 2, axis=0)))
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
    with pytest.raises(ValueError, match=r"smoothing = -1\.0: must be at least 0"):
        Kinked(x, y, 4, smoothing=-1.0)
    model, theta = two_layer(3, "tanh")
    with pytest.raises(ValueError, match="activation = 'tanh': must be 'relu'"):
        probe_gradient(model, theta, np.ones_like(theta))


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


def test_a_flat_start_is_flat_and_a_bad_one_is_none():
    model, start = diagonal(0)
    found = spectral_descent(model, start, flat=1e-7)
    again = spectral_descent(model, found.theta, flat=1e-6)
    assert (found.reason, again.reason, again.steps) == ("flat", "flat", 0)
    nowhere = spectral_descent(model, np.zeros_like(start))
    assert (nowhere.reason, nowhere.trace) == ("no start", np.inf)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"first": 0.0}, "first = 0.0: must be above 0"),
        ({"memory": 0}, "memory = 0: must be at least 1"),
        ({"max_steps": 0}, "max_steps = 0: must be at least 1"),
        ({"flat": np.inf}, "flat = inf: must be above 0 and finite"),
    ],
)
def test_settings_out_of_range_are_refused(fields, message):
    model, start = diagonal(0)
    with pytest.raises(ValueError, match=message):
        spectral_descent(model, start, **fields)
