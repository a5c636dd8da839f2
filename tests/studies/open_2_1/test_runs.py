"""The interventions, the exact cases, and what is told of the ends."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch

from flatminima.data.streams import generator
from flatminima.results import evidence, reading
from flatminima.runs import loop
from flatminima.runs.kind import Run
from flatminima.runs.mlp import problem as mlp_problem
from flatminima.runs.mlp import train
from flatminima.runs.mlp.order import example_order
from flatminima.studies.open_2_1 import exact, runs, tables
from flatminima.theory.constructions.memorising_networks import memorising_bias

SIZE = {"d": 5, "n": 8, "width": 10, "steps": 40}


def test_interventions_differ_from_their_controls_in_one_thing():
    made = runs.interventions(**SIZE)

    def apart(one, other):
        first, second = made[one].model_dump(), made[other].model_dump()
        inside, outside = first.pop("start"), second.pop("start")
        fields = {name for name in first if first[name] != second[name]}
        return fields | {k for k in inside if inside[k] != outside[k]}

    assert apart(runs.FROZEN, runs.SAM) == {"ascent"}
    assert apart(runs.SMALL, runs.SAM) == {"init_scale"}
    assert apart(runs.SMALL_FROZEN, runs.SMALL) == {"ascent"}
    assert apart(runs.SAM_BLIND, runs.SAM) == {"walk"}
    assert apart(runs.BLIND_INIT, runs.AWARE_INIT) == {"walk"}
    assert apart(runs.BLIND_INIT, runs.BLIND) == {"begin"}
    assert apart(runs.BLIND, runs.AWARE) == {"walk"}
    assert apart(runs.BLIND, runs.TRUE) == {"walk"}
    assert apart(runs.MEMO_BLIND, runs.BLIND) == {"begin", "noise"}
    assert apart(runs.MEMO_BLIND, runs.MEMO_AWARE) == {"walk"}
    known = set(made) | set(runs.softplus(**SIZE))
    assert {name for pair in runs.PAIRS.values() for name in pair} <= known
    assert set(runs.LIVE) | set(runs.ON_THE_WAY) <= set(made)


def test_softplus_takes_the_path_of_log_one_plus_exp_beta():
    """A second implementation, by autograd: v . log(1 + exp(beta W x)) / beta."""
    beta = 30
    config = runs.softplus(**SIZE)[runs.SOFTPLUS[beta]]
    config = config.model_copy(update={"dtype": "float64", "num_steps": 8})
    setting = mlp_problem.problem(config)
    state = mlp_problem.initial_state(config)
    x, y = torch.tensor(setting.inputs), torch.tensor(setting.y)
    theta = [torch.tensor(p / beta) for p in state.params]

    def slope(at, i):
        at = [p.clone().requires_grad_() for p in at]
        f = torch.nn.functional.softplus(x[i] @ at[0], beta=beta, threshold=1e9) @ at[1]
        return torch.autograd.grad((f - y[i]) ** 2, at)

    for i in example_order(config, 0, 8):
        up = slope(theta, i)
        norm = torch.sqrt(sum((g**2).sum() for g in up))
        there = [
            p + runs.RATES["rho"] * g / norm for p, g in zip(theta, up, strict=True)
        ]
        down = slope(there, i)
        theta = [p - runs.RATES["lr"] * g for p, g in zip(theta, down, strict=True)]
    found = train.advance(state, config, 8)
    for mine, wanted in zip(found.params, theta, strict=True):
        assert mine / beta == pytest.approx(wanted.numpy(), rel=1e-6, abs=1e-9)


def test_a_random_start_interpolates_on_unit_vectors():
    w, v = exact.start(5, 6, generator(3, "start"))
    assert np.maximum(w, 0) @ v == pytest.approx(exact.labels(5))


def test_wendel_is_the_share_of_all_sign_patterns():
    """By enumeration, in general position: one example of a sign needs one unit."""
    assert exact.wendel(2, 2) == pytest.approx(1)
    # two examples and three units of each sign: 3 points on a line surround 0
    share = np.mean([len(set(signs)) == 2 for signs in product((-1, 1), repeat=3)])
    assert exact.wendel(4, 6) == pytest.approx(share**2)


def test_a_cone_is_reached_or_not():
    pattern = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    assert not exact.reachable(pattern, np.ones(3))
    assert exact.reachable(pattern, np.array([1.0, 3.0, 2.0]))


def test_the_counterexample_ends_where_the_nuclear_norm_says():
    table = exact.counterexample(4, range(2))
    assert tables.against_prediction(table).max() < 1e-5
    assert tables.gaps(table).max() < 1e-5
    assert not table["reached"].any()


def test_orthonormal_flows_end_as_their_patterns_foretell_away_from_the_threshold():
    table = exact.orthonormal(6, [2, 40], range(4))
    assert (table["reached"] == table["predicted"]).all()
    assert table.loc[table["width"] == 40, "reached"].all()


def test_smooth_units_reach_the_certified_minimum():
    table = exact.smooth(3, 6, [1, 5], range(3))
    assert tables.excess(table).max() < 1e-3
    with pytest.raises(ValueError, match="above n = 3"):
        exact.smooth(3, 3, [1], range(1))


def ended(**columns):
    rows = len(next(iter(columns.values())))
    table = pd.DataFrame({"data_seed": range(rows), "init_seed": range(rows)})
    plain = {"last": True, "diverged": False, "bound": 1.0, "margin": 1.0}
    return table.assign(**plain | columns)


def test_what_a_run_found():
    table = ended(
        retracted_trace=[1.001, 1.2, 1.2, 1.2, 1.2],
        cell_bound=[0.5, 1.199, 1.199, 1.1, 1.2],
        margin=[1.0, 1.0, 0.0, 1.0, 1.0],
        diverged=[False] * 4 + [True],
    )
    assert list(tables.found(table)) == [
        *(tables.GLOBAL, tables.LOCAL, tables.KINK, tables.OTHER, tables.NONE)
    ]
    assert list(tables.local(table)) == [0.5, -0.5, -0.5]


def test_only_seeds_of_equal_traces_are_compared():
    one = ended(retracted_trace=[1.0, 1.1], test_accuracy=[0.5, 0.6])
    other = ended(retracted_trace=[1.004, 1.0], test_accuracy=[0.9, 0.9])
    first, second = tables.matched(one, other)
    assert list(first["data_seed"]) == list(second["data_seed"]) == [0]
    nothing, _ = tables.matched(one[1:], other[1:])
    assert nothing["test_accuracy"].isna().all()


def test_breadth_and_accuracy_are_ranked_within_a_seed():
    made = {
        name: ended(retracted_trace=[1.0], breadth=[b], test_accuracy=[a])
        for name, b, a in (("a", 0.1, 0.5), ("b", 0.2, 0.9), ("c", 0.3, 1.0))
    }
    assert tables.association(made, made) == pytest.approx([1.0])


def test_a_live_slice_and_the_grid_are_of_the_first_size():
    grid = runs.grid([(4, 6), (5, 8)], [0.5, 0.51, 2.0])
    assert list(grid) == [(4, 6, 0.5), (4, 6, 2.0), (5, 8, 0.5), (5, 8, 2.0)]
    assert runs.slice_of(grid) == [(4, 6, 0.5), (4, 6, 2.0)]
    run = loop.run(grid[4, 6, 2.0]).history.iloc[-1]
    assert run["cell_bound"] <= run["retracted_trace"] * (1 + 1e-9)


def test_flow_and_sam_at_the_sources_size_share_their_seeds():
    """Committed runs of other chapters."""
    made = runs.at_source_size(
        evidence.quick("flattest-flows"), reading.committed("start"), 3
    )
    flow, sam = (table[table["last"]] for table in made.values())
    assert list(flow["data_seed"]) == list(sam["data_seed"]) == [100, 101, 102]
    assert set(sam["init_scale"]) == set(flow["init_scale"]) == {1.0}
    assert flow["width"].min() >= 300
    assert set(sam["num_steps"]) == {sam["num_steps"].iloc[0]}


def test_a_misfit_is_measured(monkeypatch):
    """Of the memoriser, which fits, and of it with a larger second layer."""

    def ends(factor):
        def run_all(configs):
            for config in configs:
                setting = mlp_problem.problem(config.start)
                w, v = memorising_bias(setting.inputs[:, :-1], setting.y)
                yield Run(pd.DataFrame(), {"w": w, "v": factor * v}, 1)

        return run_all

    for factor, wanted in ((1.0, 0.0), (1.5, 0.5)):
        monkeypatch.setattr(runs, "run_all", ends(factor))
        assert runs.misfits(100, 2) == pytest.approx([wanted] * 2, abs=1e-12)
    assert len(runs.misfits(100, 100)) == runs.MEASURED_AGAIN
