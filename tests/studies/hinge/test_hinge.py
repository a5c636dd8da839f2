"""The runs along a constant, and what the chapter's tables say."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.order import example_order
from flatminima.runs.mlp.problem import initial_state, problem
from flatminima.runs.mlp.train import advance, checkpoints
from flatminima.studies.hinge import constructions, tables
from flatminima.studies.hinge import runs as hinge_runs
from flatminima.sweeps.sweep import sweep
from tests.tables import runs

PARAMS = Path(__file__).parents[3] / "params/hinge/large.yml"
SMALL = {"d": 5, "n": 12, "width": 16, "epochs": 8, "lengths": 3}


@pytest.mark.parametrize(
    ("architecture", "lr", "scale"), [("bias", 0.01, 1.0), ("sim_ln", 0.1, 0.01)]
)
def test_rules_are_the_source_and_two_controls(architecture, lr, scale):
    found = hinge_runs.rules(architecture, **SMALL)
    assert list(found) == ["1-SAM", "SGD", "SGD + wd"]
    for config in found.values():
        assert (config.lr, config.init_scale, config.dtype) == (lr, scale, "float32")
        assert checkpoints(config).tolist() == [0, 24, 48, 96]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs = 0: must be an integer of at least 1"),
        ({"lengths": 1.5}, "lengths = 1.5: must be an integer of at least 2"),
        ({"lengths": 1}, "lengths = 1: must be an integer of at least 2"),
        ({"n": 0}, "n"),
    ],
)
def test_rules_out_of_range(changes, message):
    with pytest.raises(ValueError, match=message):
        hinge_runs.rules("bias", **(SMALL | changes))


def test_halvings_end_at_one_step():
    assert hinge_runs.halvings(100, 3) == (25, 50, 100)
    assert hinge_runs.halvings(3, 5) == (1, 3)


def test_grids():
    assert hinge_runs.bias_inputs(5, 2.0).tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert hinge_runs.floors(4, 1e-2, 10.0).tolist() == [0.01, 0.1, 1.0, 10.0]


@pytest.mark.parametrize(
    ("grid", "given", "message"),
    [
        (
            hinge_runs.bias_inputs,
            (1, 2.0),
            "constants = 1: must be an integer of at least",
        ),
        (
            hinge_runs.bias_inputs,
            (5, 0.0),
            "largest_c = 0.0: allowed are finite values",
        ),
        (hinge_runs.floors, (2.5, 0.1, 1.0), "floors = 2.5: must be an integer"),
        (
            hinge_runs.floors,
            (3, 0.0, 1.0),
            "smallest_eps = 0.0, largest_eps = 1.0: allowed",
        ),
        (hinge_runs.floors, (3, 1.0, 0.1), "0 < smallest_eps < largest_eps"),
    ],
)
def test_grids_out_of_range(grid, given, message):
    with pytest.raises(ValueError, match=message):
        grid(*given)


def test_along_replaces_one_field_and_keeps_its_range():
    sam = hinge_runs.rules("bias", **SMALL)["1-SAM"]
    found = hinge_runs.along(sam, "bias_input", np.array([0.0, 1.0]))
    assert [config.bias_input for config in found] == [0.0, 1.0]
    assert found[1] == sam
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        hinge_runs.along(sam, "bias_input", [-1.0])


def test_at_zero_the_bias_does_nothing():
    """The hinge's left end is scenario I: the same path as without a bias."""
    sam = hinge_runs.rules("bias", **SMALL)["1-SAM"]
    sam = Config(**(sam.model_dump() | {"bias_input": 0.0, "dtype": "float64"}))
    start = initial_state(sam)
    bare = Config(**(sam.model_dump() | {"architecture": "no_bias", "bias_input": 1.0}))
    w, v = start.params
    with_bias = advance(start, sam, 96)
    without = advance(type(start)({"w": w[:-1].copy(), "v": v.copy()}, 0), bare, 96)
    np.testing.assert_allclose(with_bias.params[0][:-1], without.params[0], atol=1e-12)
    np.testing.assert_allclose(with_bias.params[1], without.params[1], atol=1e-12)
    np.testing.assert_array_equal(with_bias.params[0][-1], w[-1])
    assert not np.allclose(without.params[0], w[:-1])


