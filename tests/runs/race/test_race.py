"""Racers against plain rewrites, and what they pay for what they do."""

import numpy as np
import pytest
import torch

from flatminima.flows.sharpness_flow import land
from flatminima.runs import loop
from flatminima.runs.race import train
from flatminima.runs.race.config import DescentRace, WalkRace
from flatminima.runs.race.counted import Counted, Spent
from flatminima.runs.race.problem import problem

SMALL = {"n": 5, "d": 6, "complexity": 2, "budget": 40, "num_checkpoints": 3}
NETWORK = {"n": 5, "d": 4, "width": 8, "budget": 40, "num_checkpoints": 3}


def config(method, instance="sparse", **fields):
    size = NETWORK if instance in ("bias", "no_bias") else SMALL
    more = {} if method == "gd" else {"strength": 0.1}
    return DescentRace(instance=instance, method=method, **size | more | fields)


def outputs(instance, theta, x, d, width):
    """f(x), written anew."""
    if instance in ("sparse", "weighted"):
        return x @ (theta[:d] ** 2 - theta[d:] ** 2)
    if instance == "cubic":
        return x @ theta.reshape(3, -1).prod(dim=0)
    if instance == "matrix":
        u, v = theta.reshape(2, d, width)
        return x @ (u @ v.T).reshape(-1)
    inputs = x.shape[1]
    w, v = theta[: inputs * width].reshape(width, inputs), theta[inputs * width :]
    return torch.relu(x @ w.T) @ v


def draws(seed, steps, each):
    raw = np.random.Philox(key=[seed, 1]).random_raw(steps * each)
    return raw.reshape(steps, each)


def by_autograd(c, steps):
    """The same steps, by reverse differentiation of a loss written anew."""
    setting = problem(c)
    x, y = torch.from_numpy(setting.x), torch.from_numpy(setting.model.y)
    theta = torch.from_numpy(setting.start.copy())
    noisy = c.method == "label-noise"
    drawn = c.batch < c.n or noisy
    raw = draws(c.init_seed, steps, c.batch) if drawn else None
    for t in range(steps):
        rows, shift = list(range(c.n)), np.zeros(c.n)
        if raw is not None:
            rows = [(int(r) >> 32) * c.n >> 32 for r in raw[t]]
            shift = np.array([1.0 if int(r) & 1 else -1.0 for r in raw[t]])
        label = y[rows] + (c.strength if noisy else 0.0) * torch.from_numpy(shift)

        def gradient(at, rows=rows, label=label):
            def loss(p):
                f = outputs(c.instance, p, x[rows], c.d, c.width)
                return 0.5 * (f - label).square().mean()

            return torch.func.grad(loss)(at)

        if c.method in ("1-sam", "m-sam", "n-sam"):
            g = gradient(theta)
            theta = theta - c.lr * gradient(theta + c.strength * g / g.norm())
        else:
            theta = theta - c.lr * gradient(theta)
    return theta.numpy()


