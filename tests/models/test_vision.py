"""The networks of images against torch's functions, layer by layer."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from flatminima.models.nets import image_nets, report, vision
from flatminima.models.nets.image_nets import Constants
from tests.models.layers import Weights, images, moved

CLASSES = 3


def built(net, norm, shape, width=4):
    constants = Constants(net, width, norm)
    image_nets.check(constants, shape)
    return moved(image_nets.build(constants, shape, CLASSES))


REPORT = {"simple": [2, 2], "middle": [2, 2, 2], "complex": [3, 3, 3]}


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
@pytest.mark.parametrize(
    ("net", "shape"),
    [("simple", (1, 4, 6)), ("middle", (2, 9, 8)), ("complex", (1, 8, 8))],
)
def test_a_network_of_the_report_is_its_stages(net, shape, norm):
    module, x = built(net, norm, shape), images(4, *shape)
    weights, h = Weights(module), x
    for stage, count in enumerate(REPORT[net]):
        for _ in range(count):
            h = weights.convolution(h, 4 * 2**stage, bias=norm == "none")
            h = torch.relu(weights.norm(h, norm))
        h = functional.avg_pool2d(h, 2)
    h = torch.relu(weights.linear(h.flatten(1), 16))
    torch.testing.assert_close(module(x), weights.linear(h, CLASSES))
    assert weights.all_taken()


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
def test_a_resnet_is_a_convolution_and_three_residual_blocks(norm):
    shape, bias = (2, 8, 6), norm == "none"
    module, x = built("resnet", norm, shape), images(4, *shape)
    weights = Weights(module)
    h = torch.relu(weights.norm(weights.convolution(x, 4, bias=bias), norm))
    for stage, channels in enumerate((4, 8, 16)):
        stride = 2 if stage else 1
        new = weights.convolution(h, channels, stride=stride, bias=bias)
        new = torch.relu(weights.norm(new, norm))
        new = weights.norm(weights.convolution(new, channels, bias=bias), norm)
        if stage:
            h = weights.convolution(h, channels, 1, stride, bias=False)
        h = torch.relu(h + new)
    torch.testing.assert_close(module(x), weights.linear(h.mean((2, 3)), CLASSES))
    assert weights.all_taken()


def tokens(weights, x, dim, side):
    """Patches row by row, each with its place's shift; the shift comes first."""
    count = (x.shape[-1] // side) ** 2
    places = weights.take(1, count, dim)
    kernel, shift = weights.take(dim, x.shape[1], side, side), weights.take(dim)
    pieces = functional.unfold(x, side, stride=side).transpose(1, 2)
    return pieces @ kernel.flatten(1).T + shift + places


def over_channels(weights, h, hidden):
    inner = functional.gelu(weights.linear(h, hidden))
    return weights.linear(inner, h.shape[-1])


@pytest.mark.parametrize(("size", "side"), [(4, 1), (8, 2)])
def test_a_transformer_is_four_blocks_of_torchs_attention(size, side):
    shape, dim = (2, size, size), 16
    module, x = built("vit", "layer", shape), images(3, *shape)
    weights = Weights(module)
    h = tokens(weights, x, dim, side)
    for _ in range(4):
        mixed = weights.linear(weights.layer_norm(h), 3 * dim)
        query, key, value = (
            part.unflatten(2, (4, 4)).transpose(1, 2) for part in mixed.split(dim, 2)
        )
        seen = functional.scaled_dot_product_attention(query, key, value)
        h = h + weights.linear(seen.transpose(1, 2).flatten(2), dim)
        h = h + over_channels(weights, weights.layer_norm(h), 2 * dim)
    h = weights.layer_norm(h).mean(1)
    torch.testing.assert_close(module(x), weights.linear(h, CLASSES))
    assert weights.all_taken()


def test_a_mixer_is_four_blocks_over_tokens_and_over_channels():
    shape, dim = (1, 8, 8), 16
    module, x = built("mixer", "layer", shape), images(3, *shape)
    weights = Weights(module)
    h = tokens(weights, x, dim, 2)
    for _ in range(4):
        across = weights.layer_norm(h).transpose(1, 2)
        h = h + over_channels(weights, across, dim).transpose(1, 2)
        h = h + over_channels(weights, weights.layer_norm(h), 2 * dim)
    h = weights.layer_norm(h).mean(1)
    torch.testing.assert_close(module(x), weights.linear(h, CLASSES))
    assert weights.all_taken()


def test_shifts_of_places_start_at_zero():
    assert not vision.Tokens(1, 4, 2, 16).places.any()


def test_a_convolution_keeps_the_size_and_has_a_bias_unless_told_otherwise():
    x = torch.ones(1, 2, 6, 5)
    for size in (1, 3, 5):
        layer = vision.convolution(2, 3, size)
        assert layer(x).shape == (1, 3, 6, 5)
        assert layer.bias is not None
        assert vision.convolution(2, 3, size, bias=False).bias is None
    assert vision.convolution(2, 3).kernel_size == (3, 3)
    assert vision.convolution(2, 3, stride=2)(x).shape == (1, 3, 3, 3)


def test_a_normalisation_is_a_layer_or_none():
    (batch,) = vision.normalisation("batch", 8)
    (group,) = vision.normalisation("group", 8)
    assert isinstance(batch, nn.BatchNorm2d) and group.groups == 4
    assert vision.normalisation("none", 8) == vision.normalisation("layer", 8) == []


@pytest.mark.parametrize(
    ("net", "least"), [("simple", 4), ("middle", 8), ("complex", 8)]
)
def test_images_of_the_report_are_halved_to_a_pixel_at_least(net, least):
    report.check(net, (1, least, least))
    for shape in ((1, least, least - 1), (1, least - 1, least), (least, least)):
        with pytest.raises(ValueError, match=f"at least {least} for net = '{net}'"):
            report.check(net, shape)
    with pytest.raises(ValueError, match=f"halves it {len(REPORT[net])} times"):
        report.check(net, (1, 2, 2))


def test_what_can_be_built_is_not_refused():
    for net, norms in image_nets.NORMS.items():
        for norm in norms:
            image_nets.check(
                Constants(net, 8 if norm == "group" else 6, norm), (1, 8, 8)
            )
    with pytest.raises(ValueError, match="norm = 'group' with net = 'mixer'"):
        image_nets.check(Constants("mixer", 4, "group"), (1, 8, 8))
    with pytest.raises(ValueError, match="'simple', 'vit'"):
        image_nets.check(Constants("huge", 4, "group"), (1, 8, 8))
    with pytest.raises(ValueError, match="must be 'batch' or 'group' or 'none'"):
        image_nets.check(Constants("resnet", 4, "layer"), (1, 8, 8))
