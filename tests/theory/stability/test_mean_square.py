"""The second moment of SGD: against enumerated batches, dense matrices and paths.

Enumeration knows nothing of the formula: it averages M x M over all batches, which is
what the operator claims to be.
"""

from itertools import combinations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from flatminima.theory.stability import mean_square as ms
from flatminima.theory.stability import paths


def factors(seed: int, n: int, d: int, k: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, k, d)) / np.sqrt(d)


def hessians(f: np.ndarray, signs: np.ndarray | None = None) -> np.ndarray:
    signs = np.ones(f.shape[:2]) if signs is None else signs
    return np.einsum("nka,nk,nkb->nab", f, signs, f)


def enumerated(h: np.ndarray, lr: float, batch: int) -> np.ndarray:
    """E[M x M] over all batches, M = I - lr H_B."""
    eye = np.eye(h.shape[1])
    steps = [
        eye - lr * h[list(chosen)].mean(axis=0)
        for chosen in combinations(range(len(h)), batch)
    ]
    return np.mean([np.kron(m, m) for m in steps], axis=0)


def in_basis(minimum: ms.Minimum, h: np.ndarray) -> np.ndarray:
    return minimum.basis.T @ h @ minimum.basis


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(2, 6),
    st.integers(1, 5),
    st.integers(1, 2),
    st.floats(0.05, 3.0),
    st.data(),
)
def test_operator_is_the_mean_over_all_batches(seed, n, d, k, lr, data):
    batch = data.draw(st.integers(1, n))
    f = factors(seed, n, d, k)
    minimum = ms.from_factors(f)
    h = in_basis(minimum, hessians(f))
    s = np.random.default_rng(seed + 1).standard_normal(h.shape[1:])
    s += s.T
    there = ms.unpack(ms.operator(minimum, lr, batch) @ ms.pack(s))
    expected = (enumerated(h, lr, batch) @ s.ravel()).reshape(s.shape)
    np.testing.assert_allclose(there, expected, atol=1e-10 * (1 + lr**2))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 6), st.integers(1, 5), st.data())
def test_growth_is_the_spectral_radius(seed, n, d, data):
    batch = data.draw(st.integers(1, n))
    f = factors(seed, n, d)
    minimum = ms.from_factors(f)
    lr = data.draw(st.floats(0.1, 2.5)) / minimum.lambda_max
    dense = enumerated(in_basis(minimum, hessians(f)), lr, batch)
    radius = np.abs(np.linalg.eigvals(dense)).max()
    assert ms.growth(minimum, lr, batch) == pytest.approx(radius, rel=1e-8)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 9), st.integers(1, 12), st.data())
def test_threshold_is_where_growth_is_one(seed, n, d, data):
    batch = data.draw(st.integers(1, n))
    minimum = ms.from_factors(factors(seed, n, d))
    lr = ms.threshold(minimum, batch)
    assert ms.growth(minimum, lr, batch) == pytest.approx(1, abs=1e-8)
    assert ms.growth(minimum, 1.01 * lr, batch) > 1
    assert ms.sufficient_threshold(minimum, batch) <= lr * (1 + 1e-9)
    assert lr <= 2 / minimum.lambda_max * (1 + 1e-9)


def test_threshold_against_a_dense_generalised_eigenproblem():
    f, batch = factors(3, 9, 5), 2
    minimum = ms.from_factors(f)
    h = in_basis(minimum, hessians(f))
    mean, share = h.mean(axis=0), ms.noise_share(9, batch)
    eye = np.eye(5)
    a = np.kron(mean, eye) + np.kron(eye, mean)
    b = (1 - share) * np.kron(mean, mean)
    b += share * np.mean([np.kron(one, one) for one in h], axis=0)
    largest = scipy.linalg.eigh(b, a, eigvals_only=True)[-1]
    assert ms.threshold(minimum, batch) == pytest.approx(1 / largest, rel=1e-9)


def test_sufficient_threshold_is_where_wu_s_matrix_has_eigenvalue_one():
    f, batch = factors(4, 8, 5), 3
    minimum = ms.from_factors(f)
    h = in_basis(minimum, hessians(f))
    mean, lr = h.mean(axis=0), ms.sufficient_threshold(minimum, batch)
    sigma = (h @ h).mean(axis=0) - mean @ mean
    step = np.eye(5) - lr * mean
    matrix = step @ step + lr**2 * ms.noise_share(8, batch) * sigma
    assert np.linalg.eigvalsh(matrix)[-1] == pytest.approx(1, rel=1e-10)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_numbers_have_a_closed_form(batch):
    h = np.array([0.5, 1.0, 2.0, 4.0, 0.1])
    minimum = ms.from_hessians(h[:, None, None])
    share = (5 - batch) / (batch * 4)
    square = (1 - share) * h.mean() ** 2 + share * (h**2).mean()
    expected = 2 * h.mean() / square
    assert ms.threshold(minimum, batch) == pytest.approx(expected, rel=1e-12)
    # for numbers no step is better than its mean square: Wu et al. are exact
    assert ms.sufficient_threshold(minimum, batch) == pytest.approx(expected)


