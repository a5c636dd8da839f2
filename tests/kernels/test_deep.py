"""The deep kernel trains as plain autograd does, and minds its corners."""

import numpy as np
import pytest
import torch

from flatminima.data.xor import sample_xor
from flatminima.kernels import deep as kernel
from flatminima.models import deep
from flatminima.models.losses import Logistic, Squared
from flatminima.runs.mlp.train import padded_copy
from tests import autograd

pytestmark = [
    pytest.mark.uncompiled,
    pytest.mark.filterwarnings("ignore:(overflow|invalid value|divide):RuntimeWarning"),
]

MODEL = deep.Model()
LOSSES = {
    "squared": (Squared(), autograd.squared),
    "logistic": (Logistic(0.2), autograd.smoothed_logistic),
}
RULES = {
    "SGD": (0.05, 0.0, 0.0),
    "SGD + wd": (0.05, 0.0, 0.1),
    "1-SAM": (0.05, 0.1, 0.0),
    # the factor of the decay is multiplied in after 66 steps
    "1-SAM + wd": (0.05, 0.1, 2.0),
}


def network(rng, depth, width=16, n=12, d=6):
    data = sample_xor(n, d, seed=0)
    parameters = deep.init(deep.Model(depth), d, width, rng)
    return deep.inputs(MODEL, data.x), data.y, parameters


def run(parameters, x, y, order, rule, loss=LOSSES["squared"][0], dtype="float64"):
    """Train a copy; returns it and the number of steps done."""
    copies = [np.array(p, dtype) for p in parameters]
    rates = np.array([*rule, 1.0][:4], dtype)
    done = kernel.run(
        MODEL, loss, *copies, x.astype(dtype), y.astype(dtype), order, *rates
    )
    return copies, done


def expected(parameters, x, y, order, rule, loss=LOSSES["squared"][1]):
    inputs = torch.as_tensor(x)

    def forward(*theta):
        return deep.forward(MODEL, *theta, inputs)

    return autograd.train(forward, loss, parameters, y, order, *rule)


def assert_close(ours, theirs, tolerance=1e-11):
    a, b = autograd.flat(ours), autograd.flat(theirs)
    assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_equals_autograd(depth, rule, loss, rng):
    x, y, parameters = network(rng, depth)
    order = rng.integers(len(y), size=100)
    ours, done = run(parameters, x, y, order, RULES[rule], LOSSES[loss][0])
    assert done == len(order)
    theirs = expected(parameters, x, y, order, RULES[rule], LOSSES[loss][1])
    assert_close(ours, theirs)
    assert not np.allclose(ours[0], parameters[0])


@pytest.mark.parametrize("width", [1, 2, 3, 5, 9])
def test_every_remainder_of_four_rows(width, rng):
    x, y, parameters = network(rng, 3, width)
    order = rng.integers(len(y), size=60)
    ours, _ = run(parameters, x, y, order, RULES["1-SAM"])
    assert_close(ours, expected(parameters, x, y, order, RULES["1-SAM"]))


def test_many_units_switched_off_by_the_ascent(rng):
    x, y, parameters = network(rng, 3)
    order, rule = rng.integers(len(y), size=60), (0.01, 2.0, 0.0)
    ours, _ = run(parameters, x, y, order, rule)
    assert_close(ours, expected(parameters, x, y, order, rule))


def test_dead_units_and_units_on_a_kink(rng):
    x, y, (w, middle, v) = network(rng, 3)
    w[:, 0] = 0  # on the kink for every example
    w[:, 1] = 0
    w[-1, 1] = -1
    middle[0, :, 2] = -1
    order = rng.integers(len(y), size=60)
    ours, _ = run((w, middle, v), x, y, order, RULES["1-SAM"])
    assert_close(ours, expected((w, middle, v), x, y, order, RULES["1-SAM"]))
    np.testing.assert_array_equal(ours[0][:, :2], w[:, :2])
    np.testing.assert_array_equal(ours[1][0, :2], middle[0, :2])


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_zero_gradient_leaves_all_but_the_decay(depth, rng):
    x, y, (w, middle, v) = network(rng, depth)
    w[:] = 0
    w[-1] = -1
    order = rng.integers(len(y), size=30)
    ours, done = run((w, middle, v), x, y, order, RULES["1-SAM"])
    assert done == 30
    for a, b in zip(ours, (w, middle, v), strict=True):
        np.testing.assert_array_equal(a, b)
    ours, _ = run((w, middle, v), x, y, order, RULES["1-SAM + wd"])
    assert_close(ours, [0.9**30 * p for p in (w, middle, v)], 1e-13)


