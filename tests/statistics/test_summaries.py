import math

import pandas as pd
import pytest

from flatminima.statistics.summaries import COLUMNS, intervals, rule_table
from flatminima.sweeps.table import at_step, change_since
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
    for found in (rule_table(table), rule_table(table, step=4000)):
        assert found["diverged"].tolist() == ["2 of 2"]
        assert found["test accuracy"].isna().all()


def test_runs_that_diverged_are_counted_and_no_part_of_medians():
    table = pd.concat(
        [
            runs(3, rule="SGD", test_accuracy=0.4, diverged=True, **OTHERS),
            runs(3, test_accuracy=[0.1, 0.2, 0.9], diverged=[0, 0, 1], **OTHERS),
        ],
        ignore_index=True,
    ).astype({"diverged": bool})
    found = rule_table(table)
    assert list(found.index) == ["SGD", "1-SAM"]
    assert found["diverged"].tolist() == ["3 of 3", "1 of 3"]
    assert found["test accuracy"].tolist()[1] == 0.15
    assert math.isnan(found["test accuracy"].tolist()[0])
    assert found["interpolate"].tolist()[1] == "2 of 2"


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


# --- means with intervals ---------------------------------------------------------


def test_intervals_have_a_row_a_metric():
    table = runs(10, test_accuracy=[0.1 * k for k in range(10)], size=2.0)
    found = intervals(table, {"size": "how large", "test_accuracy": "accuracy"})
    assert found.index.tolist() == ["how large", "accuracy"]
    assert found.loc["how large"].tolist() == [2.0, 2.0, 2.0, 10]
    mean, low, high, seeds = found.loc["accuracy"]
    assert (mean, seeds) == (pytest.approx(0.45), 10)
    # ten uniform values: the standard error of their mean is 0.0957, Student's 2.262
    assert (low, high) == (
        pytest.approx(0.233, abs=1e-3),
        pytest.approx(0.667, abs=1e-3),
    )


def three_times(end, early, **columns):
    last = runs(3, test_accuracy=end, **columns)
    last = last[last["last"]]
    before = last.assign(step=50, last=False, diverged=False, test_accuracy=early)
    shuffled = last.iloc[::-1]
    return pd.concat([before, shuffled], ignore_index=True)


def test_a_change_is_paired_by_seeds():
    found = change_since(
        three_times([0.7, 0.8, 0.4], [0.9, 0.5, 0.4]), 50, "test_accuracy"
    )
    found = found.set_index("init_seed").sort_index()
    assert found["earlier"].tolist() == [0.9, 0.5, 0.4]
    assert found["change"].tolist() == pytest.approx([-0.2, 0.3, 0.0])
    assert found["last"].all()


def test_a_run_that_diverged_later_has_lost_everything():
    lost = [False, True, False]
    found = change_since(three_times(0.7, 0.9, diverged=lost), 50, "test_accuracy")
    found = found.set_index("init_seed").sort_index()
    assert found["change"].tolist() == pytest.approx([-0.2, -0.9, -0.2])


def test_a_change_since_a_step_that_was_not_measured():
    with pytest.raises(ValueError, match="step = 51: nothing was measured there"):
        change_since(three_times(0.7, 0.9), 51, "test_accuracy")
