"""Every rule on every model against autograd, and what a run promises."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flatminima.models import gradients
from flatminima.runs import loop
from flatminima.runs.descent import train
from flatminima.runs.descent.config import DescentConfig
from flatminima.runs.descent.problem import problem
from flatminima.runs.kind import Divergence, State
from flatminima.sources.implicit_bias import scale, sparse_regression
from tests.runs.descent import reference

MODELS = {
    "squares": {"data": "signs", "n": 6, "d": 7, "alpha": 0.3, "lr": 0.05},
    "product": {"data": "published", "n": 6, "d": 7, "alpha": 0.4, "lr": 0.1},
    "matrix": {"n": 6, "d": 4, "width": 3, "alpha": 0.5, "lr": 0.02},
    "relu_1d": {"data": "points", "width": 9, "factor": 6.0, "lr": 2e-4},
}
SAM = {"rho": 0.1}
RULES = {
    "GD": {},
    "SGD": {"batch": 2},
    "1-SGD": {"batch": 1},
    "label noise": {"batch": 1, "label_noise": 0.3},
    "label noise, full": {"label_noise": 0.3},
    "label noise, SAM": {"batch": 3, "label_noise": 0.3, **SAM},
    "n-SAM": SAM,
    "n-SAM, not normalised": {**SAM, "normalised": False},
    "full-batch 1-SAM": {**SAM, "group": 1},
    "1-SAM": {**SAM, "batch": 1},
    "m-SAM": {**SAM, "group": 2, "normalised": False},
    "m-SAM of a batch": {**SAM, "batch": 4, "group": 2},
    "three steps": {**SAM, "ascent_steps": 3},
    "three steps, not normalised": {**SAM, "ascent_steps": 3, "normalised": False},
    "extragradient": {**SAM, "direction": "down", "normalised": False},
    "down": {**SAM, "direction": "down"},
    "quadratic": {**SAM, "ascent": "quadratic", "ascent_steps": 3, "group": 3},
    "random": {**SAM, "ascent": "random"},
    "differentiated": {**SAM, "differentiate": True},
    "differentiated, not normalised": {
        **SAM,
        **{"differentiate": True, "normalised": False, "group": 3},
    },
}


def config(model: str, **fields) -> DescentConfig:
    if model == "relu_1d" and not fields.get("normalised", True):
        fields = fields | {"rho": 2e-4}  # its gradients are large
    return DescentConfig(
        **{"model": model, "num_steps": 40, "init_seed": 5} | MODELS[model] | fields
    )


def advanced(given: DescentConfig, steps: int) -> State:
    return train.advance(train.start(given), given, steps)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("rule", RULES)
def test_a_run_equals_autograd_step_for_step(model, rule):
    given = config(model, **RULES[rule])
    for steps in (1, 25):
        ours, theirs = advanced(given, steps).arrays, reference.train(given, steps)
        assert list(ours) == list(theirs)
        for name, expected in theirs.items():
            np.testing.assert_allclose(ours[name], expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("rho", "expected"),
    [
        (0.0, 0.015056044),
        (0.01, 0.015143589),
        (0.03, 0.015321897),
        (0.1, 0.015981952),
        (0.3, 0.018241642),
        (1.0, 0.036064945),
    ],
)
def test_the_published_test_losses_come_out(rho, expected):
    """Of the notebook behind Andriushchenko & Flammarion's sparse regression."""
    run = loop.run(sparse_regression(rho=rho))
    assert run.history["test_loss"].iloc[-1] == pytest.approx(expected, rel=1e-6)


def test_the_short_loop_takes_the_steps_of_the_general_one(monkeypatch):
    for model in ("squares", "product"):
        given = config(model, batch=1, label_noise=0.2)
        assert train.single(given)
        short = advanced(given, 2000).arrays
        with monkeypatch.context() as patch:
            patch.setattr(train, "single", lambda config: False)
            general = advanced(given, 2000).arrays
        for name in short:
            np.testing.assert_allclose(short[name], general[name], rtol=1e-8, atol=1e-9)