def test_constructions_attain_and_memorising_costs_norm():
    found = constructions.constructions(20, 7, [0.1, 1.0])
    assert found[["excess", "worst_error"]].abs().max(axis=None) < 1e-10
    norms = found.pivot(
        index="bias_input", columns="network", values="first_layer_norm"
    )
    assert (norms["memorises"] > norms["generalises"]).all()
    assert (norms.loc[0.1] > norms.loc[1.0]).all()
    accuracy = found.groupby("network")["test_accuracy"].agg(["min", "max"])
    assert accuracy.loc["generalises"].tolist() == [1, 1]
    assert accuracy.loc["memorises"].tolist() == [0, 0]


def test_sim_ln_constructions_attain_at_every_floor():
    found = constructions.sim_ln_constructions(20, 7, [1e-6, 1.0, 5.0])
    assert found[["excess", "worst_error"]].abs().max(axis=None) < 1e-8
    assert set(found["test_accuracy"]) == {0.0, 1.0}


def test_least_traces_jump_at_zero():
    found = constructions.least_traces(10, 4, [0.0, 0.1, 2.0], instances=2)
    assert len(found) == 6
    zero = found["bias_input"] == 0
    assert (found.loc[zero, "lower"] > 1.1).all()
    np.testing.assert_allclose(found.loc[~zero, "lower"], 1.0, atol=1e-9)
    assert (found["upper"] > found["lower"] - 1e-9).all()
    assert (found["upper"] < found["lower"] * 1.001).all()


def test_ends_by_value():
    part = {"first_layer_norm": 3.0, "single_active": 0.5, "test_accuracy": 0.7}
    unfit = [np.nan if k < 4 else 3.0 for k in range(10)]
    table = pd.concat(
        [
            runs(bias_input=0.0, **part),
            runs(bias_input=1.0, retracted_trace=unfit, **part),
        ]
    )
    found = tables.ends(table, "bias_input")
    assert found["seeds that interpolate"].tolist() == [10, 6]
    assert found["trace / bound"].tolist() == [2.0, 3.0]
    np.testing.assert_allclose(found["test accuracy"], 0.7)


def test_above_floor_counts_examples():
    sam = hinge_runs.rules("sim_ln", **SMALL)["1-SAM"]
    configs = hinge_runs.along(sam, "eps", [1e-9, 1e9])
    sweep(configs, seeds=2)
    found = tables.above_floor(configs, 2)
    assert found["share"].tolist() == [1.0, 1.0, 0.0, 0.0]
    assert found["data_seed"].tolist() == [0, 1, 0, 1]


def test_the_work_is_runs_times_updates():
    found = tables.work({"a": (3, 1_200_000), "b": (1000, 3_600_000)})
    assert found["updates in all"].tolist() == [3_600_000, 3_600_000_000]
    assert found["hours at 1 µs"].tolist() == [0.0, 1.0]
    assert found["runs"].tolist() == [3, 1000]


def test_every_run_is_counted_once():
    found = hinge_runs.planned(
        SMALL,
        seeds=3,
        swap_seeds=5,
        bias_inputs=np.linspace(0, 2, 9),
        eps=np.array([0.1, 1.0, 10.0]),
        small=0.25,
    )
    # 1-SAM along c, and its twins on either side; c = 1 is its own twin
    sam = 9 + 8 + 7
    # SGD and SGD + wd on every second c; SGD's twins at 1/2, 3/2 and 2
    others = 5 + 5 + 3 * 2
    floors = 3 + 2
    # c = 1/4 and 1, the settings swapped, and rate and start alone for 1-SAM: those
    # of them that are counted above have only their further seeds left
    swapped = 5 * (4 + 4 + 4 + 2)
    already = 3 * (4 + 1 + 1)
    assert found == 3 * (sam + others + floors) + swapped - already


# --- twins ----------------------------------------------------------------------


def bias(rule: str = "SGD", **changes) -> Config:
    config = hinge_runs.rules("bias", **SMALL)[rule]
    return Config(**(config.model_dump() | {"dtype": "float64"} | changes))


def as_seen(params, bias_input):
    """First layer with the bias as the unit sees it, and second layer."""
    w, v = (p.copy() for p in params)
    w[-1] *= bias_input
    return np.append(w, v[None], axis=0)


def end(config, steps=96):
    run = advance(initial_state(config), config, steps)
    return as_seen(run.params, config.bias_input)


