"""The inner maximum by closed forms, by random points and on known quadratics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatminima.theory.inner_maximisation import (
    conjugate,
    dual_step,
    quadratic_step,
    search,
)

NORMS = [1.0, 1.3, 2.0, 4.0, np.inf]


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), p=st.sampled_from(NORMS))
def test_no_point_of_the_ball_is_better(seed, p):
    rng = np.random.default_rng(seed)
    g = rng.standard_normal(5)
    step = dual_step(g, 0.7, p)
    assert np.linalg.norm(step, p) == pytest.approx(0.7)
    assert g @ step == pytest.approx(0.7 * np.linalg.norm(g, conjugate(p)))
    others = rng.standard_normal((500, 5))
    others *= 0.7 / np.linalg.norm(others, p, axis=1, keepdims=True)
    assert (others @ g).max() <= g @ step + 1e-12


def test_known_steps():
    g = np.array([3.0, -4.0])
    np.testing.assert_allclose(dual_step(g, 2.0, 2.0), [1.2, -1.6])
    np.testing.assert_allclose(dual_step(g, 2.0, 1.0), [0.0, -2.0])
    np.testing.assert_allclose(dual_step(g, 2.0, np.inf), [2.0, -2.0])
    np.testing.assert_array_equal(dual_step(np.zeros(3), 1.0), np.zeros(3))


@pytest.mark.parametrize(
    ("rho", "p", "message"),
    [(0.0, 2.0, "rho = 0.0"), (np.nan, 2.0, "rho = nan"), (1.0, 0.5, "p = 0.5")],
)
def test_values_out_of_range_are_refused(rho, p, message):
    with pytest.raises(ValueError, match=message):
        dual_step(np.ones(2), rho, p)


def rise(g, hessian, step):
    return g @ step + step @ hessian @ step / 2


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), rho=st.floats(0.01, 10))
def test_the_quadratic_maximum_beats_every_point_of_the_ball(seed, rho):
    rng = np.random.default_rng(seed)
    g, a = rng.standard_normal(4), rng.standard_normal((4, 4))
    hessian = a + a.T
    step = quadratic_step(g, hessian, rho)
    assert np.linalg.norm(step) <= rho * (1 + 1e-9)
    others = rng.standard_normal((2000, 4))
    others *= rho * rng.random((2000, 1)) / np.linalg.norm(others, axis=1)[:, None]
    rises = others @ g + np.einsum("ni,ij,nj->n", others, hessian, others) / 2
    assert rises.max() <= rise(g, hessian, step) + 1e-9


def test_quadratic_maxima_that_are_known():
    inside = quadratic_step(np.array([1.0, 0.0]), -2 * np.eye(2), 5.0)
    np.testing.assert_allclose(inside, [0.5, 0.0])
    # no gradient: along the top eigenvector, of either sign
    top = quadratic_step(np.zeros(2), np.diag([1.0, 3.0]), 0.5)
    np.testing.assert_allclose(np.abs(top), [0.0, 0.5])
    # the hard case: the gradient has no part along the top eigenvector
    hard = quadratic_step(np.array([1.0, 0.0]), np.diag([1.0, 3.0]), 1.0)
    np.testing.assert_allclose(np.abs(hard), [0.5, np.sqrt(0.75)])


def test_a_small_ball_gives_the_first_order_step():
    rng = np.random.default_rng(0)
    g, a = rng.standard_normal(6), rng.standard_normal((6, 6))
    step = quadratic_step(g, a + a.T, 1e-7)
    np.testing.assert_allclose(step, dual_step(g, 1e-7), atol=1e-12)


def test_the_search_finds_the_maximum_of_a_convex_quadratic():
    rng = np.random.default_rng(1)
    g, a = rng.standard_normal(5), rng.standard_normal((5, 5))
    hessian = a @ a.T
    starts = rng.standard_normal((20, 5))
    starts /= np.linalg.norm(starts, axis=1, keepdims=True)
    found = search(
        lambda d: d @ g + np.einsum("ni,ij,nj->n", d, hessian, d) / 2,
        lambda d: g + d @ hessian,
        starts,
        1.0,
        steps=200,
    )
    best = rise(g, hessian, quadratic_step(g, hessian, 1.0))
    assert found == pytest.approx(best, rel=1e-6)


def test_conjugate_exponents():
    assert [conjugate(p) for p in (1.0, 4.0, 2.0, np.inf)] == [np.inf, 4 / 3, 2.0, 1.0]


@pytest.mark.parametrize("rho", [0.0, -1.0, np.inf, np.nan])
def test_a_length_is_finite_and_above_0(rho):
    with pytest.raises(ValueError, match="rho = .*: must be above 0 and finite"):
        dual_step(np.ones(2), rho)


def test_a_maximum_inside_the_ball_or_on_its_edge():
    """g . d - |d|^2 has its maximum at g / 2, of length 1."""
    g, hessian = np.array([2.0, 0.0]), -2 * np.eye(2)
    for rho, length in ((0.5, 0.5), (1.0, 1.0), (3.0, 1.0)):
        step = quadratic_step(g, hessian, rho)
        np.testing.assert_allclose(step, [length, 0], atol=1e-9)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_step_does_not_depend_on_the_unit_of_the_loss(scale):
    rng = np.random.default_rng(3)
    g, a = rng.standard_normal(4), rng.standard_normal((4, 4))
    expected = quadratic_step(g, a + a.T, 0.5)
    found = quadratic_step(scale * g, scale * (a + a.T), 0.5)
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def test_a_search_of_no_steps_is_the_best_start():
    starts = np.array([[0.5, 0.0], [0.0, -2.0]])
    found = search(
        lambda d: d.sum(axis=1), lambda d: np.ones_like(d), starts, 1.0, steps=0
    )
    assert found == 0.5
    one = search(lambda d: d.sum(axis=1), np.ones_like, starts, 1.0, steps=1)
    assert one == pytest.approx(np.sqrt(2))
