"""Normalised sharpness against a general solver, and what it is blind to."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from flatminima.sharpness.landscape import landscape
from flatminima.sharpness.normalised import matrix_term, normalised_sharpness
from tests.sharpness.homogeneous import (
    build,
    cases,
    convolutional,
    permute_units,
    rescale_units,
)


def by_scipy(h, q):
    """The definition, minimised over all logarithms at once by BFGS."""

    def value(u):
        s, t = u[: len(h), None], u[None, len(h) :]
        rise, cost = h * np.exp(s + t), q * np.exp(-s - t)
        slope = rise - cost
        return (rise + cost).sum(), np.concatenate([slope.sum(1), slope.sum(0)])

    start = np.zeros(sum(h.shape))
    return minimize(value, start, jac=True, method="BFGS", options={"gtol": 1e-10}).fun


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 5))
def test_against_a_general_solver(seed, rows, columns):
    rng = np.random.default_rng(seed)
    h, q = np.exp(rng.normal(size=(2, rows, columns)))
    assert matrix_term(h, q) == pytest.approx(by_scipy(h, q), rel=1e-8)


def test_closed_forms():
    rng = np.random.default_rng(0)
    h, q = np.exp(rng.normal(size=(2, 6, 1)))
    assert matrix_term(h, q) == pytest.approx(2 * np.sqrt(h * q).sum(), rel=1e-12)
    one = np.outer([1.0, 4.0], [1.0, 9.0])
    # rank one each: the scales fit exactly, and every term is 2 sqrt(h q)
    assert matrix_term(one, one[::-1]) == pytest.approx(
        2 * np.sqrt(one * one[::-1]).sum(), rel=1e-10
    )


def test_it_is_at_least_the_entrywise_optimum_and_at_most_that_of_one_scale():
    rng = np.random.default_rng(1)
    h, q = np.exp(rng.normal(size=(2, 4, 3)))
    found = matrix_term(h, q)
    assert 2 * np.sqrt(h * q).sum() < found < 2 * np.sqrt(h.sum() * q.sum())


def test_dead_units_cost_nothing():
    h, q = np.ones((2, 3, 2))
    h = np.vstack([h, np.zeros(2)])
    q = np.vstack([q, np.full(2, 7.0)])
    assert matrix_term(h, q) == pytest.approx(12, rel=1e-12)
    assert matrix_term(np.zeros((2, 2)), np.ones((2, 2))) == 0


@settings(max_examples=30, deadline=None)
@given(cases(norm=False), st.integers(0, 10**6))
def test_it_is_blind_to_the_scales_and_the_order_of_units(case, seed):
    found = normalised_sharpness(case.at)
    for change in (rescale_units, permute_units):
        other = landscape(change(case.net, seed), case.x, case.y, case.loss)
        assert normalised_sharpness(other) == pytest.approx(found, rel=1e-7, abs=1e-9)


def test_where_the_curvature_is_no_number_neither_is_it():
    case = build(0, [3, 4, 2])
    lost = case.at.at(case.at.theta * torch.nan)
    assert np.isnan(normalised_sharpness(lost))
    diagonal = torch.ones(case.at.size).double()
    diagonal[3] = torch.nan
    assert np.isnan(normalised_sharpness(case.at, diagonal))


def test_of_a_convolution_the_kernel_has_one_scale_an_edge():
    case = convolutional(0)
    found = normalised_sharpness(case.at)
    net = case.net
    with torch.no_grad():
        net[0].weight[1] *= 5
        net[0].bias[1] *= 5
        net[3].weight[:, 1] /= 5
    other = landscape(net, case.x, case.y, case.loss)
    assert normalised_sharpness(other) == pytest.approx(found, rel=1e-8)


def test_a_diagonal_of_another_size_is_refused():
    at = build(0, [2, 2]).at
    with pytest.raises(ValueError, match="diagonal: must have 6 entries, not 2"):
        normalised_sharpness(at, torch.ones(2).double())
