"""Bits of the weights."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from flatminima.sharpness.description import description_length
from flatminima.sharpness.diagonal import gauss_newton_diagonal
from flatminima.sharpness.landscape import landscape
from tests.sharpness.homogeneous import build, cases, permute_units, rescale_units


def test_bits_by_hand():
    """h = 2, tolerance 1/64: off by 1/8; 8 such intervals lie in 1: three bits."""
    h = torch.tensor([2.0, 8.0, 0.0, -1.0, 1e-9]).double()
    assert description_length(h[:1], 1 / 64) == pytest.approx(3)
    assert description_length(h[1:2], 1 / 64) == pytest.approx(4)
    assert description_length(h, 1 / 64) == pytest.approx(7)
    assert description_length(h[:1], 1 / 64, 4.0) == pytest.approx(5)


def test_the_precision_is_what_the_loss_bears():
    """Along one weight of a squared loss the rise at delta is the tolerance."""
    case = build(0, [2, 1], loss="squared", bias=False)
    at = case.at
    # at the least loss there is no gradient
    least = torch.linalg.lstsq(case.x, case.y).solution.ravel()
    at = at.at(least)
    h = gauss_newton_diagonal(at)
    bits = [description_length(h[i : i + 1], 1e-3) for i in range(2)]
    for i, each in enumerate(bits):
        d = torch.zeros(2, dtype=torch.float64)
        d[i] = 2.0**-each
        assert float(at.loss(least + d) - at.loss()) == pytest.approx(1e-3, rel=1e-9)


def test_a_tenth_of_the_tolerance_takes_half_a_digit_a_weight():
    h = torch.full((10,), 1e6).double()
    more = description_length(h, 1e-4) - description_length(h, 1e-3)
    assert more == pytest.approx(10 * math.log2(10) / 2)


@settings(max_examples=30, deadline=None)
@given(cases(norm=False), st.integers(0, 10**6))
def test_relative_digits_are_blind_to_the_scales_of_units(case, seed):
    other = landscape(rescale_units(case.net, seed), case.x, case.y, case.loss)
    bits = [
        description_length(gauss_newton_diagonal(at), 1e-4, at.theta.abs())
        for at in (case.at, other)
    ]
    assert bits[1] == pytest.approx(bits[0], rel=1e-8, abs=1e-8)


def test_absolute_digits_are_not_but_to_the_order_of_units():
    case = build(1, [3, 4, 2])

    def bits(net):
        at = landscape(net, case.x, case.y, case.loss)
        return description_length(gauss_newton_diagonal(at), 1e-4)

    assert bits(permute_units(case.net, 0)) == pytest.approx(bits(case.net))
    assert bits(rescale_units(case.net, 0)) != pytest.approx(bits(case.net), rel=1e-3)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="tolerance = 0.0: must be above 0"):
        description_length(torch.ones(2).double(), 0.0)
    with pytest.raises(ValueError, match="widths: must be at least 0"):
        description_length(torch.ones(2).double(), 0.1, -1.0)
