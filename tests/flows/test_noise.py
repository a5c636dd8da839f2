"""Noisy steps against a plain rewrite, and the projection against two others."""

from dataclasses import replace

import jaxtyping
import numpy as np
import pytest
import torch
from scipy import stats

from flatminima.flows.diagonal import Diagonal
from flatminima.flows.factorisation import Factorisation
from flatminima.flows.gradient_flow import descent, settle
from flatminima.flows.noise import Noise, arrays_of, draw, project, walk
from flatminima.flows.two_layer import TwoLayer
from flatminima.kernels import noisy
from tests.flows import examples


def square(seed: int) -> tuple[Factorisation, np.ndarray]:
    rng = np.random.default_rng(seed)
    model = Factorisation(rng.standard_normal((4, 3, 3)), rng.standard_normal(4), 2)
    return model, rng.standard_normal(12)


def every_model(seed: int = 0) -> list:
    return [examples.diagonal(seed), examples.two_layer(seed, "tanh"), square(seed)]


@pytest.mark.parametrize("which", range(3))
def test_rows_are_outputs_and_gradients_of_the_flows_models(which):
    model, theta = every_model()[which]
    given, at = arrays_of(model), model.tangent(theta)
    out = np.empty(theta.size)
    for i in range(len(model.y)):
        f = noisy.row(given.kind, theta, given.x, i, np.ones(given.units), out)
        weights = np.eye(len(model.y))[i]
        assert f == pytest.approx(at.f[i], rel=1e-12)
        assert out == pytest.approx(at.pull_back(weights)[0], rel=1e-12)


