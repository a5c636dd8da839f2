"""Generalising networks: closed forms, dense autograd, the whole cube, errata."""

import numpy as np
import pytest

from flatminima.data.xor import hypercube, sample_xor, xor_labels
from flatminima.measures.predictions import hypercube_zero_one_error
from flatminima.theory.constructions.generalising_networks import (
    exact_fit_no_bias,
    generalising_bias,
    generalising_sim_ln,
)
from flatminima.theory.constructions.verify import verify
from tests.theory.dense import dense_trace

EPS = 1e-4
NETWORKS = {
    "bias": generalising_bias,
    "sim_ln": lambda d, **options: generalising_sim_ln(d, EPS, **options),
    "no_bias": lambda d, **options: exact_fit_no_bias(d, 0.1, **options),
}


@pytest.mark.parametrize("architecture", NETWORKS)
@pytest.mark.parametrize("d", [2, 10, 12])
def test_exact_on_the_whole_cube(architecture, d):
    w, v = NETWORKS[architecture](d)
    x = hypercube(d)
    seen = verify(architecture, w, v, x, xor_labels(x))
    assert seen.worst_error <= 1e-10
    assert seen.kink_distance > 0.01
    assert hypercube_zero_one_error(architecture, w, v, d) == 0
    if architecture != "no_bias":
        assert abs(seen.relative_excess) <= 1e-8


@pytest.mark.parametrize("architecture", NETWORKS)
def test_trace_against_dense_autograd(architecture):
    data = sample_xor(9, 5, 0)
    w, v = NETWORKS[architecture](5)
    by_hand = {
        "bias": 4 * np.sqrt(6),
        "sim_ln": 2.0,
        "no_bias": 4 * np.sqrt(10 * 1.01) / 0.9,
    }[architecture]
    seen = verify(architecture, w, v, data.x, data.y)
    assert seen.trace == pytest.approx(by_hand, rel=1e-12)
    dense = dense_trace(architecture, w, v, data.x, data.y, EPS)
    assert dense == pytest.approx(by_hand, rel=1e-8)


@pytest.mark.parametrize(
    ("architecture", "published"),
    [("bias", 22.2711), ("sim_ln", 2.0), ("no_bias", 30.98)],
)
def test_published_numbers_at_the_papers_size(architecture, published):
    data = sample_xor(100, 30, 1)
    w, v = NETWORKS[architecture](30, width=100)
    if architecture == "no_bias":
        w, v = exact_fit_no_bias(30, 1e-6, width=100)
    assert v.shape == (100,)
    trace = verify(architecture, w, v, data.x, data.y).trace
    assert trace == pytest.approx(published, rel=2e-4)


def test_erratum_the_printed_scale_is_not_balanced():
    data = sample_xor(20, 6, 0)

    def trace(r):
        return verify("bias", *generalising_bias(6, r=r), data.x, data.y).trace

    assert trace((6**2 + 1) ** 0.25) == pytest.approx(14.47, abs=0.005)
    assert trace(None) == pytest.approx(10.58, abs=0.005)


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_default_scales_are_the_flattest(factor):
    data = sample_xor(20, 6, 0)
    least = verify("bias", *generalising_bias(6), data.x, data.y).trace
    other = generalising_bias(6, r=7**0.25 * factor)
    assert verify("bias", *other, data.x, data.y).trace > least
    least = verify("no_bias", *exact_fit_no_bias(6, 0.2), data.x, data.y).trace
    w, v = exact_fit_no_bias(6, 0.2)
    assert verify("no_bias", w * factor, v / factor, data.x, data.y).trace > least


def test_exact_fit_gets_flatter_with_less_tilt():
    data = sample_xor(20, 30, 0)
    traces = [
        verify("no_bias", *exact_fit_no_bias(30, tilt), data.x, data.y).trace
        for tilt in (0.3, 0.1, 0.01, 1e-4)
    ]
    assert traces == sorted(traces, reverse=True)
    assert traces[-1] > 4 * np.sqrt(60)


def test_without_tilt_autograd_reports_a_false_trace_on_a_kink():
    data = sample_xor(9, 5, 0)
    w, v = exact_fit_no_bias(5, 0.0, scale=5**0.25 / 2)
    seen = verify("no_bias", w, v, data.x, data.y)
    assert seen.kink_distance == 0
    assert seen.trace == pytest.approx(4 * np.sqrt(5), rel=1e-12)
    dense = dense_trace("no_bias", w, v, data.x, data.y)
    assert dense == pytest.approx(4 * np.sqrt(5), rel=1e-12)
    true = verify("no_bias", *exact_fit_no_bias(5, 1e-6), data.x, data.y).trace
    assert true > 1.41 * seen.trace


def test_sim_ln_attains_its_bound_at_every_scale():
    data = sample_xor(20, 6, 0)
    for activation in (2 * EPS, 1e6):
        w, v = generalising_sim_ln(6, EPS, activation=activation)
        seen = verify("sim_ln", w, v, data.x, data.y, eps=EPS)
        assert abs(seen.relative_excess) <= 1e-8


@pytest.mark.parametrize("architecture", NETWORKS)
def test_sizes_are_refused(architecture):
    with pytest.raises(ValueError, match="d = 1: P_xor needs d >= 2"):
        NETWORKS[architecture](1)
    with pytest.raises(ValueError, match="width = 3: .* width >= 4"):
        NETWORKS[architecture](5, width=3)


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_scales_are_refused(value):
    with pytest.raises(ValueError, match="r = .*: allowed are finite values above 0"):
        generalising_bias(5, r=value)
    with pytest.raises(ValueError, match="scale = .*: allowed are finite"):
        exact_fit_no_bias(5, 0.1, scale=value)
    with pytest.raises(ValueError, match="eps = .*: allowed are finite eps > 0"):
        generalising_sim_ln(5, value)


@pytest.mark.parametrize("tilt", [-0.1, 1.0, float("nan")])
def test_tilts_are_refused(tilt):
    with pytest.raises(ValueError, match="tilt = .*: allowed are 0 <= tilt < 1"):
        exact_fit_no_bias(5, tilt)


@pytest.mark.parametrize("tilt", [-1e-9, 1.5, np.inf])
def test_a_tilt_is_at_least_0_and_below_1(tilt):
    with pytest.raises(ValueError, match="allowed are 0 <= tilt < 1"):
        exact_fit_no_bias(5, tilt)


@pytest.mark.parametrize("architecture", NETWORKS)
def test_four_units_unless_told(architecture):
    w, v = NETWORKS[architecture](3)
    assert w.shape[1] == len(v) == 4
