"""The sharpness-reduction flow: closed forms, a second solver, certified ends."""

import numpy as np
import pytest
import scipy.integrate
from hypothesis import given, settings
from hypothesis import strategies as st

from flatminima.flows.diagonal import Diagonal
from flatminima.flows.gradient_flow import settle
from flatminima.flows.sharpness_flow import land, reduction, sharpness_flow
from flatminima.theory.certificates.basis_pursuit import basis_pursuit
from tests.flows.examples import as_torch, diagonal, factorisation

TIMES = [0.05, 0.2, 0.6]


def test_in_one_dimension_the_path_is_known():
    """u^2 - v^2 = y is held, and u v decays as exp(-16 c tau)."""
    model, c = Diagonal(np.array([[1.0]]), np.array([0.7])), 0.3
    start = np.array([np.sqrt(0.7 + 0.25), 0.5])
    path = sharpness_flow(model, start, c=c, times=TIMES).at
    product = np.prod(start) * np.exp(-16 * c * np.array(TIMES))
    s = np.sqrt(0.7**2 + 4 * product**2)
    expected = np.sqrt(np.column_stack([s + 0.7, s - 0.7]) / 2)
    np.testing.assert_allclose(path, expected, rtol=1e-5)


def test_every_product_decays_alike_where_inputs_are_signs():
    model, start = diagonal(0)
    start = land(model, start)
    path = sharpness_flow(model, start, times=TIMES, rtol=1e-8).at
    for tau, theta in zip(TIMES, path, strict=True):
        ratio = np.prod(np.split(theta, 2), axis=0) / np.prod(
            np.split(start, 2), axis=0
        )
        np.testing.assert_allclose(ratio, np.exp(-16 * tau), rtol=1e-5)


@pytest.mark.parametrize("make", [diagonal, factorisation])
def test_it_equals_a_solver_without_retraction(make):
    """The projected field by itself, at tolerances at which it does not drift."""
    model, start = make(1)
    start = land(model, start)
    solved = scipy.integrate.solve_ivp(
        lambda _, theta: 0.1 * reduction(model, theta),
        (0, TIMES[-1]),
        start,
        t_eval=TIMES,
        method="DOP853",
        rtol=1e-11,
        atol=1e-12,
    )
    found = sharpness_flow(model, start, c=0.1, times=TIMES, rtol=1e-8)
    assert found.reason == "time"
    assert found.tau[-1] == TIMES[-1]
    np.testing.assert_allclose(found.at, solved.y.T, atol=1e-5)
    np.testing.assert_array_equal(found.at[-1], found.theta)


def test_autograd_walks_the_same_path():
    model, start = diagonal(2, n=3, d=5)
    ours = sharpness_flow(model, start, times=TIMES)
    theirs = sharpness_flow(as_torch(model, start), start, times=TIMES)
    np.testing.assert_allclose(ours.at, theirs.at, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("sparse", [0, 3])
@pytest.mark.parametrize("seed", range(10))
def test_it_ends_at_the_linear_programmes_optimum(seed, sparse):
    """Labels of a sparse map too, where the optimum has a rank below n."""
    rng = np.random.default_rng(seed)
    z = rng.choice([-1.0, 1.0], (10, 20))
    beta = np.zeros(20)
    beta[:sparse] = rng.standard_normal(sparse)
    model = Diagonal(z, z @ beta if sparse else rng.standard_normal(10))
    least = 4 * basis_pursuit(z, model.y).bound
    start = settle(model, 0.5 + 0.1 * rng.standard_normal(40)).theta
    flow = sharpness_flow(model, start, bound=least, tolerance=1e-3, rtol=1e-2)
    assert flow.reason == "bound"
    assert least * (1 - 1e-9) <= flow.trace[-1] <= 1.001 * least
    assert (np.diff(flow.trace) <= 1e-12 * flow.trace[1:]).all()
    assert flow.error.max() <= 1e-8


def test_a_factorisation_ends_flattest_for_its_own_matrix():
    """Over U V^T = M the least trace is 2 |P^(1/2) M Q^(1/2)|_*."""
    model, start = factorisation(3)
    flow = sharpness_flow(model, start, rtol=1e-2, flat=1e-6)
    u, v = model.split(flow.theta)
    roots = [np.linalg.cholesky(moment) for moment in model.moments]
    certified = 2 * np.linalg.norm(roots[0].T @ u @ v.T @ roots[1], "nuc")
    assert flow.reason == "flat"
    assert flow.trace[-1] == pytest.approx(certified, rel=1e-6)
    assert flow.trace[-1] < 0.9 * flow.trace[0]


@settings(max_examples=10)
@given(st.integers(0, 10**6), st.permutations(range(4)))
def test_order_and_sign_of_the_examples_do_not_matter(seed, order):
    model, start = diagonal(seed)
    signs = np.array([1.0, -1.0, -1.0, 1.0])
    z, y = (signs * model.z.T).T[list(order)], (signs * model.y)[list(order)]
    paths = [sharpness_flow(m, start, times=[0.1]).at for m in (model, Diagonal(z, y))]
    np.testing.assert_allclose(*paths, atol=1e-8)


def test_ends_are_told_apart():
    model, start = diagonal(7)
    assert sharpness_flow(model, start, max_steps=3).reason == "steps"
    end = sharpness_flow(model, start, rtol=1e-2)
    assert end.reason == "flat"
    assert end.gradient[-1] < 1e-6 * end.gradient[0]
    later = sharpness_flow(model, end.theta, times=[1.0, 2.0])
    assert len(later.at) == 2
    impossible = Diagonal(np.ones((2, 3)), np.array([0.0, 1.0]))
    nowhere = sharpness_flow(impossible, np.ones(6))
    assert nowhere.reason == "no start"
    assert not len(nowhere.tau)


@pytest.mark.parametrize(
    "arguments",
    [{"c": 0}, {"times": [0.0]}, {"times": [2.0, 1.0]}, {"rtol": -1}, {"bound": -1}],
)
def test_bad_arguments_are_refused(arguments):
    model, start = diagonal(8)
    with pytest.raises(ValueError, match=next(iter(arguments))):
        sharpness_flow(model, start, **arguments)
