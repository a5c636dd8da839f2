"""The least trace at depth three: a closed form, weak duality, and a second solver."""

import numpy as np
import pytest
import scipy.optimize

from flatminima.flows.cubic import Cubic
from flatminima.theory.certificates.power_norm import power_norm


def problem(seed: int, n: int = 5, d: int = 9):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n)


def test_one_equation_has_a_closed_form():
    """min 3 sum |b|^(4/3), sum b = s: all equal, so 3 d (s / d)^(4/3)."""
    found = power_norm(np.ones((1, 4)), np.array([8.0]))
    assert found.value == pytest.approx(12 * 2 ** (4 / 3), rel=1e-12)
    np.testing.assert_allclose(found.beta, 2.0)


@pytest.mark.parametrize("seed", range(4))
def test_the_gap_closes_and_beta_interpolates(seed):
    z, y = problem(seed)
    found = power_norm(z, y)
    assert abs(found.gap) <= 1e-10 * found.value
    np.testing.assert_allclose(z @ found.beta, y, atol=1e-10)


def test_a_general_solver_finds_no_less():
    z, y = problem(9)
    m = np.mean(z**2, axis=0)
    solved = scipy.optimize.minimize(
        lambda b: 3 * m @ np.abs(b) ** (4 / 3),
        np.linalg.lstsq(z, y, rcond=None)[0],
        constraints={"type": "eq", "fun": lambda b: z @ b - y},
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    found = power_norm(z, y)
    assert found.bound <= solved.fun * (1 + 1e-9)
    assert solved.fun == pytest.approx(found.value, rel=1e-4)


def test_any_dual_point_is_a_bound_and_the_balanced_network_attains_it():
    z, y = problem(2)
    found, m = power_norm(z, y), np.mean(z**2, axis=0)
    nu = found.nu + 0.1 * np.random.default_rng(0).standard_normal(len(y))
    assert nu @ y - np.sum((nu @ z) ** 4 / (256 * m**3)) <= found.bound
    root = np.cbrt(np.abs(found.beta))
    theta = np.concatenate([np.sign(found.beta) * root, root, root])
    model = Cubic(z, y)
    np.testing.assert_allclose(model.tangent(theta).f, y, atol=1e-9)
    assert model.trace(theta) == pytest.approx(found.bound, rel=1e-9)


def test_scale_of_the_labels():
    z, y = problem(3)
    assert power_norm(z, 8 * y).value == pytest.approx(16 * power_norm(z, y).value)


def test_what_does_not_fit_is_refused():
    z, y = problem(1)
    with pytest.raises(ValueError, match="z: every column must have an entry"):
        power_norm(z * (np.arange(9) > 0), y)
    with pytest.raises(ValueError, match="y: no linear map of z gives it"):
        power_norm(np.ones((2, 3)), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="y: all entries must be finite"):
        power_norm(z, y * np.nan)
