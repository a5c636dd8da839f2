"""The Sim-BN kernel trains as plain autograd does, and minds its corners."""

import numpy as np
import pytest
import torch

from flatminima.data.xor import sample_xor
from flatminima.kernels import sim_bn as kernel
from flatminima.kernels.vectors import grid, lanes
from flatminima.models import sim_bn
from flatminima.models.losses import Logistic, Squared
from tests import autograd

pytestmark = [
    pytest.mark.uncompiled,
    pytest.mark.filterwarnings("ignore:(overflow|invalid value|divide):RuntimeWarning"),
]

MODEL = sim_bn.Model()
LOSSES = {
    "squared": (Squared(), autograd.squared),
    "logistic": (Logistic(0.2), autograd.smoothed_logistic),
}
RULES = {
    "SGD": (0.02, 0.0, 0.0),
    "SGD + wd": (0.02, 0.0, 0.5),
    "1-SAM": (0.02, 0.1, 0.0),
    "1-SAM + wd": (0.02, 0.1, 0.5),
}


def network(rng, width=16, n=12, d=6):
    data = sample_xor(n, d, seed=0)
    return sim_bn.inputs(MODEL, data.x), data.y, sim_bn.init(MODEL, d, width, rng)


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
        return sim_bn.forward(MODEL, *theta, inputs)

    return autograd.train(forward, loss, parameters, y, order, *rule)


def assert_close(ours, theirs, tolerance=1e-11):
    a, b = autograd.flat(ours), autograd.flat(theirs)
    assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("rule", RULES)
def test_equals_autograd(rule, loss, rng):
    x, y, parameters = network(rng)
    order = rng.integers(len(y), size=100)
    ours, done = run(parameters, x, y, order, RULES[rule], LOSSES[loss][0])
    assert done == len(order)
    theirs = expected(parameters, x, y, order, RULES[rule], LOSSES[loss][1])
    assert_close(ours, theirs)
    for a, b in zip(ours, parameters, strict=True):
        assert not np.allclose(a, b)


def test_units_switched_by_the_ascent(rng):
    x, y, parameters = network(rng)
    order, rule = rng.integers(len(y), size=60), (0.001, 3.0, 0.0)
    ours, _ = run(parameters, x, y, order, rule)
    assert_close(ours, expected(parameters, x, y, order, rule))


def test_dead_units_kinks_and_units_without_output(rng):
    x, y, (w, gamma, v) = network(rng)
    w[:, 0] = 0  # on the kink for every example
    w[:, 1] = 0
    w[-1, 1] = -1
    gamma[2] = v[2] = 0  # active, but with no gradient at all
    v[3] = 0
    order = rng.integers(len(y), size=100)
    ours, _ = run((w, gamma, v), x, y, order, RULES["1-SAM"])
    assert_close(ours, expected((w, gamma, v), x, y, order, RULES["1-SAM"]))
    np.testing.assert_array_equal(ours[0][:, :3], w[:, :3])
    assert ours[1][2] == ours[2][2] == 0 != ours[2][3]


def test_zero_gradient_leaves_all_but_the_decay(rng):
    x, y, (w, gamma, v) = network(rng)
    w[:] = 0
    w[-1] = -1
    order = rng.integers(len(y), size=30)
    ours, done = run((w, gamma, v), x, y, order, RULES["1-SAM"])
    assert done == 30
    for a, b in zip(ours, (w, gamma, v), strict=True):
        np.testing.assert_array_equal(a, b)
    ours, _ = run((w, gamma, v), x, y, order, RULES["1-SAM + wd"])
    assert_close(ours, [0.99**30 * p for p in (w, gamma, v)], 1e-13)


@pytest.mark.parametrize("rule", ["1-SAM", "1-SAM + wd"])
def test_a_run_can_be_cut(rule, rng):
    x, y, parameters = network(rng)
    order = rng.integers(len(y), size=100)
    whole, _ = run(parameters, x, y, order, RULES[rule])
    half, _ = run(parameters, x, y, order[:37], RULES[rule])
    half, _ = run(half, x, y, order[37:], RULES[rule])
    assert_close(half, whole, 1e-12)