def test_one_step(rng):
    x, y, parameters = network(rng, 3)
    order = np.array([3])
    ours, done = run(parameters, x, y, order, RULES["1-SAM"])
    assert done == 1
    assert_close(ours, expected(parameters, x, y, order, RULES["1-SAM"]), 1e-14)


@pytest.mark.parametrize("rule", ["1-SAM", "1-SAM + wd"])
def test_a_run_can_be_cut(rule, rng):
    x, y, parameters = network(rng, 4)
    order = rng.integers(len(y), size=100)
    whole, _ = run(parameters, x, y, order, RULES[rule])
    half, _ = run(parameters, x, y, order[:37], RULES[rule])
    half, _ = run(half, x, y, order[37:], RULES[rule])
    assert_close(half, whole, 1e-12)


def test_padded_rows_change_nothing(rng):
    x, y, parameters = network(rng, 4, width=10)
    order = rng.integers(len(y), size=50)
    plain, _ = run(parameters, x, y, order, RULES["1-SAM"])
    padded = [padded_copy(p) for p in parameters]
    kernel.run(MODEL, Squared(), *padded, x, y, order, *RULES["1-SAM"], 1.0)
    assert_close([p[..., :10] for p in padded], plain, 1e-13)
    assert not any(p[..., 10:].any() for p in padded)


def test_float32(rng):
    x, y, parameters = network(rng, 3, width=32)
    order = rng.integers(len(y), size=100)
    double, _ = run(parameters, x, y, order, RULES["1-SAM"])
    single, _ = run(parameters, x, y, order, RULES["1-SAM"], dtype="float32")
    assert single[1].dtype == np.float32
    assert_close(single, double, 1e-5)


def test_stops_at_the_first_number_that_is_not_finite(rng):
    x, y, parameters = network(rng, 3)
    y[3] = np.nan
    order = np.array([1, 2, 1, 0, 2, 3, 1])
    ours, done = run(parameters, x, y, order, RULES["1-SAM"])
    assert done == 5
    assert all(np.isfinite(p).all() for p in ours)
    large = [1e80 * p for p in parameters]
    assert run(large, x, y, order, RULES["1-SAM"])[1] < 5


@pytest.mark.parametrize("rule", ["SGD", "1-SAM"])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_stops_at_a_weight_that_is_not_a_number(depth, rule, rng):
    x, y, parameters = network(rng, depth)
    order = rng.integers(len(y), size=100)
    for p in parameters:
        if p.size:
            kept, p.flat[0] = p.flat[0], np.nan
            assert run(parameters, x, y, order, RULES[rule])[1] < 100
            p.flat[0] = kept


def test_decay_of_one_or_more_is_refused(rng):
    x, y, parameters = network(rng, 3)
    with pytest.raises(ValueError, match="products below 1"):
        run(parameters, x, y, np.array([0]), (0.5, 0.1, 2.0))


@pytest.mark.parametrize("rho", [0.0, 0.1])
@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_bias_may_learn_at_a_rate_of_its_own(depth, rho, rng):
    x, y, parameters = network(rng, depth)
    order, rule = rng.integers(len(y), size=40), (0.05, rho, 0.3, 0.2)
    ours, _ = run(parameters, x, y, order, rule)
    assert_close(ours, expected(parameters, x, y, order, rule))
    usual, _ = run(parameters, x, y, order, rule[:3])
    assert not np.allclose(ours[0], usual[0])
