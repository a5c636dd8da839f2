"""Minimisers of small networks: ranks known in advance, kinks, chains and starts."""

import numpy as np
import pandas as pd
import pytest
import torch

from flatminima.flows.gradient_flow import settle
from flatminima.flows.two_layer import TwoLayer
from flatminima.studies.manifold import runs, sparse_labels, starts
from tests.flows.examples import as_torch

SIZE = {"d": 2, "n": 5, "width": 6}


def test_the_hessian_is_that_of_autograd():
    model = runs.network(0, **SIZE)
    theta = runs.start_of(model, 0)
    other = as_torch(model, theta).landscape  # without 1/2
    dense = torch.func.hessian(other.loss)(torch.from_numpy(theta)) / 2
    np.testing.assert_allclose(runs.hessian(model, theta), dense, atol=1e-8)


def test_a_smooth_network_has_the_dimension_and_the_power():
    models = [runs.network(seed, **SIZE) for seed in (0, 1)]
    found = runs.dimensions(models, [0, 1])
    assert (found["zeros"] == found["D"] - found["n"]).all()
    assert (found["rank"] == 5).all()
    np.testing.assert_allclose(found["power"], 2, atol=0.1)


def test_two_equal_points_cost_a_rank():
    model = runs.network(0, **SIZE)
    x, y = model.x.copy(), model.y.copy()
    x[1], y[1] = x[0], y[0]
    double = TwoLayer(x, y, model.width)
    assert runs.rank(double, runs.start_of(double, 0)) == 4


def test_labels_that_contradict_have_no_minimiser():
    model = runs.network(0, **SIZE)
    x, y = model.x.copy(), model.y.copy()
    x[1], y[1] = x[0], y[0] + 1
    assert runs.minimiser(TwoLayer(x, y, model.width), 0) is None


def test_the_tangent_space_turns_with_the_step_or_jumps():
    for activation, low, high in (("tanh", 0.8, 1.2), ("relu", -0.4, 0.4)):
        models = [runs.network(s, activation=activation, **SIZE) for s in (0, 1)]
        walks = runs.walks(models, [0, 1], length=1.0, cuts=[20, 40, 80])
        powers = runs.turn_powers(walks, activation)
        assert low < np.median(powers) < high


def test_without_a_minimiser_there_is_no_walk():
    bad = TwoLayer(np.ones((2, 1)), np.array([0.0, 1.0]), 2)
    walks = runs.walks([bad], [0], length=1.0, cuts=[4])
    assert walks.empty
    assert not len(runs.turn_powers(walks, "tanh"))


def test_a_chain_joins_two_minimisers():
    found = runs.joined(runs.network(1, **SIZE), 1)
    assert found["gap"] <= runs.GAP
    assert found["length"] >= 1 - 1e-12
    assert found["loss"] < 1e-18


def test_sparse_labels_have_the_rank_of_their_map():
    found = sparse_labels.ranks_of_sparse_labels([0, 1, 2], d=14, n=6, k=2)
    assert (found["truth"] <= 2).all()
    assert (found["generic"] == 6).all()


def test_live_columns_decide():
    found = starts.live_starts([0, 1], [2, 4, 10], d=10, n=4)
    assert (found["inside"] == found["span"]).all()
    assert not found.loc[found["live"] == 2, "inside"].any()
    assert found.loc[found["live"] == 10, "inside"].all()


def test_equal_units_are_a_network_of_one_unit():
    """Its flow in closed coordinates: f = width v tanh(w x) from weights over sqrt."""
    model = runs.network(2, d=1, n=4, width=3)
    q = starts.equal_units(model)
    np.testing.assert_allclose(q.T @ q, np.eye(3), atol=1e-14)
    w, v = model.split(q @ np.array([1.0, 2.0, 3.0]))
    assert np.ptp(w, axis=0).max() < 1e-14
    assert np.ptp(v) < 1e-14
    end = settle(starts.Restricted(model, q), q.T @ runs.start_of(model, 0))
    kept = settle(model, q @ q.T @ runs.start_of(model, 0), max_time=5.0)
    assert end.loss <= kept.loss + 1e-9


def test_what_does_not_hold_is_an_error_of_one():
    np.testing.assert_array_equal(runs.missed(pd.Series([True, False])), [0, 1])


@pytest.mark.parametrize(("d", "n"), [(1, 4), (3, 6), (6, 16)])
def test_widths_go_from_too_few_parameters_to_many(d, n):
    sizes = starts.grown(d, n)
    assert sizes[0] * (d + 2) < n
    assert sizes[-1] * (d + 2) >= 4 * n
    assert starts.live_counts(n + 1, n)[-1] == n + 1


def test_a_loss_has_the_dimension_if_it_has_a_second_derivative():
    models = [runs.network(seed, **SIZE) for seed in (0, 1)]
    found = runs.other_losses(models, [0, 1])
    assert (found["zeros"] == found["D"] - found["n"]).all()
    assert found["quartic"].max() < 1e-6


@pytest.mark.parametrize("name", sorted(runs.SLOPES))
def test_hessians_of_other_losses_are_those_of_autograd(name):
    losses = {
        "squared": lambda r: r**2 / 2,
        "log cosh": lambda r: torch.log(torch.cosh(r)),
        "quartic": lambda r: r**4,
    }
    model = runs.network(0, **SIZE)
    theta = runs.start_of(model, 0)
    x, y = torch.from_numpy(model.x), torch.from_numpy(model.y)

    def loss(flat):
        w, v = flat.split([model.width * x.shape[1], model.width])
        f = torch.tanh(x @ w.view(model.width, -1).T) @ v
        return losses[name](f - y).mean()

    dense = torch.func.hessian(loss)(torch.from_numpy(theta))
    np.testing.assert_allclose(runs.hessian(model, theta, name), dense, atol=1e-7)


def test_without_a_minimiser_nothing_is_said_of_losses():
    bad = TwoLayer(np.ones((2, 1)), np.array([0.0, 1.0]), 2)
    found = runs.other_losses([bad], [0])
    assert found[["zeros", "quartic"]].isna().all(axis=None)
