"""Certified lower bounds on the trace of the Hessian, against the source's numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatminima.models.base import load
from flatminima.models.losses import SQUARED, Logistic
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.measures import measure
from flatminima.runs.mlp.problem import initial_state, problem
from flatminima.sharpness.closed_form import per_example_gradients, trace_hessian


@pytest.mark.parametrize(
    ("architecture", "bound"),
    # Wen, Li & Ma 2023 at d = 30: 4 sqrt(d), 4 sqrt(d + 1) and 2
    [("no_bias", 21.9089), ("bias", 22.2711), ("sim_ln", 2.0)],
)
def test_published_values(architecture, bound):
    setting = problem(Config(architecture=architecture, d=30, n=100))
    input_sq = np.sum(setting.inputs**2, axis=1)
    value = setting.architecture.lower_bound(setting.model, input_sq, setting.y)
    assert value == pytest.approx(bound, abs=5e-5)


def test_published_value_of_the_logistic_loss():
    # Wen, Li & Ma 2023: 2.47 for 2-MLP-Bias at d = 30 with label smoothing 0.2
    fields = {"loss": "logistic", "label_smoothing": 0.2, "d": 30, "n": 100}
    config = Config(architecture="bias", width=3, **fields)
    bound = measure(config, initial_state(config))["bound"]
    assert bound == pytest.approx(2.47, abs=5e-3)
    assert bound == pytest.approx(0.16 * 2 * np.log(4) * np.sqrt(31), rel=1e-14)


def test_the_ball_weighs_every_example_by_itself():
    config = Config(architecture="bias", data="ball", d=10, n=50, width=3)
    setting = problem(config)
    by_hand = np.mean(4 * np.abs(setting.y) * np.linalg.norm(setting.inputs, axis=1))
    bound = measure(config, initial_state(config))["bound"]
    assert bound == pytest.approx(by_hand, rel=1e-14)


def test_none_is_known_for_softplus():
    config = Config(architecture="softplus", d=4, n=5, width=3)
    row = measure(config, initial_state(config))
    assert np.isnan(row["bound"]) and np.isnan(row["bound_outputs"])


@pytest.mark.parametrize("loss", [SQUARED, Logistic(0.2)], ids=str)
@pytest.mark.parametrize("architecture", ["no_bias", "bias", "sim_ln"])
@given(seed=st.integers(0, 10_000), log_scale=st.floats(-6, 2))
def test_no_network_is_below_its_bound(architecture, loss, seed, log_scale):
    # l'' ||grad f||^2, which at interpolation is all of the trace
    rng = np.random.default_rng(seed)
    module = load(architecture)
    model = module.Model()
    inputs = module.inputs(model, rng.choice([-1.0, 1.0], (5, 3)))
    w = rng.normal(size=(inputs.shape[1], 4)) * 10**log_scale
    gradients = per_example_gradients(model, w, rng.normal(size=4), inputs)
    curvature = loss.curvature(gradients.f)
    trace = np.mean(curvature * gradients.norm_sq)
    bound = module.lower_bound(model, gradients.input_sq, gradients.f, curvature)
    assert trace >= bound * (1 - 1e-12)


@pytest.mark.parametrize("architecture", ["no_bias", "bias"])
def test_attained_by_one_balanced_unit(architecture):
    module = load(architecture)
    model = module.Model()
    inputs = module.inputs(model, np.array([[1.0, -1.0, 1.0]]))
    norm = np.linalg.norm(inputs)
    w = inputs.T / norm**1.5
    gradients = per_example_gradients(model, w, np.array([norm**-0.5]), inputs)
    bound = module.lower_bound(model, gradients.input_sq, gradients.f)
    trace = trace_hessian(module, model, gradients, gradients.f)
    assert trace == pytest.approx(bound, rel=1e-14)


def test_sim_ln_bound_below_the_floor_is_that_of_the_plain_network():
    # ||h|| < eps: f = v.h / eps, and one unit with v / eps and h balanced attains it
    module = load("sim_ln")
    model = module.Model(eps=100.0)
    inputs = module.inputs(model, np.array([[1.0, -1.0, 1.0]]))
    norm = np.linalg.norm(inputs)
    balance = np.sqrt(norm / model.eps)
    w = inputs.T / norm**2 * balance
    gradients = per_example_gradients(model, w, np.array([balance]), inputs)
    assert model.eps > gradients.h.max()
    trace = trace_hessian(module, model, gradients, gradients.f)
    bound = module.lower_bound(model, gradients.input_sq, gradients.f)
    # u = h/eps, g = v/eps: AM-GM is tight when |h| = |v| ||x'||, so rescale to it
    h, v = gradients.h[0, 0], balance
    scale = np.sqrt(v * norm / h)
    tight = per_example_gradients(model, w * scale, np.array([v / scale]), inputs)
    tight_trace = trace_hessian(module, model, tight, tight.f)
    assert tight_trace == pytest.approx(bound, rel=1e-12)
    assert trace >= bound


@pytest.mark.parametrize(
    "architecture", ["no_bias", "bias", "sim_ln", "sim_bn", "deep"]
)
def test_the_loss_is_the_squared_one_unless_told_otherwise(architecture, rng):
    module = load(architecture)
    model, f, square = module.Model(), rng.normal(size=4), rng.uniform(1, 3, 4)
    bound = module.lower_bound(model, square, f)
    curvature = SQUARED.curvature(f)
    assert bound == module.lower_bound(model, square, f, curvature) > 0
    assert np.isnan(load("softplus").lower_bound(None, square, f))


def test_sim_ln_bound_is_of_the_smaller_of_two_for_every_example():
    model = load("sim_ln").Model(eps=4.0)
    f, square = np.array([0.5, -0.5, 3.0]), np.array([9.0, 1.0, 4.0])
    by_hand = (5 * min(1, 0.75) + 7 * min(1, 0.25) + 9 * 1) / 3
    bound = load("sim_ln").lower_bound(model, square, f, np.array([5.0, 7.0, 9.0]))
    assert bound == pytest.approx(by_hand, rel=1e-14)
