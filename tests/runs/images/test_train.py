"""Training on images against torch's own loop, and how a run stops at its target."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from flatminima.optim.sam import sam_step
from flatminima.runs import loop
from flatminima.runs.images import measures, train
from flatminima.runs.images.config import ImageConfig
from flatminima.runs.images.descent import Descent
from flatminima.runs.images.optimisers import KINDS
from flatminima.runs.images.order import batches, ends_epochs, next_check
from flatminima.runs.images.problem import balanced, data, initial_arrays, network

SMALL = {
    **{"n": 100, "test_n": 50, "size": 8, "width": 2, "batch": 24},
    **{"num_epochs": 2, "sharpness_n": 20, "target_loss": 1e-3},
}
RATES = {"adam": 0.002, "adagrad": 0.02, "adabound": 0.01, "adashift": 0.01}


def config(optimiser: str, **fields) -> ImageConfig:
    rate = RATES.get(optimiser, 0.1)
    return ImageConfig(**(SMALL | {"optimiser": optimiser, "lr": rate} | fields))


def plain(config: ImageConfig) -> nn.Module:
    """The run by a plain loop, in which one optimiser lives from start to end."""
    problem = data(config)
    # laid out in memory as the engine's: other kernels round otherwise
    module = Descent(config, initial_arrays(config), 0).net
    kind, settings = KINDS[config.optimiser]
    optimizer = kind(module.parameters(), lr=config.lr, **settings)
    for batch in torch.from_numpy(batches(config, 0, config.num_steps)):
        x, y = problem.x[batch], problem.y[batch]
        x = x.contiguous(memory_format=torch.channels_last)

        def loss(x=x, y=y):
            return nn.functional.cross_entropy(module(x), y)

        if config.rho > 0:
            sam_step(optimizer, module, loss, config.rho)
        else:
            optimizer.zero_grad()
            loss().backward()
            optimizer.step()
    return module.eval()


@pytest.mark.parametrize("rho", [0.0, 0.05])
@pytest.mark.parametrize("name", KINDS)
def test_it_is_torchs_own_loop_however_often_it_pauses(name, rho, monkeypatch):
    chosen = config(name, rho=rho, num_epochs=3)  # AdaShift moves from step 11 on
    whole = loop.run(chosen)
    expected = plain(chosen).state_dict()
    assert whole.step == chosen.num_steps == 13
    for key, value in expected.items():
        np.testing.assert_allclose(whole.arrays[key], value, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr(train, "steps_per_call", lambda config: 1)
    run = None
    while run is None or not run.finished:
        turns = iter([False, True])
        run = loop.proceed(chosen, run, lambda turns=turns: next(turns))
    assert list(run.arrays) == list(whole.arrays)
    for key, array in whole.arrays.items():
        np.testing.assert_array_equal(run.arrays[key], array, strict=True)
    pd.testing.assert_frame_equal(run.history, whole.history, check_exact=True)


REACHING = {
    **{"n": 60, "test_n": 50, "size": 8, "width": 4, "batch": 20, "optimiser": "phb"},
    **{"num_epochs": 200, "sharpness_n": 20, "target_loss": 0.1},
}


def test_it_stops_at_its_target_and_says_what_it_measured_there():
    chosen = ImageConfig(**REACHING)
    run = loop.run(chosen)
    first, last = run.history.to_dict("records")
    assert (first["step"], first["reached"], first["at_target"]) == (0, 0, 0)
    assert np.isnan(first["minimum_sharpness"]) and np.isnan(first["steps_to_target"])
    assert (last["reached"], last["at_target"], last["enclosed"]) == (1, 1, 1)
    assert last["train_loss"] == pytest.approx(0.1)
    assert run.step - 1 <= last["steps_to_target"] <= run.step < chosen.num_steps
    problem, net = data(chosen), network(chosen, run.arrays)
    loss, accuracy = measures.loss_and_accuracy(net, problem.x, problem.y)
    assert loss <= 0.1
    assert accuracy == (net(problem.x).argmax(dim=1) == problem.y).double().mean()
    after = measures.sharpness(chosen, net, problem.x, problem.y)
    for name in measures.SHARPNESS:
        assert last[name] == pytest.approx(after[name], rel=0.6)


def test_a_run_that_goes_on_is_measured_every_fiftieth_epoch():
    chosen = ImageConfig(**REACHING, to_the_end=True)
    stopped, whole = loop.run(ImageConfig(**REACHING)), loop.run(chosen)
    assert whole.step == chosen.num_steps == 600
    rows = whole.history
    pd.testing.assert_frame_equal(rows[:2], stopped.history, check_exact=True)
    after = [50 * k for k in range(1, 5) if 50 * k > rows["epoch"][1]]
    assert rows["epoch"][2:].tolist() == after
    assert (rows["reached"][1:] == 1).all() and (rows["at_target"][2:] == 0).all()


def test_a_run_that_does_not_arrive_is_measured_at_its_end():
    last = loop.run(config("sgd")).history.iloc[-1]
    assert (last["reached"], last["at_target"], last["epoch"]) == (0, 0, 2.16)
    assert np.isfinite(last["minimum_sharpness"])


def test_interpolation_is_a_power_of_the_loss():
    powers = {"minimum_sharpness": 0.5, "path_norm": -0.3, "train_loss": 1.0}
    before = {name: 3 * 0.04**power for name, power in powers.items()}
    after = {name: 3 * 0.01**power for name, power in powers.items()}
    found = measures.between(before, after, 3 * 0.02)
    for name, power in powers.items():
        assert found[name] == pytest.approx(3 * 0.02**power)
    linear = measures.between(before | {"a": 0.0}, after | {"a": 1.0}, 3 * 0.02)
    assert linear["a"] == pytest.approx(0.5)


def test_quarters_and_epochs():
    chosen = config("sgd")  # 100 images in steps of 24
    looks, step = [], 0
    while step < 12:
        step = next_check(chosen, step)
        looks.append(step)
    passed = [4 * s * 24 // 100 for s in looks]
    assert passed == sorted(set(passed))
    assert all(4 * (s - 1) * 24 // 100 < q for s, q in zip(looks, passed, strict=True))
    assert [s for s in range(1, 14) if ends_epochs(chosen, s, 1)] == [5, 9, 13]
    assert next_check(chosen, chosen.num_steps - 1) == chosen.num_steps
    order = batches(chosen, 0, 25).ravel()[:600].reshape(6, 100)
    assert all(sorted(epoch) == list(range(100)) for epoch in order)
    np.testing.assert_array_equal(batches(chosen, 7, 11), batches(chosen, 0, 11)[7:])


def test_images_are_drawn_in_balance_and_averaged_over_areas():
    y = np.repeat(np.arange(10), 30)
    chosen = balanced(y, 57, 3)
    assert len(set(chosen)) == 57
    assert set(np.bincount(y[chosen])) == {5, 6}
    assert (chosen != balanced(y, 57, 4)).any()
    problem = data(ImageConfig())
    assert problem.x.shape == (2000, 1, 14, 14)
    assert abs(problem.x.mean()) < 1e-6 and abs(problem.x.std() - 1) < 1e-3


BAD = {
    "test_n = 2001: must be at most 2000": {"test_n": 2001},
    "size = 29: must be at most 28": {"size": 29},
    "batch = 101: must be at most n = 100": {"n": 100, "batch": 101, "sharpness_n": 9},
    "precision = 'tf32': must be left at": {"precision": "tf32"},
    "size = 7: must be at least 8 for net = 'middle'": {"size": 7, "net": "middle"},
}


@pytest.mark.parametrize("message", BAD)
def test_a_config_refuses(message):
    with pytest.raises(ValueError, match=message):
        ImageConfig(**BAD[message])


def test_it_says_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeError, match="device = 'cuda': torch finds no GPU"):
        loop.run(config("sgd", device="cuda"))
