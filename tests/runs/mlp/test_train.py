"""The engine trains as a plain PyTorch loop does, and its runs are well behaved."""

import os
import subprocess
import sys
from dataclasses import replace

import numba
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from flatminima.kernels import serial
from flatminima.runs import loop
from flatminima.runs.kind import Divergence, State
from flatminima.runs.mlp import measures, order, problem, train
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import initial_state
from flatminima.runs.mlp.train import advance
from flatminima.sources.wen_li_ma import FIGURES, figure
from tests import reference

ARCHITECTURES = ["no_bias", "bias", "sim_ln", "softplus"]
RULES = {
    "SGD": {"batch": "one"},
    "1-SAM": {"batch": "one", "rho": 0.05},
    "GD": {"batch": "full"},
    "n-SAM": {"batch": "full", "rho": 0.05},
}

each_architecture = pytest.mark.parametrize("architecture", ARCHITECTURES)
# with a kink at 0, where a unit can be dead
each_relu = pytest.mark.parametrize("architecture", ["no_bias", "bias", "sim_ln"])
each_rule = pytest.mark.parametrize("rule", RULES)
each_dtype = pytest.mark.parametrize("dtype", ["float64", "float32"])


def tiny(architecture="bias", rule="1-SAM", **fields) -> Config:
    defaults = {"d": 6, "n": 12, "width": 16, "num_steps": 1000}
    return Config(architecture=architecture, **(defaults | RULES[rule] | fields))


def distance(a, b) -> float:
    """Relative distance of two arrays."""
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def worst(state: State, expected) -> float:
    """Largest relative distance of a state's arrays to the expected ones."""
    return max(distance(a, b) for a, b in zip(state.params, expected, strict=True))


def first_layer(state: State, w: np.ndarray) -> State:
    """The state with another first layer."""
    return replace(state, arrays={**state.arrays, "w": w})


def assert_same_bits(a: State, b: State) -> None:
    assert a.step == b.step
    for one, two in zip(a.params, b.params, strict=True):
        np.testing.assert_array_equal(one, two)


def assert_equals_pytorch(config: Config, at: list[int], tolerance=1e-10) -> None:
    """Train to every step in `at`, here and there."""
    state = initial_state(config)
    expected = reference.train(config, state, at[-1], set(at))
    for step in at:
        state = advance(state, config, step - state.step)
        assert worst(state, expected[step]) < tolerance, step


@pytest.mark.parametrize(
    "fields",
    [{}, {"weight_decay": 0.05}, {"radius": 3.0}],
    ids=["plain", "wd", "projected"],
)
@each_rule
@each_architecture
def test_equals_pytorch_step_for_step(architecture, rule, fields):
    assert_equals_pytorch(tiny(architecture, rule, **fields), [1, 10, 100])


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "deep", "sim_bn"])
def test_equals_pytorch_over_a_thousand_steps(architecture):
    assert_equals_pytorch(tiny(architecture, "1-SAM", weight_decay=0.05), [1000])


@pytest.mark.parametrize("name", FIGURES)
def test_equals_pytorch_in_every_figure_of_the_paper(name):
    # all phases, each for twenty updates; figure 10b, at eta = rho = 1, is chaotic
    config = figure(name, d=6, n=20, width=16)
    phases = tuple(
        phase.model_copy(update={"start": 20 * k})
        for k, phase in enumerate(config.phases, start=1)
    )
    steps = 20 * (1 + len(phases))
    config = config.model_copy(update={"phases": phases, "num_steps": steps})
    start = initial_state(config)
    expected = reference.train(config, start, steps, {1, steps})
    assert worst(advance(start, config, 1), expected[1]) < 1e-13
    assert worst(advance(start, config, steps), expected[steps]) < 1e-10


