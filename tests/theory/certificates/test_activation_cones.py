"""Activation cones: by counting, then a linear programme for every sign pattern."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from scipy.optimize import linprog

from flatminima.data.xor import hypercube
from flatminima.theory.certificates import (
    activation_cones as certificates_activation_cones,
)
from flatminima.theory.certificates.activation_cones import (
    activation_cones,
    cones_at,
    max_cones,
    refine,
)
from flatminima.theory.certificates.certificate import certify
from tests.theory.examples import seeds


def strict(rows: np.ndarray) -> bool:
    """Whether some w has rows w > 0."""
    n, r = rows.shape
    found = linprog(
        np.append(np.zeros(r), -1.0),
        A_ub=np.column_stack([-rows, np.ones(n)]),
        b_ub=np.zeros(n),
        bounds=[(-1, 1)] * r + [(0, 1)],
    )
    return found.x[r] > 1e-9


def patterns(x: np.ndarray) -> set[tuple[bool, ...]]:
    """Active sets of open cones, by trying all of them."""
    signs = np.array(list(product([False, True], repeat=len(x))))
    return {tuple(s) for s in signs if strict(np.where(s, 1, -1)[:, None] * x)}


@given(seed=seeds)
def test_cones_in_general_position_are_as_many_as_covers_formula(seed):
    rng = np.random.default_rng(seed)
    n, r = int(rng.integers(1, 10)), int(rng.integers(1, 5))
    cones = activation_cones(rng.normal(size=(n, r)))
    assert len(np.unique(cones.active, axis=0)) == len(cones.points) == max_cones(n, r)


@pytest.mark.parametrize(("d", "count"), [(1, 4), (2, 14), (3, 104), (4, 1882)])
def test_cones_of_the_cube_are_the_threshold_functions(d, count):
    """Boolean functions 1[w . x + b > 0] of d variables: OEIS A000609."""
    x = np.column_stack([hypercube(d), np.ones(2**d)])
    assert len(activation_cones(x).points) == count


@pytest.mark.parametrize("seed", range(4))
def test_degenerate_cones_are_those_of_a_linear_programme(seed):
    """Antipodal points, repeats, rows that span a subspace, a row 0."""
    rng = np.random.default_rng(seed)
    x = rng.choice([-1.0, 0.0, 1.0], size=(7, 4 - seed % 2))
    x[5] = -2 * x[0]
    if seed == 3:
        x[:, 2] = x[:, 0] + x[:, 1]
    kept = np.any(x, axis=1)
    cones = activation_cones(x)
    assert not cones.active[:, ~kept].any()
    found = {tuple(s) for s in cones.active[:, kept]}
    assert found == patterns(x[kept])
    assert len(found) == len(cones.points)


@given(seed=seeds)
def test_facets_alone_describe_a_cone(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(8, 3))
    cones = activation_cones(x)
    k = int(rng.integers(len(cones.points)))
    inequalities = cones.inequalities(k)
    assert np.all(inequalities @ cones.points[k] > 0)
    w = rng.normal(size=(20_000, 3))
    same = np.all((w @ x.T > 0) == cones.active[k], axis=1)
    np.testing.assert_array_equal(same, np.all(w @ inequalities.T > 0, axis=1))
    # Each is needed: its wall is met where the others hold.
    for i in range(len(inequalities)):
        sides = np.where(np.arange(len(inequalities)) == i, -1.0, 1.0)
        assert strict(sides[:, None] * inequalities)


def test_refining_is_enumerating_with_one_more_row(rng):
    x = rng.normal(size=(7, 3))
    for new in [rng.normal(size=3), -x[2]]:
        refined = refine(activation_cones(x), x, new)
        whole = activation_cones(np.vstack([x, new]))
        for name in ["active", "facets"]:
            one, other = getattr(refined, name), getattr(whole, name)
            assert {tuple(row) for row in one} == {tuple(row) for row in other}
    with pytest.raises(ValueError, match="x_new = 0"):
        refine(activation_cones(x), x, np.zeros(3))


def test_cones_at_points_hold_them(rng):
    x, w = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    cones = cones_at(x, w)
    np.testing.assert_array_equal(cones.active, w @ x.T > 0)
    assert all(np.all(cones.inequalities(k) @ w[k] > 0) for k in range(4))


def test_what_cannot_be_enumerated_is_refused(monkeypatch):
    for bad in [np.zeros((2, 2)), np.array([[1.0, np.nan]])]:
        with pytest.raises(ValueError, match="x must be a finite matrix"):
            activation_cones(bad)
    monkeypatch.setattr(certificates_activation_cones, "MAX_CONES", 5)
    with pytest.raises(ValueError, match="up to 6 cones, allowed are at most 5"):
        activation_cones(np.eye(3)[:, :2] + 1)


def test_a_key_holds_63_hyperplanes():
    t = np.linspace(-1, 1, 64)
    x = np.column_stack([t, np.ones(64)])
    most = activation_cones(x[:63])
    assert len(most.points) == max_cones(63, 2)
    assert (most.facets.sum(axis=1) == 2).all()
    says = "64 distinct hyperplanes: allowed are at most 63; `search_certificate`"
    with pytest.raises(ValueError, match=says):
        activation_cones(x)
    with pytest.raises(ValueError, match=says):
        refine(most, x[:63], x[63])
    with pytest.raises(ValueError, match=says):
        certify(x, np.abs(t))


def test_a_cone_too_thin_to_trust_is_reported():
    with pytest.raises(ArithmeticError, match="too nearly degenerate"):
        activation_cones(np.array([[1.0, 0.0], [1.0, 5e-12 * 4]]))
