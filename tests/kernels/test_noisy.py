"""Noisy steps on three smooth models and their flow, against autograd and scipy."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from flatminima.kernels import noisy

pytestmark = pytest.mark.uncompiled

N, UNITS, D = 5, 3, 2
FEATURES = {noisy.SQUARES: UNITS, noisy.TANH: D, noisy.MATRIX: 4}
SIZES = {noisy.SQUARES: 2 * UNITS, noisy.TANH: UNITS * (D + 1), noisy.MATRIX: 12}
each_model = pytest.mark.parametrize("model", SIZES, ids=["squares", "tanh", "matrix"])


def problem(model):
    """Inputs, labels, where to start, and a factor for every unit."""
    rng = np.random.default_rng(model)
    x = rng.standard_normal((N, FEATURES[model]))
    y, theta = rng.standard_normal(N), rng.standard_normal(SIZES[model])
    return x, y, theta, rng.uniform(0.5, 2.0, UNITS)


def outputs(model, theta, x, mask):
    """As in the module's first lines."""
    x, mask = torch.tensor(x), torch.tensor(mask)
    if model == noisy.SQUARES:
        u, v = theta.chunk(2)
        return x @ (mask * (u**2 - v**2))
    if model == noisy.TANH:
        w, v = theta[: UNITS * D].reshape(UNITS, D), theta[UNITS * D :]
        return torch.tanh(x @ w.T) @ (mask * v)
    u, v = (part.reshape(2, UNITS) for part in theta.chunk(2))
    return torch.einsum("nab,k,ak,bk->n", x.reshape(N, 2, 2), mask, u, v)


def gradient(model, theta, x, y, mask, rows, moved):
    """Of (1 / 2b) sum (f - y - moved)^2, by autograd."""

    def loss(at):
        left = outputs(model, at, x, mask)[rows] - torch.tensor(y[rows] + moved)
        return 0.5 * left.square().mean()

    return torch.func.grad(loss)(torch.tensor(theta)).numpy()


@each_model
def test_a_row_is_an_output_and_its_gradient(model, plain):
    x, _, theta, mask = problem(model)
    at, out = torch.tensor(theta), np.full(theta.size, np.nan)
    f = outputs(model, at, x, mask)
    rows = torch.func.jacrev(lambda at: outputs(model, at, x, mask))(at)
    for i in range(N):
        found = plain(noisy).row(model, theta, x, i, mask, out)
        assert found == pytest.approx(float(f[i]), rel=1e-13)
        np.testing.assert_allclose(out, rows[i].numpy(), rtol=1e-13, atol=1e-15)


RULES = {"plain": noisy.PLAIN, "ascent": noisy.ASCENT, "Adam": noisy.ADAM}


def by_hand(model, rule, theta, draws, lr, rho, adam):
    """The steps of some draws, by autograd and torch.optim."""
    x, y, _, _ = problem(model)
    at = torch.tensor(theta, requires_grad=True)
    optimiser = torch.optim.SGD([at], lr=lr)
    if rule == noisy.ADAM:
        optimiser = torch.optim.Adam([at], lr=lr, betas=adam[:2], eps=adam[2])
    for t in range(len(draws[0])):
        rows, moved, mask, kick = (d[t] if len(d) > 1 else d[0] for d in draws)
        here = at.detach().numpy().copy()
        g = gradient(model, here, x, y, mask, rows, moved)
        if rule == noisy.ASCENT:
            here += rho * g / np.linalg.norm(g)
            g = gradient(model, here, x, y, mask, rows, moved)
        at.grad = torch.tensor(g + kick)
        optimiser.step()
    state = [optimiser.state[at].get(key) for key in ("exp_avg", "exp_avg_sq")]
    return at.detach().numpy(), state


def drawn(model, steps, batch, each=True):
    """Examples, moves of labels, masks and kicks; of masks and kicks one for all."""
    rng = np.random.default_rng(7)
    many = steps if each else 1
    return (
        rng.integers(N, size=(steps, batch)),
        rng.standard_normal((steps, batch)),
        rng.uniform(0.5, 2.0, (many, UNITS)),
        0.1 * rng.standard_normal((many, SIZES[model])),
    )


ADAM = (0.8, 0.95, 1e-2)


@pytest.mark.parametrize("each", [True, False], ids=["each its own", "one for all"])
@pytest.mark.parametrize("rule", RULES)
@each_model
def test_steps_are_those_of_autograd_wherever_they_are_cut(model, rule, each, plain):
    x, y, theta, _ = problem(model)
    draws = drawn(model, 9, 2, each)
    memory, ours = np.zeros((2, theta.size)), theta.copy()
    for first, last in ((0, 4), (4, 9)):
        some = [d[first:last] if len(d) > 1 else d for d in draws]
        settings = RULES[rule], 0.02, 0.3, np.array(ADAM[:2]), ADAM[2], first
        done = plain(noisy).run(model, ours, memory, x, y, *some, *settings)
        assert done == last - first
    theirs, state = by_hand(model, RULES[rule], theta, draws, 0.02, 0.3, ADAM)
    np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)
    if rule == "Adam":
        for mine, other in zip(memory, state, strict=True):
            np.testing.assert_allclose(mine, other.numpy(), rtol=1e-11)
    else:
        assert not memory.any()


