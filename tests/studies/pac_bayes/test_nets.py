"""Bounds of trained networks, on runs of seconds."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import beta

from flatminima.studies.pac_bayes import nets, tables
from flatminima.theory.pac_bayes.gaussian import errors

SIZE = {"n": 80, "width": 3, "num_steps": 30}
BUDGET = nets.Budget((0.05, 0.5), 0.05, 20, 5)


@pytest.fixture(scope="module")
def found():
    return nets.bounds("clusters", [0, 1], BUDGET, **SIZE)


def test_every_bound_of_every_seed_has_a_row(found):
    table, curves = found
    names = [*nets.CENTRES, nets.TRAINED, nets.HALF, nets.HALF_TRAINED]
    names += [nets.HELD_OUT, nets.FORET]
    assert list(table["bound"]) == 2 * names
    assert len(curves) == 2 * 2 * len(BUDGET.sigmas)
    assert (table["chance"] == 0.75).all()
    assert tables.violations(table).max() == 0


def test_the_best_sigma_is_taken(found):
    table, curves = found
    for prior in nets.CENTRES:
        least = curves[curves["bound"] == prior].groupby("seed")["value"].min()
        rows = table[table["bound"] == prior].set_index("seed")
        assert rows["value"].to_dict() == least.to_dict()


def test_divergences_are_those_of_the_weights(found):
    _, curves = found
    config = nets.config("clusters", **SIZE).with_seeds(1, 1)
    net = next(nets.trained([config]))
    norm = float(net.train.theta.norm())
    moved = float((net.train.theta - net.start).norm())
    own = curves[(curves["seed"] == 1) & (curves["sigma"] == 0.5)]
    kls = own.set_index("bound")["kl"]
    assert kls[nets.CENTRES[0]] == pytest.approx(norm**2 / 0.5)
    assert kls[nets.CENTRES[1]] == pytest.approx(moved**2 / 0.5)


def test_half_of_the_data_is_held_out(found):
    """The limit of a test set, by the quantile of a beta distribution."""
    table, _ = found
    config = nets.config("clusters", **SIZE | {"n": 40}).with_seeds(0, 0)
    net = next(nets.trained([config]))
    wrong = int(errors(net.new.subset(slice(0, 40))).losses().sum())
    row = table[(table["seed"] == 0) & (table["bound"] == nets.HELD_OUT)].iloc[0]
    assert row["empirical"] == wrong / 40
    assert row["value"] == pytest.approx(beta.ppf(0.95, wrong + 1, 40 - wrong))


def test_the_surrogate_is_never_below_the_error():
    config = nets.config("digits", **SIZE)
    net = next(nets.trained([config]))
    losses = nets.surrogate(net.train).losses()
    assert (losses >= errors(net.train).losses()).all()


def test_tables(found):
    table, _ = found
    gain = tables.saved(table, "clusters", nets.HALF, nets.HELD_OUT)
    rows = table.set_index(["seed", "bound"])["value"]
    assert gain[0] == pytest.approx(rows[0, nets.HALF] - rows[0, nets.HELD_OUT])
    above = tables.above_guessing(table, "clusters", nets.FORET)
    assert above[1] == pytest.approx(rows[1, nets.FORET] - 0.75)
    assert len(tables.summary(table)) == 7
    quotients = tables.quotients({"relu": np.array([[1.0, 2.0], [3.0, 2.0]])}, [0.1, 1])
    assert quotients.loc[("relu", "0.1"), "median"] == 2
    assert math.isclose(quotients.loc[("relu", "0.1"), "largest"], 3)


def test_draws_come_from_the_seed(found):
    again, _ = nets.bounds("clusters", [0, 1], BUDGET, **SIZE)
    torch.manual_seed(123)  # a global seed must not matter
    third, _ = nets.bounds("clusters", [0, 1], BUDGET, **SIZE)
    for other in (again, third):
        pd.testing.assert_frame_equal(found[0], other)
