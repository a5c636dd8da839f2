"""Runs with small and large batches."""

import numpy as np
import pytest

from flatminima.results.reading import Committed
from flatminima.studies.stability import batches

SIZE = {"n": 40, "width": 6, "lr": 0.1, "target_loss": 0.5, "epochs": 2, "num_steps": 9}


def test_settings_differ_in_batch_and_learning_rate_alone():
    found = batches.configs(batches.EQUAL, [4, 10, 39], **SIZE)
    base = found["updates", False, 4]
    assert found["updates", True, 4] == base
    scaled = found["updates", True, 39]
    assert scaled.lr == pytest.approx(0.1 * 39 / 4)
    assert scaled.model_copy(update={"batch": 4, "lr": 0.1}) == base
    assert found["epochs", False, 10].num_steps == 8
    assert found["loss", False, 10].target_loss == 0.5
    assert found["epochs", False, 10].target_loss == 0


def test_learning_rates_stop_growing():
    found = batches.configs(["loss"], [2, 20, 39], **SIZE)
    assert ("loss", True, 39) not in found and ("loss", False, 39) in found
    assert batches.largest_scaled(found, 39) == 20
    assert batches.largest_scaled(found, 10) == 2


def test_runs_and_their_tables():
    found = batches.configs(["loss"], [4, 10], **SIZE)
    tables = batches.run(found, [5])
    ends = batches.at_ends(tables, "loss", ["lambda_max", "test_accuracy"])
    assert len(ends) == 4 and ends["lambda_max"].gt(0).all()
    boxed = batches.with_box(tables["loss", False, 4], found["loss", False, 4])
    assert boxed["box"].iloc[0] > 0
    assert len(batches.medians(tables)) == 4
    assert batches.at_ends(tables, "epochs", ["lambda_max"]).empty


def test_nothing_is_committed():
    kept = batches.kept(Committed([], []))
    assert all(table.empty for table in kept.values())
    assert batches.medians(kept).empty
    assert {key[2] for key in kept} == set(batches.KEPT_BATCHES)
    assert np.isin(batches.KEPT_PAIR, batches.KEPT_BATCHES).all()


def test_refuses_an_unknown_comparison():
    with pytest.raises(ValueError, match="equal = 'seconds'"):
        batches.configs(["seconds"], [4], **SIZE)
