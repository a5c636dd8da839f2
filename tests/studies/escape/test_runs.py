"""Compiled steps against closed forms and autograd, and what a path comes to."""

import numpy as np
import pandas as pd
import pytest
import torch

from flatminima.flows.two_layer import TwoLayer
from flatminima.studies.escape import kernel, runs


def network(seed: int) -> tuple[TwoLayer, np.ndarray]:
    rng = np.random.default_rng(seed)
    model = TwoLayer(rng.standard_normal((6, 4)), rng.choice([-1.0, 1.0], 6), 5)
    return model, rng.standard_normal(model.size)


def objective(model, theta, y, penalty):
    """Loss plus penalty times trace of a batch, in torch."""
    x = torch.from_numpy(model.x)
    w, v = theta[:-5].reshape(5, -1), theta[-5:]
    h = torch.tanh(x @ w.T)
    loss = 0.5 * ((h @ v - torch.from_numpy(y)) ** 2).mean()
    slopes = (v * (1 - h**2)) ** 2
    squares = (h**2).sum(1) + (x**2).sum(1) * slopes.sum(1)
    return loss + penalty * squares.mean()


def by_autograd(model, theta, y, penalty):
    at = torch.from_numpy(theta)
    return torch.func.grad(lambda t: objective(model, t, y, penalty))(at).numpy()


@pytest.mark.parametrize(
    "rule", runs.rules(lr=0.1, noise=0.5, penalty=0.2, rho=0.3, large=0.2).values()
)
def test_steps_are_those_of_autograd(rule):
    model, theta = network(0)
    rng = np.random.default_rng(1)
    batches, signs = rng.integers(0, 6, (3, 4)), rng.choice([-1.0, 1.0], (3, 4))
    w, v = (part.copy() for part in model.split(theta))
    lengths = np.sum(model.x**2, axis=1)
    constants = (rule.lr, rule.noise, rule.penalty, rule.rho)
    args = (w, v, model.x, lengths, model.y, batches, signs, *constants)
    assert kernel.run(*args) == 3
    for rows, sign in zip(batches, signs, strict=True):
        part = TwoLayer(model.x[rows], model.y[rows], 5)
        y, at = part.y + rule.noise * sign, theta
        if rule.rho:
            up = by_autograd(part, theta, y, 0.0)
            at = theta + rule.rho * up / np.linalg.norm(up)
        theta = theta - rule.lr * by_autograd(part, at, y, rule.penalty)
    np.testing.assert_allclose(np.concatenate([w.ravel(), v]), theta, atol=1e-12)


def test_lost_weights_are_told():
    model, theta = network(2)
    w, v = (part.copy() for part in model.split(theta))
    lengths, batches = np.sum(model.x**2, axis=1), np.zeros((500, 2), dtype=int)
    signs = np.ones((500, 2))
    with np.errstate(over="ignore", invalid="ignore"):
        args = (w, v, model.x, lengths, model.y, batches, signs, 1e3, 0.0, 0.0, 0.0)
        assert kernel.run(*args) < 500


@pytest.fixture(scope="module")
def table():
    settings = runs.rules(lr=0.01, noise=1.0, penalty=0.1, rho=0.3, large=0.02)
    steps = dict.fromkeys(settings, runs.look_at(300, 5))
    size = {"n": 30, "extra": 40, "units": 12, "batch": 10}
    return runs.paths(settings, [0, 1], steps, **size)


def test_the_poor_minimum_fits_the_training_set_and_little_else(table):
    first = table[table["step"] == 0]
    assert (first["loss"] < 1e-18).all()
    assert (first["error"] == first["poor"]).all()
    assert (first["poor"] > first["good"]).all()


def test_sgd_stays_and_the_penalty_flattens(table):
    ends = runs.summary(table)
    np.testing.assert_array_equal(runs.changes(ends, "SGD"), [0, 0])
    assert (runs.halvings(ends, ["trace penalty"]) > 0.5).all()
    assert list(runs.times(ends, ["SGD"])["escaped"]) == [0]


def test_half_of_the_excess_is_the_first_such_step():
    rows = {"step": [0, 10, 20], "error": [0.4, 0.3, 0.2], "trace": [8.0, 4.0, 2.0]}
    facts = {"loss": 0.0, "seed": 3, "rule": "SAM", "poor": 0.4, "good": 0.2}
    ends = runs.summary(pd.DataFrame(rows).assign(**facts))
    assert runs.of_rule(ends, "half", "SAM").tolist() == [10]
    assert runs.of_rule(ends, "gone", "SAM").tolist() == pytest.approx([1.0])
    np.testing.assert_allclose(runs.halvings(ends, ["SAM"]), [2])


def test_without_a_start_there_is_an_empty_table():
    settings = runs.rules(lr=0.01, noise=1.0, penalty=0.1, rho=0.3, large=0.02)
    steps = {name: [1] for name in settings}
    none = runs.paths(settings, [], steps, n=20, extra=20, units=10, batch=5)
    ends = runs.summary(none)
    assert ends.empty
    assert np.isinf(runs.changes(ends, "SGD")).all()
    assert not len(runs.log_ratio(ends, "half", "SAM", "SGD"))
    assert np.isnan(runs.times(ends, ["SAM"])["median"]).all()
