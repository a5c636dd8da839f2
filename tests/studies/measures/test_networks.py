"""The networks of the chapter on measures, and the rates on them."""

import numpy as np
import pandas as pd
import pytest
import torch

from flatminima.sharpness.landscape import surface
from flatminima.studies.measures import rates, runs, tables


@pytest.fixture(scope="module")
def nets():
    configs = [
        runs.limits_config(a, n=6, width=8, num_steps=100) for a in runs.ACTIVATIONS
    ]
    return runs.fitted(configs, range(3))


def test_networks_interpolate_and_have_no_gradient(nets):
    assert {net.activation for net in nets} == {"tanh", "relu"}
    for net in nets:
        assert float(net.at.loss()) < 1e-20
        assert float(net.at.gradient().norm()) < 1e-8
        assert float(net.before.gradient().norm()) > 1e-3
        moved = float((net.at.theta - net.before.theta).norm())
        assert net.distance == pytest.approx(moved)


def test_the_ways_differ_from_the_first_in_one_thing_each():
    configs = runs.ways_configs(n=60, width=4, num_steps=10)
    first = configs.pop("as drawn").model_dump()
    for config in configs.values():
        other = config.model_dump()
        assert len([name for name in other if other[name] != first[name]]) == 1


def test_the_nearest_kink_is_where_a_unit_switches():
    at = runs.random_net(3)
    distance = runs.nearest_kink(at)
    weight, bias = (at.split(at.theta)[name] for name in ("0.weight", "0.bias"))
    inputs = torch.cat([at.x, torch.ones(at.n, 1).double()], dim=1)
    before = at.x @ weight.T + bias
    i, j = divmod(int((before.abs() / inputs.norm(dim=1)[:, None]).argmin()), len(bias))
    away = -torch.sign(before[i, j]) * inputs[i] / inputs[i].norm()
    for share, switched in ((0.999, False), (1.001, True)):
        step = share * distance * away
        now = at.x[i] @ (weight[j] + step[:-1]) + bias[j] + step[-1]
        assert bool(now * before[i, j] < 0) == switched


def test_what_ends_on_a_kink_is_left_out(monkeypatch):
    configs = [runs.limits_config("relu", n=6, width=8, num_steps=100)]
    assert runs.fitted(configs, range(3))
    monkeypatch.setattr(runs, "ON_KINK", 1e3)
    assert runs.fitted(configs, range(3)) == []
    smooth = [runs.limits_config("tanh", n=6, width=8, num_steps=100)]
    assert runs.fitted(smooth, range(3))


def test_random_networks_interpolate_and_differ():
    one, other = runs.random_net(0), runs.random_net(1)
    assert float(one.loss()) == 0
    assert not torch.equal(one.theta, other.theta)
    assert torch.equal(one.theta, runs.random_net(0).theta)


def net_of(function, theta, seed=0):
    at = surface(function, theta)
    return runs.Fitted(seed, "tanh", at, at, 0.0)


def test_the_rise_of_a_cubic_has_its_exponent_of_one():
    # phi = 3 eps^2 + eps^3 along the first axis, so 2 phi/eps^2 = 6 (1 + eps/3)
    def loss(t):
        return 3 * t[0] ** 2 + t[0] ** 3 + t[1] ** 2

    net = net_of(loss, torch.zeros(2).double())
    eps = [1e-3, 1e-2, 1e-1]
    table = rates.balls([net], eps)
    at = table[table["place"] == "at"]
    np.testing.assert_allclose(at["curvature"], 6 + 2 * np.array(eps), rtol=1e-6)
    assert rates.slopes(at)[0] == pytest.approx(1, abs=1e-3)


def test_off_a_minimum_the_gradient_leads():
    net = net_of(lambda t: 5 * t[0] + t[1] ** 2, torch.zeros(2).double())
    table = rates.balls([net], [1e-4, 1e-3])
    np.testing.assert_allclose(table["by_gradient"], 1, atol=1e-3)
    assert rates.slopes(table[:2], "curvature")[0] == pytest.approx(-1, abs=1e-3)


def test_the_excess_of_a_quartic_has_its_exponent_of_two():
    net = net_of(lambda t: (t**2 + t**4).sum(), torch.zeros(3).double())
    table = rates.noises([net], [0.01, 0.1], 200)
    assert rates.slopes(table)[0] == pytest.approx(2, abs=1e-6)
    # E (sigma v)^4 = 3 sigma^4 against sigma^2, a coordinate each
    error = 3 * table["size"] ** 2
    assert (abs(table["error"] - error) < 3 * table["standard_error"]).all()
    assert table["kink"].isna().all()


def test_rates_of_no_network_are_empty():
    assert rates.balls([], [0.1]).empty
    assert rates.noises([], [0.1], 5).empty
    assert rates.of({}, "tanh").size == 0
    assert rates.paired({}).size == 0
    assert rates.slopes_by_seed(rates.balls([], [0.1]), "error").size == 0
    assert rates.by_seed([], []).size == 0


def test_slopes_leave_out_what_has_no_logarithm():
    table = pd.DataFrame(
        {"seed": [0, 0, 1, 1], "size": [1, 10, 1, 10], "error": [1, 100, 0, 1]}
    )
    assert rates.slopes(table).to_dict() == {0: pytest.approx(2)}


def test_networks_of_a_seed_count_once():
    assert rates.by_seed([2, 1, 2], [1.0, 5.0, 3.0]).tolist() == [5, 2]
    table = pd.DataFrame(
        {
            "seed": [0] * 4,
            "activation": ["tanh"] * 2 + ["relu"] * 2,
            "size": [1, 10, 1, 10],
            "x": [1, 10, 1, 1000],
        }
    )
    assert rates.slopes_by_seed(table, "x").tolist() == [pytest.approx(2)]


def test_slopes_are_paired_by_seed():
    fits = {"tanh": pd.Series({1: 2.0, 2: 3.0}), "relu": pd.Series({2: 1.0, 3: 0.0})}
    assert rates.paired(fits).tolist() == [2.0]


def test_descriptions_and_their_correlations():
    nets = [
        runs.Trained(seed, way, runs.random_net(10 * seed + k), 0.1 * k)
        for seed in (0, 1)
        for k, way in enumerate(runs.WAYS)
    ]
    table = tables.descriptions(nets, 1e-4)
    assert len(table) == 12
    assert (table["trace"] > 0).all()
    assert (table["bits"] > 0).all()
    assert tables.taus(table, "trace", "trace").tolist() == pytest.approx([1, 1])
    table["still"] = 1.0
    assert tables.taus(table, "trace", "still").size == 0
    assert tables.descriptions([], 1e-4).empty


def test_exponents_have_their_interval():
    table = tables.exponents(
        {"ball, tanh": np.full(10, 1.5), "noise, ReLU": np.array([])}
    )
    assert table.loc["ball, tanh", ["exponent", "low", "high"]].tolist() == [1.5] * 3
    assert np.isnan(table.loc["noise, ReLU", "exponent"])