def test_a_twin_has_rate_and_start_of_the_other():
    twin = hinge_runs.twin(bias(), 1.0, 0.5)
    assert (twin.bias_input, twin.bias_rate, twin.bias_init_scale) == (1.0, 0.25, 0.5)
    back = hinge_runs.twin(bias(), 0.5, 1.0)
    assert (back.bias_input, back.bias_rate, back.bias_init_scale) == (0.5, 4.0, 2.0)
    assert hinge_runs.twin(bias(), 1.0, 1.0) == bias()
    assert hinge_runs.twin(bias(), 0.3, 0.3) == bias(bias_input=0.3)
    for seen in (0.0, -1.0, np.inf):
        with pytest.raises(ValueError, match="seen = .*: must be above 0 and finite"):
            hinge_runs.twin(bias(), seen, 1.0)


@pytest.mark.parametrize("rule", ["SGD", "SGD + wd"])
@pytest.mark.parametrize("c", [0.3, 1.7])
def test_twins_of_sgd_take_one_path(rule, c):
    swaps = hinge_runs.swaps(bias(rule), c)
    ends = {name: end(config) for name, config in swaps.items()}
    same = {"rtol": 1e-9, "atol": 1e-11}
    np.testing.assert_allclose(ends["c"], ends["1, learning as c"], **same)
    np.testing.assert_allclose(ends["1"], ends["c, learning as 1"], **same)
    assert not np.allclose(ends["c"], ends["1"], rtol=1e-2)


def test_twins_of_1_sam_differ_by_what_the_ascent_sees():
    """One step of each twin against the chapter's formula for the ascent."""
    c, steps = 0.3, []
    swaps = hinge_runs.swaps(bias("1-SAM"), c)
    for name in ("c", "1, learning as c"):
        config = swaps[name]
        state = initial_state(config)
        example = example_order(config, 0, 1)[0]
        setting = problem(config)
        x, y = setting.inputs[example, :-1], setting.y[example]
        seen = as_seen(state.params, config.bias_input)
        w, beta, v = seen[:-2], seen[-2], seen[-1]
        z = x @ w + beta
        h, g = np.maximum(z, 0), v * (z > 0)
        sees = config.d + config.bias_input**2
        climb = config.rho * np.sign(h @ v - y)
        climb /= np.sqrt(h @ h + sees * (g @ g))
        z_up, v_up = z + climb * sees * g, v + climb * h
        residual = 2 * (np.maximum(z_up, 0) @ v_up - y)
        g_up = v_up * (z_up > 0)
        step = -config.lr * residual
        expected = np.vstack(
            [w + step * np.outer(x, g_up), beta + step * c**2 * g_up, v]
        )
        expected[-1] += step * np.maximum(z_up, 0)
        found = end(config, 1)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
        steps.append(found)
    assert not np.allclose(*steps, rtol=1e-9)


def test_rate_and_start_alone():
    found = hinge_runs.halves(bias("1-SAM"), 0.5)
    fields = [(c.bias_input, c.bias_rate, c.bias_init_scale) for c in found.values()]
    assert list(found) == ["1, rate of c", "1, start of c"]
    assert fields == [(1.0, 0.25, 1.0), (1.0, 1.0, 0.5)]


def test_weights_are_compared_as_the_unit_sees_them():
    swaps = hinge_runs.swaps(bias(), 0.3)
    pair = swaps["c"], swaps["1, learning as c"]
    assert hinge_runs.weights_apart(*pair, range(100, 102)).max() < 1e-10
    other = hinge_runs.weights_apart(swaps["c"], swaps["1"], range(100, 102))
    assert other.shape == (2,)
    assert other.min() > 1e-3
    wild = bias(lr=1e3)
    with pytest.warns(UserWarning, match="diverged"):
        assert np.isinf(hinge_runs.weights_apart(wild, wild, 1)).all()


def test_the_table_of_what_is_swapped():
    parts = [
        runs(bias_input=c, bias_init_scale=learnt / c, test_accuracy=0.5 + k / 10)
        for k, (c, learnt) in enumerate([(0.3, 0.3), (1.0, 0.3), (0.3, 1.0)])
    ]
    found = tables.swapped({"SGD": pd.concat(parts)})
    assert found.loc["SGD", (0.3, 0.3)] == pytest.approx(0.5)
    assert found.loc["SGD", (1.0, 0.3)] == pytest.approx(0.6)
    assert found.loc["SGD", (0.3, 1.0)] == pytest.approx(0.7)


def test_the_larger_scale_is_that_of_its_file():
    assert tables.LARGE_SCALE.items() <= yaml.safe_load(PARAMS.read_text()).items()
