"""SVAG runs: against a plain rewrite, closed forms of the mixture, and symmetries."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from flatminima.runs import loop
from flatminima.runs.nets.config import NetConfig
from flatminima.runs.nets.problem import data, initial_arrays, network
from flatminima.runs.svag import train
from flatminima.runs.svag.config import SvagConfig

CNN = {"net": "cnn", "depth": 3, "width": 4, "n": 40, "batch": 8}
SMALL = CNN | {"num_steps": 30, "num_checkpoints": 3}


def config(amplification=1, trained="hidden", **fields) -> SvagConfig:
    own = {k: fields.pop(k) for k in ("drop", "drop_at") if k in fields}
    net = NetConfig(**{**SMALL, "norm": "batch", "weight_decay": 0.01, **fields})
    return SvagConfig(net=net, amplification=amplification, trained=trained, **own)


@pytest.mark.parametrize("amplification", [1, 4, 16])
def test_the_mixture_keeps_the_mean_and_multiplies_the_covariance(amplification):
    shares = np.array(train.mixture(amplification))
    assert shares.sum() == pytest.approx(1)
    assert (shares**2).sum() == pytest.approx(amplification)


@pytest.mark.parametrize(
    ("amplification", "trained", "norm"), [(1, "all", "none"), (4, "hidden", "batch")]
)
def test_steps_are_those_of_a_plain_loop(amplification, trained, norm):
    """Autograd and torch.optim on two batches drawn alike; nothing else is shared."""
    c = config(amplification, trained, norm=norm, drop_at=20, drop=0.1)
    module = network(c.net, initial_arrays(c.net)).train()
    convolutions = [m.weight for m in module.modules() if isinstance(m, nn.Conv2d)]
    moved = convolutions if trained == "hidden" else list(module.parameters())
    optimiser = torch.optim.SGD(moved, c.net.lr / amplification, weight_decay=0.01)
    problem = data(c.net)
    for step, batches in enumerate(train.drawn(c, 0, 30)):
        if step == 20:
            optimiser.param_groups[0]["lr"] *= 0.1
        losses = [
            nn.functional.cross_entropy(module(problem.x[i]), problem.y[i])
            for i in batches
        ]
        root = (2 * amplification - 1) ** 0.5
        loss = losses[0]
        if amplification > 1:
            loss = ((1 + root) * losses[0] + (1 - root) * losses[1]) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    found = train.advance(train.start(c), c, 30).arrays
    for name, parameter in module.named_parameters():
        np.testing.assert_allclose(found[name], parameter.detach(), rtol=1e-9)


def test_gradient_descent_takes_the_whole_set():
    c = config(batch="full", norm="none", trained="all", weight_decay=0.0)
    module = network(c.net, initial_arrays(c.net)).train()
    problem = data(c.net)
    for _ in range(3):
        loss = nn.functional.cross_entropy(module(problem.x), problem.y)
        grads = torch.autograd.grad(loss, list(module.parameters()))
        with torch.no_grad():
            for parameter, grad in zip(module.parameters(), grads, strict=True):
                parameter -= c.net.lr * grad
    found = train.advance(train.start(c), c, 3).arrays
    for name, parameter in module.named_parameters():
        np.testing.assert_allclose(found[name], parameter.detach(), rtol=1e-10)


def test_frozen_parameters_stay():
    c = config()
    start = train.start(c)
    end = train.advance(start, c, 10)
    moved = {k for k in start.arrays if (start.arrays[k] != end.arrays[k]).any()}
    module = network(c.net, start.arrays)
    assert moved == set(train.trained_names(c, module))
    assert len(moved) == 2


@pytest.mark.parametrize("factor", [2.0, 8.0])
def test_the_intrinsic_rate_is_what_counts(factor):
    """From c w, rate c² η and decay λ / c² give c times the weights of w, η and λ.

    Li, Lyu & Arora (2020). Exact but for batch norm's eps, which sees the scale.
    """
    one = config(lr=0.1, weight_decay=0.04)
    other = config(lr=0.1 * factor**2, weight_decay=0.04 / factor**2)
    start = train.start(one)
    names = train.trained_names(one, network(one.net, start.arrays))
    scaled = {k: factor * v if k in names else v for k, v in start.arrays.items()}
    end = train.advance(start, one, 30)
    far = train.advance(train.State(scaled), other, 30)
    for name in names:
        np.testing.assert_allclose(
            far.arrays[name], factor * end.arrays[name], rtol=0, atol=0.002 * factor
        )
    rows = [train.measure(one, end), train.measure(other, far)]
    assert rows[1]["weight_norm"] == pytest.approx(
        factor * rows[0]["weight_norm"], rel=1e-4
    )
    assert rows[1]["train_loss"] == pytest.approx(rows[0]["train_loss"], rel=1e-3)


def test_what_is_measured_depends_on_the_weights_alone():
    c = config()
    state = train.advance(train.start(c), c, 10)
    module = network(c.net, train.settled(c, state.arrays))
    problem = data(c.net)
    whole = nn.functional.cross_entropy(
        network(c.net, state.arrays).train()(problem.x), problem.y
    )
    row = train.measure(c, state)
    # batch norm's running variance has n - 1 where training divides by n
    assert row["train_loss"] == pytest.approx(float(whole.detach()), rel=5e-3)
    loss = nn.functional.cross_entropy(module(problem.x), problem.y)
    assert row["train_loss"] == pytest.approx(float(loss.detach()))
    weights = [state.arrays[k] for k in train.trained_names(c, module)]
    norm = np.sqrt(sum((w**2).sum() for w in weights))
    assert row["weight_norm"] == pytest.approx(norm)


def test_batches_are_the_same_in_any_stretch():
    c = config(4, batch=5)
    whole = train.drawn(c, 0, 600)
    assert whole.shape == (600, 2, 5)
    np.testing.assert_array_equal(whole[250:520], train.drawn(c, 250, 520))
    counts = np.bincount(whole.ravel(), minlength=c.net.n)
    assert abs(counts - 150).max() < 5 * np.sqrt(150)


def test_a_run_ends_as_one_that_is_cut_at_the_drop():
    c = config(drop_at=10, drop=0.5)
    state = train.start(c)
    for k in (7, 5, 18):
        state = train.advance(state, c, k)
    run = loop.run(c)
    assert run.history["step"].iloc[-1] == 30
    for name, array in state.arrays.items():
        np.testing.assert_array_equal(array, run.arrays[name])


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"momentum": 0.5}, "momentum = 0.5"),
        ({"rho": 0.1}, "rho = 0.1"),
        ({"target_loss": 0.1}, "target_loss = 0.1"),
        ({"drop_at": 30, "drop": 0.1}, "drop_at = 30"),
        ({"drop": 0.1}, "drop = 0.1"),
        ({"amplification": 4, "batch": "full"}, "amplification = 4"),
    ],
)
def test_what_it_cannot_do_is_refused(fields, told):
    with pytest.raises(ValidationError, match=told):
        config(**fields)


def test_one_layer_has_none_that_is_hidden():
    net = NetConfig(depth=1, width=64, n=40, batch=8)
    with pytest.raises(ValidationError, match="hidden"):
        SvagConfig(net=net, trained="hidden")
