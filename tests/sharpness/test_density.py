"""Spectral densities by stochastic Lanczos quadrature."""

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from flatminima.sharpness.density import density
from flatminima.sharpness.landscape import surface
from flatminima.sharpness.products import hessian
from tests.sharpness.nets import dense_hessian, mlp, within_binomial
from tests.sharpness.test_trace import operator_of, random_matrix

REPEATS = 200
FUNCTIONS = {
    "moment": lambda t: t,
    "square": lambda t: t**2,
    "exponential": np.exp,
    "resolvent": lambda t: 1 / (2 + t),
}


@pytest.fixture(scope="module")
def matrix():
    return random_matrix(120, 0.3)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_traces_of_functions_within_three_standard_errors(matrix, name):
    function = FUNCTIONS[name]
    found = density(operator_of(matrix), probes=30, steps=40).trace_of(function)
    expected = function(np.linalg.eigvalsh(matrix)).sum()
    assert abs(found.value - expected) < 3 * found.standard_error


@pytest.fixture(scope="module")
def repeats(matrix):
    operator = operator_of(matrix)
    return [density(operator, probes=20, steps=12, seed=s) for s in range(REPEATS)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_bars_cover_as_often_as_they_say(matrix, repeats, name):
    function = FUNCTIONS[name]
    expected = function(np.linalg.eigvalsh(matrix)).sum()
    found = [each.trace_of(function) for each in repeats]
    hits = sum(abs(f.value - expected) < 2 * f.standard_error for f in found)
    # of Student's t with 19 degrees of freedom, 94.0 % lie within 2
    assert within_binomial(int(hits), REPEATS, 0.940)


def test_each_probe_is_a_gauss_quadrature(matrix):
    """Exact for its own moments up to degree 2 steps - 1."""
    steps, probes = 5, 3
    found = density(operator_of(matrix), probes=probes, steps=steps, seed=3)
    rng = np.random.default_rng(3)
    starts = (rng.integers(0, 2, (probes, 120)) * 2.0 - 1) / np.sqrt(120)
    for start, nodes, weights in zip(starts, found.nodes, found.weights, strict=True):
        for degree in range(2 * steps):
            expected = start @ np.linalg.matrix_power(matrix, degree) @ start
            assert weights @ nodes**degree == pytest.approx(expected, abs=1e-12)
        far = 2 * steps
        expected = start @ np.linalg.matrix_power(matrix, far) @ start
        assert abs(weights @ nodes**far - expected) > 1e-9


def test_as_many_steps_as_rows_give_the_eigenvalues(matrix):
    found = density(operator_of(matrix), probes=2, steps=10**6)
    every = np.linalg.eigvalsh(matrix)
    np.testing.assert_allclose(found.nodes[0], every, atol=1e-9)
    assert found.share_below(0.0).value == pytest.approx((every < 0).mean(), abs=0.1)


def test_smooth_density_of_a_network_within_its_error():
    at = mlp(3, loss="cross_entropy", n=20, widths=(8,), outputs=3)
    every = np.linalg.eigvalsh(dense_hessian(at))
    found = density(hessian(at), probes=60, steps=at.size)
    grid, width = np.linspace(-0.5, 1.5, 400), 0.1
    values, errors = found.smooth(grid, width)
    bells = np.exp(-(((grid[:, None] - every) / width) ** 2) / 2)
    expected = bells.mean(axis=1) / (width * np.sqrt(2 * np.pi))
    seen = expected > 1e-3
    assert np.mean(np.abs(values - expected)[seen] < 3 * errors[seen]) > 0.95
    wide = np.linspace(every[0] - 1, every[-1] + 1, 3000)
    assert integrate.trapezoid(found.smooth(wide, width)[0], wide) == pytest.approx(1)


def test_an_exhausted_probe_ends_early():
    scale = torch.tensor([1.0, 1.0, 3.0, 3.0, 3.0], dtype=torch.float64)
    at = surface(lambda t: (scale * t**2).sum() / 2, torch.zeros(5))
    found = density(hessian(at), probes=4, steps=5)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1)
    assert found.trace_of(lambda t: t).value == pytest.approx(11)
    assert found.share_below(2).value == pytest.approx(0.4)
    nothing = surface(lambda t: t.sum(), torch.zeros(5))
    empty = density(hessian(nothing), probes=4, steps=5)
    assert empty.share_below(0).value == pytest.approx(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"probes": 1}, "probes = 1: must be an integer of at least 2"),
        ({"steps": 0}, "steps = 0: must be an integer of at least 1"),
    ],
)
def test_what_cannot_be_is_refused(matrix, arguments, message):
    with pytest.raises(ValueError, match=message):
        density(operator_of(matrix), **arguments)
    with pytest.raises(ValueError, match="width = 0: must be above 0"):
        density(operator_of(matrix), probes=2, steps=3).smooth(np.zeros(2), 0)


def test_unless_told_it_takes_8_probes_of_64_steps_and_seed_0(matrix):
    operator = operator_of(matrix)
    found = density(operator)
    assert found.nodes.shape == found.weights.shape == (8, 64)
    told = density(operator, probes=8, steps=64, seed=0)
    np.testing.assert_array_equal(found.nodes, told.nodes)
    np.testing.assert_array_equal(found.weights, told.weights)


def test_a_steep_spectrum_leaves_lanczos_vectors_orthogonal():
    """Gram and Schmidt once leaves errors of 1e-6 here."""
    matrix = random_matrix(60, 3)
    found = density(operator_of(matrix), probes=2, steps=60)
    for nodes in found.nodes:
        np.testing.assert_allclose(nodes, np.linalg.eigvalsh(matrix), atol=1e-13)


def test_error_bars_of_the_density_are_those_of_a_mean_over_probes(matrix):
    found = density(operator_of(matrix), probes=5, steps=20)
    grid, width = np.array([-0.2, 0.3]), 0.25
    each = np.array(
        [
            [
                weights @ stats.norm.pdf(at, nodes, width)
                for nodes, weights in zip(found.nodes, found.weights, strict=True)
            ]
            for at in grid
        ]
    )
    values, errors = found.smooth(grid, width)
    np.testing.assert_allclose(values, each.mean(axis=1))
    np.testing.assert_allclose(errors, stats.sem(each, axis=1))