VARIANTS = {
    "logistic": {"loss": "logistic", "label_smoothing": 0.2, "lr": 0.1},
    "noise": {"label_noise": 0.25},
    "ball": {"data": "ball"},
    "bias input": {"bias_input": 0.3},
    "no bias input": {"bias_input": 0.0},
    "batch": {"batch": 4},
    "all examples": {"batch": "full"},
    "layers": {"init_scale": 0.5, "last_init_scale": 3.0},
    "bias": {"bias_rate": 0.2, "bias_init_scale": 4.0},
    "bias, batch": {"bias_rate": 3.0, "batch": 4},
    "output": {"output_scale": 3.0, "lr": 0.002},
    "logistic output": {
        "output_scale": 0.3,
        "loss": "logistic",
        "label_smoothing": 0.2,
    },
    "step noise": {"step_noise": 0.5},
    "step noise, batch": {"step_noise": 0.5, "batch": 4},
    "step noise, all": {"step_noise": 0.5, "batch": "full"},
    "frozen": {"ascent": "frozen", "rho": 0.5},
    "frozen, batch": {"ascent": "frozen", "rho": 0.5, "batch": 4},
}

POSSIBLE = [
    (architecture, variant)
    for architecture in ARCHITECTURES
    for variant in VARIANTS
    if not (architecture == "no_bias" and "bias" in variant)
    and not (architecture == "softplus" and "frozen" in variant)
]


# What takes types of its own costs seconds to compile. Compiled are those of two
# architectures each, so that every architecture meets every type but not every pair of
# them; as plain Python, where the formulas are the same, all run.
OWN_TYPES = {
    "output": ("bias", "softplus"),
    "logistic output": ("no_bias", "sim_ln"),
    "frozen": ("no_bias", "bias"),
    "frozen, batch": ("bias", "sim_ln"),
}
CHOSEN = [
    (architecture, variant)
    for architecture, variant in POSSIBLE
    if numba.config.DISABLE_JIT or architecture in OWN_TYPES.get(variant, ARCHITECTURES)
]


@pytest.mark.uncompiled
@pytest.mark.parametrize("rho", [0.0, 0.05])
@pytest.mark.parametrize(("architecture", "variant"), CHOSEN)
def test_equals_pytorch_in_every_variant(architecture, variant, rho):
    fields = {"rho": rho, "weight_decay": 0.01, "batch": "one"} | VARIANTS[variant]
    config = Config(architecture=architecture, d=4, n=8, width=5, **fields)
    start = initial_state(config)
    expected = reference.train(config, start, 20, {20})
    assert worst(advance(start, config, 20), expected[20]) < 1e-12


@pytest.mark.parametrize("architecture", ["deep", "sim_bn"])
def test_label_noise_in_the_other_families(architecture):
    assert_equals_pytorch(tiny(architecture, step_noise=0.5), [50])


def test_coins_are_fair_and_do_not_depend_on_where_they_are_cut():
    config = tiny(step_noise=0.5, batch=4)
    coins = order.moved_up(config, 0, 3000)
    assert coins.shape == (3000, 4)
    parts = [order.moved_up(config, *ends) for ends in ((0, 7), (7, 800), (800, 3000))]
    np.testing.assert_array_equal(np.concatenate(parts), coins)
    assert scipy.stats.binomtest(int(coins.sum()), coins.size).pvalue > 1e-3
    # nor follow the examples
    examples = order.batches(config, 0, 3000).ravel()
    counts = np.bincount(2 * examples + coins.ravel()).reshape(-1, 2)
    assert scipy.stats.chi2_contingency(counts).pvalue > 1e-3


def test_equals_pytorch_at_full_size():
    config = Config(architecture="bias", rho=0.05)
    start = initial_state(config)
    expected = reference.train(config, start, 100, {100})[100]
    assert worst(advance(start, config, 100), expected) < 1e-10


