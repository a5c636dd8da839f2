"""Matrix sensing: limits against gradient flow, greedy ranks, tables by hand."""

import numpy as np
import pandas as pd
import pytest

from flatminima.data.regression import low_rank
from flatminima.flows.factorisation import Factorisation
from flatminima.flows.gradient_flow import settle
from flatminima.studies.matrix_sensing import commuting, completion, runs
from flatminima.studies.matrix_sensing.greedy import greedy

FIELDS = {"d": 4, "rank": 1, "lr": 0.1, "num_steps": 3000, "stop_loss": 1e-8}


def commuting_instance(seed: int, n: int = 2, d: int = 4):
    data = low_rank(n, d, 2, seed, commuting=True)
    start = np.random.default_rng(seed).standard_normal((2, d, d))
    return data.x.reshape(n, d, d), data.y, start


@pytest.mark.parametrize("seed", [0, 1])
def test_the_formula_is_the_end_of_gradient_flow(seed):
    a, y, start = commuting_instance(seed)
    u, v = 0.3 * start
    ended = settle(Factorisation(a, y, 4), np.concatenate([u.ravel(), v.ravel()]))
    assert ended.reason == "interpolates"
    first, second = ended.theta.reshape(2, 4, 4)
    limit = commuting.flow_limit(a, y, *start, np.log(0.3))
    np.testing.assert_allclose(limit.matrix, first @ second.T, atol=1e-5)


def test_the_limit_conserves_what_the_flow_conserves():
    # P R^T has constant diagonal blocks: P_ik R_jk only grows by e^{s_i - s_j}
    a, y, (u, v) = commuting_instance(3)
    basis = commuting.eigenbasis(a)
    matrix = basis.T @ commuting.flow_limit(a, y, u, v).matrix @ basis
    before = basis.T @ u @ v.T @ basis
    skew = matrix - matrix.T
    np.testing.assert_allclose(np.diag(skew), 0, atol=1e-10)
    assert np.abs(np.diag(matrix) - np.diag(before)).max() > 1e-3


def test_a_tiny_start_has_the_least_norm():
    table = runs.commuting_limits([1, 64], [2], range(3), 4, 1)
    last = table.loc[table["power"] == 64, "excess"]
    first = table.loc[table["power"] == 1, "excess"]
    assert last.abs().max() < 1e-4
    assert (first.to_numpy() > last.to_numpy()).all()


def test_descent_ends_beside_the_flow():
    fields = FIELDS | {"lr": 0.01, "num_steps": 50000, "stop_loss": 1e-12}
    table = runs.commuting_descent([0.1], [2], range(2), **fields)
    assert table["distance"].max() < 0.01


def test_measurements_that_do_not_commute_are_refused():
    a = np.random.default_rng(0).standard_normal((2, 3, 3))
    with pytest.raises(ValueError, match="no common eigenvectors"):
        commuting.eigenbasis(a + np.swapaxes(a, 1, 2))


def test_greedy_learning_finds_a_rank_that_is_determined():
    data = low_rank(14, 4, 1, 0, commuting=False)
    found = greedy(
        data.x.reshape(-1, 4, 4),
        data.y,
        lr=0.1,
        phase_steps=20000,
        stop_loss=1e-12,
    )
    assert found.columns == 1
    np.testing.assert_allclose(found.matrix.ravel(), data.truth, atol=1e-4)


def test_greedy_learning_adds_what_it_needs():
    # all entries of a diagonal matrix: one column an entry, the largest first
    truth = np.diag([2.0, 1.0, 0.0])
    a = np.eye(9).reshape(9, 3, 3)
    options = {"lr": 0.5, "phase_steps": 20000}
    whole = greedy(a, truth.ravel(), stop_loss=1e-12, **options)
    assert whole.columns == 2
    np.testing.assert_allclose(whole.matrix, truth, atol=1e-4)
    half = greedy(a, truth.ravel(), stop_loss=0.0557, **options)
    assert half.columns == 1
    np.testing.assert_allclose(half.matrix[0, 0], 2, atol=0.1)


def test_descent_on_enough_measurements_is_near_the_least_norm():
    table = runs.sensing([1e-3, 0.1], [4, 15], [0, 1], commuting=False, **FIELDS)
    above, never = runs.sides(table)
    assert set(above["n"]) == {15}
    assert set(never["n"]) == {4}
    assert runs.errors(above, 1e-3).max() < 0.01
    assert (table["excess"] > -1e-3).all()
    assert (table["flat"] > -1e-3).all()
    assert table["gap"].abs().max() < 1e-6
    small = runs.change(above, 1e-3, 0.1, "excess")
    assert (small < 0).all()
    compared = runs.against_greedy(
        [1e-3], [4], [0, 1], table, commuting=False, **FIELDS
    )
    assert (compared["greedy rank"] >= 1).all()
    assert compared["distance"].notna().all()


def test_a_run_that_diverges_has_no_excess():
    fields = FIELDS | {"lr": 5.0, "num_steps": 100}
    table = runs.sensing([0.1], [4], [0], commuting=False, **fields)
    assert table["diverged"].all()
    assert table["excess"].isna().all()
    assert np.isinf(runs.errors(table, 0.1)).all()


def test_sides_and_threshold_by_hand():
    table = pd.DataFrame(
        {
            "n": [1, 1, 2, 2, 3, 3, 4, 4],
            "recovers": [False, False, True, False, True, True, True, True],
            "alpha": 0.1,
            "seed": [0, 1] * 4,
            "excess": np.arange(8.0),
        }
    )
    assert runs.threshold(table) == 3
    above, never = runs.sides(table)
    assert set(above["n"]) == {3, 4}
    assert set(never["n"]) == {1}
    assert set(runs.last_below(table)["n"]) == {2}
    np.testing.assert_allclose(runs.per_seed(above, 0.1), [5, 6])
    assert runs.threshold(table[table["n"] < 3]) is None
    assert runs.sides(table[table["n"] < 3])[0].empty
    assert np.isinf(runs.errors(table.iloc[:0], 0.1)).all()


def test_the_completion_keeps_above_its_floor():
    table = completion.paths([0, 1], alpha=0.1, lr=0.04, num_steps=5000)
    assert completion.shortfall(table).max() == 0.0
    assert (completion.last(table, 1, "nuclear") > 2 * completion.LEAST).all()
    np.testing.assert_allclose(
        completion.last(table, -1, "nuclear"), completion.LEAST, rtol=1e-3
    )
    np.testing.assert_allclose(table["determinant"].groupby(table["sign"]).last(), -1)


def test_the_floor_by_hand():
    # w = 90, the other diagonal entry 1/100, off it 1: determinant -0.1 is below 0
    np.testing.assert_allclose(
        completion.floor(np.array([0.5e-4, 0.6])), [0.99**2 / 0.01, 0.0]
    )
    start = completion.balanced(0.3, 0.2, -1)
    for factor in start:
        np.testing.assert_allclose(factor.T @ factor, 0.09 * np.eye(2), atol=1e-15)
    assert np.linalg.det(start[0] @ start[1].T) < 0
