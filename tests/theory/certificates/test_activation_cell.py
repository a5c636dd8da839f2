"""What an activation pattern allows: closed form, autograd, a solver, invariance."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from flatminima.models import no_bias
from flatminima.runs.flow.descent import Rules, descend
from flatminima.runs.flow.manifold import Manifold
from flatminima.sharpness.closed_form import per_example_gradients
from flatminima.theory.certificates.activation_cell import cell, multipliers

MODEL = no_bias.Model()
RULES = Rules("naive", "own", max_iterations=3000, tolerance=0.0)


def network(seed, n=4, d=3, width=6):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    w, v = rng.standard_normal((d, width)), rng.standard_normal(width)
    return x, w, v, per_example_gradients(MODEL, w, v, x)


def test_two_inputs_and_units_that_fire_on_both():
    """Closed form: 2 |y| sqrt(2) at n = 2, by the nuclear norm."""
    y = np.array([1.0, 3.0])
    size = (np.linalg.norm(y) / np.sqrt(2)) ** 0.5
    v = np.full(3, size / np.sqrt(3))
    w = np.outer(y / size, np.ones(3)) / np.sqrt(3)
    found = cell(per_example_gradients(MODEL, w, v, np.eye(2)), v, y)
    assert found.trace == pytest.approx(2 * np.sqrt(2) * np.linalg.norm(y))
    assert found.gap == pytest.approx(0, abs=1e-12)
    assert found.breadth == pytest.approx(1)
    assert found.steepest > 1  # the label 3 is worth a unit of its own


def test_one_unit_an_example_attains_the_bound():
    y = np.array([1.0, -2.0, 3.0])
    w, v = np.diag(np.sqrt(np.abs(y))), np.sign(y) * np.sqrt(np.abs(y))
    found = cell(per_example_gradients(MODEL, w, v, np.eye(3)), v, y)
    assert found.bound == pytest.approx(4 * np.mean(np.abs(y)))
    assert found.gap == pytest.approx(0, abs=1e-12)
    assert found.breadth == pytest.approx(1 / 3)
    assert found.steepest == pytest.approx(1)


@pytest.mark.parametrize("seed", range(3))
def test_multipliers_are_those_of_autograd(seed):
    x, w, v, at = network(seed)
    on = torch.tensor((x @ w > 0).astype(float))
    inputs = torch.tensor(x)

    def outputs(theta):
        first, second = theta[: w.size].reshape(w.shape), theta[w.size :]
        return ((inputs @ first) * on) @ second

    def half_trace(theta):
        rows = torch.func.jacrev(outputs)(theta)
        return (rows**2).sum()

    theta = torch.tensor(np.concatenate([w.ravel(), v]))
    rows = torch.func.jacrev(outputs)(theta).numpy()
    slope = torch.func.grad(half_trace)(theta).numpy()
    wanted = np.linalg.lstsq(rows.T, slope, rcond=None)[0]
    assert multipliers(at, v) == pytest.approx(wanted, rel=1e-8)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_bound_is_below_every_network_of_the_pattern(seed):
    """Two points of one pattern: each certificate is below both traces."""
    x, w, v, at = network(seed)
    y = at.f
    near = cell(at, v, y)
    scale = np.random.default_rng(seed).uniform(0.5, 2, len(v))
    other = cell(per_example_gradients(MODEL, w * scale, v / scale, x), v / scale, y)
    least = min(near.trace, other.trace) * (1 + 1e-9)
    assert near.bound <= least
    assert other.bound <= least
    assert other.margin == pytest.approx(near.margin)


def test_the_bound_is_what_a_solver_finds_for_the_pattern():
    """A second library: the convex programme in (p, q), by SLSQP."""
    rng = np.random.default_rng(3)
    n, width = 3, 4
    x = np.eye(n)
    w, v = rng.uniform(0.5, 1, (n, width)), rng.uniform(0.5, 1, width)
    w *= 1 - np.eye(n, width) * 1.5  # unit j is off on example j
    at = per_example_gradients(MODEL, w, v, x)
    y = at.f * np.array([1.0, 2.0, 4.0]) / at.f
    w *= (y / at.f)[:, None]
    manifold = Manifold(MODEL, x, y)
    flow = descend(no_bias, manifold, w, v, RULES)
    end = manifold.land(flow.w, flow.v)
    found = cell(end.gradients, end.v, y)
    on = (end.gradients.z > 0).astype(float)

    def trace(q):
        total = on @ q
        return 2 / n * float(np.sum(y**2 / total + total))

    best = optimize.minimize(trace, np.ones(width), bounds=[(1e-9, None)] * width)
    assert found.trace == pytest.approx(best.fun, rel=1e-5)
    assert found.bound == pytest.approx(best.fun, rel=1e-4)


def test_a_point_that_does_not_interpolate_is_refused():
    _, _, v, at = network(0)
    with pytest.raises(ValueError, match="must interpolate"):
        cell(at, v, at.f + 1)


def by_hand(at, v, y):
    """The bound and the shape of a pattern, with projections by pseudo-inverses."""
    on, price = at.z > 0, multipliers(at, v)
    worst = 0.0
    for unit in range(on.shape[1]):
        rows = at.inputs[on[:, unit]]
        if len(rows):
            reach = np.linalg.norm(rows @ np.linalg.pinv(rows) @ price[on[:, unit]])
            worst = max(worst, reach / (2 * np.linalg.norm(rows)))
    spent = np.array([on[:, j] @ at.input_sq * v[j] ** 2 for j in range(len(v))])
    margins = [
        np.abs(at.z[:, j]).min() / np.sqrt(np.mean(at.z[:, j] ** 2))
        for j in range(len(v))
        if on[:, j].any()
    ]
    return {
        "bound": max(0.0, 2 / len(y) * (price @ y) / worst),
        "margin": min(margins),
        "breadth": spent @ on.mean(axis=0) / spent.sum(),
        "steepest": max(price * np.sign(y) / 2 / np.linalg.norm(at.inputs, axis=1)),
    }


@pytest.mark.parametrize("seed", range(12))
def test_every_number_of_a_pattern_by_hand(seed):
    _, _, v, at = network(seed, width=3 + seed)
    found = cell(at, v, at.f)
    for name, expected in by_hand(at, v, at.f).items():
        assert getattr(found, name) == pytest.approx(expected, rel=1e-9), name
    assert found.gap == pytest.approx(found.trace / found.bound - 1)


def test_a_network_that_never_fires_has_no_shape():
    x, w, v, _ = network(0)
    at = per_example_gradients(MODEL, -np.abs(w), v, np.abs(x))
    found = cell(at, v, np.zeros(len(x)))
    assert found.trace == found.bound == 0
    assert found.gap == np.inf
    assert np.isnan(found.margin) and np.isnan(found.breadth)


@pytest.mark.parametrize(("off", "refused"), [(0.9e-6, False), (1.2e-6, True)])
def test_outputs_may_be_off_by_a_millionth(off, refused):
    """Of the largest label, or of 1 if all are smaller."""
    x, w, v, at = network(0)
    for factor in (0.01, 1e3):
        scale = factor / np.abs(at.f).max()
        scaled = per_example_gradients(MODEL, w, v * scale, x)
        y = scaled.f + off * max(1.0, factor)
        if refused:
            with pytest.raises(ValueError, match="must interpolate"):
                cell(scaled, v * scale, y)
        else:
            assert cell(scaled, v * scale, y).trace > 0


def test_multipliers_that_prove_nothing_give_a_bound_of_0():
    """Far from a stationary point lambda . y may be negative, and no trace is."""
    _, _, v, at = network(859, width=2)
    assert multipliers(at, v) @ at.f < -0.1
    found = cell(at, v, at.f)
    assert found.bound == 0
    assert found.gap == np.inf
