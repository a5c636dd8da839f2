"""Norms of the gradients of every example, without the gradients."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given

from flatminima.sharpness import per_example
from flatminima.sharpness.landscape import landscape
from flatminima.sharpness.per_example import gradients, squared_norms
from tests.sharpness.nets import knotted, makers, mlp, thirty


def naive(at, cotangents):
    """One backward pass for every example and cotangent."""
    jacobian = torch.func.jacrev(at.outputs)(at.theta)
    return torch.einsum("nkd,nrk->nrd", jacobian, cotangents)


def cotangents_of(at, count=2):
    g = torch.Generator().manual_seed(0)
    shape = (at.n, count, at.outputs().shape[1])
    return torch.randn(shape, generator=g, dtype=torch.float64)


@given(make=makers())
@thirty
def test_norms_and_gradients_are_those_of_the_jacobian(make):
    at = make()
    u = cotangents_of(at)
    expected = naive(at, u)
    torch.testing.assert_close(gradients(at, u), expected, rtol=1e-9, atol=1e-9)
    norms = squared_norms(at, u)
    assert list(norms) == [name for name, _ in at.shapes]
    start = 0
    for name, shape in at.shapes:
        part = expected[:, :, start : start + shape.numel()]
        torch.testing.assert_close(
            norms[name], (part**2).sum(dim=2), rtol=1e-9, atol=1e-9
        )
        start += shape.numel()


def in_full(monkeypatch, at):
    """Names of the parameters whose gradients were formed."""
    seen = []
    original = per_example._in_full

    def noted(at, names, cotangents):
        seen.extend(names)
        return original(at, names, cotangents)

    monkeypatch.setattr(per_example, "_in_full", noted)
    squared_norms(at, cotangents_of(at))
    return seen


def test_plain_layers_form_no_gradient(monkeypatch):
    assert in_full(monkeypatch, mlp(0, widths=(4, 4))) == []


def test_gradients_are_formed_for_what_is_no_plain_layer(monkeypatch):
    assert set(in_full(monkeypatch, knotted(0))) == {
        *("norm.weight", "norm.bias", "grouped.weight"),
        *("shared.weight", "shared.bias", "free", "idle"),
    }


class Changed(torch.nn.Module):
    """Changes a layer's input after the layer has read it."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 3)

    def forward(self, x):
        x = x.clone()
        f = self.layer(x)
        x.mul_(2)
        return f + x


def test_an_input_that_changes_after_it_was_read_gives_no_wrong_number():
    torch.manual_seed(0)
    at = landscape(Changed(), torch.randn(4, 3), torch.randn(4, 3), "squared")
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        squared_norms(at, cotangents_of(at))


class Mixing(torch.nn.Module):
    """Subtracts the mean over the examples."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def forward(self, x):
        f = self.layer(x)
        return f - f.mean(dim=0)


def test_a_model_that_mixes_examples_is_refused():
    torch.manual_seed(0)
    at = landscape(Mixing(), torch.randn(4, 3), torch.randn(4, 2), "squared")
    for function in (gradients, squared_norms):
        with pytest.raises(ValueError, match="other examples than its own"):
            function(at, cotangents_of(at))


@pytest.mark.parametrize("above", [False, True])
def test_where_inputs_lie_in_memory_does_not_matter(monkeypatch, above):
    """No tensor but theta's own counts as a parameter, before it or behind it."""
    at = mlp(0, widths=())
    x, theta = sorted(
        [torch.empty(1000, dtype=torch.float64) for _ in range(2)],
        key=lambda t: t.data_ptr(),
        reverse=above,
    )
    x, theta = x[: at.x.numel()].view(at.x.shape), theta[: at.size]
    x.copy_(at.x), theta.copy_(at.theta)
    assert in_full(monkeypatch, replace(at, x=x, theta=theta)) == []


class Odd(torch.nn.Module):
    """Layers that use a parameter in part, or that do not read the examples."""

    def __init__(self):
        super().__init__()
        self.wide = torch.nn.Parameter(torch.ones(2, 3))
        self.deep = torch.nn.Linear(3, 3)
        self.of_table = torch.nn.Linear(3, 3)
        self.register_buffer("table", torch.randn(7, 3))

    def forward(self, x):
        x = torch.nn.functional.linear(x, self.deep.weight, self.wide[0])
        return torch.tanh(x + self.deep.bias) @ self.of_table(self.table).T


def agrees(at):
    """Whether the norms are those of the Jacobian."""
    u = cotangents_of(at)
    expected = torch.split(naive(at, u), [s.numel() for _, s in at.shapes], dim=2)
    norms = squared_norms(at, u)
    for (name, _), part in zip(at.shapes, expected, strict=True):
        torch.testing.assert_close(norms[name], (part**2).sum(dim=2))


@pytest.mark.parametrize("n", [1, 4, 7])
def test_parts_of_parameters_and_layers_of_constants(monkeypatch, n):
    """With 7 examples the constant has as many rows as there are examples."""
    torch.manual_seed(0)
    at = landscape(Odd(), torch.randn(n, 3), torch.randn(n, 7), "squared")
    agrees(at)
    assert set(in_full(monkeypatch, at)) == {
        *("wide", "deep.bias", "of_table.weight", "of_table.bias"),
    }


class Turned(torch.nn.Module):
    """A layer that reads the examples in another order."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(3, 4)
        self.second = torch.nn.Linear(4, 2)

    def forward(self, x):
        x = torch.tanh(self.first(x.flip(0)).flip(0))
        return self.second(x.roll(1, 0)).roll(-1, 0)


def test_a_layer_may_read_the_examples_in_another_order(monkeypatch):
    torch.manual_seed(0)
    at = landscape(Turned(), torch.randn(6, 3), torch.randn(6, 2), "squared")
    agrees(at)
    names = [name for name, _ in at.shapes]
    assert in_full(monkeypatch, at) == names


class Idle(torch.nn.Module):
    """Computes what nothing uses."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(3, 4)
        self.unread = torch.nn.Linear(4, 5)
        self.second = torch.nn.Linear(4, 2)

    def forward(self, x):
        x = torch.tanh(self.first(x))
        self.unread(x)
        return self.second(x)


class Constant(torch.nn.Module):
    """Uses none of its parameters for what it returns."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 2)

    def forward(self, x):
        self.layer(x)
        return x[:, :2]


@pytest.mark.parametrize("kind", [Idle, Constant])
def test_a_layer_that_nothing_uses_has_no_gradient(monkeypatch, kind):
    torch.manual_seed(0)
    at = landscape(kind(), torch.randn(4, 3), torch.randn(4, 2), "squared")
    agrees(at)
    if kind is Idle:
        assert in_full(monkeypatch, at) == []


def test_outputs_that_are_no_numbers_depend_on_no_other_example():
    at = mlp(0)
    norms = squared_norms(at.at(at.theta * torch.nan), cotangents_of(at))
    assert norms["0.weight"].isnan().all()


class Bare(torch.nn.Module):
    """A convolution of which only input and weight are told."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(2, 1, 2, 3))

    def forward(self, x):
        return torch.nn.functional.conv2d(x, self.weight).flatten(1)


def test_a_convolution_of_no_settings(monkeypatch):
    torch.manual_seed(0)
    at = landscape(Bare(), torch.randn(3, 1, 4, 5), torch.randn(3, 18), "squared")
    u = cotangents_of(at)
    assert in_full(monkeypatch, at) == []
    expected = (naive(at, u) ** 2).sum(dim=2)
    torch.testing.assert_close(squared_norms(at, u)["weight"], expected)
