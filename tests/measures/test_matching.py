"""Units put in order: a permuted copy is undone, and nothing but the order changes."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flatminima.measures.matching import closeness, match, permuted

MLP = {
    "0.weight": ("h1", None),
    "0.bias": ("h1",),
    "2.weight": ("h2", "h1"),
    "2.bias": ("h2",),
    "4.weight": (None, "h2"),
    "4.bias": (None,),
}
CONV = {
    "0.weight": ("c", None, None, None),
    "0.bias": ("c",),
    "3.weight": (None, "c"),
    "3.bias": (None,),
}


def mlp(seed: int) -> torch.nn.Sequential:
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 7), torch.nn.ReLU(), torch.nn.Linear(7, 6), torch.nn.ReLU(),
        torch.nn.Linear(6, 3),
    ).double()  # fmt: skip


def conv(seed: int) -> torch.nn.Sequential:
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Conv2d(2, 6, 2), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(6, 3),
    ).double()  # fmt: skip


def weights(module: torch.nn.Module) -> dict[str, np.ndarray]:
    return {name: p.detach().numpy() for name, p in module.named_parameters()}


def outputs(module, values, x):
    parts = {name: torch.as_tensor(value) for name, value in values.items()}
    return torch.func.functional_call(module, parts, (x,)).detach()


@given(seed=st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_a_permuted_copy_is_undone_exactly(seed):
    rng = np.random.default_rng(seed)
    own = weights(mlp(seed))
    hidden = {"h1": rng.permutation(7), "h2": rng.permutation(6)}
    copy = permuted(own, MLP, hidden)
    back = permuted(copy, MLP, match(own, copy, MLP))
    for name, weight in own.items():
        np.testing.assert_array_equal(back[name], weight)


@pytest.mark.parametrize(
    ("build", "axes", "shape"), [(mlp, MLP, (5, 4)), (conv, CONV, (5, 2, 2, 2))]
)
def test_an_order_does_not_change_what_is_computed(build, axes, shape):
    module, other = build(0), build(1)
    x = torch.randn(shape, dtype=torch.float64)
    fixed, moving = weights(module), weights(other)
    moved = permuted(moving, axes, match(fixed, moving, axes))
    torch.testing.assert_close(outputs(module, moved, x), outputs(module, moving, x))


def test_a_residual_stream_has_one_order():
    rng = np.random.default_rng(0)
    axes = {
        "in": ("stream", None), "up": ("inner", "stream"),
        "down": ("stream", "inner"), "out": (None, "stream"),
    }  # fmt: skip
    shapes = {"in": (6, 3), "up": (5, 6), "down": (6, 5), "out": (2, 6)}
    own = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    hidden = {"stream": rng.permutation(6), "inner": rng.permutation(5)}
    copy = permuted(own, axes, hidden)
    back = permuted(copy, axes, match(own, copy, axes))
    for name, weight in own.items():
        np.testing.assert_array_equal(back[name], weight)


def test_matching_brings_independent_networks_closer():
    fixed, moving = weights(mlp(0)), weights(mlp(1))
    orders = match(fixed, moving, MLP)
    assert closeness(fixed, moving, MLP, orders) > closeness(fixed, moving, MLP, {})


def test_no_exchange_of_two_units_would_bring_them_closer():
    fixed, moving = weights(mlp(0)), weights(mlp(1))
    orders = match(fixed, moving, MLP)
    best = closeness(fixed, moving, MLP, orders)
    for units, order in orders.items():
        for i in range(len(order)):
            for j in range(i):
                swapped = order.copy()
                swapped[[i, j]] = swapped[[j, i]]
                tried = closeness(fixed, moving, MLP, orders | {units: swapped})
                assert tried <= best + 1e-12


@pytest.mark.parametrize(
    "break_it",
    [
        lambda own, axes: ({**own, "more": np.ones(2)}, axes),
        lambda own, axes: ({**own, "0.bias": np.ones(2)}, axes),
        lambda own, axes: (own, {**axes, "0.bias": (None, None)}),
    ],
)
def test_networks_that_differ_are_refused(break_it):
    own = weights(mlp(0))
    other, axes = break_it(own, MLP)
    with pytest.raises(ValueError, match=r"more|0\.bias"):
        match(own, other, axes)
