"""The diagonal of sequences: the general one, autograd, and the error of probes."""

import numpy as np
import pytest
import torch
from torch import nn

from flatminima.models.nets import report
from flatminima.models.nets.parts import initialise
from flatminima.sharpness import sequence
from flatminima.sharpness.diagonal import gauss_newton_diagonal
from flatminima.sharpness.landscape import landscape
from flatminima.sharpness.minimum import minimum_sharpness
from flatminima.sharpness.rescaling import folded


def problem(norm: str) -> tuple[nn.Sequential, torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    net = report.build("simple", 2, norm, (1, 8, 8), 10)
    initialise(net, "relu", rng)
    x = torch.from_numpy(rng.normal(size=(12, 1, 8, 8)))
    y = torch.from_numpy(rng.integers(0, 10, 12))
    net = net.double()
    net(3 * x + 1)  # statistics of batch norm that are not those of the start
    with torch.no_grad():
        for part in net:
            if isinstance(part, nn.BatchNorm2d):
                part.weight *= torch.linspace(0.5, 2, len(part.weight))
                part.bias += 0.1
    return net.eval(), x, y


def flat(diagonal: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([value.reshape(-1) for value in diagonal.values()])


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_it_is_the_general_diagonal(norm, monkeypatch):
    net, x, y = problem(norm)
    expected = gauss_newton_diagonal(landscape(net, x, y, "cross_entropy"))
    found = sequence.diagonal(net, x, y)
    assert list(found) == [name for name, _ in net.named_parameters()]
    torch.testing.assert_close(flat(found), expected, rtol=1e-10, atol=1e-14)
    monkeypatch.setattr(sequence, "NUMBERS", 1)  # one example a pass
    torch.testing.assert_close(flat(sequence.diagonal(net, x, y)), expected)


def test_of_a_relu_network_it_is_the_diagonal_of_the_hessian():
    net, x, y = problem("none")
    at = landscape(net, x, y, "cross_entropy")
    hessian = torch.func.hessian(at.loss)(at.theta)
    found = flat(sequence.diagonal(net, x, y))
    torch.testing.assert_close(found, hessian.diagonal(), rtol=1e-9, atol=1e-12)


def test_its_shares_give_minimum_sharpness():
    net, x, y = problem("batch")
    plain = folded(net)
    found = sequence.diagonal(plain, x, y)
    shares = minimum_sharpness(net, x, y, "cross_entropy").shares
    names = [n for n, part in plain.named_children() if isinstance(part, nn.Conv2d)]
    for number, name in enumerate(names):
        one = float(found[f"{name}.weight"].sum())
        assert one == pytest.approx(shares.weights[number], rel=1e-10)
        one = float(found[f"{name}.bias"].sum())
        assert one == pytest.approx(shares.biases[number], rel=1e-10)


def test_probes_are_right_on_average():
    net, x, y = problem("batch")
    exact = float(flat(sequence.diagonal(net, x, y)).sum())
    draws = [
        float(flat(sequence.diagonal(net, x, y, probes=2, seed=seed)).sum())
        for seed in range(100)
    ]
    error = np.std(draws, ddof=1) / 10
    assert error < 0.03 * exact
    assert abs(np.mean(draws) - exact) < 3 * error


def test_it_refuses_what_it_does_not_know():
    x, y = torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(ValueError, match="part 1, PReLU"):
        sequence.diagonal(nn.Sequential(nn.Linear(3, 2), nn.PReLU()), x, y)
    with pytest.raises(ValueError, match="probes = -1"):
        sequence.diagonal(nn.Sequential(nn.Linear(3, 2)), x, y, probes=-1)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (nn.BatchNorm2d(2), "part 0, BatchNorm2d: must be in evaluation mode"),
        (nn.Conv2d(2, 2, 1, groups=2), "groups = 1 .* not 2 and 'zeros'"),
        (nn.Conv2d(2, 2, 1, padding_mode="circular"), "not 1 and 'circular'"),
    ],
)
def test_it_refuses_layers_that_it_would_take_for_others(part, message):
    net = nn.Sequential(part, nn.Flatten(), nn.Linear(18, 2))
    x, y = torch.zeros(4, 2, 3, 3), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(ValueError, match=message):
        sequence.diagonal(net, x, y)


def test_it_refuses_data_of_no_length():
    x, y = torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)
    with pytest.raises(ValueError, match="must have as many entries"):
        sequence.diagonal(nn.Sequential(nn.Linear(3, 2)), x, y)


def test_a_map_may_work_in_place():
    torch.manual_seed(0)
    parts = [nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3)]
    plain = nn.Sequential(*parts).double()
    there = [nn.ReLU(inplace=True) if isinstance(p, nn.ReLU) else p for p in parts]
    x, y = torch.randn(5, 4, dtype=torch.float64), torch.arange(5) % 3
    expected = flat(sequence.diagonal(plain, x, y))
    found = flat(sequence.diagonal(nn.Sequential(*there), x, y))
    assert torch.equal(found, expected)


class Passes(nn.Identity):
    """Notes how many examples go through at once."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(len(x))
        return x


@pytest.mark.parametrize(
    ("numbers", "examples"),
    [(9 * 5 * 7 * 3, 3), (9 * 5 * 7 * 3 - 1, 2), (1, 1), (2**25, 8)],
)
def test_patches_of_a_pass_are_no_more_than_allowed(monkeypatch, numbers, examples):
    """Of images of 5 x 7 a 3 x 3 kernel makes patches of 9 x 5 x 7 numbers."""
    passes = Passes()
    conv = nn.Conv2d(1, 2, 3, padding=1)
    net = nn.Sequential(passes, conv, nn.ReLU(), nn.Flatten(), nn.Linear(70, 2))
    net = net.double().eval()
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(8, 1, 5, 7)))
    monkeypatch.setattr(sequence, "NUMBERS", numbers)
    sequence.diagonal(net, x, torch.zeros(8, dtype=torch.int64))
    assert max(passes.seen) == examples
    assert sum(passes.seen) == 8


def test_a_large_layer_bounds_a_pass_as_well(monkeypatch):
    passes = Passes()
    net = nn.Sequential(passes, nn.Linear(10, 10)).double()
    monkeypatch.setattr(sequence, "NUMBERS", 399)
    x = torch.zeros(8, 10, dtype=torch.float64)
    sequence.diagonal(net, x, torch.zeros(8, dtype=torch.int64))
    assert passes.seen == [3, 3, 2]


def test_all_columns_unless_told_and_seed_0_for_probes():
    net, x, y = problem("none")
    exact = flat(sequence.diagonal(net, x, y, probes=0))
    assert torch.equal(flat(sequence.diagonal(net, x, y)), exact)
    one = flat(sequence.diagonal(net, x, y, probes=1))
    assert torch.equal(one, flat(sequence.diagonal(net, x, y, probes=1, seed=0)))
    assert not torch.equal(one, exact)
