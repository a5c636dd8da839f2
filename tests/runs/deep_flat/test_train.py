"""Runs towards flat deep networks: their starts, their descent, what is refused."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from flatminima.models import deep
from flatminima.runs import loop
from flatminima.runs.deep_flat import train
from flatminima.runs.deep_flat.config import FlatConfig
from flatminima.runs.mlp.config import Config
from flatminima.runs.mlp.problem import problem
from tests.sharpness.test_deep_gradient import trace_by_autograd

SMALL = {
    **{"architecture": "deep", "d": 5, "n": 8, "width": 12, "num_checkpoints": 3},
    **{"bias_input": 0.0, "num_steps": 20},
}


def net(**fields):
    return Config(**SMALL | fields)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_penalty_descends_as_torch_does(depth):
    config = FlatConfig(net=net(depth=depth, lr=0.05), penalty=0.02, momentum=0.5)
    setting = problem(config.net)
    x, y = torch.from_numpy(setting.inputs), torch.from_numpy(setting.y)
    start = train.start(config)
    theirs = [torch.tensor(start.arrays[n], requires_grad=True) for n in train.WEIGHTS]
    optimiser = torch.optim.SGD(theirs, lr=0.05, momentum=0.5)
    for _ in range(20):
        optimiser.zero_grad()
        f = deep.forward(setting.model, *theirs, x)
        loss = torch.mean((f - y) ** 2) + 0.02 * trace_by_autograd(theirs, x)
        loss.backward()
        optimiser.step()
    ours = loop.run(config).arrays
    for name, wanted in zip(train.WEIGHTS, theirs, strict=True):
        np.testing.assert_allclose(ours[name], wanted.detach().numpy(), atol=1e-12)


@pytest.mark.parametrize("bias", [0.0, 1.0])
@pytest.mark.parametrize(("start", "accuracy"), [("points", 0.0), ("quadrants", 1.0)])
def test_constructions_start_at_the_bound(start, accuracy, bias):
    config = FlatConfig(net=net(bias_input=bias, rho=0.01), start=start)
    row = train.measure(config, train.start(config))
    assert row["trace"] == pytest.approx(row["bound"], rel=1e-12)
    assert row["train_loss"] < 1e-20
    assert row["test_accuracy"] == accuracy


def test_a_jitter_moves_every_weight_and_a_seed_fixes_it():
    config = FlatConfig(net=net(rho=0.01), start="points", jitter=0.1)
    first, again, other = (
        train.start(each).arrays["w"]
        for each in (config, config, config.with_seeds(0, 1))
    )
    np.testing.assert_array_equal(first, again)
    assert np.all(first != other)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"net": net()}, "penalty = 0.0 with start = 'drawn': must be above 0"),
        ({"net": net(), "penalty": 0.1, "jitter": 0.1}, "jitter = 0.1: must be left"),
        ({"net": net(rho=0.1), "penalty": 0.1}, "rho = 0.1: must be left at 0.0"),
        ({"net": net(), "start": "points", "momentum": 0.5}, "momentum = 0.5: must"),
        ({"net": net(depth=2), "start": "points"}, "net.depth = 2 with start"),
        ({"net": net(width=9), "start": "points"}, "width = 9 with start = 'points'"),
        ({"net": net(init_scale=2.0), "start": "points"}, "init_scale = 2.0: must be"),
        ({"net": net(bias_input=2.0), "start": "points"}, "net.bias_input = 2.0: must"),
        ({"net": net(dtype="float32"), "penalty": 0.1}, "net.dtype = 'float32': must"),
    ],
)
def test_what_has_no_effect_or_no_sense_is_refused(fields, message):
    with pytest.raises(ValidationError, match=message):
        FlatConfig(**fields)


def test_divergence_names_the_step():
    run = loop.run(FlatConfig(net=net(lr=50.0, init_scale=50.0), penalty=1.0))
    assert run.diverged_at == run.step > 0
