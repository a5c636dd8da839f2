"""Sparse targets, recovery curves and thresholds of the chapter open-1."""

import numpy as np
import pandas as pd
import pytest

from flatminima.studies.open_1 import curves, sparse, tables


@pytest.mark.parametrize("seed", [0, 1])
def test_the_flattest_has_the_trace_that_its_dual_proves(seed):
    """Tr of the dense Hessian at (u, v) is the programme's value times four."""
    given = sparse.problem(8, 16, 3, seed, spread=1.0)
    beta, solved = sparse.flattest(given.z, given.y)
    assert given.z @ beta == pytest.approx(given.y)
    u, v = np.sqrt(np.maximum(beta, 0)), np.sqrt(np.maximum(-beta, 0))
    gradients = 2 * np.hstack([given.z * u, -given.z * v])
    assert np.mean(np.sum(gradients**2, axis=1)) == pytest.approx(4 * solved.value)
    assert abs(solved.gap) < 1e-9 * solved.value


def test_no_other_interpolator_is_flatter():
    given = sparse.problem(8, 16, 3, 2, spread=1.0)
    beta, solved = sparse.flattest(given.z, given.y)
    m = np.mean(given.z**2, axis=0)
    moves = np.linalg.svd(given.z)[2][8:]
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-1, 1.0):
        for way in size * rng.standard_normal((20, 8)) @ moves:
            assert m @ np.abs(beta + way) >= solved.value * (1 - 1e-9)


def test_on_signs_it_is_basis_pursuit():
    z = np.random.default_rng(0).choice([-1.0, 1.0], (10, 20))
    y = z[:, :2] @ [1.0, -0.5]
    given = sparse.Problem(z, y, np.eye(20)[0] - 0.5 * np.eye(20)[1])
    found, gap = sparse.solutions(given)
    assert found[sparse.FLATTEST] == pytest.approx(found[sparse.PURSUIT], abs=1e-9)
    assert gap < 1e-9


@pytest.mark.parametrize(("place", "sign"), [("strong", 1), ("weak", -1)])
def test_the_target_lies_on_the_half_that_is_named(place, sign):
    given = sparse.problem(4000, 10, 3, 0, spread=2.0, place=place)
    sizes = np.log10(np.sqrt(np.mean(given.z**2, axis=0)))
    on = given.truth != 0
    assert on.sum() == 3
    assert (sign * sizes[on] > -0.05).all()
    assert np.sort(sizes) == pytest.approx(np.linspace(-1, 1, 10), abs=0.05)


def test_a_bad_place_or_size_is_refused():
    with pytest.raises(ValueError, match="place = 'left'"):
        sparse.problem(4, 8, 1, 0, place="left")
    with pytest.raises(ValueError, match="k = 5"):
        sparse.problem(4, 8, 5, 0, place="weak")
    with pytest.raises(ValueError, match="share"):
        curves.sparse_share(0.0)
    with pytest.raises(ValueError, match="every column"):
        sparse.flattest(np.zeros((2, 3)), np.zeros(2))


def test_descent_from_a_large_start_is_least_squares():
    given = sparse.problem(8, 16, 3, 0)
    least = np.linalg.lstsq(given.z, given.y, rcond=None)[0]
    assert sparse.descent_end(given.z, given.y, 30.0) == pytest.approx(least, abs=1e-3)


def test_published_numbers_of_the_weak_threshold():
    """rho_W(.5) = .3848 (Donoho and Tanner); 1/2 of the squared norm at s = 1."""
    assert curves.sparse_share(0.5 * 0.3848) == pytest.approx(0.5, abs=1e-3)
    assert curves.sparse_share(0.1 * 0.1885) == pytest.approx(0.1, abs=1e-3)


def test_the_threshold_is_the_mean_distance_to_the_cone():
    """Against draws: distance of g to tau times the subdifferential, by hand."""
    rng, share = np.random.default_rng(0), 0.2
    g = rng.standard_normal(400_000)
    distances = [
        share * np.mean((g - tau) ** 2)
        + (1 - share) * np.mean(np.maximum(np.abs(g) - tau, 0) ** 2)
        for tau in np.linspace(0.5, 2.0, 31)
    ]
    assert curves.sparse_share(share) == pytest.approx(min(distances), abs=4e-3)


def grid(*rows: list[float]) -> pd.DataFrame:
    return pd.DataFrame(rows, index=range(1, len(rows) + 1), columns=[4, 8, 12])


def test_a_curve_passes_one_half_between_two_cells():
    found = tables.crossings(grid([0, 0.25, 0.75], [1, 1, 1], [0, 0, 0.4], [1, 0, 1]))
    assert found.tolist() == pytest.approx([1.5, -0.5, 2.5, 1.5])


def test_examples_as_cells_end_with_the_axis():
    found = tables.in_cells(np.array([2.0, 4.0, 10.0, 13.0]), [4, 8, 12])
    assert found.tolist() == [-0.5, 0.0, 1.5, 2.5]


def test_a_diagram_counts_what_is_recovered():
    table = sparse.diagram([1], [4, 12], range(3), d=16, tiny=1e-5, large=1.0)
    assert set(table["method"]) == set(sparse.METHODS)
    easy = tables.shares(table, sparse.PURSUIT)
    assert easy.loc[1, 12] == 1.0
    assert tables.recovered(table, sparse.LARGE).tolist() == [0.0, 0.0, 0.0]
    rows = tables.as_rows(tables.recovered(table, sparse.PURSUIT), "open-1-large", "x")
    assert rows["cells_large"].between(0, 1).all()
    assert tables.cells_apart(table, sparse.PURSUIT, sparse.PURSUIT).tolist() == [0.0]
