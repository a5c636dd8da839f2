"""Settings of the chapter differ in what they are compared for, and nothing else."""

import numpy as np
import pandas as pd
import pytest

from flatminima.results import evidence
from flatminima.runs.deep_flat.config import FlatConfig
from flatminima.studies.open_1_1 import runs, tables
from flatminima.studies.open_1_1.runs import Arm

SIZE = {"inputs": 4, "examples": 8, "units": 20, "epochs": 4, "steps": 6, "small": 0.5}


def differing(first, second):
    """The fields in which two configs of networks differ."""
    one, two = first.model_dump(), second.model_dump()
    return {name for name in one if one[name] != two[name]}


def test_controls_differ_in_one_thing():
    arms = runs.arms(**SIZE)
    sam = arms[Arm(runs.SAM, 5, False, runs.USUAL)]
    for arm, fields in {
        Arm(runs.SGD, 5, False, runs.USUAL): {"rho"},
        Arm(runs.DECAY, 5, False, runs.USUAL): {"rho", "weight_decay"},
        Arm(runs.SAM, 5, False, runs.SMALL): {"init_scale", "middle_init_scale"},
        Arm(runs.SAM, 5, True, runs.USUAL): {"bias_input"},
        Arm(runs.SAM, 3, False, runs.USUAL): {"depth"},
        Arm(runs.LONG, 5, False, runs.USUAL): {"num_steps"},
    }.items():
        assert differing(sam, arms[arm]) == fields


def test_the_wide_network_has_as_many_weights_as_the_deep_one():
    size = SIZE | {"inputs": 12, "examples": 40, "units": 64}
    arms = runs.arms(**size)
    wide = arms[Arm(runs.WIDE, 2, False, runs.USUAL)]
    weights = 64 * 13 + 3 * 64**2
    assert abs(wide.width * 13 - weights) <= 13 / 2
    assert wide.num_steps == arms[Arm(runs.SAM, 5, False, runs.USUAL)].num_steps


def test_every_arm_gets_its_own_rows():
    arms = runs.arms(**SIZE)
    empty = evidence.quick("no-such-chapter")
    table, repeated = runs.gathered(empty, arms, range(2))
    assert repeated.kept == 0
    assert set(table["arm"]) == set(arms)
    for arm, config in arms.items():
        rows = tables.of(table, arm)
        net = config.net if isinstance(config, FlatConfig) else config
        assert set(rows["data_seed"]) == {0, 1}
        assert set(rows["depth"]) == {net.depth}
        assert set(rows["rule"]) == {config.rule}
        assert (rows["bias_input"] != 0).all() == arm.bias
    ended = tables.ends(table)
    assert len(ended) == 2 * len(arms)
    assert (ended["rule"] == [arm.rule for arm in table[table["last"]]["arm"]]).all()


def test_the_flattest_of_a_seed_is_from_a_drawn_start_without_a_bias():
    row = {"rule": runs.SAM, "depth": 3, "bias": False, "start": runs.USUAL}
    ended = pd.DataFrame(
        [
            row | {"data_seed": 0, "ratio": 1.2, "test_accuracy": 0.5},
            row | {"data_seed": 0, "ratio": 1.1, "test_accuracy": 0.7},
            row | {"data_seed": 0, "ratio": np.nan, "test_accuracy": 0.9},
            row | {"data_seed": 0, "ratio": 1.0, "test_accuracy": 0, "bias": True},
            row | {"data_seed": 0, "ratio": 1.0, "test_accuracy": 0, "start": "points"},
            row | {"data_seed": 0, "ratio": 1.0, "test_accuracy": 0, "depth": 5},
            row | {"data_seed": 1, "ratio": np.nan, "test_accuracy": 0.8},
        ]
    )
    rows = tables.flattest_found(ended, 3, "here")
    assert rows["test_accuracy"].tolist() == pytest.approx([0.7, np.nan], nan_ok=True)
    assert rows["diverged"].tolist() == [False, True]
