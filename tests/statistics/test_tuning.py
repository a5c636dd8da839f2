"""Choices on a table whose best values are known."""

import numpy as np
import pandas as pd
import pytest

from flatminima.claims import decide
from flatminima.statistics import tuning
from flatminima.sweeps.table import SEEDS


def rows(**columns) -> pd.DataFrame:
    table = pd.DataFrame(columns)
    return table.assign(
        init_seed=table["data_seed"], last=True, diverged=False, scale="scaled-down"
    )


TABLE = rows(
    data_seed=[1, 2, 1, 2, 1, 2],
    rho=[0.1, 0.1, 0.2, 0.2, 0.3, 0.3],
    step=[10, 10, 10, 10, 20, 20],
    test_accuracy=[0.5, 0.7, 0.9, 0.4, 0.62, 0.6],
)


def test_the_best_is_that_of_the_mean_and_not_of_one_seed():
    assert tuning.best(TABLE, ["rho"]) == (0.2,)
    without = TABLE.assign(test_accuracy=[0.5, 0.7, 0.9, 0.2, 0.62, 0.6])
    assert tuning.best(without, ["rho"]) == (0.3,)
    assert tuning.best(without, ["rho", "step"]) == (0.3, 20)


def test_a_diverged_run_counts_as_nothing():
    lost = TABLE.assign(diverged=TABLE["rho"] == 0.2)
    assert tuning.best(lost, ["rho"]) == (0.3,)


def test_a_run_that_diverged_early_counts_where_it_did_not_come_to():
    steps = rows(
        data_seed=[1, 1, 1, 1, 2, 2, 2],
        rho=[0.1, 0.1, 0.2, 0.2, 0.1, 0.1, 0.2],
        step=[1, 2, 1, 2, 1, 2, 1],
        test_accuracy=[0.3, 0.5, 0.3, 0.9, 0.3, 0.5, 0.3],
    )
    lost = steps.assign(diverged=[False] * 6 + [True])
    assert tuning.best(lost, ["rho", "step"]) == (0.1, 2)


def test_a_seed_that_lacks_a_value_does_not_choose():
    part = TABLE[(TABLE["data_seed"] == 1) | (TABLE["rho"] == 0.3)]
    raised = part.assign(test_accuracy=[0.5, 0.9, 0.6, 5.0])
    assert tuning.best(raised, ["rho"]) == (0.2,)


def test_of_equal_values_the_smaller_wins():
    assert tuning.best(TABLE.assign(test_accuracy=0.5), ["rho"]) == (0.1,)


def test_from_nothing_nothing_is_chosen():
    assert np.isnan(tuning.best(TABLE[:0], ["rho", "step"])).all()


def test_seeds_that_choose_are_not_compared():
    assert set(tuning.of_seeds(TABLE, [1])["data_seed"]) == {1}
    assert set(tuning.without_seeds(TABLE, range(2))["data_seed"]) == {2}


def test_the_mean_over_settings_is_of_seeds_that_all_have():
    first = TABLE[TABLE["rho"] == 0.1]
    second = TABLE[TABLE["rho"] == 0.2].assign(diverged=[True, False])
    found = tuning.mean_of([first, second[second["data_seed"] == 2]])
    assert found[SEEDS].to_numpy().tolist() == [[2, 2]]
    assert found["test_accuracy"].tolist() == pytest.approx([0.55])
    assert tuning.mean_of([first, second])["diverged"].tolist() == [True, False]


def test_no_runs_decide_nothing():
    nothing = tuning.ends_of(TABLE[:0], ["test_accuracy"])
    verdict = decide.beats("noise-20", nothing, nothing)
    assert (verdict.verdict, verdict.n, verdict.effect) == ("undecided", 0, None)
    apart = tuning.mean_of([TABLE[TABLE["rho"] == 0.1], nothing])
    assert apart["test_accuracy"].isna().all() and len(apart) == 1