def test_all_examples_make_gradient_descent():
    minimum = ms.from_factors(factors(1, 7, 12))
    assert minimum.eigenvalues.shape == (7,)
    for found in (ms.threshold, ms.sufficient_threshold):
        assert found(minimum, 7) == pytest.approx(2 / minimum.lambda_max, rel=1e-9)


def test_smaller_batches_are_never_more_stable():
    minimum = ms.from_factors(factors(2, 10, 6))
    found = [ms.threshold(minimum, batch) for batch in range(1, 11)]
    assert np.all(np.diff(found) > 0)


def test_hessians_that_are_not_positive():
    generator = np.random.default_rng(5)
    h = generator.standard_normal((6, 4, 4)) / 2
    h += h.swapaxes(1, 2) + 2 * np.eye(4)
    assert np.linalg.eigvalsh(h).min() < 0
    minimum = ms.from_hessians(h)
    lr = ms.threshold(minimum, 2)
    radius = np.abs(np.linalg.eigvals(enumerated(h, lr, 2))).max()
    assert radius == pytest.approx(1, rel=1e-8)


def test_noise_without_any_pull_has_no_stable_learning_rate():
    h = np.array([np.diag([1.0, 1.0]), np.diag([1.0, -1.0])])
    minimum = ms.from_hessians(h)
    assert minimum.leaks and len(minimum.eigenvalues) == 1
    assert ms.threshold(minimum, 1) == ms.sufficient_threshold(minimum, 1) == 0
    assert ms.growth(minimum, 0.1, 1) == np.inf
    assert ms.threshold(minimum, 2) == pytest.approx(2)


@given(st.integers(0, 10**6), st.floats(0.01, 100))
@settings(max_examples=15, deadline=None)
def test_rotations_change_nothing_and_scale_divides(seed, scale):
    f = factors(seed, 6, 4)
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((4, 4)))[0]
    lr = ms.threshold(ms.from_factors(f), 2)
    assert ms.threshold(ms.from_factors(f @ turn), 2) == pytest.approx(lr, rel=1e-7)
    scaled = ms.from_factors(np.sqrt(scale) * f)
    assert ms.threshold(scaled, 2) * scale == pytest.approx(lr, rel=1e-7)


def test_against_paths():
    """E of the loss after a few steps, over many paths, within 3 standard errors."""
    x = factors(6, 10, 4)[:, 0]
    minimum = ms.from_factors(x[:, None])
    lr, batch, steps = 0.8 * ms.threshold(minimum, 2), 2, 4
    process, generator = paths.linear(x, batch), np.random.default_rng(0)
    z = generator.standard_normal((40000, 4))
    packed, step = ms.pack(np.eye(4)), ms.operator(minimum, lr, batch)
    for _ in range(steps):
        z, packed = process.step(z, lr, generator), step @ packed
    sizes = process.size(z)
    expected = np.trace(np.diag(minimum.eigenvalues) @ ms.unpack(packed)) / 2
    error = sizes.std() / np.sqrt(len(sizes))
    assert abs(sizes.mean() - expected) < 3 * error


def test_packing_keeps_the_inner_product():
    s, t = np.random.default_rng(0).standard_normal((2, 5, 5))
    s, t = s + s.T, t + t.T
    assert ms.pack(s) @ ms.pack(t) == pytest.approx(np.trace(s @ t))
    np.testing.assert_allclose(ms.unpack(ms.pack(s)), s)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: ms.from_factors(np.zeros((0, 1, 2))), "factors of shape"),
        (lambda: ms.from_factors(np.zeros((3, 1, 2))), "eigenvalues"),
        (lambda: ms.from_factors(np.full((3, 1, 2), np.nan)), "finite"),
        (lambda: ms.from_factors(np.ones((3, 1, 2)), np.zeros((3, 1))), "signs"),
        (lambda: ms.from_hessians(-np.ones((2, 1, 1))), "eigenvalues"),
        (lambda: ms.from_hessians(np.triu(np.ones((2, 3, 3)))), "symmetric"),
        (lambda: ms.threshold(ms.from_factors(np.ones((3, 1, 2))), 4), "batch = 4"),
        (lambda: ms.growth(ms.from_factors(np.ones((3, 1, 2))), -1.0, 1), "lr = -1"),
    ],
)
def test_refuses(call, match):
    with pytest.raises(ValueError, match=match):
        call()
