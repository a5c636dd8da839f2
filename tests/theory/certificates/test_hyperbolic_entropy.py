"""The entropy's minimiser by a closed form, by a second solver, and by its limits."""

import clarabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse as sp

from flatminima.theory.certificates.basis_pursuit import basis_pursuit
from flatminima.theory.certificates.hyperbolic_entropy import entropy, minimise_entropy


def problem(seed: int, n: int = 5, d: int = 12):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    return x, x @ (rng.standard_normal(d) * (np.arange(d) < 3))


def by_cones(x: np.ndarray, y: np.ndarray, c: float) -> tuple[np.ndarray, float]:
    """The same programme with exponential cones, which share nothing with Newton.

    phi_c(p - q) is the least of sum p log(2p/c) - p + q log(2q/c) - q + c over positive
    p and q: there p q = c^2 / 4, and p - q, p + q are beta and sqrt(beta^2 + c^2).
    """
    n, d = x.shape
    # variables p, q, s, t with s >= p log(2p/c): (-s, p, c/2) in the exponential cone
    size = 4 * d
    cost = np.concatenate([-np.ones(2 * d), np.ones(2 * d)])
    equality = sp.hstack(
        [sp.csc_matrix(x), -sp.csc_matrix(x), sp.csc_matrix((n, 2 * d))]
    )
    blocks, bounds = [equality], [y]
    for j in range(2 * d):
        rows = sp.lil_matrix((3, size))
        rows[0, 2 * d + j] = 1.0
        rows[1, j] = -1.0
        blocks.append(rows.tocsc())
        bounds.append(np.array([0.0, 0.0, c / 2]))
    cones = [clarabel.ZeroConeT(n)] + [clarabel.ExponentialConeT()] * (2 * d)
    options = clarabel.DefaultSettings()
    options.verbose = False
    options.tol_gap_abs = options.tol_gap_rel = options.tol_feas = 1e-11
    solver = clarabel.DefaultSolver(
        sp.csc_matrix((size, size)),
        cost,
        sp.vstack(blocks).tocsc(),
        np.concatenate(bounds),
        cones,
        options,
    )
    solution = solver.solve()
    p = np.array(solution.x)
    return p[:d] - p[d : 2 * d], solution.obj_val + c * d


@pytest.mark.parametrize("c", [1e-4, 0.02, 2.0])
def test_a_second_solver_finds_the_same(c):
    x, y = problem(0)
    ours = minimise_entropy(x, y, c)
    beta, value = by_cones(x, y, c)
    np.testing.assert_allclose(ours.beta, beta, atol=1e-4)
    assert ours.value == pytest.approx(value, rel=1e-6)


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), power=st.floats(-8, 2))
def test_it_is_certified_and_stationary(seed, power):
    """grad phi_c = asinh(beta / c) lies in the row space, and the gap is closed."""
    x, y = problem(seed)
    c = 10.0**power
    found = minimise_entropy(x, y, c)
    assert found.residual <= 1e-9 * np.abs(y).max()
    assert abs(found.gap) <= 1e-8 * max(1.0, found.value)
    slope = np.arcsinh(found.beta / c)
    rest = slope - x.T @ np.linalg.lstsq(x.T, slope, rcond=None)[0]
    np.testing.assert_allclose(rest, 0.0, atol=1e-6 * np.abs(slope).max())


def test_one_example_has_a_closed_form():
    """X = (1, 1): both coefficients are y / 2, whatever c is."""
    x, y = np.ones((1, 2)), np.array([3.0])
    for c in (1e-6, 1.0, 100.0):
        np.testing.assert_allclose(minimise_entropy(x, y, c).beta, 1.5, rtol=1e-9)


def test_a_large_scale_gives_the_least_norm_and_a_small_one_basis_pursuit():
    x, y = problem(3)
    least = np.linalg.pinv(x) @ y
    np.testing.assert_allclose(minimise_entropy(x, y, 1e4).beta, least, atol=1e-6)
    tiny = minimise_entropy(x, y, 1e-14).beta
    value = basis_pursuit(x, y).value
    assert value - 1e-9 <= np.abs(tiny).sum() <= 1.001 * value


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_entropy_is_even_convex_and_zero_at_zero(seed):
    a, b = np.random.default_rng(seed).standard_normal((2, 4))
    assert entropy(np.zeros(4), 0.3) == 0.0
    assert entropy(a, 0.3) == pytest.approx(entropy(-a, 0.3))
    middle = entropy((a + b) / 2, 0.3)
    assert middle <= (entropy(a, 0.3) + entropy(b, 0.3)) / 2 + 1e-12


@pytest.mark.parametrize("c", [0.0, -1.0, np.nan])
def test_a_scale_out_of_range_is_refused(c):
    with pytest.raises(ValueError, match="c = .*above 0"):
        minimise_entropy(*problem(0), c)


def test_targets_that_cannot_be_met_are_refused():
    x = np.array([[1.0, 0.0], [1.0, 0.0]])
    with pytest.raises(ValueError, match="x has rank 1, needed is 2"):
        minimise_entropy(x, np.array([0.0, 1.0]), 1.0)


@pytest.mark.parametrize("entry", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["x", "y"])
def test_data_that_are_not_finite_are_refused(name, entry):
    x, y = problem(0)
    {"x": x, "y": y}[name][0] = entry
    with pytest.raises(ValueError, match=f"{name}: all entries must be finite"):
        minimise_entropy(x, y, 1.0)
