import math

import pandas as pd
import pytest

from flatminima.summaries import COLUMNS, at_step, rule_table
from tests.tables import runs

OTHERS = {
    "retracted_distance": 0.25,
    "first_layer_norm": 3.0,
    "second_layer_norm": 4.0,
    "lambda_max": 5.0,
    "single_active": 0.5,
}


def test_medians_at_the_end_by_rule_in_order_of_appearance():
    table = pd.concat(
        [
            runs(3, rule="SGD", test_accuracy=[0.1, 0.2, 0.9], **OTHERS),
            runs(3, rule="GD + wd", test_accuracy=0.123456, bound=4.0, **OTHERS),
        ],
        ignore_index=True,
    )
    found = rule_table(table)
    assert list(found.index) == ["SGD", "GD + wd"]
    names = list(COLUMNS.values())
    assert list(found.columns) == [*names[:2], "interpolate", *names[2:]]
    assert found["test accuracy"].tolist() == [0.2, 0.1235]
    assert found["trace / bound"].tolist() == [2.0, 0.5]
    assert found["distance moved"].tolist() == [0.25, 0.25]
    assert found["one-hot share"].tolist() == [0.5, 0.5]
    assert found["interpolate"].tolist() == ["3 of 3", "3 of 3"]


def test_seeds_that_do_not_interpolate_have_no_trace_over_bound():
    nan = math.nan
    table = runs(
        4,
        retracted_trace=[nan, 2.0, 4.0, nan],
        **(OTHERS | {"retracted_distance": [nan, 1.0, 2.0, nan]}),
    )
    found = rule_table(table).loc["1-SAM"]
    assert found["interpolate"] == "2 of 4"
    assert (found["trace / bound"], found["distance moved"]) == (3.0, 1.5)


def test_a_step_that_every_rule_has():
    table = pd.concat(
        [
            runs(2, rule="SGD", **OTHERS).assign(step=10, last=False),
            runs(2, rule="SGD", **OTHERS).assign(step=20),
            runs(2, rule="GD + wd", **OTHERS).assign(step=10),
        ],
        ignore_index=True,
    )
    assert list(rule_table(table, step=10).index) == ["SGD", "GD + wd"]
    assert list(rule_table(table, step=20).index) == ["SGD"]
    with pytest.raises(ValueError, match="step = 30: nothing was measured there"):
        rule_table(table, step=30)


def test_a_step_that_every_run_diverged_before():
    table = runs(2, diverged=True, **OTHERS)
    found = rule_table(table, step=40)
    assert len(found) == 0
    assert list(found.columns) == list(rule_table(table).columns)


def test_at_step_makes_a_checkpoint_the_end_of_every_run():
    table = runs(2, rule="SGD", test_accuracy=0.9, diverged=True, **OTHERS)
    early = at_step(table, 0)
    assert early["test_accuracy"].tolist() == [-7.0, -7.0]
    assert early["last"].all()
    assert not early["diverged"].any()
    assert table["last"].tolist() == [False, True] * 2


def test_at_step_keeps_runs_that_diverged_before_it():
    table = runs(2, rule="SGD", diverged=True, **OTHERS)
    late = at_step(table, 5000)
    assert late["diverged"].tolist() == [True, True]
    assert late["last"].all()
