"""SAM around torch's optimisers: its formula, a second library, what stays."""

import copy

import pytest
import torch
from pytorch_optimizer import SAM
from torch import nn

from flatminima.optim.sam import ascended, sam_step, statistics_kept

RHO = 0.1
OPTIMIZERS = {
    "momentum": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-2}),
    "adam": (torch.optim.Adam, {"lr": 0.01}),
}


def problem(norm: bool = False) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    middle = [nn.BatchNorm1d(7)] if norm else []
    net = nn.Sequential(nn.Linear(5, 7), *middle, nn.Tanh(), nn.Linear(7, 3)).double()
    x = torch.randn(20, 5, dtype=torch.float64)
    return net, x, torch.randint(0, 3, (20,))


def loss_of(net, x, y):
    return lambda: nn.functional.cross_entropy(net(x), y)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_twenty_steps_are_those_of_pytorch_optimizer(name):
    ours, x, y = problem()
    theirs = copy.deepcopy(ours)
    kind, settings = OPTIMIZERS[name]
    optimizer = kind(ours.parameters(), **settings)
    other = SAM(theirs.parameters(), kind, rho=RHO, **settings)
    for _ in range(20):
        sam_step(optimizer, ours, loss_of(ours, x, y), RHO)
        loss_of(theirs, x, y)().backward()
        other.first_step(zero_grad=True)
        loss_of(theirs, x, y)().backward()
        other.second_step(zero_grad=True)
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        # theirs rounds the norm to single precision
        torch.testing.assert_close(one, two, rtol=1e-6, atol=1e-6)


def test_one_step_is_the_formula():
    net, x, y = problem()
    theta = nn.utils.parameters_to_vector(net.parameters()).detach()

    def gradient(at):
        nn.utils.vector_to_parameters(at, net.parameters())
        grads = torch.autograd.grad(loss_of(net, x, y)(), list(net.parameters()))
        return nn.utils.parameters_to_vector(grads)

    g = gradient(theta)
    expected = theta - 0.3 * gradient(theta + RHO * g / g.norm())
    nn.utils.vector_to_parameters(theta.clone(), net.parameters())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.3)
    before = loss_of(net, x, y)().detach()
    assert sam_step(optimizer, net, loss_of(net, x, y), RHO) == before
    found = nn.utils.parameters_to_vector(net.parameters())
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


def test_without_a_radius_it_is_the_optimiser():
    one, x, y = problem()
    two = copy.deepcopy(one)
    optimizers = [torch.optim.SGD(net.parameters(), lr=0.1) for net in (one, two)]
    sam_step(optimizers[0], one, loss_of(one, x, y), 0.0)
    loss_of(two, x, y)().backward()
    optimizers[1].step()
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)


def test_statistics_follow_the_first_pass_only():
    net, x, y = problem(norm=True)
    plain = copy.deepcopy(net)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    sam_step(optimizer, net, loss_of(net, x, y), 1.0)
    plain(x)
    for (name, a), b in zip(net.named_buffers(), plain.buffers(), strict=True):
        assert torch.equal(a, b), name
    with statistics_kept(net):
        batch = net[1](net[0](x))
    shift = net[1].bias.detach()
    torch.testing.assert_close(batch.mean(dim=0).detach(), shift)
    assert net[1].track_running_stats


def test_an_exception_in_the_second_pass_leaves_everything_as_it_was():
    net, x, y = problem(norm=True)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    sam_step(optimizer, net, loss_of(net, x, y), RHO)
    weights = [p.detach().clone() for p in net.parameters()]
    moments = copy.deepcopy(optimizer.state_dict()["state"])
    passes = []

    def closure():
        passes.append([p.detach().clone() for p in net.parameters()])
        if len(passes) == 2:
            raise RuntimeError("no memory")
        return loss_of(net, x, y)()

    with pytest.raises(RuntimeError, match="no memory"):
        sam_step(optimizer, net, closure, RHO)
    assert not torch.equal(passes[1][0], weights[0])
    for parameter, old in zip(net.parameters(), weights, strict=True):
        assert torch.equal(parameter, old)
    for key, state in optimizer.state_dict()["state"].items():
        assert torch.equal(state["momentum_buffer"], moments[key]["momentum_buffer"])
    assert net[1].track_running_stats


def test_a_zero_gradient_moves_nothing():
    parameter = nn.Parameter(torch.ones(3))
    parameter.grad = torch.zeros(3)
    with ascended([parameter, nn.Parameter(torch.ones(2))], RHO):
        assert torch.equal(parameter, torch.ones(3))
    with ascended([], RHO):
        pass


BUFFERED = {
    "instance": lambda: nn.InstanceNorm1d(7, track_running_stats=True),
    "synchronised": lambda: nn.SyncBatchNorm(7),
    "spectral": lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(5, 5)),
}


def buffered(kind: str) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(2, 7, 3), BUFFERED[kind](), nn.Flatten())
    return net, torch.randn(6, 2, 7)


@pytest.mark.parametrize("kind", BUFFERED)
def test_every_buffer_follows_the_first_pass_only(kind):
    net, x = buffered(kind)
    plain, own = copy.deepcopy(net), list(net.buffers())
    before = [buffer.clone() for buffer in own]
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    sam_step(optimizer, net, lambda: net(x).square().mean(), 1.0)
    plain(x)
    assert not all(torch.equal(a, b) for a, b in zip(own, before, strict=True))
    for a, b, kept in zip(net.buffers(), plain.buffers(), own, strict=True):
        assert torch.equal(a, b)
        assert a is kept


def test_kept_statistics_are_let_go_of_by_an_exception_too():
    net, x = buffered("instance")
    own = list(net.buffers())
    before = [buffer.clone() for buffer in own]

    def fail():
        with statistics_kept(net):
            net(x)
            assert net[1].running_mean is not own[0]
            raise RuntimeError("no memory")

    with pytest.raises(RuntimeError, match="no memory"):
        fail()
    for a, b, kept in zip(net.buffers(), before, own, strict=True):
        assert torch.equal(a, b)
        assert a is kept


@pytest.mark.parametrize("rho", [-0.5, float("nan"), float("inf")])
def test_what_is_no_radius_is_refused_before_any_pass(rho):
    net, x, y = problem()
    message = f"rho = {rho}: must be finite and at least 0"
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def closure():
        raise AssertionError

    with pytest.raises(ValueError, match=message):
        sam_step(optimizer, net, closure, rho)
    loss_of(net, x, y)().backward()
    with pytest.raises(ValueError, match=message), ascended(net.parameters(), rho):
        pass