@pytest.mark.uncompiled
@pytest.mark.parametrize("weight_decay", [0.0, 0.05], ids=["plain", "wd"])
@pytest.mark.parametrize("radius", [0.0, 3.0], ids=["free", "projected"])
@each_rule
@each_architecture
def test_equals_pytorch_at_tiny_size(architecture, rule, radius, weight_decay):
    # width 5 and 4 or 5 inputs: whatever the kernels do at their remainders
    config = tiny(
        architecture,
        rule,
        d=4,
        n=5,
        width=5,
        radius=radius,
        weight_decay=weight_decay,
        lr=0.05,
    )
    state = initial_state(config)
    expected = reference.train(config, state, 20, {20})
    state = advance(state, config, 20)
    assert worst(state, expected[20]) < 1e-12


@pytest.mark.parametrize("width", [1, 3, 16, 33])
@pytest.mark.parametrize("d", [2, 3, 5, 8, 13])
@each_architecture
def test_equals_pytorch_at_every_shape(architecture, d, width):
    config = tiny(architecture, "1-SAM", d=d, n=4, width=width)
    state = initial_state(config)
    expected = reference.train(config, state, 10, {10})
    state = advance(state, config, 10)
    assert worst(state, expected[10]) < 1e-12


PLAIN_PYTHON = """
import sys
import numpy as np
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.train import advance, start

folder, *configs = sys.argv[1:]
for number, fields in enumerate(configs):
    config = Config.model_validate_json(fields)
    state = advance(start(config), config, 50)
    np.savez(f"{folder}/{number}.npz", w=state.params[0], v=state.params[1])
"""


def test_compiled_and_plain_python_agree(tmp_path):
    configs = [
        tiny(architecture, rule, d=4, n=5, width=5, radius=radius)
        for architecture in ARCHITECTURES
        for rule in RULES
        for radius in (0.0, 3.0)
    ]
    fields = [config.model_dump_json() for config in configs]
    subprocess.run(
        [sys.executable, "-c", PLAIN_PYTHON, str(tmp_path), *fields],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        check=True,
    )
    for number, config in enumerate(configs):
        compiled = advance(initial_state(config), config, 50)
        with np.load(tmp_path / f"{number}.npz") as plain:
            assert worst(compiled, (plain["w"], plain["v"])) < 1e-13


@pytest.mark.uncompiled
@each_rule
@each_relu
def test_dead_network_stays_as_it_is(architecture, rule):
    # w = 0 puts every unit on the kink, where the derivative is 0 as in torch
    config = tiny(architecture, rule)
    start = initial_state(config)
    start = first_layer(start, np.zeros_like(start.params[0]))
    assert_same_bits(advance(start, config, 5), replace(start, step=5))


@each_rule
@each_relu
def test_dead_network_decays_as_in_torch(architecture, rule):
    config = tiny(architecture, rule, weight_decay=0.1)
    start = initial_state(config)
    w = np.zeros_like(start.params[0])
    if architecture != "no_bias":
        w[-1] = -1.0
    start = first_layer(start, w)
    state = advance(start, config, 20)
    expected = reference.train(config, start, 20, {20})[20]
    for one, two in zip(state.params, expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-13)


@pytest.mark.uncompiled
@each_rule
def test_zero_residual_moves_nothing(rule):
    # z = x.x/4 = 1 and v = y, all exact in binary: f(x) = y, and the loss is 0
    config = tiny("no_bias", rule, d=4, n=1, width=2)
    setting = problem.problem(config)
    w = np.column_stack([setting.inputs[0] / 4, -setting.inputs[0]])
    start = State({"w": w, "v": np.array([setting.y[0], 1.0])}, 0)
    assert_same_bits(advance(start, config, 7), replace(start, step=7))


@pytest.mark.uncompiled
@pytest.mark.parametrize("rule", ["SGD", "1-SAM"])
def test_half_dead_network_survives(rule):
    # every example in turn finds no unit, or one
    config = tiny("bias", rule, d=4, n=5, width=2)
    start = initial_state(config)
    w = start.params[0].copy()
    w[-1] = [-10.0, -0.5]
    state = advance(first_layer(start, w), config, 200)
    assert np.isfinite(state.params[0]).all()
    np.testing.assert_array_equal(state.params[0][:, 0], w[:, 0])


