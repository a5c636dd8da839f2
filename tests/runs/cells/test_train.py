"""Cells: their arms are what they say, in the arithmetic of PyTorch."""

import numpy as np
import pytest
import torch

from flatminima.models.losses import SQUARED
from flatminima.runs import loop
from flatminima.runs.cells import train
from flatminima.runs.cells.config import Arm, CellConfig
from flatminima.runs.cells.problem import coins, examples, problem, rates, started

SMALL = {"data": "ball", "width": 7, "n": 6, "d": 3, "test_points": 50}
ARCHITECTURES = ("no_bias", "bias", "sim_ln", "softplus", "sim_bn", "deep")
ARMS = {
    "1-SAM": Arm(name="1-SAM", rise=0.4, num_steps=20),
    "label noise": Arm(name="label noise", step_noise=0.3, num_steps=20),
    "decay": Arm(name="decay", batch="full", shrink=0.5, num_steps=20),
    "small start": Arm(name="small start", start=0.3, num_steps=20),
}


def by_torch(config: CellConfig, arm: Arm) -> list[np.ndarray]:
    """The weights at the end of an arm, by autograd, step for step."""
    setting = problem(config)
    lr, rho, decay = rates(config, arm)
    params = [torch.tensor(a) for a in started(config, arm).values()]
    x, y = torch.tensor(setting.inputs), torch.tensor(setting.y)
    order = examples(config, 0, arm.num_steps)
    up = 2 * coins(config, 0, arm.num_steps) - 1

    def gradient(at: list[torch.Tensor], t: int) -> list[torch.Tensor]:
        at = [p.clone().requires_grad_() for p in at]
        f = setting.architecture.forward(setting.model, *at, x)
        error = f - y
        if arm.batch == "one":
            i = order[t]
            error = error[i : i + 1] - arm.step_noise * up[t]
        return list(torch.autograd.grad((error**2).mean(), at))

    for t in range(arm.num_steps):
        found = gradient(params, t)
        norm = torch.sqrt(sum((g**2).sum() for g in found))
        if rho > 0 and norm > 0:
            moved = [p + rho / norm * g for p, g in zip(params, found, strict=True)]
            found = gradient(moved, t)
        params = [
            (1 - lr * decay) * p - lr * g for p, g in zip(params, found, strict=True)
        ]
    return [p.numpy() for p in params]


