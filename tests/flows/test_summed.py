"""Added units phi = t + t^3: autograd, differences, a solver, the certificate."""

import numpy as np
import pytest
import torch
from scipy import optimize

from flatminima.flows.sharpness_flow import land
from flatminima.flows.summed import Summed


@pytest.fixture
def made():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 5))
    return Summed(x, rng.standard_normal(3), 4), rng.standard_normal(20)


def test_outputs_and_gradients_are_those_of_autograd(made):
    model, theta = made
    inputs = torch.tensor(model.x)

    def outputs(flat):
        t = inputs @ flat.reshape(4, -1).T
        return (t + t**3).sum(1)

    at = model.tangent(theta)
    rows = torch.func.jacrev(outputs)(torch.tensor(theta)).numpy()
    assert at.f == pytest.approx(outputs(torch.tensor(theta)).numpy())
    assert at.jacobian == pytest.approx(rows)
    assert model.trace(theta) == pytest.approx(np.sum(rows**2) / 3)


def test_the_gradient_of_the_trace_is_that_of_differences(made):
    model, theta = made
    found = model.trace_gradient(theta)
    wanted = optimize.approx_fprime(theta, model.trace, 1e-7)
    assert found == pytest.approx(wanted, rel=1e-4)


def test_the_least_trace_is_below_all_and_attained_where_units_agree(made):
    model, theta = made
    least = model.least_trace()
    assert model.trace(land(model, theta)) > least
    one = [optimize.brentq(lambda t, y=y: t + t**3 - y, -9, 9) for y in model.y / 4]
    w = np.linalg.lstsq(model.x, np.array(one), rcond=None)[0]
    same = np.tile(w, 4)
    assert model.tangent(same).f == pytest.approx(model.y)
    assert model.trace(same) == pytest.approx(least, rel=1e-12)


def test_the_least_trace_is_what_a_solver_finds():
    """One input of length 1, two units: t with t + t^3 + s + s^3 = y."""
    model = Summed(np.array([[1.0]]), np.array([3.0]), 2)
    found = optimize.minimize(
        model.trace,
        [0.1, 1.0],
        constraints={"type": "eq", "fun": lambda t: np.sum(t + t**3) - 3},
    )
    assert model.least_trace() == pytest.approx(found.fun, rel=1e-6)


def test_a_width_below_one_is_refused():
    with pytest.raises(ValueError, match="width = 0"):
        Summed(np.ones((1, 1)), np.ones(1), 0)
