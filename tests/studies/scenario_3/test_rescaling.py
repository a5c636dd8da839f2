"""Multiplying the first layer of Sim-LN moves the trace and nothing else."""

import numpy as np
import pandas as pd
import pytest

from flatminima.models import sim_ln
from flatminima.runs.kind import Run
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.measures import NEAR_INTERPOLATION
from flatminima.runs.mlp.problem import problem
from flatminima.sharpness.closed_form import linearised, per_example_gradients
from flatminima.sharpness.gauss_newton import retract
from flatminima.studies.scenario_3 import rescaling
from flatminima.studies.scenario_3.rescaling import rescaled_traces
from flatminima.sweeps.sweep import fetch, run_all
from flatminima.sweeps.table import over_seeds

FACTORS = (1, 10, 100)
TINY = Config(
    architecture="sim_ln",
    d=4,
    n=8,
    width=12,
    lr=0.05,
    num_steps=8000,
    num_checkpoints=3,
)


@pytest.fixture
def table():
    found = rescaled_traces(TINY, 2, FACTORS)
    assert found["train_loss"].max() < NEAR_INTERPOLATION
    return found


def test_one_row_a_seed_and_factor(table):
    assert table["factor"].tolist() == [*FACTORS, *FACTORS]
    assert table["data_seed"].tolist() == [0, 0, 0, 1, 1, 1]
    assert table["last"].all()


def test_trace_is_bound_plus_first_layer_part_over_factor_squared(table):
    for _, rows in table.groupby("data_seed"):
        excess = (rows["retracted_trace"] - rows["bound"]).to_numpy()
        assert excess[0] > 0.1
        predicted = excess[0] / np.square(FACTORS)
        np.testing.assert_allclose(excess, predicted, rtol=1e-6, atol=1e-9)


def test_the_first_layer_grows_and_the_rest_stays(table):
    for _, rows in table.groupby("data_seed"):
        norms = rows["first_layer_norm"].to_numpy()
        np.testing.assert_allclose(norms, norms[0] * np.array(FACTORS), rtol=1e-14)
        for column in ("test_accuracy", "bound", "train_loss", "step"):
            assert len(set(rows[column])) == 1


@pytest.mark.parametrize("factor", FACTORS)
def test_outputs_do_not_change(factor):
    run, setting = fetch(TINY), problem(TINY)
    network = linearised(setting.model, setting.inputs)
    w, v = retract(network, run.params, setting.y).parameters
    everywhere = sim_ln.inputs(setting.model, setting.test.x)
    forward = sim_ln.forward(setting.model, w, v, everywhere)
    scaled = sim_ln.forward(setting.model, factor * w, v, everywhere)
    np.testing.assert_allclose(scaled, forward, rtol=1e-12)
    at = per_example_gradients(setting.model, factor * w, v, setting.inputs)
    np.testing.assert_allclose(at.f, setting.y, atol=1e-9)


def test_at_factor_one_the_numbers_are_those_of_the_sweep():
    table = rescaled_traces(TINY, 1, [1])
    assert table["retracted_trace"].item() == pytest.approx(
        fetch(TINY).history["retracted_trace"].iloc[-1], rel=1e-12
    )


def test_a_run_that_does_not_interpolate_has_no_trace():
    short = TINY.model_copy(update={"num_steps": 2})
    table = rescaled_traces(short, 1, (1, 10))
    assert table["retracted_trace"].isna().all()
    norm = fetch(short).history["first_layer_norm"].iloc[-1]
    assert table["first_layer_norm"].tolist() == pytest.approx([norm, 10 * norm])


def test_a_run_that_diverged_has_no_trace(monkeypatch):
    # it interpolated at its last checkpoint, then met NaN: no weights are left
    def diverging(configs):
        run = run_all(configs)[0]
        nothing = {name: a * np.nan for name, a in run.arrays.items()}
        return [Run(run.history, nothing, 9000, diverged_at=9000)]

    monkeypatch.setattr(rescaling, "run_all", diverging)
    table = rescaled_traces(TINY, 1, (1, 10))
    assert table["diverged"].all()
    assert table["retracted_trace"].isna().all()


@pytest.mark.parametrize("factor", [0, -1.0, np.nan])
def test_a_factor_of_nothing_is_refused(factor, store):
    with pytest.raises(ValueError, match=r"factor = .*: must be above 0"):
        rescaled_traces(TINY, 1, (1, factor))
    assert not store.exists()


def test_rows_fit_the_sweeps_table():
    table = rescaled_traces(TINY, 1, [2])
    assert isinstance(table, pd.DataFrame)
    assert set(over_seeds([TINY], 1)[0].model_dump()) - set(table) == {
        "measure_at",
        "phases",
    }
