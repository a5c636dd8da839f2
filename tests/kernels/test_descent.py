"""The loop for models whose gradient is written down, step for step by autograd.

With `diagonal_sgd`, which takes the same steps of one rule in another way.
"""

from typing import Any

import numpy as np
import pytest
import torch

from flatminima.kernels import descent, diagonal_sgd
from flatminima.models import diagonal

pytestmark = [
    pytest.mark.uncompiled,
    pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning"),
]

N, D, STEPS = 6, 4, 8
USUAL = {
    "group": N,
    "c": 0.5,
    "lr": 0.05,
    "rho": 0.0,
    "normalised": True,
    "ascent_steps": 1,
    "quadratic": False,
    "through": False,
    "noise": 0.0,
    "stop_loss": -1.0,
    "batch": N,
}
SAM = {"rho": 0.3}
FREE = {"normalised": False}
RULES: dict[str, dict[str, Any]] = {
    "GD": {},
    "another factor": {"c": 0.25},
    "SAM": SAM,
    "not normalised": SAM | FREE,
    "down": {"rho": -0.2},
    "1-SAM": SAM | {"group": 1},
    "m-SAM": SAM | {"group": 3, "c": 0.25},
    "three parts": SAM | {"ascent_steps": 3, "group": 2},
    "three parts, not normalised": SAM | FREE | {"ascent_steps": 3},
    "quadratic": SAM | {"quadratic": True, "ascent_steps": 2, "group": 3},
    "through": SAM | {"through": True, "group": 3},
    "through, not normalised": SAM | FREE | {"through": True, "group": 2, "c": 0.25},
}
each_rule = pytest.mark.parametrize("rule", RULES)
PRODUCT, SQUARES = diagonal.Model(D, False), diagonal.Model(D, True)


