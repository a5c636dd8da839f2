"""What lies around the end of a run, against plain loops and autograd's Hessian."""

import numpy as np
import pytest
import torch
from torch import nn

from flatminima.runs import loop
from flatminima.runs.images import around, measures
from flatminima.runs.images.config import ImageConfig
from flatminima.runs.images.problem import data, network

CHOSEN = ImageConfig(
    **{"n": 40, "test_n": 30, "size": 4, "width": 4, "batch": 10, "norm": "group"},
    **{"num_epochs": 3, "sharpness_n": 32, "target_loss": 1e-3, "lr": 0.05},
    measured="around",
)


@pytest.fixture(scope="module")
def trained():
    run = loop.run(CHOSEN)
    problem = data(CHOSEN)
    return run.history.iloc[-1], network(CHOSEN, run.arrays), problem


def loss(net, x, y):
    return float(nn.functional.cross_entropy(net(x), y).detach())


def test_the_largest_eigenvalue_is_that_of_the_hessian_of_autograd(trained):
    last, net, problem = trained
    net = net.double()
    x, y = problem.x[:32].double(), problem.y[:32]
    names, shapes = zip(*((k, p.shape) for k, p in net.named_parameters()), strict=True)
    theta = torch.cat([p.detach().flatten() for p in net.parameters()])

    def at(vector):
        parts = vector.split([shape.numel() for shape in shapes])
        weights = {k: p.view(s) for k, p, s in zip(names, parts, shapes, strict=True)}
        return nn.functional.cross_entropy(
            torch.func.functional_call(net, weights, (x,)), y
        )

    rows = torch.func.jacrev(torch.func.grad(at), chunk_size=64)(theta)
    expected = float(torch.linalg.eigvalsh(rows)[-1])
    assert last["largest_eigenvalue"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("name", "m"), [(16, 16), ("all", 32)])
def test_m_sharpness_is_the_mean_over_batches_of_the_highest_rise(trained, name, m):
    last, net, problem = trained
    net = net.double()
    x, y = problem.x[:32].double(), problem.y[:32]
    for radius in (0.03, 0.3):
        rises = []
        for k in range(0, 32, m):
            part, labels = x[k : k + m], y[k : k + m]
            weights = list(net.parameters())
            old = [p.detach().clone() for p in weights]
            start, highest = loss(net, part, labels), 0.0
            for _ in range(around.STEPS):
                value = nn.functional.cross_entropy(net(part), labels)
                gradient = torch.autograd.grad(value, weights)
                length = torch.cat([g.flatten() for g in gradient]).norm()
                with torch.no_grad():
                    for p, g in zip(weights, gradient, strict=True):
                        p += radius / around.STEPS * g / length
                highest = max(highest, loss(net, part, labels) - start)
            with torch.no_grad():
                for p, value in zip(weights, old, strict=True):
                    p.copy_(value)
            rises.append(highest)
        assert last[f"rise_{name}_{radius}"] == pytest.approx(
            np.mean(rises), rel=1e-2, abs=1e-5
        )


def test_a_wider_ball_has_the_higher_rise_and_chance_a_lower_one(trained):
    last, _, _ = trained
    for name in (16, "all"):
        rises = [last[f"rise_{name}_{radius}"] for radius in around.RADII]
        assert rises == sorted(rises)
        assert all(
            rise > last[f"random_{radius}"]
            for rise, radius in zip(rises, around.RADII, strict=True)
        )
    assert last["rise_16_0.1"] >= last["rise_all_0.1"]  # a mean of maxima


def test_weights_are_put_back_to_the_bit(trained):
    _, net, problem = trained
    net = net.float()
    before = [p.detach().clone() for p in net.parameters()]
    around.columns(
        CHOSEN, net, (problem.x, problem.y), (problem.test_x, problem.test_y)
    )
    for p, old in zip(net.parameters(), before, strict=True):
        assert torch.equal(p, old)


def test_moved_images_stay_in_their_balls_and_have_a_higher_loss(trained):
    _, net, problem = trained
    net = net.float()
    x, y = problem.test_x, problem.test_y
    for length in around.LENGTHS:
        moved = around.ascended_images(net, x, y, length)
        far = (moved - x).flatten(1).norm(dim=1)
        assert float(far.detach().max()) <= length * (1 + 1e-5)
        assert loss(net, moved.detach(), y) > loss(net, x, y)


def test_length_zero_moves_nothing_by_normalising():
    values = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    expected = torch.tensor([[0.6, 0.8], [0.0, 0.0]])
    torch.testing.assert_close(measures.normalised(values), expected)


def test_columns_are_there_where_sizes_coincide():
    small = CHOSEN.model_copy(update={"sharpness_n": 16, "num_epochs": 1})
    last = loop.run(small).history.iloc[-1]
    assert last[list(around.COLUMNS)].notna().all()
    assert last["rise_16_0.1"] == pytest.approx(last["rise_all_0.1"], rel=1e-6)