@pytest.mark.uncompiled
@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
@pytest.mark.parametrize("architecture", ["no_bias", "bias"])
@each_rule
def test_divergence_names_step_and_config(architecture, rule):
    config = tiny(architecture, rule, d=4, n=5, width=5, lr=0.2, init_scale=1e3)
    with pytest.raises(Divergence, match=r"diverged after \d+ steps: Config\(") as met:
        advance(initial_state(config), config, 1000)
    assert met.value.config == config
    assert 0 <= met.value.step < 1000
    assert f"diverged after {met.value.step} steps" in str(met.value)
    assert f"architecture='{architecture}'" in str(met.value)
    assert "lr=0.2" in str(met.value)


def test_divergence_counts_from_the_start_of_the_run():
    config = tiny("bias", "SGD", lr=0.2, init_scale=1e3)
    start = initial_state(config)
    with pytest.raises(Divergence) as whole:
        advance(start, config, 1000)
    with pytest.raises(Divergence) as rest:
        advance(advance(start, config, 2), config, 1000)
    assert rest.value.step == whole.value.step > 2


def test_run_records_divergence():
    config = tiny("bias", "SGD", lr=0.2, init_scale=1e3, measure_at=(2,))
    run = loop.run(config)
    assert type(run.diverged_at) is int
    assert 2 < run.diverged_at < 1000
    assert list(run.history["step"]) == [0, 2]
    assert all(np.isnan(p).all() for p in run.params)
    finished = loop.run(tiny("bias", "SGD"))
    assert list(run.history.columns) == list(finished.history.columns)
    assert finished.diverged_at is None


@each_dtype
@each_rule
@each_architecture
def test_independent_of_how_a_run_is_cut(architecture, rule, dtype):
    config = tiny(architecture, rule, dtype=dtype, weight_decay=0.01)
    start = initial_state(config)
    whole = advance(start, config, 1000)
    state = start
    for k in (4, 8, 988):
        state = advance(state, config, k)
    assert_same_bits(whole, state)


@given(cuts=st.lists(st.integers(1, 3), min_size=1, max_size=9))
def test_independent_of_every_cut_between_blocks(cuts):
    # the rates change, and the run outlasts its config
    config = tiny(
        "bias",
        weight_decay=0.01,
        num_steps=32,
        phases=({"start": 12, "lr": 0.02, "rho": 0},),
    )
    state = start = initial_state(config)
    for k in cuts:
        state = advance(state, config, k * serial.BLOCK)
    assert_same_bits(advance(start, config, sum(cuts) * serial.BLOCK), state)


def test_a_cut_inside_of_a_block_changes_only_the_rounding():
    config = tiny("bias", weight_decay=0.01)
    start = initial_state(config)
    whole = advance(start, config, 20)
    pieces = advance(advance(start, config, 7), config, 13)
    for a, b in zip(whole.params, pieces.params, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)


# checkpoints and phases inside of blocks, calls of one block
PAUSED = tiny(
    "bias",
    num_steps=61,
    num_checkpoints=3,
    measure_at=(1, 7, 26),
    phases=({"start": 13, "lr": 0.02, "rho": 0.1},),
)


