"""Descent on products, their least trace, and recovery of matrices."""

import numpy as np
import pytest
import torch

from flatminima.data.regression import low_rank
from flatminima.studies.open_1 import curves, sensing
from flatminima.studies.open_1.kernel import descend


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_descent_is_that_of_autograd(depth):
    data = low_rank(5, 3, 1, 0, commuting=False)
    w = sensing.start(depth, 3, 0.5, 1)
    naive = torch.tensor(w, requires_grad=True)
    a, y = torch.tensor(data.x), torch.tensor(data.y)
    for _ in range(30):
        end = torch.linalg.multi_dot(list(naive)).reshape(-1)
        loss = ((a @ end - y) ** 2).sum() / (2 * len(y))
        (slope,) = torch.autograd.grad(loss, naive)
        naive = (naive - 0.1 * slope).detach().requires_grad_()
    descend(w, data.x, data.y, 0.1, 30, 0.0)
    assert w == pytest.approx(naive.detach().numpy(), abs=1e-12)


def test_descent_stops_at_its_loss_or_where_it_diverges():
    data = low_rank(5, 3, 1, 0, commuting=False)
    w = sensing.start(2, 3, 0.1, 1)
    assert descend(w, data.x, data.y, 0.1, 10_000, 1e-6) <= 1e-6
    w = sensing.start(2, 3, 1.0, 1)
    assert not descend(w, data.x, data.y, 50.0, 10_000, 1e-6) < 1e6


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_the_least_trace_is_attained_and_never_undercut(depth):
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((4, 4))
    w = sensing.spread_out(matrix, depth)
    least = sensing.least_mean_trace(matrix, depth)
    assert sensing.product(w) == pytest.approx(matrix)
    assert sensing.mean_trace(w) == pytest.approx(least)
    for _ in range(50):
        other = rng.standard_normal((depth, 4, 4))
        bound = sensing.least_mean_trace(sensing.product(other), depth)
        assert sensing.mean_trace(other) >= bound


def test_the_mean_trace_is_that_of_many_measurements():
    """Three standard errors, against gradients by autograd."""
    w = torch.tensor(sensing.start(3, 3, 2.0, 0), requires_grad=True)
    draws = torch.tensor(np.random.default_rng(0).standard_normal((3000, 3, 3)))
    squares = []
    for a in draws:
        end = (torch.linalg.multi_dot(list(w)) * a).sum()
        (slope,) = torch.autograd.grad(end, w)
        squares.append(float((slope**2).sum()))
    error = np.std(squares) / np.sqrt(len(squares))
    assert abs(np.mean(squares) - sensing.mean_trace(w.detach().numpy())) < 3 * error


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="depth = 1"):
        sensing.spread_out(np.eye(2), 1)
    with pytest.raises(ValueError, match="size = 0"):
        sensing.start(2, 3, 0.0, 0)


def test_the_threshold_is_the_mean_distance_for_large_matrices():
    """Against singular values of a Gaussian matrix, with the tangent part by hand."""
    d, share = 400, 0.25
    rest = round(d * (1 - share))
    g = np.random.default_rng(0).standard_normal((rest, rest)) / np.sqrt(rest)
    values = np.linalg.svd(g, compute_uv=False)
    tangent = d**2 - rest**2
    distances = [
        tangent
        + rest * np.sum(np.maximum(values - tau, 0) ** 2)
        + share * d * rest * tau**2
        for tau in np.linspace(0, 2, 41)
    ]
    found = curves.low_rank_share(share)
    assert found == pytest.approx(min(distances) / d**2, abs=5e-3)


def test_a_diagram_finds_what_is_measured_in_full():
    table = sensing.diagram(
        [1],
        [16],
        range(2),
        d=4,
        depths=[2],
        small=1e-3,
        large=1.0,
        num_steps=2000,
    )
    names = {sensing.FLATTEST, sensing.NUCLEAR, sensing.tiny(2), sensing.LARGE}
    assert set(table["method"]) == names
    certified = table["method"].isin([sensing.FLATTEST, sensing.NUCLEAR])
    assert table.loc[certified, "recovers"].all()
    assert (table["gap"] < 1e-6).all()
