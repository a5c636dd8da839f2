"""Where the line fails, against draws of the noise, sums and closed forms."""

import math

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import binom

from flatminima.studies.pac_bayes import counterexamples, tables
from flatminima.studies.pac_bayes.counterexamples import (
    FEATURES,
    endless_table,
    fixed_classifier,
    least_noise,
    least_squares,
    memorised,
    region,
)
from flatminima.theory.pac_bayes.numbers import mcallester


def test_the_noisy_loss_equals_that_of_drawn_noise():
    """Against the plain definition, with the points written out."""
    seed, d, m, strength = 3, 6, 40, 4.0
    found = memorised("sphere", d, m, seed)
    rng = counterexamples.generator(seed, "memorised sphere")
    y = rng.choice([-1.0, 1.0], size=m)
    a = rng.normal(size=(m, d))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    w = y @ a
    sigma = np.linalg.norm(w) / strength
    noise = np.random.default_rng(0).normal(size=(20_000, d)) * sigma
    losses = (y * ((w + noise) @ a.T) <= 0).mean(axis=1)
    error = losses.std() / math.sqrt(len(losses))
    assert abs(losses.mean() - found.gibbs_loss(strength)) < 3 * error
    assert found.loss == np.mean(y * (a @ w) <= 0)
    assert found.gap == 0.5 - found.loss


def test_a_large_table_is_the_endless_one():
    m, noise = 50, 2.0
    found = memorised("table", 10**7, m, 0)
    assert found.loss == 0
    assert found.margins == pytest.approx(np.full(m, m**-0.5))
    line = found.line(math.sqrt(m) / noise)
    assert line - 0.5 == pytest.approx(endless_table(noise))
    assert endless_table(noise) == pytest.approx(ndtr(-0.5) + 0.5 / 8**0.5 - 0.5)


def test_the_line_fails_from_the_least_noise_on():
    start = least_noise()
    assert start == pytest.approx(1.1452, abs=1e-4)
    assert endless_table(start) == pytest.approx(0, abs=1e-9)
    assert all(endless_table(noise) < 0 for noise in start * np.geomspace(1.001, 1e4))
    assert all(endless_table(noise) > 0 for noise in start / np.geomspace(1.001, 1e2))


@pytest.mark.parametrize("noise", np.geomspace(0.1, 1e4, 12))
def test_the_true_bound_holds_at_the_endless_table(noise):
    m, t = 100, 1 / noise
    assert mcallester(float(ndtr(-t)), m * t**2 / 2, m, 0.99) >= 0.5


def test_a_tie_counts_one_half():
    """One point, two examples with opposite labels: no weight is left."""
    seeds = range(50)
    losses = {memorised("table", 1, 2, seed).loss for seed in seeds}
    assert losses == {0.0, 0.5}


@pytest.mark.parametrize("features", FEATURES)
def test_a_region_has_a_row_for_each_case(features):
    table = region(features, [0.5, 20], [1.0, 4.0], 40, range(3))
    assert len(table) == 12
    assert set(table["d"]) == {20, 800}
    assert table["excess"].to_numpy() == pytest.approx(table["gap"] - table["line"])
    far = table[(table["d"] == 800) & (table["noise"] == 4.0)]
    assert (far["excess"] > 0).all()
    near = table[(table["d"] == 20) & (table["noise"] == 1.0)]
    assert (near["excess"] < 0).all()


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_a_fixed_classifier_fails_as_often_as_counted(strength):
    error, m = 0.3, 25
    allowed = strength / (2 * math.sqrt(2 * m))
    counts = np.arange(m + 1)
    fails = error - counts / m > allowed
    expected = binom.pmf(counts, m, error) @ fails
    assert fixed_classifier(error, strength, m) == pytest.approx(expected)


def test_least_squares_scales_as_said():
    one, ten = (least_squares(5, 12, scale, 0) for scale in (1.0, 10.0))
    assert ten.gap == pytest.approx(100 * one.gap)
    assert ten.line == pytest.approx(10 ** (2 / 3) * one.line)
    assert ten.sigma == pytest.approx(10 ** (1 / 3) * one.sigma)


def test_least_squares_has_the_exact_risk_and_the_least_line():
    d, m, seed = 4, 9, 1
    found = least_squares(d, m, 2.0, seed)
    rng = counterexamples.generator(seed, "least squares")
    a, truth = rng.normal(size=(m, d)), np.full(d, 0.5)
    y = 2 * (a @ truth + rng.normal(size=m))
    x = np.linalg.solve(a.T @ a, a.T @ y)
    new = np.random.default_rng(5).normal(size=(400_000, d))
    noisy = 2 * (new @ truth) + 2 * np.random.default_rng(6).normal(size=len(new))
    losses = (new @ x - noisy) ** 2
    risk, error = losses.mean(), losses.std() / math.sqrt(len(losses))
    train = float(np.mean((a @ x - y) ** 2))
    assert abs(found.gap + train - risk) < 3 * error

    def line(sigma):
        trace = np.mean(np.sum(a**2, axis=1))
        return sigma**2 * trace + np.linalg.norm(x) / (2 * sigma * math.sqrt(2 * m))

    assert found.line == pytest.approx(line(found.sigma))
    assert found.line <= min(line(found.sigma * f) for f in (0.5, 0.9, 1.1, 2.0))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: memorised("cube", 3, 3, 0), "features = 'cube'"),
        (lambda: memorised("table", 0, 3, 0), "d, m = 0, 3"),
        (lambda: least_squares(3, 3, 1.0, 0), "d = 3"),
        (lambda: least_squares(3, 9, 0.0, 0), "scale = 0.0"),
    ],
)
def test_refusals(call, named):
    with pytest.raises(ValueError, match=named):
        call()


def test_printed_cases_are_those_of_the_region():
    printed = tables.printed_cases("sphere", 5, 2, 30, range(4))
    whole = region("sphere", [5], [2], 30, range(4))
    assert list(printed["excess"]) == list(whole["excess"])
    assert list(printed.index) == [0, 1, 2, 3]
