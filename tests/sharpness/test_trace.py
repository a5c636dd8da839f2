"""Traces by products: columns, Hutchinson and Hutch++."""

import curvlinops
import numpy as np
import pytest
import torch
from hypothesis import given

from flatminima.sharpness import trace
from flatminima.sharpness.landscape import surface
from flatminima.sharpness.products import Products, gauss_newton, hessian
from tests.sharpness.nets import (
    dense_gauss_newton,
    dense_hessian,
    makers,
    mlp,
    sums,
    thirty,
    within_binomial,
)

REPEATS = 200


def operator_of(matrix):
    """A matrix as the operator that the measures take."""
    given_matrix = torch.as_tensor(matrix)
    return Products(len(matrix), lambda rows: rows @ given_matrix)


def random_matrix(size, decay, seed=0):
    """Symmetric, with eigenvalues k^-decay of either sign."""
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.normal(size=(size, size)))
    values = np.arange(1, size + 1) ** -float(decay) * rng.choice([-1, 1, 1], size)
    return (basis * values) @ basis.T


@given(make=makers())
@thirty
def test_diagonal_and_trace_are_those_of_dense_autograd(make):
    at = make()
    for operator, dense in (
        (hessian(at), dense_hessian(at)),
        (gauss_newton(at), dense_gauss_newton(at)),
    ):
        scale = max(1.0, np.abs(dense).max())
        found = trace.diagonal(operator)
        np.testing.assert_allclose(found, dense.diagonal(), rtol=0, atol=1e-8 * scale)
        assert trace.exact(operator).value == pytest.approx(
            np.trace(dense), rel=1e-8, abs=1e-8 * scale
        )
        layers = trace.by_layer(at, found)
        assert {n: e.value for n, e in layers.items()} == pytest.approx(sums(at, found))


ESTIMATORS = {
    "hutchinson": lambda op, seed: trace.hutchinson(op, 60, seed=seed),
    "hutch++": lambda op, seed: trace.hutch_plus_plus(op, 90, seed=seed),
}


@pytest.fixture(scope="module")
def at():
    return mlp(4, loss="cross_entropy", n=12, widths=(6,), outputs=3)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_net_within_three_standard_errors(name, at):
    expected = float(np.trace(dense_hessian(at)))
    found = ESTIMATORS[name](hessian(at), 0)
    assert abs(found.value - expected) < 3 * max(found.standard_error, 1e-9)


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.parametrize("decay", [0.3, 1.0])
def test_error_bars_cover_as_often_as_they_say(name, decay):
    # the matrix is far from diagonal, where signs would be exact
    matrix = random_matrix(150, decay)
    operator, expected = operator_of(matrix), np.trace(matrix)
    found = [ESTIMATORS[name](operator, seed) for seed in range(REPEATS)]
    errors = np.array([f.value - expected for f in found])
    bars = np.array([f.standard_error for f in found])
    assert within_binomial(int((np.abs(errors) < 2 * bars).sum()), REPEATS, 0.9465)
    assert (errors**2).mean() == pytest.approx((bars**2).mean(), rel=0.3)


def test_the_variance_of_hutchinson_is_the_one_derived():
    matrix = random_matrix(100, 0.5)
    variance = 2 * ((matrix**2).sum() - (matrix.diagonal() ** 2).sum())
    found = trace.hutchinson(operator_of(matrix), 4000)
    assert found.standard_error**2 * 4000 == pytest.approx(variance, rel=0.1)
    assert found.draws == 4000


def test_hutch_plus_plus_is_exact_for_a_low_rank():
    matrix = random_matrix(80, 1)
    values, vectors = np.linalg.eigh(matrix)
    low = (vectors[:, :5] * values[:5]) @ vectors[:, :5].T
    found = trace.hutch_plus_plus(operator_of(low), 30)
    assert found.value == pytest.approx(np.trace(low), rel=1e-10)
    assert found.standard_error < 1e-10


def test_hutch_plus_plus_pays_where_the_spectrum_decays():
    operator = operator_of(random_matrix(200, 1.5))
    plain = trace.hutchinson(operator, 60)
    better = trace.hutch_plus_plus(operator, 60)
    assert better.standard_error < plain.standard_error / 3


def test_hutchinson_agrees_with_curvlinops(at):
    from curvlinops.examples import TensorLinearOperator

    matrix = dense_hessian(at)
    torch.manual_seed(0)
    other = TensorLinearOperator(torch.as_tensor(matrix))
    theirs = float(curvlinops.hutchinson_trace(other, num_matvecs=40))
    ours = trace.hutchinson(hessian(at), 40)
    assert abs(ours.value - theirs) < 3 * np.sqrt(2) * ours.standard_error


def test_same_seed_same_bits_and_blocks_do_not_matter(at):
    one = trace.hutchinson(hessian(at), 20, seed=5)
    again = trace.hutchinson(hessian(at), 20, seed=5)
    other = trace.hutchinson(hessian(at, at_once=7), 20, seed=5)
    assert one == again
    assert other.value == pytest.approx(one.value, rel=1e-12)
    assert trace.hutchinson(hessian(at), 20, seed=6).value != one.value


def test_a_sum_of_squares_has_its_trace():
    at = surface(lambda t: (torch.arange(1.0, 5).double() * t**2).sum(), torch.ones(4))
    assert trace.exact(hessian(at)).value == 20


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda op: trace.hutchinson(op, 1),
            "probes = 1: must be an integer of at least 2",
        ),
        (
            lambda op: trace.hutch_plus_plus(op, 5),
            "products = 5: must be an integer of at least 6",
        ),
    ],
)
def test_too_few_probes_are_refused(at, call, message):
    with pytest.raises(ValueError, match=message):
        call(hessian(at))


def test_seed_0_unless_told(at):
    operator = hessian(at)
    assert trace.hutchinson(operator, 9) == trace.hutchinson(operator, 9, seed=0)
    found = trace.hutch_plus_plus(operator, 9)
    assert found == trace.hutch_plus_plus(operator, 9, seed=0)
    assert found.draws == 9


def test_products_of_hutch_plus_plus_are_as_many_as_told(at):
    for products in (6, 9, 20):
        operator = hessian(at)
        trace.hutch_plus_plus(operator, products)
        third = products // 3
        assert operator.count == products == third + third + (products - 2 * third)


def test_two_probes_are_enough(at):
    assert trace.hutchinson(hessian(at), 2).draws == 2
