"""Eigenvalues by Lanczos and in full, against dense ones and closed forms."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from flatminima.sharpness import spectrum
from flatminima.sharpness.landscape import landscape, surface
from flatminima.sharpness.products import gauss_newton, hessian
from tests.sharpness.nets import (
    LOSSES,
    dense_gauss_newton,
    dense_hessian,
    makers,
    mlp,
    quartic,
    thirty,
)
from tests.sharpness.test_trace import operator_of, random_matrix

WAYS = ("LA", "SA", "LM")


@given(make=makers(), k=st.integers(1, 4), which=st.sampled_from(WAYS))
@thirty
def test_outermost_are_those_of_dense_autograd(make, k, which):
    at = make()
    k = min(k, at.size)
    every = np.linalg.eigvalsh(dense_hessian(at))
    found = spectrum.outermost(hessian(at), k, which=which, tolerance=1e-12)
    scale = max(1.0, np.abs(every).max())
    if which == "LM":  # of two that are equal but for their sign, either will do
        expected, values = np.sort(np.abs(every))[-k:], np.sort(np.abs(found.values))
    else:
        expected, values = (
            every[-k:] if which == "LA" else every[:k],
            found.values[::-1],
        )
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-8 * scale)
    assert (found.residuals <= 1e-6 * scale).all()


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-8])
def test_residuals_bound_the_error(tolerance):
    matrix = random_matrix(300, 0.5)
    every = np.linalg.eigvalsh(matrix)
    found = spectrum.outermost(operator_of(matrix), 3, tolerance=tolerance)
    gaps = np.abs(every[None, :] - found.values[:, None]).min(axis=1)
    assert (gaps <= found.residuals + 1e-12).all()
    assert found.products < 300


def test_products_are_counted():
    operator = operator_of(random_matrix(300, 0.5))
    found = spectrum.outermost(operator, 2)
    assert found.products + 2 == operator.count


@given(make=makers())
@thirty
def test_all_eigenvalues(make):
    at = make()
    for ours, dense in ((hessian, dense_hessian), (gauss_newton, dense_gauss_newton)):
        expected = np.linalg.eigvalsh(dense(at))
        scale = max(1.0, np.abs(expected).max())
        found = spectrum.full(ours(at))
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8 * scale)


@given(make=makers(losses=LOSSES))
@thirty
def test_gauss_newton_by_its_gram_matrix(make):
    at = make()
    expected = np.linalg.eigvalsh(dense_gauss_newton(at))
    found = spectrum.full_gauss_newton(at)
    assert len(found) == min(at.size, at.n * at.outputs().shape[1])
    padded = np.sort(np.r_[np.zeros(at.size - len(found)), found])
    scale = max(1.0, expected[-1])
    np.testing.assert_allclose(padded, expected, rtol=0, atol=1e-8 * scale)


def test_linear_regression_in_closed_form():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(10, 40))
    at = landscape(
        torch.nn.Linear(40, 1, bias=False),
        torch.as_tensor(x),
        torch.zeros(10),
        "squared",
    )
    expected = np.linalg.svd(x, compute_uv=False) ** 2 * 2 / 10
    found = spectrum.outermost(hessian(at), 3, tolerance=1e-12)
    np.testing.assert_allclose(found.values, expected[:3], rtol=1e-9)
    every = spectrum.full(hessian(at))
    assert spectrum.rank(every) == 10
    assert spectrum.log_det(every).value == pytest.approx(np.log(expected).sum())
    few = spectrum.full_gauss_newton(at)
    assert spectrum.rank(few, size=40) == 10
    assert spectrum.log_det(few, size=40).value == pytest.approx(np.log(expected).sum())
    assert spectrum.largest(hessian(at)).value == pytest.approx(expected[0])


def test_rank_of_cross_entropy_is_short_of_one_output_an_example():
    at = mlp(0, loss="cross_entropy", n=4, widths=(9,), outputs=3, d=5)
    assert at.size > 12
    assert spectrum.rank(spectrum.full_gauss_newton(at), size=at.size) == 8


def test_a_tolerance_sets_what_counts_as_zero():
    values = np.array([-2.0, 1e-5, 0.0, 1.0])
    assert spectrum.rank(values) == 3
    assert spectrum.rank(values, tolerance=1e-4) == 2
    assert spectrum.log_det(values, tolerance=1e-4).value == pytest.approx(np.log(2))
    assert spectrum.rank(np.zeros(3)) == 0
    assert spectrum.log_det(np.zeros(3)).value == 0


@pytest.mark.parametrize("size", [5, 100])
def test_no_curvature_at_all(size):
    at = surface(lambda t: t.sum(), torch.ones(size))
    found = spectrum.outermost(hessian(at), 2)
    assert not found.values.any()
    assert not found.residuals.any()


def test_a_saddle_has_both_ends():
    at = surface(lambda t: t[0] ** 2 - 3 * t[1] ** 2, torch.zeros(2))
    ends = [spectrum.outermost(hessian(at), which=which) for which in WAYS]
    assert [float(end.values[0]) for end in ends] == [2, -6, -6]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectrum.outermost(hessian(mlp(0)), 0), "k = 0: must be between 1"),
        (lambda: spectrum.outermost(hessian(mlp(0)), 99), "k = 99: must be between"),
        (lambda: spectrum.rank(np.array([np.nan, 1.0])), "values: must be numbers"),
        (lambda: spectrum.log_det(np.array([np.nan, 1.0])), "values: must be numbers"),
        (lambda: spectrum.full(operator_of(np.zeros((6000, 1)))), "6000 rows"),
        (
            lambda: spectrum.full_gauss_newton(mlp(0, loss=quartic)),
            "not convex in the outputs",
        ),
    ],
)
def test_what_cannot_be_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Invariances. A relabelling of hidden units and a rotation of the inputs, with the
# first layer turned along, are orthogonal maps of theta, so the whole spectrum stays.


@given(seed=st.integers(0, 10**6))
@thirty
def test_the_spectrum_is_invariant_to_a_permutation_of_hidden_units(seed):
    at = mlp(seed, widths=(5,), activation="relu", n=6)
    order = torch.as_tensor(np.random.default_rng(seed).permutation(5))
    parts = dict(at.split(at.theta))
    parts["0.weight"], parts["0.bias"] = (
        parts["0.weight"][order],
        parts["0.bias"][order],
    )
    parts["2.weight"] = parts["2.weight"][:, order]
    other = at.at(torch.cat([parts[name].reshape(-1) for name, _ in at.shapes]))
    torch.testing.assert_close(other.outputs(), at.outputs())
    np.testing.assert_allclose(
        spectrum.full(hessian(other)), spectrum.full(hessian(at)), atol=1e-9
    )


@given(seed=st.integers(0, 10**6))
@thirty
def test_the_spectrum_is_invariant_to_a_rotation_of_the_inputs(seed):
    at = mlp(seed, widths=(5,), n=6, d=4)
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(4, 4)))
    turn = torch.as_tensor(turn)
    parts = dict(at.split(at.theta))
    parts["0.weight"] = parts["0.weight"] @ turn.T
    theta = torch.cat([parts[name].reshape(-1) for name, _ in at.shapes])
    other = replace(at, x=at.x @ turn.T).at(theta)
    torch.testing.assert_close(other.outputs(), at.outputs())
    np.testing.assert_allclose(
        spectrum.full(hessian(other)), spectrum.full(hessian(at)), atol=1e-9
    )


def test_the_trace_is_not_invariant_to_a_rescaling_of_layers_and_the_rank_is():
    at = mlp(1, widths=(5,), activation="relu", n=6)
    parts = dict(at.split(at.theta))
    parts = {k: v / 4 if k[0] == "0" else v for k, v in parts.items()}
    parts["2.weight"] = parts["2.weight"] * 4
    other = at.at(torch.cat([parts[name].reshape(-1) for name, _ in at.shapes]))
    torch.testing.assert_close(other.outputs(), at.outputs())
    every = [spectrum.full_gauss_newton(each) for each in (at, other)]
    ranks = [spectrum.rank(each, size=at.size, tolerance=1e-9) for each in every]
    assert ranks[0] == ranks[1]  # the matrix changes by a congruence
    assert every[1].sum() > 2 * every[0].sum()


def evenly(size):
    """A symmetric matrix with eigenvalues from 1 to 2, and not diagonal."""
    basis, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(size, size)))
    return operator_of((basis * np.linspace(1, 2, size)) @ basis.T)


@pytest.mark.parametrize(
    ("size", "k", "all_of_them"),
    [(32, 1, True), (33, 1, False), (33, 16, True), (34, 16, False)],
)
def test_small_matrices_are_written_out(size, k, all_of_them):
    """Up to 32 rows, and where Lanczos would need as many vectors."""
    found = spectrum.outermost(evenly(size), k)
    assert (found.products == size) == all_of_them
    np.testing.assert_allclose(
        found.values, np.linspace(1, 2, size)[::-1][:k], rtol=1e-8
    )


def test_one_largest_eigenvalue_from_seed_0_unless_told():
    found = spectrum.outermost(evenly(40))
    told = spectrum.outermost(evenly(40), 1, which="LA", tolerance=1e-8, seed=0)
    assert found.values.shape == (1,)
    assert found.products == told.products
    np.testing.assert_array_equal(found.vectors, told.vectors)
    other = spectrum.outermost(evenly(40), seed=1)
    assert not np.array_equal(found.vectors, other.vectors)


def test_a_size_cannot_be_taken_for_a_tolerance():
    for function in (spectrum.rank, spectrum.log_det):
        with pytest.raises(TypeError, match="positional"):
            function(np.ones(3), 40)


def test_rounding_counts_as_zero_in_proportion_to_the_size():
    eps = np.finfo(float).eps
    values = np.array([1.0, 50 * eps, 5 * eps, 2 * eps])
    assert spectrum.rank(values) == 3  # above 4 eps
    assert spectrum.rank(values, size=40) == 2
    assert spectrum.rank(values, size=100) == 1
    assert spectrum.rank(-values, size=100) == 1
    # values that are more than the size is said to be count themselves
    assert spectrum.rank(values, size=1) == 3


def test_matrices_of_5000_rows_are_written_out_and_larger_ones_not(monkeypatch):
    monkeypatch.setattr(spectrum, "LARGEST_DENSE", 6)
    assert spectrum.full(evenly(6)) == pytest.approx(np.linspace(1, 2, 6))
    with pytest.raises(ValueError, match="7 rows, and at most 6"):
        spectrum.full(evenly(7))
    at = mlp(0, n=3)  # 6 outputs and more parameters
    assert len(spectrum.full_gauss_newton(at)) == 6
    with pytest.raises(ValueError, match="8 outputs and 26 parameters"):
        spectrum.full_gauss_newton(mlp(0, n=4))