def masked(model, theta: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """All outputs with factors on the units, as a user would write them."""
    if isinstance(model, Diagonal):
        u, v = theta.chunk(2)
        return torch.tensor(model.z) @ (mask * (u**2 - v**2))
    if isinstance(model, TwoLayer):
        w, v = theta[: -model.width].reshape(model.width, -1), theta[-model.width :]
        return torch.tanh(torch.tensor(model.x) @ w.T) @ (mask * v)
    u, v = (part.reshape(-1, model.rank) for part in theta.chunk(2))
    return (torch.tensor(model.a) * ((u * mask) @ v.T)).sum((1, 2))


def by_autograd(model, noise: Noise, theta: np.ndarray, draws, lr: float) -> np.ndarray:
    """The steps of some draws by torch.autograd and torch.optim."""
    at = torch.tensor(theta, requires_grad=True)
    betas = {"betas": noise.decay, "eps": noise.floor}
    optimiser = (
        torch.optim.Adam([at], lr=lr, **betas)
        if noise.rule == "adam"
        else torch.optim.SGD([at], lr=lr)
    )

    def gradient(t: int) -> torch.Tensor:
        rows, moved, masks, kicks = (
            torch.tensor(each[t if len(each) > 1 else 0]) for each in draws
        )
        left = masked(model, at, masks)[rows] - torch.tensor(model.y)[rows] - moved
        return torch.autograd.grad(0.5 * left.square().mean(), at)[0], kicks

    for t in range(len(draws[0])):
        g, kick = gradient(t)
        if noise.rule == "ascent":
            here = at.detach().clone()
            at.data += noise.rho * g / g.norm()
            g, kick = gradient(t)
            at.data = here
        at.grad = g + kick
        optimiser.step()
    return at.detach().numpy()


RULES = {
    "label noise": Noise(batch=1, labels=0.3),
    "batch": Noise(batch=3, labels=0.3, tails="student"),
    "all examples": Noise(labels=0.2),
    "dropout": Noise(batch=2, dropout=0.4),
    "ascent": Noise(batch=2, rule="ascent", rho=0.1),
    "Adam": Noise(batch=2, labels=0.3, rule="adam", floor=1e-3),
}


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("name", RULES)
def test_steps_are_those_of_autograd(name, which):
    model, theta = every_model()[which]
    noise = RULES[name]
    draws = draw(noise, arrays_of(model), 20, theta.size, np.random.default_rng(5))
    walked = walk(model, noise, theta, [20], lr=0.01, rng=np.random.default_rng(5))
    wanted = by_autograd(model, noise, theta, draws, 0.01)
    assert walked[0] == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    assert not np.allclose(walked[0], theta)


def test_kicks_have_the_covariance_of_their_shape():
    model, theta = examples.diagonal(0)
    still = Diagonal(np.zeros_like(model.z), np.zeros_like(model.y))
    shape = np.random.default_rng(1).standard_normal((theta.size, 2))
    noise, steps = Noise(shape=shape), np.arange(1, 20_001)
    path = walk(still, noise, theta, steps, lr=1.0, rng=np.random.default_rng(2))
    jumps = np.diff(path, axis=0)
    error = np.abs(np.cov(jumps.T) - shape @ shape.T).max()
    assert error < 4 * np.abs(shape @ shape.T).max() * np.sqrt(2 / len(jumps))


def test_student_noise_has_the_variance_of_signs():
    """By a quantile: a variance of so heavy a tail converges slowly."""

    model, _ = examples.diagonal(0)
    noise = Noise(batch=1, labels=2.0, tails="student")
    moved = draw(noise, arrays_of(model), 40_000, 1, np.random.default_rng(0))[1]
    wanted = stats.t(3, scale=2.0 / np.sqrt(3)).ppf(0.9)
    assert stats.t(3, scale=2.0 / np.sqrt(3)).std() == pytest.approx(2.0)
    assert np.quantile(moved, 0.9) == pytest.approx(wanted, rel=0.03)


@pytest.mark.parametrize("which", range(3))
def test_a_walk_may_be_looked_at_without_a_change(which):
    model, theta = every_model()[which]
    noise = Noise(batch=1, labels=0.3)

    def ends(steps):
        rng = np.random.default_rng(3)
        return walk(model, noise, theta, steps, lr=1e-3, rng=rng)

    assert ends([4096, 8192])[0] == pytest.approx(ends([4096])[0], rel=1e-12)


@pytest.mark.parametrize("which", range(3))
def test_projection_is_the_end_of_gradient_flow(which):
    model, theta = every_model()[which]
    start = settle(model, theta)
    assert start.reason == "interpolates"
    near = start.theta + 0.05 * np.random.default_rng(1).standard_normal(theta.size)
    exact = settle(model, near, rtol=1e-10, atol=1e-14).theta
    found = project(model, near[None])[0]
    moved = np.linalg.norm(exact - near)
    assert np.linalg.norm(found - exact) < 1e-3 * moved
    assert np.abs(model.tangent(found).f - model.y).max() < 1e-9


def test_projection_keeps_the_products_of_the_quadratic_model():
    """Closed form: gradient flow leaves every u_j v_j as it is."""
    model, theta = examples.diagonal(3)
    d = model.z.shape[1]
    found = project(model, theta[None])[0]
    kept = found[:d] * found[d:]
    assert kept == pytest.approx(theta[:d] * theta[d:], rel=1e-4)


def test_projection_leaves_what_is_lost():
    model, theta = examples.diagonal(0)
    points = np.array([np.full(theta.size, np.nan), np.zeros(theta.size)])
    assert np.isnan(project(model, points)).all()


def test_a_walk_that_diverges_is_cut():
    model, theta = examples.diagonal(0)
    path = walk(
        model,
        Noise(batch=1, labels=1.0),
        theta,
        [1, 5000],
        lr=5.0,
        rng=np.random.default_rng(0),
    )
    assert np.isfinite(path[0]).all() and np.isnan(path[1]).all()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"batch": -1}, "batch = -1"),
        ({"labels": float("nan")}, "labels = nan"),
        ({"dropout": 1.0}, "dropout = 1.0"),
        ({"floor": 0.0}, "floor = 0.0"),
        ({"rule": "sgd"}, "'sgd'"),
        ({"decay": (0.9, 1.0)}, r"decay\[1\] = 1.0: must be at least 0 and below 1"),
        ({"decay": (1.0, 0.9)}, r"decay\[0\] = 1.0: must be at least 0 and below 1"),
        ({"decay": (-0.1, 0.9)}, r"decay\[0\] = -0.1"),
        ({"labels": float("inf")}, "labels = inf: must be at least 0 and below inf"),
        ({"rho": -0.1}, "rho = -0.1"),
        ({"rho": float("inf")}, "rho = inf"),
        ({"dropout": -0.1}, "dropout = -0.1: must be at least 0 and below 1"),
        ({"tails": "normal"}, "'normal', 'plain': must be 'signs' or 'student', and"),
        ({"floor": float("nan")}, "floor = nan: must be above 0"),
    ],
)
def test_noise_refuses(wrong, says):
    with pytest.raises(ValueError, match=says):
        replace(Noise(), **wrong)


def test_zeros_are_allowed():
    noise = Noise(batch=0, labels=0.0, dropout=0.0, rho=0.0, decay=(0.0, 0.0))
    assert noise == replace(Noise(), decay=(0.0, 0.0))


def test_without_noise_a_walk_is_gradient_descent():
    model, theta = examples.diagonal(0)
    path = walk(
        model=model,
        noise=Noise(),
        start=theta,
        steps=[1, 2, 2],
        lr=0.01,
        rng=np.random.default_rng(0),
    )
    first = theta + 0.01 * descent(model, theta)
    second = first + 0.01 * descent(model, first)
    np.testing.assert_allclose(path, [first, second, second], rtol=1e-12)


def test_the_start_of_a_walk_is_left_alone():
    model, theta = examples.diagonal(0)
    before = theta.copy()
    walk(model, Noise(), theta, [3], lr=0.1, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(theta, before)


def test_adam_remembers_between_the_points_that_are_kept():
    """Its means, and how many steps they are over."""
    model, theta = examples.diagonal(0)
    noise = Noise(rule="adam")
    ends = [
        walk(model, noise, theta, steps, lr=0.01, rng=np.random.default_rng(1))[-1]
        for steps in ([30], [1, 7, 30])
    ]
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-12)