def test_float32(rng):
    x, y, parameters = network(rng, width=32)
    order = rng.integers(len(y), size=100)
    double, _ = run(parameters, x, y, order, RULES["1-SAM"])
    single, _ = run(parameters, x, y, order, RULES["1-SAM"], dtype="float32")
    assert single[0].dtype == np.float32
    assert_close(single, double, 1e-5)


def test_stops_at_the_first_number_that_is_not_finite(rng):
    x, y, parameters = network(rng)
    y[3] = np.nan
    order = np.array([1, 2, 1, 0, 2, 3, 1])
    ours, done = run(parameters, x, y, order, RULES["1-SAM"])
    assert done == 5
    assert all(np.isfinite(p).all() for p in ours)
    parameters[0][0, 2] = np.nan
    assert run(parameters, x, y, order, RULES["1-SAM"])[1] == 0


def test_divergence_stops(rng):
    x, y, parameters = network(rng)
    order = rng.integers(len(y), size=1000)
    ours, done = run(parameters, x, y, order, (0.01, 3.0, 0.0))
    assert 0 < done < 1000
    assert not all(np.isfinite(p).all() for p in ours)


def test_distinct_rows_make_up_the_inputs(rng):
    x = np.zeros((9, 8))
    x[:, :6] = rng.choice([-1.0, 1.0], (9, 6))
    book, first, code, members, begin, end = kernel.distinct_rows(x, 2)
    assert first[-1] == book.shape[1] < 18
    assert (code % 2).any()  # some are minus another
    for s in range(2):
        columns = slice(kernel.GROUP * s, kernel.GROUP * (s + 1))
        rows = np.where(code[:, [s]] % 2, -1, 1) * book.T[code[:, s] // 2]
        np.testing.assert_array_equal(rows, x[:, columns])
        own = book[:, first[s] : first[s + 1]].T
        assert len(np.unique([*own, *-own], axis=0)) == 2 * len(own)
        for c in range(2 * first[s], 2 * first[s + 1]):
            mine = members[s, begin[c] : end[c]]
            np.testing.assert_array_equal(mine, np.flatnonzero(code[:, s] == c))


@pytest.mark.parametrize("signs", [True, False], ids=["signs", "all distinct"])
def test_normalise(signs, rng):
    n, width, i = 7, 11, 3
    x = rng.choice([-1.0, 1.0], (n, 8)) if signs else rng.normal(size=(n, 8))
    rows = kernel.distinct_rows(x, 2)
    weights = rng.normal(size=(8, width))
    w, q, one = (grid(x[0], k, width) for k in (8, 8, 1))
    w[:, :width] = weights
    size = lanes(x)
    table = grid(x[0], 1, 2 * rows[0].shape[1] * size)
    h, active, sigma = grid(x[0], 1, n * size), one, one.copy()
    kernel.normalise(rows, width, w, i, table, h, active, sigma, q)
    hidden = np.maximum(x @ weights, 0)
    near = {"rtol": 1e-12, "atol": 1e-13}
    np.testing.assert_allclose(active[0, :width], hidden[i], **near)
    rms = np.sqrt(np.mean(hidden**2, axis=0))
    np.testing.assert_allclose(sigma[0, :width], rms, **near)
    np.testing.assert_allclose(q[:, :width], x.T @ hidden, **near)


@pytest.mark.parametrize("rho", [0.0, 0.1])
def test_the_bias_may_learn_at_a_rate_of_its_own(rho, rng):
    x, y, parameters = network(rng)
    order, rule = rng.integers(len(y), size=40), (0.02, rho, 0.3, 0.2)
    ours, _ = run(parameters, x, y, order, rule)
    assert_close(ours, expected(parameters, x, y, order, rule))
    usual, _ = run(parameters, x, y, order, rule[:3])
    assert not np.allclose(ours[0], usual[0])