@pytest.mark.parametrize("method", ["gd", "1-sam", "m-sam", "n-sam", "label-noise"])
@pytest.mark.parametrize("instance", ["sparse", "matrix", "cubic", "bias"])
def test_steps_are_those_of_autograd(method, instance):
    fields = {"width": 2, "d": 3, "n": 6} if instance == "matrix" else {}
    c = config(method, instance, lr=0.02, **fields)
    at = train.advance(train.start(c), c, 12)
    expected = by_autograd(c, 12)
    np.testing.assert_allclose(at.arrays["theta"], expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("instance", ["weighted", "cubic", "bias"])
def test_the_penalty_descends_what_it_says(instance):
    """L + strength Tr by autograd, the trace from the Jacobian."""
    c = config("penalty", instance, lr=0.01)
    setting = problem(c)
    x, y = torch.from_numpy(setting.x), torch.from_numpy(setting.model.y)

    def objective(p):
        f = outputs(instance, p, x, c.d, c.width)

        def each(q):
            return outputs(instance, q, x, c.d, c.width)

        jacobian = torch.func.jacrev(each)(p)
        return 0.5 * (f - y).square().mean() + c.strength * jacobian.square().sum() / (
            c.n
        )

    theta = torch.from_numpy(setting.start.copy())
    for _ in range(5):
        theta = theta - c.lr * torch.func.grad(objective)(theta)
    at = train.advance(train.start(c), c, 5)
    if instance == "bias":  # its smoothing is 0 here: the gradient of autograd
        assert setting.model.smoothing == 0.0
    np.testing.assert_allclose(at.arrays["theta"], theta.numpy(), rtol=1e-9)


def test_one_probe_a_step_has_the_penalty_as_its_mean():
    exact, probed = config("penalty", lr=0.01), config("hutchinson", lr=0.01)
    step = train.advance(train.start(exact), exact, 1).arrays["theta"]
    # from the same start, over the draws of many steps of the stream
    start = train.start(probed)
    draws = [
        train.advance(type(start)(start.arrays, k), probed, 1).arrays["theta"]
        for k in range(1500)
    ]
    error = np.std(draws, axis=0) / np.sqrt(len(draws))
    assert (np.abs(np.mean(draws, axis=0) - step) <= 4.5 * error + 1e-14).all()


@pytest.mark.parametrize(
    ("method", "gradients"),
    [
        *[("gd", 1), ("label-noise", 1), ("1-sam", 2), ("m-sam", 2), ("n-sam", 2)],
        *[("penalty", 3), ("hutchinson", 3)],
    ],
)
def test_the_budget_is_spent_and_no_more(method, gradients):
    c = config(method)
    spent = c.num_steps * c.batch * gradients / c.n
    assert c.gradients == gradients
    assert c.budget - gradients * c.batch / c.n < spent <= c.budget
    history = loop.run(c).history
    # the landing is paid for as well
    assert (history["evaluations"] > history["step"] * c.batch * gradients / c.n).all()


def test_what_is_measured_is_the_trace_after_landing():
    c = config("1-sam", lr=0.02)
    run = loop.run(c)
    setting = problem(c)
    at = land(setting.model, run.arrays["theta"])
    last = run.history.iloc[-1]
    assert last["ratio"] == pytest.approx(setting.model.trace(at) / setting.bound)
    assert last["bound"] == setting.bound
    assert (run.history["ratio"] >= 1 - 1e-9).all()


@pytest.mark.parametrize(
    "instance", ["sparse", "weighted", "matrix", "cubic", "bias", "no_bias"]
)
def test_no_landed_point_is_below_the_certified_bound(instance):
    size = {"n": 5, "d": 4}
    if instance in ("matrix", "bias", "no_bias"):
        size["width"] = 6
    if instance not in ("bias", "no_bias"):
        size["complexity"] = 1
    for seed in range(3):
        setting = problem(
            WalkRace(
                instance=instance, method="flow", data_seed=seed, init_seed=seed, **size
            )
        )
        assert abs(setting.gap) < 1e-4
        landed = land(setting.model, setting.start)
        if landed is not None:
            assert setting.model.trace(landed) >= (1 - 1e-9) * setting.bound


def test_a_counter_counts_and_stops():
    setting = problem(config("gd"))
    seen = []
    counted = Counted(
        setting.model, 5, lambda count, trace: seen.append((count, trace))
    )
    counted.tangent(setting.start)
    counted.trace_gradient(setting.start)
    trace = counted.trace(setting.start)
    assert (counted.count, seen) == (3, [(3, trace)])
    counted.trace_gradient(setting.start)
    with pytest.raises(Spent):
        counted.tangent(setting.start)
    assert counted.count == 5


@pytest.mark.parametrize("method", ["flow", "spectral"])
def test_a_walk_only_goes_down_and_keeps_to_its_budget(method):
    c = WalkRace(instance="weighted", method=method, **SMALL | {"budget": 60})
    history = loop.run(c).history
    assert (np.diff(history["ratio"]) <= 0).all()
    assert history["evaluations"].iloc[-1] <= 60
    assert history["step"].is_unique


def test_a_walk_without_a_start_is_lost():
    c = WalkRace(instance="sparse", method="flow", alpha=1e-200, **SMALL)
    run = loop.run(c)
    assert run.diverged_at == run.step > 0
    assert np.isnan(run.history["ratio"]).all()


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (DescentRace, {"instance": "sparse", "method": "1-sam"}, "strength = 0.0"),
        (DescentRace, {"instance": "bias", "method": "gd", "n": 20, "d": 3}, "n = 20"),
        (
            DescentRace,
            {"instance": "sparse", "method": "gd", "width": 3},
            "width = 3: must be left at 50",
        ),
        (
            WalkRace,
            {"instance": "sparse", "method": "flow", "memory": 3},
            "memory = 3: must be left at 5",
        ),
        (
            WalkRace,
            {"instance": "sparse", "method": "flow", "smoothing": 0.3},
            "has no kinks",
        ),
        (
            WalkRace,
            {"instance": "no_bias", "method": "flow", "d": 6, "n": 10},
            "all cones are enumerated",
        ),
        (
            DescentRace,
            {"instance": "sparse", "method": "gd", "d": 3, "complexity": 4},
            "complexity = 4: must be at most d = 3",
        ),
    ],
)
def test_what_is_refused(kind, fields, message):
    with pytest.raises(ValueError, match=message):
        kind(**fields)
