"""Lines between networks, and the first updates after an end."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from flatminima.optim.sam import ascended, statistics_kept
from flatminima.runs.images.config import ImageConfig
from flatminima.runs.images.descent import numerics
from flatminima.runs.images.order import batches
from flatminima.runs.images.problem import data, initial_arrays, network
from flatminima.studies.switching import live, path, plots, runs

SMALL = {
    **{"n": 60, "test_n": 50, "size": 8, "width": 2, "batch": 20, "sharpness_n": 60},
    **{"measured": "nothing", "num_epochs": 4, "optimiser": "phb", "lr": 0.05},
}
CONFIG = ImageConfig(**SMALL)


def start(seed: int) -> dict[str, np.ndarray]:
    return initial_arrays(CONFIG.with_seeds(0, seed))


def naive_loss(arrays, share, other) -> float:
    """Cross entropy in training mode, which has the images' own statistics."""
    net = network(CONFIG, arrays)
    far = network(CONFIG, other)
    with torch.no_grad():
        for p, q in zip(net.parameters(), far.parameters(), strict=True):
            p.copy_(p + share * (q - p))
        images = data(CONFIG)
        f = net.train()(images.x)
        return float(nn.functional.cross_entropy(f.double(), images.y))


def test_a_line_goes_straight():
    first, second = start(1), start(2)
    found = path.line(CONFIG, first, second, points=5)
    naive = [naive_loss(first, share, second) for share in found.share]
    # the variance of batch norm is that of n - 1 in evaluation mode
    assert found.loss == pytest.approx(naive, rel=1e-3)
    back = path.line(CONFIG, second, first, points=5)
    assert back.loss[::-1] == pytest.approx(found.loss, rel=1e-5)
    assert back.barrier == pytest.approx(found.barrier, rel=1e-4)
    assert ((found.error >= 0) & (found.error <= 1)).all()


def test_a_line_from_a_network_to_itself_has_no_barrier():
    same = path.line(CONFIG, start(1), start(1), points=3, refreshed=False)
    assert same.barrier == pytest.approx(0, abs=1e-12)
    net, images = network(CONFIG, start(1)), data(CONFIG)
    with torch.no_grad():
        loss = float(nn.functional.cross_entropy(net(images.x), images.y))
    assert same.loss == pytest.approx(loss, rel=1e-6)


def test_a_barrier_is_above_the_chord():
    share = np.linspace(0, 1, 5)
    straight = path.Line(share, 1 + share, share)
    assert straight.barrier == pytest.approx(0)
    hill = path.Line(share, 1 + share + np.array([0, 0.5, 2, 0.5, 0]), share)
    assert hill.barrier == pytest.approx(2)
    valley = path.Line(share, 1 - share * (1 - share), share)
    assert valley.barrier == pytest.approx(0)
    assert live.without_barrier([hill], [straight]) == pytest.approx([-2.0])


def test_weights_and_statistics_are_mixed_and_counts_are_not():
    mixed = path.between(start(1), start(2), 0.25)
    for name, value in start(1).items():
        if name.endswith("num_batches_tracked"):
            assert mixed[name] == value
        else:
            expected = 0.75 * value + 0.25 * start(2)[name]
            assert mixed[name] == pytest.approx(expected) and mixed[name].dtype == "f4"


def test_fresh_statistics_are_those_of_the_images():
    net, images = network(CONFIG, start(3)), data(CONFIG)
    first = next(m for m in net.modules() if isinstance(m, nn.BatchNorm2d))
    seen = []
    first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    momentum = first.momentum
    path.refresh(net, images.x)
    assert not net.training and first.momentum == momentum
    assert first.running_mean == pytest.approx(seen[0].mean((0, 2, 3)), abs=1e-6)
    assert first.running_var == pytest.approx(seen[0].var((0, 2, 3)), rel=1e-4)
    before = first.running_mean.clone()
    path.refresh(net, images.x)
    assert torch.equal(before, first.running_mean)


@pytest.mark.parametrize("points", [0, 1, 2])
def test_a_line_has_a_middle(points):
    with pytest.raises(ValueError, match=f"points = {points}"):
        path.line(CONFIG, start(1), start(2), points=points)


