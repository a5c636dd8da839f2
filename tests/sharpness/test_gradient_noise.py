"""Mean squares of gradients of micro-batches, against all subsets and autograd."""

from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from flatminima.sharpness.gradient_noise import gradient_noise, of_landscape
from flatminima.sharpness.landscape import landscape

ROWS = hnp.arrays(float, (6, 3), elements=st.floats(-5, 5))


@settings(max_examples=20, deadline=None)
@given(ROWS)
def test_it_is_the_mean_over_all_subsets(gradients):
    noise = gradient_noise(gradients)
    for m in range(1, 7):
        subsets = [gradients[list(s)] for s in combinations(range(6), m)]
        squares = [(part.mean(axis=0) ** 2).sum() for part in subsets]
        assert noise.square(m) == pytest.approx(np.mean(squares), rel=1e-9, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(ROWS)
def test_it_falls_with_m_and_does_not_depend_on_the_basis(gradients):
    noise = gradient_noise(gradients)
    squares = [noise.square(m) for m in range(1, 7)]
    assert all(a >= b - 1e-12 for a, b in pairwise(squares))
    turned = gradients @ np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    assert gradient_noise(turned).variance == pytest.approx(noise.variance, abs=1e-9)


def test_shares():
    noise = gradient_noise(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    assert (noise.share(1), noise.square(2)) == (1.0, 0.0)
    assert np.isnan(noise.share(2))
    same = gradient_noise(np.ones((4, 2)))
    assert same.share(1) == same.share(4) == 0


@pytest.mark.parametrize(("m", "words"), [(0, "at least 1"), (5, "at most n = 4")])
def test_an_m_out_of_range_is_refused(m, words):
    with pytest.raises(ValueError, match=words):
        gradient_noise(np.ones((4, 2))).square(m)


def test_one_example_has_no_variance():
    with pytest.raises(ValueError, match="n = 1"):
        gradient_noise(np.ones((1, 2)))


def test_a_network_s_gradients_are_autograd_s():
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(64, 5)),
    ).double()
    x, y = torch.randn(7, 1, 4, 4, dtype=torch.float64), torch.arange(7) % 5
    rows = []
    for one, label in zip(x, y, strict=True):
        net.zero_grad()
        nn.functional.cross_entropy(net(one[None]), label[None]).backward()
        rows.append(np.concatenate([p.grad.ravel().numpy() for p in net.parameters()]))
    plain = np.array(rows)
    noise = of_landscape(landscape(net, x, y, "cross_entropy"))
    assert noise.square(1) == pytest.approx((plain**2).sum(axis=1).mean(), rel=1e-10)
    assert noise.square(7) == pytest.approx((plain.mean(axis=0) ** 2).sum(), rel=1e-10)


@pytest.mark.parametrize("loss", ["squared", "smoothed"])
def test_the_gradients_are_those_of_the_landscape_s_own_loss(loss):
    torch.manual_seed(0)
    net, x = nn.Linear(4, 3), torch.randn(6, 4)
    smoothed = nn.CrossEntropyLoss(reduction="none", label_smoothing=0.3)
    kind, y = (
        ("squared", torch.randn(6, 3))
        if loss == "squared"
        else (smoothed, torch.arange(6) % 3)
    )
    at = landscape(net, x, y, kind)
    g = at.gradient()
    assert of_landscape(at).mean_square == pytest.approx(float(g @ g), rel=1e-10)
