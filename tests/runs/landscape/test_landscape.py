"""Where views begin, which units a path matches, and what is refused."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from flatminima.measures.matching import match, permuted
from flatminima.runs import loop
from flatminima.runs.landscape import begin, connect
from flatminima.runs.landscape.config import APART, PathConfig, ViewConfig
from flatminima.runs.nets import train
from flatminima.runs.nets.config import NetConfig
from flatminima.runs.nets.problem import data, network

NET = NetConfig(n=40, width=6, num_steps=60, num_checkpoints=2)


def start(**fields) -> dict[str, np.ndarray]:
    return dict(begin.first_state(ViewConfig(net=NET, **fields)).arrays)


def lengths(arrays) -> dict[str, float]:
    weights = [name for name in arrays if name.endswith("weight")]
    return {name: float(np.linalg.norm(arrays[name])) for name in weights}


def test_a_bad_start_fits_random_labels_and_a_long_one_has_its_lengths():
    spoil = {"spoil_steps": 400}
    drawn = start()
    bad, long = (start(begin=how, **spoil) for how in ("spoiled", "lengthened"))
    spoiling = NetConfig(**NET.model_dump() | {"label_shuffle": 1.0})
    problem = data(spoiling)
    right = network(NET, bad)(problem.x).argmax(dim=1) == problem.labels
    assert float(right.double().mean()) > 0.9
    assert lengths(long) == pytest.approx(lengths(bad))
    assert lengths(long) != pytest.approx(lengths(drawn))
    for name in lengths(drawn):
        cosine = np.vdot(drawn[name], long[name]) / (
            np.linalg.norm(drawn[name]) * np.linalg.norm(long[name])
        )
        assert cosine == pytest.approx(1)


def test_a_drawn_start_is_the_runs_own():
    own = train.start(NET).arrays
    for name, array in start().items():
        np.testing.assert_array_equal(array, own[name])


def test_training_from_its_own_start_is_the_run_itself():
    again = begin.train_from(NET, train.start(NET).arrays)
    for one, two in zip(loop.run(NET).params, again.params, strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_third_network_has_the_start_of_the_first_and_another_order():
    first, second, third = connect.networks(PathConfig(net=NET))
    other = NET.with_seeds(0, APART)
    np.testing.assert_array_equal(
        loop.run(other).arrays["0.weight"], second.arrays["0.weight"]
    )
    apart = {
        name: np.linalg.norm(run.arrays["0.weight"] - first.arrays["0.weight"])
        for name, run in {"second": second, "third": third}.items()
    }
    assert 0 < apart["third"] < apart["second"] / 2


@pytest.mark.parametrize("skip", [False, True])
def test_a_shuffled_copy_of_a_network_is_undone(skip):
    net = NetConfig(**NET.model_dump() | {"depth": 4, "skip": skip})
    module = network(net, train.start(net).arrays)
    axes = connect.axes_of(module)
    own = {name: p.detach().numpy() for name, p in module.named_parameters()}
    assert axes.keys() == own.keys()
    rng = np.random.default_rng(0)
    units = {u for each in axes.values() for u in each if u is not None}
    assert len(units) == (1 if skip else 3)
    copy = permuted(own, axes, {u: rng.permutation(6) for u in units})
    inputs = data(net).x
    parts = {name: torch.as_tensor(value) for name, value in copy.items()}
    shuffled = torch.func.functional_call(module, parts, (inputs,))
    torch.testing.assert_close(shuffled, module(inputs))
    back = permuted(copy, axes, match(own, copy, axes))
    for name, weight in own.items():
        np.testing.assert_array_equal(back[name], weight)


@pytest.mark.parametrize(
    ("kind", "net", "fields", "message"),
    [
        (ViewConfig, {}, {"spoil_steps": 3}, "spoil_steps"),
        (ViewConfig, {"label_shuffle": 0.5}, {"begin": "spoiled"}, "label_shuffle"),
        (ViewConfig, {}, {"points": 2}, "points"),
        (PathConfig, {"norm": "batch"}, {}, "norm"),
        (PathConfig, {"net": "cnn"}, {}, "mlp"),
        (PathConfig, {"batch": "full"}, {}, "batch"),
        (PathConfig, {}, {"spoil_steps": 3}, "spoil_steps"),
    ],
)
def test_what_a_run_takes_no_notice_of_or_cannot_do_is_refused(
    kind, net, fields, message
):
    with pytest.raises(ValidationError, match=message):
        kind(net=NetConfig(**NET.model_dump() | net), **fields)
