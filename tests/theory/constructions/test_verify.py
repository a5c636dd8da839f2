import math

import numpy as np
import pytest

from flatminima.data.streams import Dataset
from flatminima.data.xor import sample_xor, xor_test_set
from flatminima.measures import predictions
from flatminima.theory.constructions.generalising_networks import (
    exact_fit_no_bias,
    generalising_bias,
)
from flatminima.theory.constructions.memorising_networks import memorising_bias
from flatminima.theory.constructions.verify import verify
from tests.theory.dense import dense_trace


def test_every_number_by_hand():
    # f = 2 relu(x - 1) at 2 and 4: outputs 2 and 6; Tr = mean 2 (h^2 + v^2 |x'|^2).
    w, v = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([2.0, 0.0])
    x, y = np.array([[2.0], [4.0]]), np.array([2.0, 6.0])
    seen = verify("bias", w, v, x, y, held_out=Dataset(-x, y))
    assert seen.worst_error == 0
    assert seen.trace == pytest.approx((1 + 4 * 5) + (9 + 4 * 17), rel=1e-14)
    bound = 2 * 2 * np.sqrt(5) + 2 * 6 * np.sqrt(17)
    assert seen.bound == pytest.approx(bound, rel=1e-14)
    assert seen.relative_excess == pytest.approx(98 / bound - 1, rel=1e-13)
    assert seen.kink_distance == 1
    assert seen.zero_one_error == 1


def test_a_trace_says_nothing_of_a_bound_that_is_not_its_own():
    """A network that misses its labels, and one whose trace, at a kink, is none.

    The second would attain the bound: autograd leaves out the units at the kink.
    """
    w, v = np.array([[1.0], [-1.0]]), np.array([2.0])
    x, y = np.array([[2.0], [4.0]]), np.array([2.0, 5.0])
    missed = verify("bias", w, v, x, y)
    assert missed.worst_error == 1 and missed.relative_excess == np.inf
    data = sample_xor(9, 5, 0)
    w, v = exact_fit_no_bias(5, 0.0, scale=5**0.25 / 2)
    at_kink = verify("no_bias", w, v, data.x, data.y)
    assert at_kink.trace == pytest.approx(at_kink.bound, rel=1e-12)
    assert at_kink.worst_error < 1e-12 and at_kink.relative_excess == np.inf


@pytest.mark.parametrize("architecture", ["no_bias", "bias", "sim_ln"])
def test_trace_of_random_nets_against_dense_autograd(architecture):
    rng = np.random.default_rng(5)
    d, width, n = 3, 5, 7
    x, y = rng.normal(size=(n, d)), rng.normal(size=n)
    w = rng.normal(size=(d + (architecture != "no_bias"), width))
    v = rng.normal(size=width)
    constants = {"eps": 1.2} if architecture == "sim_ln" else {}
    seen = verify(architecture, w, v, x, y, **constants)
    dense = dense_trace(architecture, w, v, x, y, constants.get("eps", 1e-4))
    assert seen.trace == pytest.approx(dense, rel=1e-10)


def test_batches_change_nothing(monkeypatch):
    data = sample_xor(50, 8, 0)
    w, v = memorising_bias(data.x, data.y)
    whole = verify("bias", w, v, data.x, data.y)
    monkeypatch.setattr(predictions, "NUMBERS_AT_ONCE", 7 * len(v))
    parts = verify("bias", w, v, data.x, data.y)
    assert parts.trace == pytest.approx(whole.trace, rel=1e-14)
    assert parts.worst_error == pytest.approx(whole.worst_error, abs=1e-14)
    assert parts.kink_distance == pytest.approx(whole.kink_distance, rel=1e-14)


def test_held_out_points():
    data = sample_xor(50, 8, 0)
    held_out = xor_test_set(data, 0)
    w, v = memorising_bias(data.x, data.y)
    assert verify("bias", w, v, data.x, data.y, held_out=held_out).zero_one_error == 1
    w, v = generalising_bias(8)
    assert verify("bias", w, v, data.x, data.y, held_out=held_out).zero_one_error == 0
    assert math.isnan(verify("bias", w, v, data.x, data.y).zero_one_error)


def test_the_floor_of_the_norm_is_a_kink_too():
    # One unit with h = 1 everywhere, z = 1; eps = 0.75 is nearer.
    w, v = np.array([[0.0], [1.0]]), np.array([1.0])
    seen = verify("sim_ln", w, v, np.ones((2, 1)), np.ones(2), eps=0.75)
    assert seen.kink_distance == 0.25


def test_a_bound_of_zero():
    x, y = np.ones((2, 1)), np.zeros(2)
    nothing = np.zeros((1, 1)), np.zeros(1)
    seen = verify("no_bias", *nothing, x, y)
    assert seen.relative_excess == 0
    assert seen.kink_distance == np.inf
    steep = np.array([[-1.0, 1.0]]), np.array([1.0, 0.0])
    assert verify("no_bias", *steep, x, y).relative_excess == np.inf


def test_parameters_must_fit():
    with pytest.raises(ValueError, match=r"w has shape \(5, 4\) .* needed .*\(6, 4\)"):
        verify("bias", *generalising_bias(4), np.ones((3, 5)), np.ones(3))
    with pytest.raises(ValueError, match="needed are n >= 1"):
        verify("bias", *generalising_bias(4), np.ones((0, 4)), np.ones(0))


@pytest.mark.parametrize(("share", "fits"), [(0.9e-6, True), (1.1e-6, False)])
def test_an_output_may_be_off_by_a_millionth_of_the_largest_label(share, fits):
    w, v = np.array([[1.0], [-1.0]]), np.array([2.0])
    x, y = np.array([[2.0], [4.0]]), np.array([2.0, 6.0])
    seen = verify("bias", w, v, x, y + np.array([0, 6 * share]))
    assert seen.worst_error == pytest.approx(6 * share, rel=1e-3)
    assert (seen.relative_excess < np.inf) == fits


@pytest.mark.parametrize(("share", "kink"), [(0.9e-12, True), (1.2e-12, False)])
def test_a_kink_is_near_by_the_largest_pre_activation(share, kink):
    """z is 3 on one point and a share of it on the other, whose label is as small."""
    w, v = np.array([[1.0]]), np.array([1.0])
    x = np.array([[3.0], [3 * share]])
    seen = verify("no_bias", w, v, x, x[:, 0])
    assert seen.kink_distance == 3 * share
    assert (seen.relative_excess == np.inf) == kink


def test_a_unit_without_input_counts_where_its_output_is_not_zero():
    """Its pre-activations are 0: it sits on its kink."""
    w, v = np.array([[1.0, 0.0]]), np.array([1.0, 1.0])
    x, y = np.ones((1, 1)), np.ones(1)
    assert verify("no_bias", w, v, x, y).kink_distance == 0
    assert verify("no_bias", w, v * [1, 0], x, y).kink_distance == 1


@pytest.mark.parametrize("lost", ["first", "last"])
def test_a_network_of_no_numbers_fits_nothing(lost, monkeypatch):
    """Whichever batch its outputs are lost in."""
    monkeypatch.setattr(
        "flatminima.theory.constructions.verify.batch_size", lambda m: 1
    )
    w, v = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([2.0, 0.0])
    x, y = np.array([[2.0], [3.0], [4.0]]), np.array([2.0, 4.0, 6.0])
    x[0 if lost == "first" else -1] = np.nan
    seen = verify("bias", w, v, x, y)
    assert np.isnan(seen.worst_error) and seen.relative_excess == np.inf
