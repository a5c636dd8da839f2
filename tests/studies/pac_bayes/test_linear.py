"""The exact risks of a linear classifier, against sampled points and noise."""

import math

import numpy as np
import pytest
from scipy.special import ndtr

from flatminima.statistics.thresholds import thresholds
from flatminima.studies.pac_bayes import linear
from flatminima.studies.pac_bayes.linear import Task


def unit(d: int, alpha: float) -> np.ndarray:
    w = np.zeros(d)
    w[:2] = math.cos(alpha), math.sin(alpha)
    return w


@pytest.mark.parametrize("d", [3, 4, 11])
@pytest.mark.parametrize("alpha", [0.0, 0.4, 2.5, math.pi])
def test_noisy_risk_equals_that_of_sampled_points(d, alpha):
    w, strengths, flip = unit(d, alpha), np.array([0.0, 0.7, 5.0, 60.0]), 0.1
    rng = np.random.default_rng(1)
    a = rng.normal(size=(100_000, d))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    wrong = ndtr(-strengths[:, None] * (np.sign(a[:, 0]) * (a @ w)))
    losses = flip + (1 - 2 * flip) * wrong
    errors = losses.std(axis=1) / math.sqrt(len(a))
    found = linear.gibbs_risk(w, strengths, flip)
    assert (np.abs(found - losses.mean(axis=1)) < 3.5 * errors + 1e-12).all()


@pytest.mark.parametrize("d", [3, 10, 100])
def test_noisy_risk_tends_to_the_risk_and_to_one_half(d):
    w = unit(d, 0.3)
    found = linear.gibbs_risk(w, np.array([0.0, 1e4]), 0.2)
    assert found[0] == pytest.approx(0.5, abs=1e-12)
    assert found[1] == pytest.approx(linear.risk(w, 0.2), abs=1e-4)


@pytest.mark.parametrize("d", [3, 10, 100])
def test_more_nodes_change_nothing(d, monkeypatch):
    w, strengths = unit(d, 0.3), np.geomspace(0.5, 100, 7)
    few = linear.gibbs_risk(w, strengths, 0.1)
    monkeypatch.setattr(linear, "NODES", 160)
    assert few == pytest.approx(linear.gibbs_risk(w, strengths, 0.1), abs=1e-6)


def test_noise_never_lowers_the_risk():
    """The condition of Foret's theorem."""
    for alpha in (0.0, 0.5, 1.4):
        w = unit(8, alpha)
        noisy = linear.gibbs_risk(w, np.geomspace(0.1, 100, 20), 0.1)
        assert (noisy >= linear.risk(w, 0.1) - 1e-9).all()


def test_noisy_loss_equals_that_of_drawn_noise():
    task = Task(6, 50, 0.1)
    a, y = linear.training_set(task, 0)
    w = linear.classifier(a, y)
    drawn = linear._drawn(w, a, y, np.array([1.0, 10.0]), 20_000, 0)
    assert drawn == pytest.approx(
        linear.gibbs_loss(w, a, y, np.array([1.0, 10.0])), abs=0.01
    )


def test_training_sets_are_as_described():
    a, y = linear.training_set(Task(5, 20_000, 0.3), 4)
    assert np.linalg.norm(a, axis=1) == pytest.approx(np.ones(20_000))
    flipped = np.mean(y != np.sign(a[:, 0]))
    assert abs(flipped - 0.3) < 3 * math.sqrt(0.21 / 20_000)


@pytest.fixture(scope="module")
def table():
    return linear.coverage_runs(
        Task(5, 100, 0.1),
        [1.0, 10.0, 50.0],
        **{"delta": 0.05, "delta_draws": 0.01, "draws": 100, "rho": 0.1},
        seeds=range(40),
    )


def test_true_bounds_cover_and_a_bare_one_does_not(table):
    for name in (*linear.BOUNDS, linear.FORET):
        assert linear.coverage(table, name) == (40, 40)
    count, total = linear.coverage(table, linear.shrunk(0))
    assert count < 0.8 * total
    covered = [linear.coverage(table, linear.shrunk(f))[0] for f in linear.SHRUNK]
    assert covered == sorted(covered, reverse=True)


def test_a_bound_by_the_root_is_never_the_smaller_one(table):
    by_name = table.pivot(index="seed", columns="bound", values="value")
    assert (by_name["inverse kl"] <= by_name["McAllester"]).all()
    assert (by_name["inverse kl"] < by_name["inverse kl, from draws"]).all()


def test_coverage_is_held_against_the_promise(table):
    effect, low, high = linear.above_promise(
        table, linear.BOUNDS[0], 0.05, thresholds()
    )
    assert effect == pytest.approx(0.05)
    assert high == pytest.approx(0.05)
    assert low == pytest.approx(0.025 ** (1 / 40) - 0.95)


@pytest.mark.parametrize(
    ("values", "named"),
    [((2, 9, 0.1), "d = 2"), ((3, 1, 0.1), "m = 1"), ((3, 9, 0.5), "flip = 0.5")],
)
def test_refusals(values, named):
    with pytest.raises(ValueError, match=named):
        Task(*values)
