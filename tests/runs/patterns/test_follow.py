"""Walks with a certificate: what they measure, and what is refused."""

import numpy as np
import pytest

from flatminima.runs import loop
from flatminima.runs.flow.config import FlowConfig
from flatminima.runs.mlp.config import Config
from flatminima.runs.patterns.config import PatternConfig

SEEDS = {"data_seed": 1, "init_seed": 1, "num_checkpoints": 2}
SIZE = {"d": 6, "n": 12, "width": 30, "num_steps": 1200, "num_checkpoints": 2}
START = Config(architecture="bias", **SIZE)


def end(**fields):
    return loop.run(PatternConfig(start=START, **fields)).history.iloc[-1]


def test_without_a_walk_it_is_the_retraction_of_the_run():
    """A second implementation: the columns of the training run itself."""
    trained = loop.run(START).history.iloc[-1]
    found = end()
    assert found["retracted_trace"] == pytest.approx(trained["retracted_trace"])
    assert found["bound"] == pytest.approx(trained["bound"])
    assert found["output_error"] == pytest.approx(trained["output_error"])
    assert found["lost"] == found["gained"] == 0


@pytest.mark.parametrize(
    ("walk", "kind", "control"),
    [
        ("blind", "naive", "own"),
        ("true", "naive", "true"),
        ("aware", "kink_aware", "true"),
    ],
)
def test_a_walk_is_the_flow_of_that_kind(walk, kind, control):
    flow = FlowConfig(
        start=START, kind=kind, control=control, max_iterations=60, tolerance=1e-3
    )
    wanted = loop.run(flow).history.iloc[-1]
    found = end(walk=walk, max_iterations=60)
    assert found["retracted_trace"] == pytest.approx(wanted["trace"], rel=1e-9)
    assert found["test_accuracy"] == wanted["test_accuracy"]
    assert found["reason"] == wanted["reason"]
    assert found["cell_bound"] <= found["retracted_trace"] * (1 + 1e-9)


def test_a_memoriser_attains_the_bound_with_one_firing_a_unit():
    found = end(begin="memoriser")
    assert found["retracted_trace"] == pytest.approx(found["bound"])
    assert found["breadth"] == pytest.approx(1 / SIZE["n"])
    assert found["steepest"] == pytest.approx(1)
    assert abs(found["escape"]) < 1e-9


def test_a_new_unit_leads_out_of_a_local_minimum():
    """More inputs than examples and few units: off kinks, at rest, above the bound."""
    few = Config(architecture="bias", d=40, n=20, width=10, num_steps=2000, **SEEDS)
    found = loop.run(PatternConfig(start=few, walk="blind")).history.iloc[-1]
    assert found["retracted_trace"] > 1.005 * found["bound"]
    assert found["retracted_trace"] < 1.001 * found["cell_bound"]
    assert found["margin"] > 1e-4
    assert found["steepest"] > 1
    assert found["escape"] > 0


def test_a_start_that_does_not_land_counts_as_diverged():
    narrow = START.model_copy(update={"width": 1})
    run = loop.run(PatternConfig(start=narrow, walk="blind"))
    assert run.diverged_at == START.num_steps
    assert np.isfinite(run.history["output_error"]).all()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"start": Config(architecture="sim_ln", **SIZE)}, "start.architecture"),
        (
            {"start": Config(architecture="bias", output_scale=2, **SIZE)},
            "output_scale",
        ),
        (
            {"begin": "memoriser", "start": Config(architecture="no_bias", **SIZE)},
            "begin",
        ),
        ({"noise": 0.1}, "noise"),
        ({"walk": "blind", "smoothing": 0.1}, "smoothing"),
        ({"max_iterations": 5}, "max_iterations"),
        ({"tolerance": -1.0}, "tolerance"),
    ],
)
def test_what_a_run_takes_no_notice_of_is_refused(fields, named):
    with pytest.raises(ValueError, match=named):
        PatternConfig(**{"start": START} | fields)