@settings(max_examples=20)
@given(cut=st.integers(1, 29), rule=st.sampled_from(["m-SAM of a batch", "random"]))
def test_a_cut_anywhere_changes_no_bit(cut, rule):
    given = config("product", **RULES[rule])
    whole = advanced(given, 30)
    parts = train.advance(advanced(given, cut), given, 30 - cut)
    for name in whole.arrays:
        np.testing.assert_array_equal(whole.arrays[name], parts.arrays[name])


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), model=st.sampled_from(list(MODELS)))
def test_curvature_is_the_derivative_of_the_gradient(seed, model):
    """By central differences of the loss's gradient, autograd's."""
    given = config(model, **{"init_seed": seed})
    setting = problem(given)
    rng = np.random.default_rng(seed)
    size = sum(int(np.prod(s)) for s in setting.model.shapes)
    theta, p = rng.standard_normal((2, size))
    x, y = torch.tensor(setting.data.x), torch.tensor(setting.data.y)

    def loss(flat):
        shapes = setting.model.shapes
        parts = flat.split([int(np.prod(s)) for s in shapes])
        parts = [a.reshape(s) for a, s in zip(parts, shapes, strict=True)]
        return 0.5 * ((reference.outputs(given, parts, x) - y) ** 2).mean()

    _, expected = torch.autograd.functional.hvp(
        loss, torch.tensor(theta), torch.tensor(p)
    )
    out = np.zeros(size)
    gradients.curvature(
        *(setting.model, theta, p, setting.data.x, setting.data.y),
        *(np.arange(len(y)), 1.0 / len(y), np.empty(setting.model.scratch), out),
    )
    np.testing.assert_allclose(out, expected.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("model", MODELS)
def test_the_trace_is_that_of_the_dense_hessian(model):
    given = config(model)
    state = advanced(given, 10)
    setting = problem(given)
    shapes = setting.model.shapes
    theta = np.concatenate([a.ravel() for a in state.arrays.values()])
    x, y = torch.tensor(setting.data.x), torch.tensor(setting.data.y)

    def loss(flat):
        parts = flat.split([int(np.prod(s)) for s in shapes])
        parts = [a.reshape(s) for a, s in zip(parts, shapes, strict=True)]
        return given.factor * ((reference.outputs(given, parts, x) - y) ** 2).mean()

    hessian = torch.autograd.functional.hessian(loss, torch.tensor(theta))
    row = train.measure(given, state)
    assert row["trace"] == pytest.approx(float(torch.trace(hessian)), rel=1e-10)
    assert row["loss"] == pytest.approx(float(loss(torch.tensor(theta))), rel=1e-12)


def test_a_run_stops_where_its_loss_is_reached_and_stays():
    given = config("product", stop_loss=0.01, num_steps=2000)
    run = loop.run(given)
    stopped = run.history["stopped"].iloc[-1]
    assert 0 < stopped < given.num_steps
    assert run.history["loss"].iloc[-1] <= 0.01
    before = advanced(given, int(stopped) - 1)
    assert train.measure(given, before)["loss"] > 0.01
    for name, value in reference.train(given, int(stopped) + 5).items():
        np.testing.assert_allclose(run.arrays[name], value, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("rule", ["GD", "label noise", "1-SAM"])
def test_divergence_names_the_step(rule):
    given = config("squares", **RULES[rule] | {"lr": 5.0, "num_steps": 5000})
    with pytest.raises(Divergence) as caught:
        advanced(given, 5000)
    assert caught.value.config == given
    survived = train.advance(train.start(given), given, max(1, caught.value.step - 1))
    assert all(np.isfinite(a).all() for a in survived.params)


def test_examples_and_signs_are_drawn_evenly():
    given = config("squares", batch=1, label_noise=0.1)
    bits = train.raw_bits(given, train.DRAWS, 0, 60_000, 1).ravel()
    rows = (bits >> np.uint64(32)).astype(np.int64) * 6 >> 32
    counts = np.bincount(rows, minlength=6)
    assert np.all(np.abs(counts - 10_000) < 4 * np.sqrt(10_000 * 5 / 6))
    signs = (bits & np.uint64(1)).astype(int)
    assert abs(signs.mean() - 0.5) < 4 * 0.5 / np.sqrt(60_000)
    assert abs(np.corrcoef(rows, signs)[0, 1]) < 4 / np.sqrt(60_000)


@settings(max_examples=30)
@given(first=st.integers(0, 40), steps=st.integers(1, 9), each=st.integers(1, 7))
def test_any_stretch_of_the_draws_can_be_had_alone(first, steps, each):
    given = config("squares")
    whole = train.raw_bits(given, 1, 0, first + steps, each)
    part = train.raw_bits(given, 1, first, steps, each)
    np.testing.assert_array_equal(whole[first:], part)


def test_random_directions_have_length_one_and_no_preference():
    along = train.unit_directions(config("squares"), 3, 20_000, 5)
    np.testing.assert_allclose(np.linalg.norm(along, axis=1), 1.0, rtol=1e-12)
    second = along.T @ along / len(along)
    np.testing.assert_allclose(second, np.eye(5) / 5, atol=4 * 0.2 / np.sqrt(20_000))
    assert np.all(np.abs(along.mean(axis=0)) < 4 / np.sqrt(5 * 20_000))


def test_a_zero_gradient_makes_no_normalised_ascent():
    """u = v = 0 is a saddle of the product, at which nothing moves."""
    given = config("product", **SAM)
    state = State({"u": np.zeros(7), "v": np.zeros(7)})
    moved = train.advance(state, given, 3)
    assert all(np.array_equal(a, np.zeros(7)) for a in moved.params)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": "product", "data": "points"}, "data = 'points'.*'gaussian'"),
        ({"model": "product", "width": 3}, "width = 3.*lacks"),
        ({"model": "relu_1d", "data": "points", "n": 5}, "n = 5.*lacks"),
        ({"model": "matrix", "init_scale": 2.0}, "init_scale.*lacks"),
        ({"model": "product", "complexity": 31}, "complexity = 31.*at most d = 30"),
        ({"model": "product", "batch": 20}, "batch = 20.*below n = 20"),
        ({"model": "product", "rho": 0.1, "group": 3}, "group = 3.*divide the 20"),
        ({"model": "product", "rho": 0.1, "group": 20}, "group = 20.*below them"),
        ({"model": "product", "group": 2}, "group.*rho = 0"),
        ({"model": "product", "normalised": False}, "normalised.*rho = 0"),
        ({"model": "product", "direction": "down"}, "direction.*rho = 0"),
        ({"model": "product", "batch": 2, "stop_loss": 0.1}, "stop_loss.*full batch"),
        (
            {"model": "product", "rho": 0.1, "ascent": "random", "ascent_steps": 2},
            "ascent_steps.*random",
        ),
        (
            {"model": "product", "rho": 0.1, "ascent_steps": 2, "differentiate": True},
            "differentiate.*several steps",
        ),
        (
            {
                **{"model": "product", "rho": 0.1, "ascent": "quadratic"},
                "normalised": False,
            },
            "normalised.*quadratic",
        ),
        ({"model": "product", "lr": 0.0}, "greater than 0"),
        ({"model": "product", "seed": 1}, "Extra inputs"),
    ],
)
def test_what_a_run_takes_no_notice_of_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        DescentConfig(**fields)


def test_rules_have_names_of_their_own():
    names = [config("product", **fields).rule for fields in RULES.values()]
    assert names[:4] == ["GD", "SGD", "SGD", "label-noise SGD"]
    assert config("product", **SAM).rule == "n-SAM"
    assert config("product", **SAM, batch=1).rule == "1-SAM"
    assert config("product", **SAM, group=1).rule == "1-SAM, full batch"
    assert config("product", **SAM, group=2).rule == "m-SAM"


def test_the_scale_says_how_a_run_compares_with_the_source():
    assert scale(sparse_regression()).startswith("paper: d = 30, n = 20")
    assert scale(sparse_regression(num_steps=10)).startswith("scaled-down")
    assert scale(config("squares")).startswith("ours")
    assert scale(config("relu_1d")).startswith("scaled-down: 12 points")


def test_a_call_is_short():
    """Its length is an estimate: at least it grows as a step gets cheaper."""
    few, many = config("matrix"), config("matrix", n=60, width=30)
    assert train.steps_per_call(few) > train.steps_per_call(many) >= 1
