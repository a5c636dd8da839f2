"""Folding batch norm, and rescaling layers."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from flatminima.sharpness.rescaling import folded, layers, rescale
from tests.sharpness.homogeneous import build, cases, convolutional


@settings(max_examples=30, deadline=None)
@given(cases(norm=True))
def test_folding_keeps_the_function(case):
    net = folded(case.net)
    torch.testing.assert_close(net(case.x), case.net(case.x), rtol=1e-10, atol=1e-12)
    assert not any(isinstance(part, nn.BatchNorm1d) for part in net)


def test_folding_into_convolutions_and_layers_without_bias():
    case = convolutional(0, norm=True)
    torch.testing.assert_close(folded(case.net)(case.x), case.net(case.x))
    net = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2, affine=False))
    net(torch.randn(4, 1, 6, 6))
    x = torch.randn(3, 1, 6, 6).double()
    torch.testing.assert_close(folded(net)(x), net.double().eval()(x))


def test_sequences_in_sequences_and_the_module_stays():
    case = build(0, [3, 4, 2], norm=True)
    nested = nn.Sequential(nn.Sequential(*case.net[:2]), *case.net[2:])
    expected = case.net(case.x)
    nested.train()
    before = {name: value.clone() for name, value in nested.state_dict().items()}
    net = folded(nested)
    assert nested.training
    for name, value in nested.state_dict().items():
        assert torch.equal(value, before[name])
    torch.testing.assert_close(net(case.x), expected)
    assert len(layers(net)) == 2


@settings(max_examples=30, deadline=None)
@given(cases(), st.lists(st.floats(0.1, 10), min_size=3, max_size=3))
def test_rescaling_multiplies_the_output_by_the_product(case, factors):
    net = folded(case.net)
    alphas = factors[: len(layers(net))]
    expected = net(case.x) * math.prod(alphas)
    torch.testing.assert_close(rescale(net, alphas)(case.x), expected)


def test_of_a_convolutional_net_too():
    case = convolutional(0, norm=True)
    net = rescale(folded(case.net), [3.0, 0.5, 2 / 3])
    torch.testing.assert_close(net(case.x), case.net(case.x))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([nn.Linear(2, 2), nn.Tanh()], "part 1, Tanh: must be a sequence"),
        ([nn.BatchNorm1d(2), nn.Linear(2, 2)], "part 0, BatchNorm1d: batch norm must"),
        ([nn.Linear(2, 2), nn.ReLU(), nn.BatchNorm1d(2)], "part 2, BatchNorm1d"),
        ([nn.Linear(2, 2), nn.LayerNorm(2)], "part 1, LayerNorm"),
        ([nn.ReLU()], "no linear or convolutional layer"),
        (
            [nn.Linear(2, 2), nn.BatchNorm1d(2, track_running_stats=False)],
            "running statistics",
        ),
    ],
)
def test_other_nets_are_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        folded(nn.Sequential(*parts))


class Residual(nn.Sequential):
    """A sequence by inheritance that computes another function."""

    def forward(self, x):
        return x + super().forward(x)


class Normalised(nn.Linear):
    """A layer by inheritance that is not linear in its weight."""

    def forward(self, x):
        return nn.functional.linear(x, self.weight / self.weight.norm(), self.bias)


TWICE = nn.Linear(2, 2)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([Residual(nn.Linear(2, 2)), nn.ReLU()], "part 0, Residual"),
        ([nn.Linear(2, 2), Normalised(2, 2)], "part 1, Normalised"),
        (
            [nn.utils.parametrizations.weight_norm(nn.Linear(2, 2))],
            "part 0, ParametrizedLinear",
        ),
        ([TWICE, nn.ReLU(), TWICE], "part 2, Linear: has parameters that a part"),
    ],
)
def test_what_only_looks_like_a_sequence_of_layers_is_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        folded(nn.Sequential(*parts))


def test_frozen_parameters_are_rescaled_as_well():
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    net[0].weight.requires_grad_(False)
    found = folded(net)
    assert all(p.requires_grad for p in found.parameters())
    assert not net[0].weight.requires_grad


def test_a_module_that_is_no_sequence_is_refused():
    with pytest.raises(ValueError, match="part 0, Bilinear"):
        folded(nn.Bilinear(2, 2, 2))


@pytest.mark.parametrize("alphas", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, 1.0, 1.0]])
def test_other_factors_are_refused(alphas):
    net = folded(build(0, [2, 3, 2]).net)
    with pytest.raises(ValueError, match="must be 2 numbers above 0"):
        rescale(net, alphas)