@pytest.fixture(scope="module")
def unpaused():
    """The run that is paused, in as short calls."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "steps_per_call", lambda config: 6)
        return loop.run(PAUSED)


@given(pauses=st.lists(st.integers(0, 3), max_size=12))
def test_a_paused_run_ends_in_the_same_bits(unpaused, pauses):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "steps_per_call", lambda config: 6)
        asked = iter([k for pause in pauses for k in [0] * pause + [1]])
        run = None
        while run is None or not run.finished:
            run = loop.proceed(PAUSED, run, lambda: bool(next(asked, 0)))
    for a, b in zip(unpaused.params, run.params, strict=True):
        np.testing.assert_array_equal(a, b)
    pd.testing.assert_frame_equal(unpaused.history, run.history, check_exact=True)


@each_dtype
@pytest.mark.parametrize("rule", ["SGD", "1-SAM"])
def test_independent_of_the_cut_when_projected(rule, dtype):
    config = tiny("sim_ln", rule, dtype=dtype, radius=3.0)
    start = initial_state(config)
    pieces = advance(advance(start, config, 12), config, 988)
    assert_same_bits(advance(start, config, 1000), pieces)


@each_dtype
def test_independent_of_the_cut_at_full_size(dtype):
    config = Config(architecture="bias", rho=0.05, dtype=dtype)
    start = initial_state(config)
    pieces = advance(advance(start, config, 500), config, 1500)
    assert_same_bits(advance(start, config, 2000), pieces)


@each_dtype
@each_rule
def test_pure(rule, dtype):
    config = tiny("bias", rule, dtype=dtype)
    start = initial_state(config)
    arrays = {name: a.copy() for name, a in start.arrays.items()}
    after = advance(start, config, 10)
    assert_same_bits(start, State(arrays, 0))
    assert_same_bits(after, advance(start, config, 10))
    for one, two in zip(after.params, start.params, strict=True):
        assert not np.shares_memory(one, two)


@each_dtype
@each_rule
@each_architecture
def test_state_shapes(architecture, rule, dtype):
    config = tiny(architecture, rule, dtype=dtype)
    for state in (start := initial_state(config), advance(start, config, 3)):
        w, v = state.params
        assert w.shape == (6 if architecture == "no_bias" else 7, 16)
        assert v.shape == (16,)
        assert w.dtype == v.dtype == dtype


@each_rule
@each_architecture
def test_float32_follows_float64(architecture, rule):
    config = tiny(architecture, rule)
    single = tiny(architecture, rule, dtype="float32")
    state, state32 = initial_state(config), initial_state(single)
    for _ in range(5):
        state, state32 = advance(state, config, 20), advance(state32, single, 20)
        assert worst(state32, state.params) < 1e-4


def test_projection_does_not_drift_in_float32():
    # the norm is updated, never measured, by the batch-one kernel
    config = tiny("sim_ln", "1-SAM", dtype="float32", radius=3.0, lr=0.05)
    state = advance(initial_state(config), config, 300_000)
    assert np.linalg.norm(state.params[0].astype(float)) == pytest.approx(3.0, rel=1e-4)


def test_initialisation_is_torchs_default():
    config = Config(architecture="bias", d=30, n=4, width=2000)
    w, v = initial_state(config).params
    assert np.abs(w).max() == pytest.approx(30**-0.5, rel=1e-3)
    assert np.abs(v).max() == pytest.approx(2000**-0.5, rel=1e-3)
    # variance of U(-b, b) is b^2 / 3; three standard errors of 62000 draws
    assert np.var(w) == pytest.approx(1 / 90, abs=3 * 4e-5)


def test_initial_scale_and_radius():
    w, v = initial_state(tiny("sim_ln")).params
    scaled = initial_state(tiny("sim_ln", init_scale=0.01)).params
    held = initial_state(tiny("sim_ln", init_scale=0.01, radius=10.0)).params
    np.testing.assert_allclose(scaled[0], 0.01 * w)
    np.testing.assert_array_equal(scaled[1], v)
    assert np.linalg.norm(held[0]) == pytest.approx(10.0)


@given(
    n=st.integers(1, 9),
    start=st.integers(0, 2000),
    length=st.integers(1, 900),
    cut=st.integers(0, 900),
)
def test_order_of_examples_can_be_had_in_pieces(n, start, length, cut):
    config = tiny(d=4, n=n, width=1)
    stop = start + length
    middle = start + min(cut, length - 1)
    whole = order.example_order(config, start, stop)
    assert len(whole) == length
    assert whole.min() >= 0
    assert whole.max() < n
    last = order.example_order(config, middle, stop)
    np.testing.assert_array_equal(whole[middle - start :], last)


def test_every_epoch_is_a_fresh_permutation():
    config = tiny()
    epochs = order.example_order(config, 0, 100 * 12).reshape(100, 12)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(range(12), (100, 1)))
    assert len(np.unique(epochs, axis=0)) == 100
    other = order.example_order(config.with_seeds(0, 1), 0, 100 * 12)
    assert (other.reshape(100, 12) != epochs).any(axis=1).all()


def test_batches_of_an_epoch_are_a_fresh_partition():
    config = tiny(batch=4)
    rows = order.batches(config, 0, 30)
    assert rows.shape == (30, 4)
    epochs = np.sort(rows.reshape(10, 12), axis=1)
    np.testing.assert_array_equal(epochs, np.tile(range(12), (10, 1)))
    np.testing.assert_array_equal(order.batches(config, 7, 30), rows[7:])
    full = order.batches(tiny("bias", "GD"), 5, 8)
    np.testing.assert_array_equal(full, np.tile(range(12), (3, 1)))


def test_independent_of_the_cut_with_batches():
    config = tiny(batch=4, weight_decay=0.01)
    start = initial_state(config)
    pieces = advance(advance(start, config, 13), config, 87)
    assert_same_bits(advance(start, config, 100), pieces)


def test_checkpoints():
    steps = train.checkpoints(tiny(num_checkpoints=4, measure_at=(7, 1000, 2000)))
    assert [int(step) for step in steps] == [0, 7, 100, 316, 1000]
    for num_steps in (3, 1000):
        steps = train.checkpoints(tiny(num_steps=num_steps, num_checkpoints=2))
        assert [int(step) for step in steps] == [0, num_steps]


def test_a_call_is_short():
    # 0.3 s a call at most: 500 x 31 weights take at most 5 microseconds a step
    config = Config(architecture="bias")
    assert 20_000 < train.steps_per_call(config) < 150_000
    full = Config(architecture="bias", batch="full")
    assert 100 < train.steps_per_call(full) < 2000
    assert train.steps_per_call(tiny("bias", "GD", d=16, n=50_000, width=5000)) == 1


@each_architecture
def test_history_against_pytorch(architecture):
    config = tiny(architecture, "1-SAM", num_steps=300, num_checkpoints=3, lr=0.05)
    run = loop.run(config)
    last = run.history.iloc[-1]
    net = reference.net_of(config, *run.params)
    x, y = reference.training_set(config)
    setting = problem.problem(config)
    with torch.no_grad():
        loss = float(reference.mean_squared_error(net, x, y))
        f = net(torch.as_tensor(setting.test.x)).numpy()
    assert last["train_loss"] == pytest.approx(loss, rel=1e-10)
    expected = np.mean(np.sign(f) == setting.test.y)
    assert last["test_accuracy"] == pytest.approx(expected, rel=1e-14)
    w1 = torch.cat([p.data.flatten() for p in net.first.parameters()])
    assert last["first_layer_norm"] == pytest.approx(float(w1.norm()))
    assert last["second_layer_norm"] == pytest.approx(
        float(net.second.weight.data.norm())
    )
    assert list(run.history["step"]) == [0, 100, 300]
    assert last["epoch"] == 25.0
    assert run.history["lambda_max"].notna().tolist() == [False, False, True]
    interpolates = run.history["train_loss"] <= measures.NEAR_INTERPOLATION
    assert interpolates.tolist() == run.history["retracted_trace"].notna().tolist()


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "deep", "sim_bn"])
def test_movement_against_autograd(architecture):
    config = tiny(architecture, num_steps=300, lr=0.002, output_scale=2.0)
    run = loop.run(config)
    kernels, weights = [], []
    for params in (initial_state(config).params, run.params):
        net = reference.net_of(config, *params)
        x, _ = reference.training_set(config)
        weight = list(net.parameters())
        rows = [torch.autograd.grad(f, weight, retain_graph=True) for f in net(x)]
        jacobian = np.array([np.concatenate([g.ravel() for g in r]) for r in rows])
        kernels.append(jacobian @ jacobian.T)
        weights.append(np.concatenate([p.ravel() for p in params]))
    last = run.history.iloc[-1]
    assert last["weights_moved"] == pytest.approx(
        np.linalg.norm(weights[1] - weights[0]) / np.linalg.norm(weights[0])
    )
    alignment = np.vdot(*kernels) / np.prod([np.linalg.norm(k) for k in kernels])
    assert last["kernel_moved"] == pytest.approx(1 - alignment)
    moved = run.history[["weights_moved", "kernel_moved"]]
    assert moved.iloc[:-1].isna().all().all()


def test_the_kernel_of_a_network_that_dies_has_no_direction():
    config = tiny(num_steps=3)
    w = np.zeros((7, 16))
    w[-1] = -1.0  # the bias
    dead = State({"w": w, "v": np.ones(16)}, 3)
    row = measures.movement(config, dead)
    assert np.isnan(row["kernel_moved"])
    assert row["weights_moved"] > 0


def test_a_large_factor_on_the_output_is_lazy():
    moved = [
        loop.run(tiny(num_steps=3000, output_scale=a, lr=0.02 / a**2)).history.iloc[-1]
        for a in (0.5, 2.0, 50.0)
    ]
    for column in ("weights_moved", "kernel_moved"):
        values = [row[column] for row in moved]
        assert values == sorted(values, reverse=True)
        assert values[-1] < values[0] / 2


def test_interpolating_rows_are_retracted():
    config = tiny("bias", "SGD", num_steps=5000, lr=0.05, width=64)
    last = loop.run(config).history.iloc[-1]
    assert last["train_loss"] <= measures.NEAR_INTERPOLATION
    assert last["retracted_loss"] <= 1e-20
    assert last["retracted_trace"] >= last["bound"] * (1 - 1e-9)
    assert last["bound"] == pytest.approx(4 * np.sqrt(7))


def test_epoch_of_a_full_batch_is_a_step():
    history = loop.run(tiny("bias", "GD", num_steps=10)).history
    np.testing.assert_array_equal(history["epoch"], history["step"])


def test_epoch_of_a_batch():
    history = loop.run(tiny("bias", batch=4, num_steps=9, num_checkpoints=2)).history
    np.testing.assert_array_equal(history["epoch"], [0.0, 3.0])


def test_history_of_the_logistic_loss_against_pytorch():
    fields = {"loss": "logistic", "label_smoothing": 0.2, "label_noise": 0.25}
    config = tiny("softplus", "1-SAM", num_steps=300, lr=0.1, **fields)
    run = loop.run(config)
    last = run.history.iloc[-1]
    net = reference.net_of(config, *run.params)
    x, y = reference.training_set(config)
    test = problem.problem(config).test
    with torch.no_grad():
        loss = float(reference.loss_of(config)(net, x, y))
        f, f_test = net(x).numpy(), net(torch.as_tensor(test.x)).numpy()
    assert last["train_loss"] == pytest.approx(loss, rel=1e-10)
    gamma = np.log(4)
    error = np.mean((f - gamma * y.numpy()) ** 2)
    assert last["output_error"] == pytest.approx(error, rel=1e-10)
    mse = np.mean((f_test - gamma * test.y) ** 2)
    assert last["test_mse"] == pytest.approx(mse, rel=1e-10)
    assert last["test_accuracy"] == np.mean(np.sign(f_test) == test.y)
    assert np.isnan(last["test_r2"])


def test_history_of_the_ball_against_sklearns_definition():
    config = tiny("bias", "1-SAM", data="ball", num_steps=300)
    run = loop.run(config)
    last = run.history.iloc[-1]
    net = reference.net_of(config, *run.params)
    test = problem.problem(config).test
    with torch.no_grad():
        f = net(torch.as_tensor(test.x)).numpy()
    residual, total = np.sum((test.y - f) ** 2), np.sum((test.y - test.y.mean()) ** 2)
    assert last["test_r2"] == pytest.approx(1 - residual / total, rel=1e-10)
    assert last["test_mse"] == pytest.approx(residual / 10_000, rel=1e-10)
    assert np.isnan(last["test_accuracy"])
    assert last["output_error"] == pytest.approx(last["train_loss"], rel=1e-14)


@pytest.mark.parametrize("architecture", ["bias", "softplus"])
def test_interpolators_of_the_logistic_loss_are_retracted(architecture):
    # an interpolator has outputs +-gamma, where the loss is the entropy of the labels
    fields = {"loss": "logistic", "label_smoothing": 0.2, "lr": 0.1, "width": 64}
    config = tiny(architecture, "SGD", num_steps=8000, **fields)
    last = loop.run(config).history.iloc[-1]
    entropy = -0.8 * np.log(0.8) - 0.2 * np.log(0.2)
    assert last["output_error"] <= measures.NEAR_INTERPOLATION
    assert last["train_loss"] == pytest.approx(entropy, abs=1e-2)
    assert last["train_loss"] >= entropy * (1 - 1e-12)
    assert last["retracted_loss"] <= 1e-20
    if architecture == "bias":
        assert last["retracted_trace"] >= last["bound"] * (1 - 1e-9)


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
@each_rule
def test_divergence_of_the_logistic_loss(rule):
    # its slope is bounded: what grows without end is the radius of the ascent
    fields = {"loss": "logistic", "label_smoothing": 0.2, "init_scale": 1e200}
    config = tiny("bias", rule, lr=1e150, **fields)
    with pytest.raises(Divergence):
        advance(initial_state(config), config, 1000)


def accuracy(config: Config, w, v) -> float:
    return measures.measure(config, State({"w": w, "v": v}, 0))["test_accuracy"]


def test_output_zero_is_an_error():
    assert accuracy(tiny("bias"), np.zeros((7, 16)), np.ones(16)) == 0.0


def test_accuracy_without_test_points():
    config = tiny("bias", d=2, n=4)
    state = initial_state(config)
    assert np.isnan(accuracy(config, *state.params))


def test_accuracy_of_the_exact_network():
    # 2 y = relu(x1 + x2) + relu(-x1 - x2) - relu(x1 - x2) - relu(x2 - x1)
    config = tiny("no_bias", d=10, width=4)
    w = np.zeros((10, 4))
    w[:2] = np.array([[1, 1], [-1, -1], [1, -1], [-1, 1]]).T
    v = np.array([1.0, 1.0, -1.0, -1.0])
    assert accuracy(config, w, v) == 1.0
    assert accuracy(config, w, -v) == 0.0


@pytest.mark.parametrize("v", [np.zeros((16, 1)), np.zeros(15)], ids=["2-d", "short"])
def test_wrong_shapes_are_refused(v):
    config = tiny("bias", num_steps=1)
    with pytest.raises((TypeCheckError, ValueError)):
        measures.measure(config, State({"w": np.zeros((7, 16)), "v": v}, 0))


def test_phases_switch_rates_where_they_say():
    # by hand: the same state goes on under the next phase's own config
    phases = (
        {"start": 30, "lr": 0.02, "rho": 0.1},
        {"start": 70, "lr": 0.05, "rho": 0},
    )
    config = tiny("bias", "1-SAM", phases=phases, num_steps=100)
    start = initial_state(config)
    state = advance(start, tiny("bias", "1-SAM"), 30)
    state = advance(state, tiny("bias", lr=0.02, rho=0.1), 40)
    state = advance(state, tiny("bias", lr=0.05, rho=0.0), 30)
    assert_same_bits(advance(start, config, 100), state)
    pieces = advance(advance(start, config, 50), config, 50)
    assert_same_bits(pieces, state)
