"""The runs along a constant, and what the chapter's tables say."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import initial_state
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


def test_work_counts_what_the_chapter_runs():
    given = {"n": 10, "epochs": 5, "seeds": 3, "constants": 9, "floors": 4}
    row = tables.work({"a": given}).loc["a"]
    constants, floors = [*range(9)], [*range(4)]
    runs_of_a_seed = len(constants + 2 * constants[::2] + floors + floors[::2])
    assert row["runs"] == 3 * runs_of_a_seed
    assert row["updates in all"] == row["runs"] * 50


def test_the_larger_scale_is_that_of_its_file():
    assert tables.LARGE_SCALE.items() <= yaml.safe_load(PARAMS.read_text()).items()