def by_hand(config, arrays, updates: int) -> list[torch.Tensor]:
    """SAM with momentum, written out."""
    images, net = data(config), network(config, arrays).train()
    weights = list(net.parameters())
    velocity = [torch.zeros_like(p) for p in weights]
    first = config.num_steps
    order = batches(config, first, first + updates)

    def gradients(chosen) -> list[torch.Tensor]:
        loss = nn.functional.cross_entropy(net(images.x[chosen]), images.y[chosen])
        return list(torch.autograd.grad(loss, weights))

    for chosen in order:
        g = gradients(chosen)
        if config.rho:
            for p, each in zip(weights, g, strict=True):
                p.grad = each
            with ascended(weights, config.rho), statistics_kept(net):
                g = gradients(chosen)
        with torch.no_grad():
            for p, v, each in zip(weights, velocity, g, strict=True):
                v.mul_(0.8).add_(each)
                p.sub_(config.lr * v)
    return weights


@pytest.mark.parametrize("rho", [0.0, 0.1])
def test_the_way_on_is_that_of_the_rule(rho):
    config = ImageConfig(**SMALL, rho=rho)
    origin = start(4)
    found = path.onwards(config, origin, (0, 1, 3))
    assert found["update"].tolist() == [0, 1, 3]
    assert found["distance"].iloc[0] == 0
    with numerics(config):
        weights = by_hand(config, origin, 3)
        old = list(network(config, origin).parameters())
    squares = sum(
        float((p - o).double().square().sum().detach())
        for p, o in zip(weights, old, strict=True)
    )
    assert found["distance"].iloc[-1] == pytest.approx(squares**0.5, rel=1e-4)


@pytest.fixture
def slices(store):
    fields = {key: value for key, value in SMALL.items() if key != "num_epochs"}
    return live.trained((7, 8), 0.5, num_epochs=4, rho=0.1, **fields)


def test_the_slice_has_four_ends_a_seed(slices):
    rows, ends = slices
    assert set(rows["way"]) == {"ERM", "SAM", runs.TO_SAM}
    assert len(ends) == 2 and set(rows["data_seed"]) == {7, 8}
    for seed, each in zip((7, 8), ends, strict=True):
        seeds = {c.data_seed for c in each.configs.values()}
        assert seeds == {seed}
        assert each.configs[live.OTHER].init_seed != seed
        late = each.line(live.LATE, 5)
        assert late.loss[0] == each.line(live.OTHER, 3).loss[0]
        steps = each.onwards(live.SAM)
        assert steps["update"].tolist() == list(live.LOOKS)
    lines = [each.line(live.LATE, 3) for each in ends]
    assert len(live.gained(lines)) == 2
    assert live.without_barrier(lines, lines) == pytest.approx(
        -0.9 * live.barriers(lines)
    )
    ways = [each.onwards(live.SAM) for each in ends]
    assert live.rises(ways, ways) == pytest.approx(0)
    for figure in (
        plots.valley({live.LATE: lines, live.OTHER: lines}),
        plots.escape({"SAM": ways, "ERM": ways}),
    ):
        figure.draw_without_rendering()
        assert all(axis.lines for axis in figure.axes)


def test_laws_of_growth_are_told_apart():
    update = np.array(live.LOOKS, float)
    rng = np.random.default_rng(0)
    noise = np.exp(0.01 * rng.normal(size=(2, len(update))))

    def way(distance: np.ndarray) -> pd.DataFrame:
        return pd.DataFrame({"update": live.LOOKS, "distance": distance})

    grown = live.exponential([way(0.1 * np.exp(0.3 * update) * noise[0])])
    walked = live.exponential([way(0.1 * np.sqrt(update) * noise[1])])
    assert grown[0] > 1 and walked[0] < -1
    assert not len(live.exponential([way(np.full(len(update), np.nan))]))


def test_what_diverged_is_left_out():
    share = np.linspace(0, 1, 3)
    lost = path.Line(share, np.full(3, np.nan), np.zeros(3))
    kept = path.Line(share, np.ones(3), np.array([0.3, 0.2, 0.1]))
    assert live.gained([lost, kept]) == pytest.approx([0.2])
    assert live.without_barrier([lost, kept], [kept, kept]) == pytest.approx([0])
    plots.valley({live.LATE: [lost]}).draw_without_rendering()