def test_what_a_step_draws():
    model, _ = examples.diagonal(0)
    given = arrays_of(model)
    n, d = model.z.shape
    rng = np.random.default_rng(0)
    noise = Noise(batch=3, labels=0.5, dropout=0.25)
    rows, moved, masks, kicks = draw(noise, given, 2000, 2 * d, rng)
    assert rows.shape == moved.shape == (2000, 3)
    assert set(np.unique(rows)) == set(range(n))
    assert set(np.unique(moved)) == {-0.5, 0.5}
    assert abs(moved.mean()) < 4 * 0.5 / np.sqrt(moved.size)
    # what is left is divided by its share, so that a unit's mean is 1
    assert masks.shape == (2000, d)
    assert np.unique(masks) == pytest.approx([0.0, 1 / 0.75])
    assert abs(masks.mean() - 1) < 4 * np.sqrt(1 / 3 / masks.size)
    assert not kicks.any() and kicks.shape == (1, 2 * d)
    rows, moved, masks, _ = draw(Noise(), given, 5, 2 * d, rng)
    np.testing.assert_array_equal(rows, np.tile(np.arange(n), (5, 1)))
    assert moved.shape == rows.shape and not moved.any()
    np.testing.assert_array_equal(masks, np.ones((1, d)))
    rows, moved, *_ = draw(Noise(batch=1, tails="student"), given, 5, 2 * d, rng)
    assert rows.shape == (5, 1) and not moved.any()


def test_a_projection_meets_the_labels_whatever_their_unit():
    """u^2 - v^2 = y: theta in another unit is the same path in another time."""
    model, theta = examples.diagonal(3)
    found = project(model, theta[None])
    assert model.tangent(found[0]).f == pytest.approx(model.y, abs=1e-9)
    for size in (1e-2, 1e2):
        scaled = Diagonal(model.z, size**2 * model.y)
        again = project(scaled, size * theta[None])
        np.testing.assert_allclose(again, size * found, rtol=1e-6)
    zero = project(Diagonal(model.z, np.zeros(4)), theta[None])
    assert np.abs(model.tangent(zero[0]).f).max() < 1e-6


def test_one_lost_point_does_not_lose_the_others():
    model, theta = examples.diagonal(3)
    points = np.array([theta, np.full(theta.size, np.inf), theta])
    found = project(model, points)
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[0], project(model, theta[None])[0])


@pytest.mark.parametrize("lr", [0, -0.1, np.inf, np.nan])
def test_a_learning_rate_out_of_range_is_refused(lr):
    model, theta = examples.diagonal(0)
    with pytest.raises(ValueError, match=f"lr = {lr}: must be above 0 and finite"):
        walk(model, Noise(), theta, [1], lr=lr, rng=np.random.default_rng(0))


@pytest.mark.parametrize("steps", [[], [0], [0, 1], [2, 1], [1, 3, 2]])
def test_steps_that_do_not_ascend_from_1_are_refused(steps):
    model, theta = examples.diagonal(0)
    with pytest.raises(ValueError, match="steps = .*: must ascend, from at least 1"):
        walk(model, Noise(), theta, steps, lr=0.1, rng=np.random.default_rng(0))


def test_arrays_refuse_models_that_the_loop_has_not():
    with pytest.raises(ValueError, match="'softplus'"):
        arrays_of(examples.two_layer(0, "softplus")[0])
    with pytest.raises(ValueError, match="3 x 4"):
        arrays_of(examples.factorisation(0)[0])


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("off", [-1, 1])
def test_what_is_not_as_long_as_the_parameters_is_refused(which, off):
    model, theta = every_model()[which]
    size, rng = theta.size + off, np.random.default_rng(0)
    says = f"{theta.size} entries, not {size}"
    with pytest.raises(ValueError, match=f"start: must have {says}"):
        walk(model, Noise(), np.zeros(size), [1], lr=0.1, rng=rng)
    with pytest.raises(ValueError, match=f"points: each must have {says}"):
        project(model, np.zeros((1, size)))
    says = rf"shape: must be a matrix of {theta.size} rows, not of shape \({size}, 2\)"
    with pytest.raises(ValueError, match=says):
        walk(model, Noise(shape=np.ones((size, 2))), theta, [1], lr=0.1, rng=rng)


def test_what_has_too_many_or_too_few_axes_is_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    (model, theta), rng = examples.diagonal(0), np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"start: .* not those of shape \(1, 18\)"):
        walk(model, Noise(), theta[None], [1], lr=0.1, rng=rng)
    with pytest.raises(ValueError, match=r"points: .* not those of shape \(\)"):
        project(model, theta)
    with pytest.raises(ValueError, match=r"shape: .* not of shape \(18,\)"):
        walk(model, Noise(shape=theta), theta, [1], lr=0.1, rng=rng)
