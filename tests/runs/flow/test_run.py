"""A config fixes its flow to the bit, and bad ones are refused."""

import numpy as np
import pandas as pd
import pytest

from flatminima.identity import source_digest
from flatminima.measures.predictions import zero_one_error
from flatminima.runs import loop
from flatminima.runs.flow.config import FlowConfig
from flatminima.runs.flow.descent import Rules
from flatminima.runs.flow.manifold import Manifold
from flatminima.runs.flow.run import REASONS, follow, modules, proceed
from flatminima.runs.mlp import problem, train
from flatminima.runs.mlp.config import Config

START = Config(architecture="bias", d=6, n=12, width=40, num_steps=400)


def config(**changes):
    return FlowConfig(
        **({"start": START, "kind": "naive", "max_iterations": 20} | changes)
    )


@pytest.mark.parametrize("kind", ["naive", "kink_aware"])
def test_equal_bits(kind):
    first, second = follow(config(kind=kind)), follow(config(kind=kind))
    np.testing.assert_array_equal(first.w, second.w)
    np.testing.assert_array_equal(first.v, second.v)
    pd.testing.assert_frame_equal(first.history, second.history, check_exact=True)
    other = follow(config(kind=kind).with_seeds(1, 1))
    assert not np.array_equal(first.w, other.w)


@pytest.mark.parametrize("rho", [0.0, 0.05])
def test_starts_where_the_run_ends(rho):
    start = START.model_copy(update={"rho": rho})
    flow = follow(config(start=start, max_iterations=1))
    end = loop.run(start)
    history = end.history.iloc[-1]
    first = flow.history.iloc[0]
    assert first["trace"] == pytest.approx(history["retracted_trace"])
    assert first["bound"] == history["bound"]


def test_starts_at_the_initialisation():
    flow = follow(config(trained=False, max_iterations=5))
    assert flow.reason == "iterations"
    assert flow.history["trace"].iloc[-1] < flow.history["trace"].iloc[0]
    trained = follow(config(max_iterations=5))
    assert flow.history["trace"].iloc[0] != trained.history["trace"].iloc[0]


def test_accuracy_is_that_of_the_final_network():
    flow = follow(config(measure_every=7))
    test = problem.problem(START).test
    error = zero_one_error("bias", flow.w, flow.v, test.x, test.y)
    last = flow.history.iloc[-1]
    assert last["test_accuracy"] == 1 - error
    assert last["first_layer_norm"] == np.linalg.norm(flow.w)
    assert flow.history["test_accuracy"].notna().sum() == 4


def test_the_start_is_the_network_of_the_run_or_its_initialisation():
    made = problem.problem(START)
    manifold = Manifold(made.model, made.inputs, made.y)
    for trained, state in (
        (False, problem.initial_state(START)),
        (True, train.advance(problem.initial_state(START), START, START.num_steps)),
    ):
        w, v = (p.astype(np.float64) for p in state.params)
        flow = follow(config(trained=trained, max_iterations=1))
        landed = manifold.land(w, v)
        assert flow.history["trace"].iloc[0] == pytest.approx(landed.trace, rel=1e-12)


def test_a_run_holds_the_flow_and_its_shares():
    asked = config(control="own", max_iterations=30)
    run, flow = proceed(asked, None, lambda: False), follow(asked)
    history = run.history
    assert run.finished and run.diverged_at is None
    assert run.step == history["step"].iloc[-1] == len(history) - 1
    assert history["step"].tolist() == list(range(len(history)))
    np.testing.assert_array_equal(history["step_size"], flow.history["step"])
    np.testing.assert_array_equal(history["smoothing_now"], flow.history["smoothing"])
    np.testing.assert_array_equal(history["retracted_trace"], flow.history["trace"])
    for name in ("rising_share", "jump_share", "accepted_rising_share"):
        assert set(history[name]) == {getattr(flow, name)}
    assert {REASONS[k] for k in history["reason"]} == {flow.reason}
    np.testing.assert_array_equal(run.arrays["w"], flow.w)
    np.testing.assert_array_equal(run.arrays["v"], flow.v)


def test_a_start_that_diverges_makes_a_flow_that_did():
    start = START.model_copy(update={"lr": 50.0})
    run = proceed(config(start=start), None, lambda: False)
    assert run.finished
    assert run.diverged_at == run.step == loop.run(start).diverged_at
    assert 0 < run.step < START.num_steps
    # before training there is nothing to diverge
    still = proceed(config(start=start, trained=False), None, lambda: False)
    assert still.diverged_at is None


def test_names_and_columns_of_a_table():
    aware = config(kind="kink_aware", max_iterations=7)
    assert (config().rule, aware.rule) == ("naive flow", "kink-aware flow")
    columns = aware.columns
    assert (columns["num_steps"], aware.num_steps) == (7, 7)
    assert columns["kind"] == "kink_aware"
    assert columns["width"] == START.width
    assert "start" not in columns


def test_other_seeds_change_nothing_else():
    first = config(kind="kink_aware")
    other = first.with_seeds(3, 4)
    assert (other.start.data_seed, other.start.init_seed) == (3, 4)
    same = other.with_seeds(START.data_seed, START.init_seed)
    assert same == first != other


def test_sim_ln_holds_its_radius():
    start = START.model_copy(update={"architecture": "sim_ln", "radius": 4.0})
    flow = follow(config(start=start, radius=10.0, measure_every=1))
    np.testing.assert_allclose(flow.history["first_layer_norm"], 10.0)


def test_modules_reach_the_flow_the_architecture_and_the_kernel():
    assert source_digest(*modules(config())) != source_digest(*train.modules(START))
    assert "flatminima.models.bias" in modules(config())


def test_rules_are_those_of_the_config_and_defaults_agree():
    assert config(max_iterations=500).rules == Rules(kind="naive")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"radius": 1.0}, "radius = 1.0: only sim_ln"),
        ({"kind": "wise"}, "kink_aware"),
        ({"control": "none"}, "own"),
        ({"smoothing": 0.0}, "greater than 0"),
        ({"halvings": -1}, "greater than or equal to 0"),
        ({"max_iterations": 0}, "greater than or equal to 1"),
        ({"tolerance": float("nan")}, "tolerance"),
        ({"steps": 3}, "Extra inputs"),
        (
            {"smoothing": 0.1},
            "smoothing = 0.1: must be left at 0.02, because the naive",
        ),
        ({"halvings": 2}, "halvings = 2: must be left at 6, because the naive flow"),
        ({"kind": "kink_aware", "halvings": 101}, "less than or equal to 100"),
    ],
)
def test_bad_configs(changes, message):
    with pytest.raises(ValueError, match=message):
        config(**changes)


def test_the_aware_flow_takes_what_the_naive_one_refuses():
    aware = config(kind="kink_aware", smoothing=0.1, halvings=0)
    assert (aware.rules.smoothing, aware.rules.halvings) == (0.1, 0)
    assert config(kind="kink_aware", halvings=100).halvings == 100


def test_hashable_and_equal():
    assert config() == config()
    assert len({config(), config(), config(kind="kink_aware")}) == 2


def test_a_flow_that_reaches_no_manifold_counts_as_diverged():
    # one unit cannot fit labels of both signs
    start = Config(architecture="bias", d=4, n=8, width=1, num_steps=5)
    run = proceed(config(start=start), None, lambda: False)
    assert run.diverged_at == 5 and run.finished
    assert not run.history.empty
