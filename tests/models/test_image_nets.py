"""Networks of images: their parts against plain loops, and what is refused."""

import numpy as np
import pytest
import torch
from torch import nn

from flatminima.data.streams import generator
from flatminima.models.nets import image_nets, report, vision
from flatminima.models.nets.image_nets import Constants
from flatminima.models.nets.parts import initialise

EACH = [(net, norm) for net, norms in image_nets.NORMS.items() for norm in norms]


def built(net: str, norm: str, shape=(1, 8, 8), width=4, classes=10) -> nn.Module:
    module = image_nets.build(Constants(net, width, norm), shape, classes)
    initialise(module, "relu", generator(3, "init"))
    return module.double()


def images(count=5, shape=(1, 8, 8)) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(count, *shape)))


@pytest.mark.parametrize(("net", "norm"), EACH)
def test_every_network_is_finite_and_moves_all_its_parameters(net, norm):
    module, x = built(net, norm), images()
    outputs = module(x)
    assert outputs.shape == (5, 10)
    nn.functional.cross_entropy(outputs, torch.arange(5)).backward()
    for name, parameter in module.named_parameters():
        assert torch.isfinite(parameter).all()
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("net", "norm"), EACH)
def test_in_evaluation_mode_an_image_takes_no_notice_of_the_others(net, norm):
    module, x = built(net, norm), images()
    module(x)  # fills batch norm's statistics
    module.eval()
    whole = module(x)
    for k in range(len(x)):
        torch.testing.assert_close(module(x[k : k + 1])[0], whole[k])


@pytest.mark.parametrize("net", ["resnet", "vit", "mixer"])
def test_every_network_has_second_derivatives(net):
    module, x = built(net, image_nets.NORMS[net][-1]), images(2)
    weights = list(module.parameters())
    loss = nn.functional.cross_entropy(module(x), torch.arange(2))
    gradient = torch.autograd.grad(loss, weights, create_graph=True)
    length = sum((g**2).sum() for g in gradient)
    second = torch.autograd.grad(length, weights, allow_unused=True)
    total = sum(float(g.abs().sum()) for g in second if g is not None)
    assert np.isfinite(total) and total > 0


def test_attention_is_a_weighted_mean_over_tokens_by_a_plain_loop():
    attention = vision.Attention(8, 2).double()
    initialise(attention, "relu", generator(1, "init"))
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(3, 5, 8)))
    found = attention(x).detach()
    weight, bias = attention.mixed.weight.detach(), attention.mixed.bias.detach()
    for image in range(3):
        rows = x[image] @ weight.T + bias
        heads = []
        for head in range(2):
            places = [
                slice(8 * part + 4 * head, 8 * part + 4 * head + 4) for part in range(3)
            ]
            query, key, value = (rows[:, place] for place in places)
            seen = torch.zeros(5, 4, dtype=torch.float64)
            for token in range(5):
                scores = torch.stack([query[token] @ key[t] for t in range(5)]) / 2
                shares = scores.exp() / scores.exp().sum()
                seen[token] = sum(shares[t] * value[t] for t in range(5))
            heads.append(seen)
        expected = torch.cat(heads, dim=1) @ attention.out.weight.T
        torch.testing.assert_close(
            found[image], (expected + attention.out.bias).detach()
        )


def test_tokens_are_patches_row_by_row():
    tokens = vision.Tokens(1, 4, 2, 16).double()
    initialise(tokens, "relu", generator(1, "init"))
    x = images(2)
    found = tokens(x)
    kernel = tokens.patches.weight.detach().flatten(1)
    for number in range(16):
        row, column = divmod(number, 4)
        piece = x[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        torch.testing.assert_close(
            found[:, number].detach(), piece.flatten(1) @ kernel.T
        )


@pytest.mark.parametrize(
    ("size", "side"), [(4, 1), (8, 2), (14, 2), (15, 1), (16, 4), (28, 4), (32, 4)]
)
def test_patches_are_as_large_as_four_a_side_allow(size, side):
    assert vision.patch(size) == side


def test_a_mixer_mixes_tokens_and_a_resnet_keeps_a_shift_of_the_image_small():
    layer = vision.OverTokens(3, 4).double()
    initialise(layer, "relu", generator(1, "init"))
    x = torch.zeros(1, 3, 2, dtype=torch.float64, requires_grad=True)
    layer(x)[0, 0, 0].backward()
    assert (x.grad[0, :, 0] != 0).all()  # every token of its own channel
    assert (x.grad[0, :, 1] == 0).all()  # and no other channel


@pytest.mark.parametrize(
    ("constants", "shape", "words"),
    [
        (Constants("huge", 4, "batch"), (1, 8, 8), "net = 'huge'"),
        (Constants("vit", 4, "batch"), (1, 8, 8), "must be 'layer'"),
        (Constants("resnet", 6, "group"), (1, 8, 8), "width = 6: must be a multiple"),
        (Constants("middle", 4, "batch"), (1, 7, 7), "size = 7: must be at least 8"),
        (Constants("mixer", 4, "layer"), (1, 3, 3), "size = 3: must be at least 4"),
    ],
)
def test_what_cannot_be_built_is_refused(constants, shape, words):
    with pytest.raises(ValueError, match=words):
        image_nets.check(constants, shape)


def test_only_rows_of_layers_can_have_batch_norm_folded_in():
    foldable = {
        pair for pair in EACH if image_nets.foldable(Constants(pair[0], 4, pair[1]))
    }
    assert foldable == {
        (net, norm) for net in report.STAGES for norm in ("batch", "none")
    }
