"""Rules on least squares against torch, and their limits against other formulas."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flatminima.studies.least_squares import problems, runs
from flatminima.studies.least_squares.rules import (
    BETA_1,
    BETA_2,
    EPS,
    MOMENTUM,
    Rule,
    descend,
)

SIZE = {"n": 3, "d": 7}


def ends(rule, drawn, lr, steps):
    rng = np.random.default_rng(0)
    lrs = np.full(len(drawn.b), lr)
    return descend(rule, drawn, lrs, steps=steps, tolerance=0.0, rng=rng).x


def by_torch(make, drawn, steps, decay=0.0):
    a, b = torch.from_numpy(drawn.a[0]), torch.from_numpy(drawn.b[0])
    x = torch.from_numpy(drawn.start[0].copy()).requires_grad_()
    optimiser = make([x])
    for _ in range(steps):
        optimiser.zero_grad()
        (((a @ x - b) ** 2).sum() + decay * (x**2).sum()).backward()
        optimiser.step()
    return x.detach().numpy(), optimiser.state[x]


@pytest.fixture(scope="module")
def drawn():
    return problems.draw([3], 3, 7)


@pytest.mark.parametrize("steps", [1, 2, 40])
def test_descent_and_momentum_equal_torch(drawn, steps):
    lr = 0.2 * 2 / float(drawn.sharpness[0])
    for step, momentum in (("plain", 0.0), ("heavy ball", MOMENTUM)):
        want, _ = by_torch(
            lambda p, m=momentum: torch.optim.SGD(p, lr, momentum=m), drawn, steps
        )
        found = ends(Rule("", step), drawn, 0.2, steps)[0]
        np.testing.assert_allclose(found, want, rtol=1e-10)


def test_nesterov_looks_ahead_where_torch_stands(drawn):
    lr = 0.2 * 2 / float(drawn.sharpness[0])
    there, state = by_torch(
        lambda p: torch.optim.SGD(p, lr, momentum=MOMENTUM, nesterov=True), drawn, 30
    )
    # torch keeps x + momentum * velocity, with velocity = -lr * buffer
    want = there + MOMENTUM * lr * state["momentum_buffer"].numpy()
    np.testing.assert_allclose(
        ends(Rule("", "Nesterov"), drawn, 0.2, 30)[0], want, rtol=1e-9
    )


@pytest.mark.parametrize("steps", [1, 2, 40])
def test_adaptive_rules_equal_torch(drawn, steps):
    lr = 0.1 * float(drawn.travel[0]) / 7**0.5
    for step, make in {
        "Adam": lambda p: torch.optim.Adam(p, lr, (BETA_1, BETA_2), eps=EPS),
        "AdaGrad": lambda p: torch.optim.Adagrad(p, lr, eps=EPS),
    }.items():
        want, _ = by_torch(make, drawn, steps)
        np.testing.assert_allclose(
            ends(Rule("", step), drawn, 0.1, steps)[0], want, rtol=1e-9
        )


def test_weight_decay_is_the_gradient_of_its_penalty(drawn):
    lr, decay = 0.2 * 2 / float(drawn.sharpness[0]), 0.1 * float(drawn.sharpness[0]) / 2
    want, _ = by_torch(lambda p: torch.optim.SGD(p, lr), drawn, 25, decay)
    np.testing.assert_allclose(
        ends(Rule("", decay=0.1), drawn, 0.2, 25)[0], want, rtol=1e-10
    )


def test_sam_and_sign_by_hand(drawn):
    a, b, x = drawn.a[0], drawn.b[0], drawn.start[0].copy()
    g = 2 * a.T @ (a @ x - b)
    up = x + 0.1 * drawn.travel[0] * g / np.linalg.norm(g)
    lr = 0.3 * 2 / drawn.sharpness[0]
    want = x - lr * 2 * a.T @ (a @ up - b)
    np.testing.assert_allclose(ends(Rule("", rho=0.1), drawn, 0.3, 1)[0], want)
    want = x - 0.3 * drawn.travel[0] / 7**0.5 * np.sign(g)
    np.testing.assert_allclose(ends(Rule("", "sign"), drawn, 0.3, 1)[0], want)


def test_a_batch_of_all_rows_in_the_mean_is_the_gradient():
    drawn = problems.draw([1], 4, 6).repeated(4000)
    moved = ends(Rule("", batch=1), drawn, 0.1, 1) - drawn.start
    whole = ends(Rule(""), drawn, 0.1 / 4, 1)[0] - drawn.start[0]
    error = moved.std(axis=0) / 4000**0.5
    assert (np.abs(moved.mean(axis=0) - whole) < 4 * error).all()


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 5))
def test_the_closed_form_is_nearest_and_interpolates(seed, n, more):
    drawn = problems.draw([seed], n, n + more)
    a, b, x0 = drawn.a[0], drawn.b[0], drawn.start[0]
    np.testing.assert_allclose(a @ drawn.closest[0], b, atol=1e-8)
    np.testing.assert_allclose(
        problems.nearest_by_null_space(a, b, x0), drawn.closest[0], atol=1e-6
    )
    other = drawn.closest[0] + np.linalg.svd(a)[2][-1]
    assert np.linalg.norm(other - x0) > drawn.travel[0]


def test_distances_tell_the_row_space():
    drawn = problems.draw([0, 1], 3, 7)
    at = problems.distances(drawn, drawn.closest)
    assert max(at["distance"].max(), at["off"].max(), at["residual"].max()) < 1e-12
    null = np.linalg.svd(drawn.a[0])[2][-1]
    moved = drawn.closest + drawn.travel[:, None] * np.array([null, 0 * null])
    off = problems.distances(drawn, moved)
    np.testing.assert_allclose(off["off"], [1, 0], atol=1e-10)
    np.testing.assert_allclose(off["distance"], [1, 0], atol=1e-10)


def test_ridge_is_stationary_and_tends_to_the_least_norm():
    drawn = problems.draw([0], 3, 7)
    a, b = drawn.a[0], drawn.b[0]
    x = problems.ridge(drawn, np.array([0.3]))[0]
    np.testing.assert_allclose(a.T @ (a @ x - b) + 0.3 * x, 0, atol=1e-12)
    np.testing.assert_allclose(
        problems.ridge(drawn, np.array([1e-10]))[0], np.linalg.pinv(a) @ b, atol=1e-8
    )


def test_the_printed_formula_is_right_where_it_has_a_value():
    drawn = problems.draw([0], 7, 3)
    a, b, x0 = drawn.a[0], drawn.b[0], drawn.start[0]
    np.testing.assert_allclose(
        problems.printed(a, b, x0), np.linalg.lstsq(a, b, rcond=None)[0], atol=1e-10
    )
    exactly_singular = problems.printed(np.array([[1.0, 0.0]]), np.ones(1), np.zeros(2))
    assert not np.isfinite(exactly_singular).any()


def test_rates_beside_the_limit():
    table = runs.by_lr([0.5, 1.1], [0, 1], steps=20000, **SIZE)
    below, above = table[table["lr"] < 1], table[table["lr"] > 1]
    assert below["converged"].all()
    assert below["distance"].max() < 1e-10
    assert above["diverged"].all()
    assert above["distance"].isna().all()


def test_other_problems_choose_the_rate():
    rules = {"GD": Rule("GD"), "Adam": Rule("Adam", "Adam", falls=True)}
    found = runs.compare(
        rules, [0.1, 0.9, 1.5], [0, 1], [2], steps=4000, tolerance=1e-8, **SIZE
    )
    assert found.chosen["GD"] == 0.9
    assert (found.tuned["lr"].groupby(found.tuned["rule"]).nunique() == 1).all()
    assert found.worst("GD").max() < 1e-6
    assert len(found.ends("Adam")) == 2
    assert found.ends("Adam").min() > 1e-3
    assert list(runs.summary(found).index) == ["GD", "Adam"]


def test_missing_ranks_are_counted():
    wide = runs.as_printed([0], 3, 7, 5000)
    assert wide["missing"].tolist() == [4]
    tall = runs.as_printed([0], 7, 3, 5000)
    assert tall["missing"].tolist() == [0]
    assert tall["formula"].max() < 1e-9
    assert tall["moved"].max() < 1e-9


def test_from_zero_descent_ends_at_the_least_norm():
    assert runs.from_zero(range(3), 3, 7, 4000).max() < 1e-10
    assert runs.from_zero(range(3), 3, 7, 20).min() > 1e-6