@pytest.mark.parametrize("name", ARMS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_arm_equals_pytorch_step_for_step(architecture, name):
    arm = ARMS[name]
    config = CellConfig(architecture=architecture, arms=(arm,), **SMALL)
    own = loop.run(config).params
    for a, b in zip(own, by_torch(config, arm), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_rates_are_in_units_of_the_gradients_at_the_start(architecture):
    arm = Arm(name="a", kick=0.5, rise=0.3, shrink=2.0, num_steps=10)
    config = CellConfig(architecture=architecture, arms=(arm,), **SMALL)
    setting = problem(config)
    params = [torch.tensor(a, requires_grad=True) for a in setting.start.values()]
    f = setting.architecture.forward(
        setting.model, *params, torch.tensor(setting.inputs)
    )
    squares = []
    for each in f:
        found = torch.autograd.grad(each, params, retain_graph=True)
        squares.append(sum(float((g**2).sum()) for g in found))
    square = np.mean(squares)
    lr, rho, decay = rates(config, arm)
    assert 2 * lr * square == pytest.approx(0.5)
    assert rho * square**0.5 == pytest.approx(0.3)
    assert lr * decay * 10 == pytest.approx(2.0)


def test_arms_do_not_depend_on_those_before_them():
    first, second = ARMS["1-SAM"], ARMS["decay"]
    both = CellConfig(architecture="bias", arms=(first, second), **SMALL)
    alone = CellConfig(architecture="bias", arms=(second,), **SMALL)
    rows = loop.run(both).history
    assert len(rows) == 2
    last, only = rows.iloc[-1].drop("step"), loop.run(alone).history.iloc[0]
    assert last.equals(only.drop("step"))


def test_a_lost_arm_is_a_result_and_the_next_one_runs():
    arms = (Arm(name="lost", kick=19.0, num_steps=400), ARMS["decay"])
    config = CellConfig(architecture="bias", arms=arms, **SMALL)
    rows = loop.run(config).history
    assert rows["lost"].tolist() == [1.0, 0.0]
    assert rows["score"][0] == 0.0
    assert np.isnan(rows["trace"][0]) and np.isfinite(rows["trace"][1])


def test_a_certificate_is_flatter_than_training_and_has_its_proof():
    arms = (
        Arm(name="flattest", certified=True),
        Arm(name="descent", batch="full", num_steps=5000),
    )
    small = SMALL | {"data": "sphere", "width": 40}
    config = CellConfig(architecture="no_bias", arms=arms, **small)
    rows = loop.run(config).history
    flat, descent = rows.iloc[0], rows.iloc[1]
    assert flat["gap"] <= 1e-6
    assert flat["bound"] <= flat["trace"] * (1 + 1e-9)
    assert flat["trace"] <= 1.001 * flat["bound"]
    assert flat["loss"] < 1e-12
    assert descent["loss"] < 1e-6
    assert descent["trace"] > flat["bound"]
    assert np.isnan(descent["bound"])


def test_a_solver_that_fails_is_a_lost_arm(monkeypatch):
    from flatminima.theory.certificates import certificate

    def fails(x, y):
        raise ArithmeticError("no")

    monkeypatch.setattr(certificate, "certify", fails)
    arms = (Arm(name="flattest", certified=True), ARMS["decay"])
    config = CellConfig(architecture="no_bias", arms=arms, **SMALL)
    assert loop.run(config).history["lost"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize("architecture", ["bias", "sim_bn", "deep"])
def test_firing_is_counted_by_hand(architecture):
    config = CellConfig(architecture=architecture, arms=(ARMS["decay"],), **SMALL)
    run = loop.run(config)
    setting = problem(config)
    params, x = run.arrays, setting.test.x
    total = fired = 0.0
    for j in range(config.width):
        w = params["w"][:, j]
        size = abs(params["v"][j]) * np.linalg.norm(w)
        if architecture == "sim_bn":
            size = abs(params["v"][j] * params["gamma"][j])
        if architecture == "deep":
            w = params["middle"][0][:, j]
            size = abs(params["v"][j]) * np.linalg.norm(w)
        for point in x:
            entry = np.append(point, 1.0)
            if architecture == "deep":
                entry = np.maximum(entry @ params["w"], 0.0)
            fired += size * (entry @ w > 0)
            total += size
    assert run.history["firing"].iloc[-1] == pytest.approx(fired / total)


def test_steps_take_what_a_call_may():
    config = CellConfig(architecture="bias", width=2000, arms=tuple(ARMS.values()))
    assert 1 <= train.steps_per_call(config) < 10**6
    assert train.seconds(config) > 0
    assert SQUARED.target(np.ones(1)) == 1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"arms": ()}, "arms are named"),
        ({"arms": (ARMS["decay"], ARMS["decay"])}, "needed are different names"),
        ({"data": "mnist"}, "data = 'mnist': must be one of xor, parity"),
        ({"data": "low_rank", "d": 3}, "d = 3: must be at least|d = 3: must be an"),
        ({"data": "low_rank", "d": 5}, "d = 5: must be a square"),
        ({"data": "xor", "noisy": True, "n": 4}, "n = 4: noise flips"),
        ({"architecture": "deep", "arms": (Arm(name="a", certified=True),)}, "known"),
    ],
)
def test_it_refuses_what_cannot_be_run(fields, message):
    usual = {"architecture": "bias", "arms": (ARMS["decay"],), **SMALL}
    with pytest.raises(ValueError, match=message):
        CellConfig(**(usual | fields))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"certified": True, "kick": 1.0}, "kick = 1.0: must be left at 0.5"),
        ({"batch": "full", "rise": 0.1}, "rise = 0.1: must be left at 0.0"),
        ({"batch": "full", "step_noise": 0.1}, "step_noise = 0.1: must be left"),
        ({"shrink": 3.0, "num_steps": 2}, "shrink = 3.0: must be below num_steps = 2"),
        ({"kick": 0.0}, "kick"),
    ],
)
def test_an_arm_refuses_what_it_takes_no_notice_of(fields, message):
    with pytest.raises(ValueError, match=message):
        Arm(name="a", **fields)