@pytest.mark.parametrize("rule", RULES)
def test_weights_beyond_a_million_are_lost(rule, plain):
    # one kick in the third step, and nothing else that moves them
    x, y, masks, kicks = np.ones((1, 3)), np.zeros(1), np.ones((1, 3)), np.zeros((4, 6))
    kicks[2, 1] = 1.0
    rows, moved = np.zeros((4, 1), int), np.zeros((4, 1))
    jump = 0.2 / (1 - 0.8**3) / np.sqrt(0.05 / (1 - 0.95**3)) if rule == "Adam" else 1.0

    def steps(lr):
        settings = RULES[rule], lr, 0.3, np.array(ADAM[:2]), 1e-12, 0
        return plain(noisy).run(
            *(noisy.SQUARES, np.zeros(6), np.zeros((2, 6)), 0 * x, y, rows, moved),
            *(masks, kicks, *settings),
        )

    assert steps(1.01e6 / jump) == 2
    assert steps(0.5e6 / jump) == 4


@pytest.mark.parametrize("where", range(6))
@pytest.mark.parametrize("rule", RULES)
def test_weights_that_are_no_numbers_are_lost(rule, where, plain):
    # a comparison with NaN is false, whichever weight is the last that is looked at
    x, y, masks, kicks = np.ones((1, 3)), np.zeros(1), np.ones((1, 3)), np.zeros((4, 6))
    kicks[2, where] = np.nan
    settings = RULES[rule], 0.01, 0.3, np.array(ADAM[:2]), 1e-12, 0
    done = plain(noisy).run(
        *(noisy.SQUARES, np.zeros(6), np.zeros((2, 6)), 0 * x, y),
        *(np.zeros((4, 1), int), np.zeros((4, 1)), masks, kicks, *settings),
    )
    assert done == 2


@each_model
def test_a_slope_is_that_of_the_mean_loss_and_tells_the_trace(model, plain):
    x, y, theta, mask = problem(model)
    each, total = np.empty((2, theta.size))
    loss, trace = plain(noisy).slope(model, theta, x, y, mask, each, total)
    at = torch.tensor(theta)
    f = outputs(model, at, x, mask).numpy()
    rows = torch.func.jacrev(lambda at: outputs(model, at, x, mask))(at)
    assert loss == pytest.approx(0.5 * np.mean((f - y) ** 2), rel=1e-13)
    assert trace == pytest.approx(float(rows.square().sum()) / N, rel=1e-13)
    g = gradient(model, theta, x, y, mask, np.arange(N), np.zeros(N))
    np.testing.assert_allclose(total, -g, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("share", [0.25, 0.5])
@each_model
def test_one_step_down_is_a_step_of_gradient_flow_to_fourth_order(model, share, plain):
    x, y, theta, mask = problem(model)
    each, total = np.empty((2, theta.size))
    before, trace = plain(noisy).slope(model, theta, x, y, mask, each, total)
    rows, still = np.arange(N), np.zeros(N)
    flow = solve_ivp(
        lambda t, at: -gradient(model, at, x, y, mask, rows, still),
        (0, share / trace),
        theta,
        rtol=1e-11,
        atol=1e-13,
    ).y[:, -1]
    ours = theta.copy()
    loss, steps = noisy.descend(model, ours, x, y, mask, share, -1.0, 1)
    assert (loss, steps) == (before, 1)
    error = np.linalg.norm(ours - flow) / np.linalg.norm(flow - theta)
    assert error < {0.5: 3e-4, 0.25: 3e-4 / 2**4}[share]


@each_model
def test_descent_ends_at_the_loss_asked_for_or_when_steps_run_out(model, plain):
    x, y, theta, mask = problem(model)
    each, total = np.empty((2, theta.size))

    def loss_at(theta):
        return noisy.slope(model, theta, x, y, mask, each, total)[0]

    path = [theta.copy()]
    for _ in range(4):
        path.append(path[-1].copy())
        plain(noisy).descend(model, path[-1], x, y, mask, 0.5, -1.0, 1)
    losses = [loss_at(each) for each in path]
    assert all(np.diff(losses) < 0)
    ours = theta.copy()
    found = noisy.descend(model, ours, x, y, mask, 0.5, losses[3], 50)
    assert found == (losses[3], 3)
    np.testing.assert_array_equal(ours, path[3])
    found = noisy.descend(model, theta.copy(), x, y, mask, 0.5, losses[3], 3)
    assert found == (losses[2], 3)


def test_descent_stays_where_there_is_no_gradient_and_where_the_loss_is_lost(plain):
    x, y, theta, mask = problem(noisy.SQUARES)
    flat = np.zeros(6)
    loss, steps = plain(noisy).descend(0, flat, x, y, mask, 0.5, -1.0, 9)
    assert steps == 0 and loss == pytest.approx(0.5 * np.mean(y**2))
    assert not flat.any()
    theta[1] = np.nan
    loss, steps = noisy.descend(0, theta, x, y, mask, 0.5, -1.0, 9)
    assert steps == 0 and np.isnan(loss)
    assert noisy.descend(0, theta, x, y, mask, 0.5, -1.0, 0) == (np.inf, 0)
