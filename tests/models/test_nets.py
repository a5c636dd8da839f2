"""Fully connected and convolutional networks against torch's functions."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn
from torch.nn import functional

from flatminima.models.nets import cnn, mlp
from flatminima.models.nets.parts import (
    Dropout,
    GroupNorm,
    Residual,
    convolution,
    initialise,
    linear,
)
from tests.models.layers import Weights, images, moved


def named(constants) -> str:
    """The name of a case."""
    return "-".join(map(str, constants))


ACTIVATION = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "softplus": functional.softplus,
    "gelu": functional.gelu,
}


def perceptron(module, constants: mlp.Constants, x, classes):
    """An MLP written anew."""
    weights, h = Weights(module), x.flatten(1)
    for number in range(constants.depth - 1):
        new = weights.norm(weights.linear(h, constants.width), constants.norm)
        new = ACTIVATION[constants.activation](new)
        h = h + new if constants.skip and number >= 1 else new
    h = weights.linear(h, classes)
    assert weights.all_taken()
    return h


MLPS = [
    mlp.Constants(1, 6, "relu", "none", False, 0.0),
    mlp.Constants(2, 6, "tanh", "none", False, 0.0),
    mlp.Constants(2, 6, "relu", "batch", False, 0.0),
    mlp.Constants(3, 6, "softplus", "none", True, 0.0),
    mlp.Constants(4, 6, "gelu", "batch", True, 0.0),
    mlp.Constants(4, 6, "relu", "none", False, 0.0),
]


@pytest.mark.parametrize("constants", MLPS, ids=named)
def test_an_mlp_is_its_layers_one_by_one(constants):
    mlp.check(constants, (4,))
    module, x = moved(mlp.build(constants, (4,), 3)), images(7, 4)
    torch.testing.assert_close(module(x), perceptron(module, constants, x, 3))


def convolutional(module, constants: cnn.Constants, x, classes):
    """A CNN written anew."""
    weights, h = Weights(module), x
    for number in range(constants.depth - 1):
        new = weights.norm(weights.convolution(h, constants.width), constants.norm)
        new = ACTIVATION[constants.activation](new)
        if number == 0:
            h = functional.avg_pool2d(new, 2)
        else:
            h = h + new if constants.skip else new
    h = weights.linear(h.flatten(1), classes)
    assert weights.all_taken()
    return h


CNNS = [
    cnn.Constants(2, 4, "relu", "none", False, 0.0),
    cnn.Constants(3, 8, "tanh", "group", True, 0.0),
    cnn.Constants(4, 4, "gelu", "batch", True, 0.0),
    cnn.Constants(3, 3, "softplus", "batch", False, 0.0),
]


@pytest.mark.parametrize("shape", [(1, 6, 4), (3, 5, 7)])
@pytest.mark.parametrize("constants", CNNS, ids=named)
def test_a_cnn_is_its_layers_one_by_one(constants, shape):
    cnn.check(constants, shape)
    module, x = moved(cnn.build(constants, shape, 3)), images(5, *shape)
    torch.testing.assert_close(module(x), convolutional(module, constants, x, 3))


@pytest.mark.parametrize("net", [mlp, cnn])
@pytest.mark.parametrize(("rate", "count"), [(0.0, 0), (0.25, 3)])
def test_there_is_a_dropout_after_every_activation(net, rate, count):
    constants = net.Constants(4, 4, "relu", "none", True, rate)
    module = net.build(constants, (1, 4, 4), 2)
    drops = [m for m in module.modules() if isinstance(m, Dropout)]
    assert [drop.rate for drop in drops] == [rate] * count
    sizes = [m for m in module.modules() if isinstance(m, nn.Sequential) and len(m) > 1]
    for block in sizes:
        layers = list(block)
        for one, two in pairwise(layers):
            assert isinstance(two, Dropout) == (rate > 0 and isinstance(one, nn.ReLU))


@pytest.mark.parametrize(
    ("net", "fields", "shape", "words"),
    [
        (mlp, {"norm": "group"}, (4,), "norm = 'group': must be 'none' or 'batch'"),
        (mlp, {"skip": True, "depth": 2}, (4,), "skip = True with depth = 2: must"),
        (cnn, {"skip": True, "depth": 2}, (1, 4, 4), "skip = True with depth = 2"),
        (cnn, {"depth": 1}, (1, 4, 4), "depth = 1: must be >= 2"),
        (cnn, {}, (16,), r"must have images, not inputs of shape \(16,\)"),
        (cnn, {"norm": "group", "width": 6}, (1, 4, 4), "width = 6: must be a multip"),
    ],
)
def test_what_cannot_be_built_is_refused(net, fields, shape, words):
    good = net.Constants(3, 4, "relu", "none", False, 0.0)
    net.check(good, shape if net is mlp else (1, 4, 4))
    with pytest.raises(ValueError, match=words):
        net.check(good._replace(**fields), shape)


def test_what_can_be_built_is_not_refused():
    for width, norm in ((4, "group"), (8, "group"), (6, "batch"), (6, "none")):
        cnn.check(cnn.Constants(2, width, "relu", norm, False, 0.0), (1, 4, 4))
    for depth in (1, 2):
        mlp.check(mlp.Constants(depth, 6, "relu", "batch", False, 0.0), (4,))


def test_an_mlp_takes_inputs_in_rows_and_a_cnn_images():
    assert mlp.FLAT and not cnn.FLAT


@pytest.mark.parametrize("shape", [(8,), (8, 5), (8, 3, 4)])
def test_group_norm_is_torchs(shape):
    module = moved(GroupNorm(4, 8))
    x = 0.01 * images(3, *shape) + 5  # where the 1e-5 beside the variance counts
    expected = functional.group_norm(x, 4, module.weight, module.bias, 1e-5)
    torch.testing.assert_close(module(x), expected, rtol=1e-9, atol=1e-9)
    fresh = GroupNorm(2, 6)
    assert (fresh.weight == 1).all() and (fresh.bias == 0).all()


def test_a_residual_adds_its_input():
    layer, x = moved(linear(3, 3)), images(4, 3)
    torch.testing.assert_close(Residual(layer)(x), x + layer(x))


def test_dropout_keeps_the_mean_and_is_off_in_evaluation_mode():
    drop, x = Dropout(0.2), torch.full((200, 200), 3.0, dtype=torch.float64)
    assert drop.generator is None
    drop.generator = torch.Generator().manual_seed(0)
    dropped = drop(x)
    assert set(dropped.unique().tolist()) == {0.0, 3 / 0.8}
    share = float((dropped == 0).double().mean())
    assert share == pytest.approx(0.2, abs=3 * np.sqrt(0.2 * 0.8 / x.numel()))
    drop.generator.manual_seed(0)
    assert (drop(x) == dropped).all()  # nobody else draws from it
    assert drop.eval()(x) is x


@pytest.mark.parametrize("activation", ACTIVATION)
def test_weights_have_the_stated_variance_and_biases_are_zero(activation):
    module = nn.Sequential(
        convolution(9, 16), linear(50, 40), nn.LayerNorm(40), linear(60, 30)
    )
    for parameter in module.parameters():
        nn.init.constant_(parameter, 7.0)
    initialise(module, activation, np.random.default_rng(2))
    gain = 1.0 if activation == "tanh" else 2.0
    for number, fan_in, variance in ((0, 81, gain), (1, 50, gain), (3, 60, 1.0)):
        weight = module[number].weight.detach().numpy().ravel()
        normal = stats.norm(0, np.sqrt(variance / fan_in))
        assert stats.kstest(weight, normal.cdf).pvalue > 1e-3
        assert weight.std() == pytest.approx(
            normal.std(), rel=3.5 / np.sqrt(2 * weight.size)
        )
        assert not module[number].bias.any()
    assert (module[2].weight == 7).all()  # normalisations are left as they are
    bare = nn.Linear(3, 2, bias=False)
    initialise(bare, activation, np.random.default_rng(2))
    assert bare.weight.any()


def test_the_draw_does_not_depend_on_the_precision():
    one, two = (mlp.build(MLPS[5], (4,), 3) for _ in range(2))
    initialise(one, "relu", np.random.default_rng(5))
    initialise(two.double(), "relu", np.random.default_rng(5))
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a, b.float(), rtol=0, atol=0)
