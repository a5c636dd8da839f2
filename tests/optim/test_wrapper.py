"""SAM's wrapper: a second library, formulas by autograd, and what users trip over."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_optimizer import SAM, AdaBound
from torch import nn

from flatminima.optim.sam import sam_step
from flatminima.optim.wrapper import Ascent, SharpnessAware, direction

KINDS = {
    "momentum": (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-2}),
    "adam": (torch.optim.Adam, {"lr": 0.01}),
    "adabound": (AdaBound, {"lr": 0.01}),
}


def problem(norm: bool = False) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    middle = [nn.BatchNorm1d(7)] if norm else []
    net = nn.Sequential(nn.Linear(5, 7), *middle, nn.Tanh(), nn.Linear(7, 3)).double()
    return net, torch.randn(20, 5).double(), torch.randint(0, 3, (20,))


def loss_of(net, x, y):
    return lambda: nn.functional.cross_entropy(net(x), y)


def sgd(net, lr=0.3):
    return torch.optim.SGD(net.parameters(), lr=lr)


def same(one, two, **tolerance):
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a, b, **tolerance)


@pytest.mark.parametrize("name", KINDS)
def test_twenty_steps_are_those_of_pytorch_optimizer_and_of_the_plain_step(name):
    ours, x, y = problem()
    theirs, plain = copy.deepcopy(ours), copy.deepcopy(ours)
    kind, chosen = KINDS[name]
    wrapped = SharpnessAware(kind(ours.parameters(), **chosen), ours, Ascent(0.1))
    other = SAM(theirs.parameters(), kind, rho=0.1, **chosen)
    third = kind(plain.parameters(), **chosen)
    for _ in range(20):
        wrapped.step(loss_of(ours, x, y))
        loss_of(theirs, x, y)().backward()
        other.first_step(zero_grad=True)
        loss_of(theirs, x, y)().backward()
        other.second_step(zero_grad=True)
        sam_step(third, plain, loss_of(plain, x, y), 0.1)
    same(ours, plain, rtol=1e-10, atol=1e-12)
    # theirs rounds the norm to single precision
    same(ours, theirs, rtol=1e-6, atol=1e-6)


def flat(net):
    return nn.utils.parameters_to_vector(net.parameters()).detach()


def risk(net, x, y):
    """The loss as a function of one vector."""

    def at(theta):
        parts = theta.split([p.numel() for p in net.parameters()])
        named = {
            name: part.view(p.shape)
            for (name, p), part in zip(net.named_parameters(), parts, strict=True)
        }
        f = torch.func.functional_call(net, named, (x,))
        return nn.functional.cross_entropy(f, y)

    return at


def moved(net, gradient, lr=0.3):
    return flat(net) - lr * gradient


def test_micro_batches_ascend_each_for_itself():
    net, x, y = problem()
    gradients = []
    for part in range(4):
        loss = risk(net, x[part::4], y[part::4])
        g = torch.func.grad(loss)(flat(net))
        gradients.append(torch.func.grad(loss)(flat(net) + 0.2 * g / g.norm()))
    expected = moved(net, torch.stack(gradients).mean(dim=0))
    closures = [loss_of(net, x[part::4], y[part::4]) for part in range(4)]
    whole = loss_of(net, x, y)().detach()
    loss = SharpnessAware(sgd(net), net, Ascent(0.2)).step(*closures)
    torch.testing.assert_close(loss, whole)
    torch.testing.assert_close(flat(net), expected, rtol=1e-12, atol=1e-14)


def test_further_steps_go_on_where_the_last_ended():
    net, x, y = problem()
    at, loss = flat(net), risk(net, x, y)
    for _ in range(3):
        g = torch.func.grad(loss)(at)
        at = at + 0.1 * g / g.norm()
    expected = moved(net, torch.func.grad(loss)(at))
    SharpnessAware(sgd(net), net, Ascent(0.3, num_steps=3)).step(loss_of(net, x, y))
    torch.testing.assert_close(flat(net), expected, rtol=1e-12, atol=1e-14)


def test_second_order_is_the_derivative_of_the_whole():
    net, x, y = problem()
    loss = risk(net, x, y)

    def perturbed(theta):
        g = torch.func.grad(loss)(theta)
        return loss(theta + 0.5 * g / g.norm())

    expected = moved(net, torch.func.grad(perturbed)(flat(net)))
    ascent = Ascent(0.5, second_order=True)
    first = copy.deepcopy(net)
    SharpnessAware(sgd(net), net, ascent).step(loss_of(net, x, y))
    torch.testing.assert_close(flat(net), expected, rtol=1e-10, atol=1e-12)
    SharpnessAware(sgd(first), first, Ascent(0.5)).step(loss_of(first, x, y))
    assert (flat(first) - expected).abs().max() > 1e-3


@settings(max_examples=50)
@given(
    values=st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=6),
    p=st.sampled_from([1.0, 1.3, 2.0, 7.0, float("inf")]),
)
def test_the_direction_has_length_one_and_the_largest_product(values, p):
    g = torch.tensor(values, dtype=torch.float64)
    e = torch.cat(direction(list(g.split(2)), p))
    if not g.any():
        assert not e.any()
        return
    dual = {1.0: np.inf, np.inf: 1.0}.get(p, p / (p - 1) if p > 1 else None)
    assert np.linalg.norm(e, p) == pytest.approx(1, rel=1e-9)
    assert float(e @ g) == pytest.approx(np.linalg.norm(g, dual), rel=1e-9)


def test_statistics_follow_the_first_pass_only():
    net, x, y = problem(norm=True)
    plain = copy.deepcopy(net)
    ascent = Ascent(1.0, second_order=True)
    SharpnessAware(sgd(net), net, ascent).step(loss_of(net, x, y))
    plain(x)
    for (name, a), b in zip(net.named_buffers(), plain.buffers(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("failing", [1, 2, 3, 4])
def test_an_exception_in_any_pass_leaves_everything_as_it_was(failing):
    net, x, y = problem(norm=True)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    wrapped = SharpnessAware(optimizer, net, Ascent(0.1))
    wrapped.step(loss_of(net, x, y))
    before = copy.deepcopy((net.state_dict(), optimizer.state_dict()))
    passes = []

    def closure():
        passes.append(None)
        if len(passes) == failing:
            raise RuntimeError("no memory")
        return loss_of(net, x, y)()

    with pytest.raises(RuntimeError, match="no memory"):
        wrapped.step(closure, closure)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[0][name]), name
    for key, state in optimizer.state_dict()["state"].items():
        for entry, value in state.items():
            assert torch.equal(value, before[1]["state"][key][entry])
    assert net[1].track_running_stats


def rated(net):
    return list(zip((0.1, 0.2, 0.3, 0.0), net.parameters(), strict=True))


def test_groups_keep_their_settings_and_share_one_norm():
    net, x, y = problem()
    loss = risk(net, x, y)
    g = torch.func.grad(loss)(flat(net))
    gradient = torch.func.grad(loss)(flat(net) + 0.2 * g / g.norm())
    rates = torch.cat([r * torch.ones_like(p).view(-1) for r, p in rated(net)]).detach()
    expected = flat(net) - rates * gradient
    groups = [{"params": [p], "lr": r} for r, p in rated(net)]
    SharpnessAware(torch.optim.SGD(groups), net, Ascent(0.2)).step(loss_of(net, x, y))
    torch.testing.assert_close(flat(net), expected, rtol=1e-12, atol=1e-14)


def test_gradients_are_clipped_after_the_ascent():
    net, x, y = problem()
    before = flat(net)
    parameters = list(net.parameters())
    wrapped = SharpnessAware(
        sgd(net, lr=1.0),
        net,
        before_update=lambda: nn.utils.clip_grad_norm_(parameters, 1e-3),
    )
    wrapped.step(loss_of(net, x, y))
    assert float((flat(net) - before).norm()) == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("ascent", [Ascent(0.2), Ascent(0.2, second_order=True)])
def test_a_scaler_changes_no_step_and_skips_what_overflows(ascent):
    one, x, y = problem()
    two = copy.deepcopy(one)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    scaled = SharpnessAware(sgd(two), two, ascent, scaler=scaler)
    SharpnessAware(sgd(one), one, ascent).step(loss_of(one, x, y))
    scaled.step(loss_of(two, x, y))
    same(one, two, rtol=1e-10, atol=1e-12)
    before, scale = flat(two), scaler.get_scale()
    scaled.step(lambda: loss_of(two, x, y)() * torch.inf)
    assert torch.equal(flat(two), before)
    assert scaler.get_scale() == scale / 2


def test_mixed_precision_leaves_weights_in_full():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    x, y = torch.randn(20, 5), torch.randint(0, 3, (20,))

    def closure():
        with torch.autocast("cpu", torch.bfloat16):
            return nn.functional.cross_entropy(net(x).float(), y)

    wrapped = SharpnessAware(sgd(net), net)
    losses = [float(wrapped.step(closure)) for _ in range(30)]
    assert losses[-1] < 0.8 * losses[0]
    assert {p.dtype for p in net.parameters()} == {torch.float32}


def test_what_has_no_gradient_is_left_alone():
    net, x, y = problem()
    net[0].weight.requires_grad_(False)
    net.register_parameter("idle", nn.Parameter(torch.ones(2, dtype=torch.float64)))
    before = net[0].weight.clone()
    optimizer = sgd(net)
    loss = nn.functional.cross_entropy
    SharpnessAware(optimizer, net).step(lambda: loss(net[2](net[1](net[0](x))), y))
    assert torch.equal(net[0].weight, before)
    assert torch.equal(net.idle, torch.ones(2, dtype=torch.float64))


BAD = {
    "rho = -1": {"rho": -1},
    "p = 0.5: must be at least 1": {"p": 0.5},
    "num_steps = 0": {"num_steps": 0},
    "must have p = 2 and num_steps = 1": {"second_order": True, "num_steps": 2},
}


@pytest.mark.parametrize("message", BAD)
def test_an_ascent_refuses(message):
    with pytest.raises(ValueError, match=message):
        Ascent(**BAD[message])


def linear(rate: float = 0.3):
    """A network with one weight and one bias, and its optimiser."""
    torch.manual_seed(0)
    net = nn.Linear(2, 1).double()
    return net, sgd(net, rate), torch.randn(9, 2).double()


REFUSED = {
    "optimizer = 3: must be a torch.optim.Optimizer": lambda net, own: (3, net),
    "optimizer = LBFGS": lambda net, own: (torch.optim.LBFGS(net.parameters()), net),
    "module = 'net': must be a torch.nn.Module": lambda net, own: (own, "net"),
    "ascent = 0.05: must be an Ascent or None": lambda net, own: (own, net, 0.05),
    r"\['params'\]\[1\] = a tensor \(1,\): must be a parameter of module": (
        lambda net, own: (own, nn.ParameterList([net.weight]))
    ),
    r"optimizer.param_groups\[1\]\['rho'\] = 0.2: must be left out": lambda net, own: (
        torch.optim.SGD(
            [{"params": [net.weight]}, {"params": [net.bias], "rho": 0.2}], lr=0.1
        ),
        net,
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_wrapper_refuses(message):
    net, own, _ = linear()
    with pytest.raises(ValueError, match=message):
        SharpnessAware(*REFUSED[message](net, own))


def test_the_rho_of_adadelta_is_its_own():
    net, _, x = linear()
    before = flat(net)
    own = torch.optim.Adadelta(net.parameters(), rho=0.8)
    sam = SharpnessAware(own, net)
    sam.load_state_dict(sam.state_dict())
    sam.step(lambda: net(x).square().mean())
    assert not torch.equal(flat(net), before)


def test_state_and_gradients_are_the_optimisers():
    net, _, x = linear()
    own = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    sam = SharpnessAware(own, net)
    for _ in range(2):
        sam.step(lambda: net(x).square().mean())
    assert sam.param_groups is own.param_groups
    state = copy.deepcopy(sam.state_dict())
    assert torch.equal(
        state["state"][0]["momentum_buffer"], own.state[net.weight]["momentum_buffer"]
    )
    other = torch.optim.SGD(net.parameters(), lr=0.7)
    SharpnessAware(other, net).load_state_dict(state)
    assert other.param_groups[0]["lr"] == 0.1
    assert torch.equal(
        other.state[net.weight]["momentum_buffer"],
        own.state[net.weight]["momentum_buffer"],
    )
    sam.zero_grad(set_to_none=False)
    assert not net.weight.grad.any()
    sam.zero_grad()
    assert net.weight.grad is None
    state["param_groups"][0]["rho"] = 0.1
    with pytest.raises(ValueError, match="must be left out"):
        sam.load_state_dict(state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda loss: loss.item(), "must be a tensor"),
        (lambda loss: loss.detach(), r"tensor \(\) with requires_grad = False"),
        (lambda loss: loss.view(1), r"a tensor \(1,\) with requires_grad = True"),
        (lambda loss: (loss.backward(retain_graph=True), loss)[1], "weight: must retu"),
        (lambda loss: (loss.backward(), loss)[1], "gradient of weight: must return"),
    ],
)
@pytest.mark.parametrize("rho", [0.0, 0.1])
def test_a_closure_returns_a_loss_and_no_more(change, message, rho):
    net, own, x = linear()
    before = flat(net)
    with pytest.raises(ValueError, match=message):
        SharpnessAware(own, net, Ascent(rho)).step(
            lambda: change(net(x).square().mean())
        )
    assert torch.equal(flat(net), before)
    assert net.weight.grad is None


def test_a_sparse_gradient_is_refused():
    table = nn.Embedding(4, 2, sparse=True)
    sam = SharpnessAware(sgd(table), table)
    with pytest.raises(ValueError, match=r"weight = a tensor .*sparse.* must be dense"):
        sam.step(lambda: table(torch.tensor([1])).sum())


def test_a_scaler_goes_on_after_a_failure():
    net, own, x = linear()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    failures = [RuntimeError("no memory")]

    def once():
        if failures:
            raise failures.pop()

    sam = SharpnessAware(own, net, scaler=scaler, before_update=once)
    expected, theirs, _ = linear()
    before = flat(net)
    with pytest.raises(RuntimeError, match="no memory"):
        sam.step(lambda: net(x).square().mean())
    assert torch.equal(flat(net), before)
    assert scaler.get_scale() == 2.0**10
    sam.step(lambda: net(x).square().mean())
    SharpnessAware(theirs, expected).step(lambda: expected(x).square().mean())
    same(net, expected, rtol=1e-12, atol=1e-12)


def test_a_failure_behind_the_optimisers_step_puts_weights_back():
    net, own, x = linear()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    sam = SharpnessAware(own, net, scaler=scaler)
    before = flat(net)

    def fail(*given):
        raise RuntimeError("no memory")

    hook = own.register_step_post_hook(fail)
    with pytest.raises(RuntimeError, match="no memory"):
        sam.step(lambda: net(x).square().mean())
    assert torch.equal(flat(net), before)
    hook.remove()
    sam.step(lambda: net(x).square().mean())
    assert not torch.equal(flat(net), before)


def test_a_buffer_that_is_replaced_is_put_back_by_a_failure():
    net, own, x = linear()
    net.register_buffer("count", torch.zeros(()))

    def closure():
        net.count = net.count + 1
        if net.count > 1:
            raise RuntimeError("no memory")
        return net(x).square().mean()

    first = net.count
    with pytest.raises(RuntimeError, match="no memory"):
        SharpnessAware(own, net).step(closure)
    assert net.count is first
    assert not net.count


def test_parameters_beside_the_optimisers_stay_with_their_gradients():
    net, _, x = linear()
    before = net.bias.detach().clone()
    net.bias.grad = torch.full((1,), 3.0, dtype=torch.float64)
    own = torch.optim.SGD([net.weight], lr=0.1)
    SharpnessAware(own, net).step(lambda: net(x).square().mean())
    assert torch.equal(net.bias, before)
    assert net.bias.grad == 3


def test_a_parameter_of_some_passes_only_has_gradient_zero_in_the_others():
    net = nn.ParameterList([nn.Parameter(torch.ones(2).double()) for _ in range(3)])
    seen = []

    def closure(drop):
        def loss():
            seen.append([p.detach().clone() for p in net])
            out = drop[len(seen) - 1]
            return sum(p.sum() ** 2 for i, p in enumerate(net) if i != out)

        return loss

    SharpnessAware(sgd(net), net, Ascent(0.2, num_steps=2)).step(closure([0, 1, 2]))
    root = 2**0.5
    by = torch.tensor([0.0, 0.05, 0.05], dtype=torch.float64)
    for p, length in zip(seen[1], by, strict=True):
        torch.testing.assert_close(p, torch.ones_like(p) + length)
    g = torch.tensor([1.0, 0.0, 1.05], dtype=torch.float64)
    for p, start, length in zip(
        seen[2], seen[1], 0.1 * g / g.norm() / root, strict=True
    ):
        torch.testing.assert_close(p, start + length)
    assert torch.equal(net[2], torch.ones(2))  # the optimiser skips what has none
    expected = 1 - 0.3 * 4 * seen[2][0]
    torch.testing.assert_close(net[0].detach(), expected)


def test_second_order_takes_what_the_loss_has_no_curvature_in():
    net, own, x = linear()
    assert (1 - net(x) > 0).all()

    def hinge():
        return (1 - net(x)).clamp(min=0).mean() + net.weight.pow(4).sum()

    def perturbed():
        g = torch.autograd.grad(hinge(), list(net.parameters()), create_graph=True)
        step = [0.1 * part / torch.cat([h.view(-1) for h in g]).norm() for part in g]
        moved = {
            name: p + e
            for (name, p), e in zip(net.named_parameters(), step, strict=True)
        }
        f = torch.func.functional_call(net, moved, (x,))
        return (1 - f).clamp(min=0).mean() + moved["weight"].pow(4).sum()

    gradient = torch.autograd.grad(perturbed(), list(net.parameters()))
    SharpnessAware(own, net, Ascent(0.1, second_order=True)).gradient(hinge)
    for p, expected in zip(net.parameters(), gradient, strict=True):
        torch.testing.assert_close(p.grad, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("second_order", [False, True])
def test_a_linear_loss_has_no_curvature_at_all(second_order):
    net, own, x = linear()
    sam = SharpnessAware(own, net, Ascent(0.1, second_order=second_order))
    sam.gradient(lambda: net(x).mean())
    torch.testing.assert_close(net.weight.grad[0], x.mean(dim=0))
    assert net.bias.grad == 1


@pytest.mark.parametrize("second_order", [False, True])
def test_a_loss_of_no_parameter_moves_nothing(second_order):
    net, own, _ = linear()
    before, away = flat(net), torch.ones((), requires_grad=True)
    sam = SharpnessAware(own, net, Ascent(0.1, second_order=second_order))
    assert sam.step(lambda: away * 2) == 2
    assert torch.equal(flat(net), before)


@pytest.mark.parametrize("second_order", [False, True])
def test_every_buffer_follows_the_first_pass_only(second_order):
    torch.manual_seed(0)
    middle = nn.InstanceNorm1d(7, track_running_stats=True)
    net = nn.Sequential(nn.Conv1d(2, 7, 3), middle, nn.Flatten())
    x, plain = torch.randn(6, 2, 7), copy.deepcopy(net)
    sam = SharpnessAware(sgd(net), net, Ascent(0.5, second_order=second_order))
    sam.step(lambda: net(x).pow(4).mean())
    plain(x)
    for a, b in zip(net.buffers(), plain.buffers(), strict=True):
        assert torch.equal(a, b)


def test_a_step_needs_a_closure():
    net, _, _ = problem()
    with pytest.raises(ValueError, match="at least one"):
        SharpnessAware(sgd(net), net).step()
