"""The least nuclear norm: closed forms, a linear programme, proofs by themselves."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from flatminima.data.regression import low_rank
from flatminima.flows.factorisation import Factorisation
from flatminima.theory.certificates.basis_pursuit import basis_pursuit
from flatminima.theory.certificates.nuclear_norm import (
    balanced_factors,
    flattest,
    moments,
    nuclear_norm,
)


def instance(seed: int, n: int, p: int = 3, q: int = 4):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, p, q)), rng.standard_normal(n)


def test_one_measurement_has_the_dual_norm():
    a, _ = instance(0, 1)
    found = nuclear_norm(a, np.array([-3.0]))
    assert found.value == pytest.approx(3 / np.linalg.norm(a[0], 2), rel=1e-8)


def test_all_entries_leave_no_choice():
    rng = np.random.default_rng(1)
    truth, a = rng.standard_normal((3, 4)), np.eye(12).reshape(12, 3, 4)
    found = nuclear_norm(a, truth.ravel())
    np.testing.assert_allclose(found.matrix, truth, atol=1e-12)
    assert found.gap <= 1e-8


@pytest.mark.parametrize("seed", range(3))
def test_commuting_measurements_are_a_linear_programme(seed):
    rng = np.random.default_rng(seed)
    basis = ortho_group.rvs(5, random_state=seed)
    b, y = rng.standard_normal((3, 5)), rng.standard_normal(3)
    a = np.einsum("ik,nk,jk->nij", basis, b, basis)
    assert nuclear_norm(a, y).value == pytest.approx(
        basis_pursuit(b, y).value, rel=1e-8
    )


def test_completion_of_two_rows_by_hand():
    # off the diagonal 1, below on it 0: the norm is sqrt(w^2 + 4), least at w = 0
    a = np.zeros((3, 2, 2))
    a[0, 0, 1] = a[1, 1, 0] = a[2, 1, 1] = 1.0
    found = nuclear_norm(a, np.array([1.0, 1.0, 0.0]))
    assert found.value == pytest.approx(2, rel=1e-8)
    np.testing.assert_allclose(found.matrix, [[0, 1], [1, 0]], atol=1e-6)


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 11), st.integers(2, 5))
def test_the_certificate_stands_by_itself(seed, n, p):
    a, y = instance(seed, n, p)
    n = min(n, 4 * p)
    a, y = a[:n], y[:n]
    found = nuclear_norm(a, y)
    assert np.linalg.norm(np.tensordot(found.nu, a, 1), 2) <= 1 + 1e-12
    np.testing.assert_allclose(np.tensordot(a, found.matrix, 2), y, atol=1e-9)
    nearest = np.linalg.lstsq(a.reshape(n, -1), y, rcond=None)[0].reshape(p, 4)
    assert found.bound <= np.linalg.norm(nearest, "nuc") + 1e-9
    assert -1e-9 <= found.gap <= 1e-7 * found.value


@settings(max_examples=10)
@given(st.integers(0, 10**6), st.floats(0.01, 100))
def test_turns_change_nothing_and_labels_scale(seed, factor):
    a, y = instance(seed, 5)
    left = ortho_group.rvs(3, random_state=seed)
    right = ortho_group.rvs(4, random_state=seed + 1)
    one, other = nuclear_norm(a, y), nuclear_norm(left @ a @ right, factor * y)
    assert other.value == pytest.approx(factor * one.value, rel=1e-6)


def test_the_flattest_has_the_trace_of_autograd():
    data = low_rank(8, 4, 2, 0, commuting=False)
    a = data.x.reshape(-1, 4, 4)
    found = flattest(a, data.y)
    u, v = balanced_factors(a, found.matrix, 4)
    np.testing.assert_allclose(u @ v.T, found.matrix, atol=1e-12)

    def loss(theta):
        first, second = theta.reshape(2, 4, 4)
        f = torch.from_numpy(data.x) @ (first @ second.T).reshape(-1)
        return ((f - torch.from_numpy(data.y)) ** 2).mean() / 2

    theta = torch.from_numpy(np.concatenate([u.ravel(), v.ravel()]))
    dense = torch.func.hessian(loss)(theta)
    assert float(torch.trace(dense)) == pytest.approx(found.value, rel=1e-8)
    assert found.gap <= 1e-7 * found.value


@settings(max_examples=25)
@given(st.integers(0, 10**6))
def test_no_interpolating_factors_are_flatter(seed):
    a, y = instance(seed, 6, 3, 3)
    rng = np.random.default_rng(seed)
    found = flattest(a, y)
    nearest = np.linalg.lstsq(a.reshape(6, -1), y, rcond=None)[0]
    null = np.linalg.svd(a.reshape(6, -1))[2][6:]
    matrix = (nearest + rng.standard_normal(3) @ null).reshape(3, 3)
    u = rng.standard_normal((3, 3))
    v = np.linalg.solve(u, matrix).T
    trace = Factorisation(a, y, 3).trace(np.concatenate([u.ravel(), v.ravel()]))
    assert trace >= found.bound * (1 - 1e-12)
    least = Factorisation(a, y, 3).trace(
        np.concatenate([f.ravel() for f in balanced_factors(a, matrix, 3)])
    )
    assert found.bound * (1 - 1e-12) <= least <= trace * (1 + 1e-9)
    scaled = np.tensordot(found.nu, _whitened(a), 1)
    assert np.linalg.norm(scaled, 2) <= 2 * (1 + 1e-9)
    assert y @ found.nu == pytest.approx(found.bound, rel=1e-12)


def _whitened(a):
    roots = [np.linalg.inv(np.linalg.cholesky(m)) for m in moments(a)]
    return roots[0] @ a @ roots[1].T


def test_measurements_of_a_corner_have_a_singular_moment():
    a = np.zeros((2, 3, 3))
    a[:, :2, :2] = np.random.default_rng(0).standard_normal((2, 2, 2))
    y = np.array([1.0, -2.0])
    found, corner = flattest(a, y), flattest(a[:, :2, :2], y)
    assert found.value == pytest.approx(corner.value, rel=1e-7)
    assert found.error <= 1e-9
    np.testing.assert_allclose(found.matrix[2], 0, atol=1e-12)


def test_labels_of_zero_have_the_zero_matrix():
    a, _ = instance(0, 2)
    assert nuclear_norm(a, np.zeros(2)).value == 0.0


def test_what_has_no_answer_is_refused():
    a, y = instance(0, 2)
    with pytest.raises(ValueError, match="y: no matrix has these"):
        nuclear_norm(np.array([a[0], a[0]]), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="a: all entries must be finite"):
        nuclear_norm(np.full_like(a, np.nan), y)
    with pytest.raises(ValueError, match="y: all entries must be finite"):
        flattest(a, np.array([1.0, np.inf]))
    with pytest.raises(ValueError, match=r"must have one matrix for each of the 0 y"):
        nuclear_norm(a[:0], y[:0])
    with pytest.raises(ValueError, match="width = 1: must be at least the rank, 2"):
        balanced_factors(np.eye(4).reshape(4, 2, 2), np.eye(2), 1)