def problem(seed=0):
    """Inputs, targets, and where to start."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(N, D)), rng.normal(size=N), rng.normal(size=2 * D)


def taken(kernel, model, theta, bits, directions=None, **fields):
    """Parameters after steps by the kernel, and what it returns."""
    x, y, _ = problem()
    if directions is None:
        directions = np.empty((len(bits), 0))
    theta, given = theta.copy(), USUAL | fields
    scratch = np.empty(model.scratch)
    result = kernel.run(model, theta, x, y, bits, directions, *given.values(), scratch)
    return theta, result


def drawn(bits, noise, y):
    """Examples and targets of a step: the upper half, and the lowest bit."""
    rows = np.array([(int(word) >> 32) * N // 2**32 for word in bits])
    signs = np.array([1.0 if int(word) % 2 else -1.0 for word in bits])
    return rows, y[rows] + noise * signs


def by_autograd(model, theta, bits, directions=None, **fields):
    """The same steps with the Hessian and the gradient through the ascent by torch."""
    x, y, _ = problem()
    given = USUAL | fields
    m, rho, c, at = given["group"], given["rho"], given["c"], torch.tensor(theta)
    for t, words in enumerate(bits):
        rows, targets = np.arange(N), y
        if len(words):
            rows, targets = drawn(words, given["noise"], y)
        total = torch.zeros_like(at)
        for start in range(0, len(rows), m):
            its = slice(start, start + m)
            inputs, labels = torch.tensor(x[rows[its]]), torch.tensor(targets[its])

            def loss(at, inputs=inputs, labels=labels):
                f = diagonal.forward(model, at[:D], at[D:], inputs)
                return c * (f - labels).square().mean()

            def ascent(at, t=t, loss=loss):
                if rho == 0:
                    return at
                if directions is not None:
                    return at + rho * torch.tensor(directions[t])
                if given["quadratic"]:
                    g, hessian = torch.func.grad(loss)(at), torch.func.hessian(loss)(at)
                    delta = rho * g / g.norm()
                    for _ in range(given["ascent_steps"]):
                        bent = g + hessian @ delta
                        delta = rho * bent / bent.norm()
                    return at + delta
                up = at
                for _ in range(given["ascent_steps"]):
                    g = torch.func.grad(loss)(up)
                    length = g.norm() if given["normalised"] else 1.0
                    up = up + rho / given["ascent_steps"] * g / length
                return up

            if given["through"]:
                total += torch.func.grad(lambda at, a=ascent, f=loss: f(a(at)))(at)
            else:
                total += torch.func.grad(loss)(ascent(at))
        at = at - given["lr"] * total * m / len(rows)
    return at.numpy()


def words(shape, seed=1):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**64, shape, dtype=np.uint64)


@pytest.mark.parametrize("model", [PRODUCT, SQUARES], ids=["product", "squares"])
@each_rule
def test_full_batches_are_those_of_autograd(rule, model, plain):
    theta, bits = problem()[2], words((STEPS, 0))
    ours, result = taken(plain(descent), model, theta, bits, **RULES[rule])
    theirs = by_autograd(model, theta, bits, **RULES[rule])
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    assert result == (STEPS, False)
    assert np.abs(ours - theta).max() > 1e-2


@each_rule
def test_drawn_batches_with_noise_are_those_of_autograd(rule, plain):
    fields = RULES[rule] | {"batch": 2, "group": 1, "noise": 0.4, "lr": 0.02}
    theta, bits = problem()[2], words((STEPS, 2))
    ours, result = taken(plain(descent), PRODUCT, theta, bits, **fields)
    theirs = by_autograd(PRODUCT, theta, bits, **fields)
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
    assert result == (STEPS, False)


def test_labels_of_a_full_batch_are_moved_afresh_in_every_step(plain):
    theta, bits = problem()[2], words((STEPS, N))
    y, rows, targets = np.arange(1.0, N + 1), np.arange(N), np.empty(N)
    plain(descent).draw(bits, 3, N, 0.25, y, rows, targets)
    signs = np.where(bits[3] % np.uint64(2) == 1, 1.0, -1.0)
    np.testing.assert_array_equal(targets, y + 0.25 * signs)
    np.testing.assert_array_equal(rows, np.arange(N))
    ours, _ = taken(descent, PRODUCT, theta, bits, noise=0.4)
    still, _ = taken(descent, PRODUCT, theta, bits)
    assert np.abs(ours - still).max() > 1e-3
    np.testing.assert_array_equal(still, taken(descent, PRODUCT, theta, bits[:, :0])[0])


def test_an_example_is_the_upper_half_of_its_bits(plain):
    # the first and the last draw of each of three examples
    third = 2**32 // 3 + 1
    high = [0, third - 1, third, 2 * 2**32 // 3, 2 * 2**32 // 3 + 1, 2**32 - 1]
    y, rows, targets = np.array([5.0, 7.0, 9.0]), np.zeros(2, int), np.empty(2)
    for k in range(0, 6, 2):
        bits = np.array([[high[k] << 32, (high[k + 1] << 32) + 1]], np.uint64)
        plain(descent).draw(bits, 0, 3, 0.5, y, rows, targets)
        np.testing.assert_array_equal(rows, [[0, 0], [1, 1], [2, 2]][k // 2])
        np.testing.assert_array_equal(targets, y[rows] + [-0.5, 0.5])


def test_a_random_direction_takes_the_place_of_the_gradient(plain):
    theta, bits = problem()[2], words((STEPS, 0))
    rng = np.random.default_rng(2)
    directions = rng.normal(size=(STEPS, 2 * D))
    fields = {"rho": 0.3, "group": 3, "directions": directions}
    ours, _ = taken(plain(descent), PRODUCT, theta, bits, **fields)
    theirs = by_autograd(PRODUCT, theta, bits, **fields)
    np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("rule", ["SAM", "quadratic", "through", "three parts"])
def test_where_the_gradient_is_zero_nothing_moves(rule, plain):
    theta, bits = np.zeros(2 * D), words((STEPS, 0))
    ours, result = taken(plain(descent), PRODUCT, theta, bits, **RULES[rule])
    np.testing.assert_array_equal(ours, theta)
    assert result == (STEPS, False)


@pytest.mark.parametrize("rule", RULES)
def test_it_stops_at_a_loss_and_where_the_loss_is_lost(rule, plain):
    x, y, theta = problem()
    bits, fields = words((50, 0)), RULES[rule]
    factor = fields.get("c", 0.5)

    def loss(theta):
        f = diagonal.forward(PRODUCT, theta[:D], theta[D:], x)
        return factor * np.mean((f - y) ** 2)

    path = [theta]
    for _ in range(4):
        path.append(taken(plain(descent), PRODUCT, path[-1], bits[:1], **fields)[0])
    losses = [loss(each) for each in path]
    assert all(np.diff(losses) < 0)
    for bound, steps in ((losses[3] * (1 + 1e-9), 3), (losses[3] * (1 - 1e-9), 4)):
        stopped = taken(*(descent, PRODUCT, theta, bits[:5]), stop_loss=bound, **fields)
        np.testing.assert_allclose(stopped[0], path[steps], rtol=1e-9)
        assert stopped[1] == (steps, True)
    lost = theta.copy()
    lost[1] = np.nan
    assert taken(descent, PRODUCT, lost, bits, **fields)[1] == (0, False)
    far = taken(descent, PRODUCT, 1e200 * theta, bits, **fields)
    assert far[1] == (0, False)
    np.testing.assert_array_equal(far[0], 1e200 * theta)


def test_norm_and_dot(rng, plain):
    a, b = rng.normal(size=(2, 7))
    assert plain(descent).norm_of(a) == pytest.approx(np.linalg.norm(a), rel=1e-14)
    assert descent.dot(a, b) == pytest.approx(a @ b, rel=1e-13)


@pytest.mark.parametrize("squares", [True, False])
def test_a_step_of_one_example_is_that_of_the_loop_for_all(squares, plain):
    x, y, theta = problem()
    model, bits = diagonal.Model(D, squares), words(60, seed=4)
    u, v = theta[:D].copy(), theta[D:].copy()
    done = plain(diagonal_sgd).run(squares, u, v, x, y, bits, 0.25, 0.05, 0.3)
    fields = {"batch": 1, "group": 1, "c": 0.25, "noise": 0.3}
    ours = np.concatenate([u, v])
    assert done == 60 and np.isfinite(ours).all()
    theirs = by_autograd(model, theta, bits[:, None], **fields)
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("squares", [True, False])
def test_steps_of_one_example_stop_where_the_output_is_lost(squares, plain):
    x, y, theta = problem()
    y[2] = np.inf
    high = [0, 1, 3, 2, 5, 4]
    bits = np.array([((2 * h + 1) * 2**32 // (2 * N)) << 32 for h in high], np.uint64)
    u, v = theta[:D], theta[D:]
    done = plain(diagonal_sgd).run(squares, u, v, x, y, bits, 0.25, 0.05, 0.0)
    assert done == 3
    assert np.isfinite(theta).all()
    u[0] = np.nan
    assert diagonal_sgd.run(squares, u, v, x, y, bits, 0.25, 0.05, 0.0) == 0
