"""Printed formulas, built literally: what slips in them, and nothing else."""

from types import SimpleNamespace

import numpy as np
import pytest

from flatminima.data.xor import hypercube, sample_xor, xor_labels
from flatminima.measures.predictions import hypercube_zero_one_error
from flatminima.models import bias, sim_bn
from flatminima.sharpness import sim_bn as sim_bn_sharpness
from flatminima.studies.errata import printed as errata_printed
from flatminima.theory.constructions.deep_memorising import memorising_deep
from flatminima.theory.constructions.generalising_networks import generalising_bias
from flatminima.theory.constructions.memorising_networks import memorising_sim_ln
from flatminima.theory.constructions.verify import verify


def test_figure_2b_by_hand():
    # 18.58^2 + 14.36^2 + 13.77^2 + 12.60^2 = 900
    norms = np.linalg.norm(errata_printed.FIGURE_2B, axis=0)
    np.testing.assert_allclose(norms[:2], 30.0, rtol=1e-4)
    np.testing.assert_allclose(
        errata_printed.FIGURE_2B_COLUMNS / norms[:2], 2**0.5, rtol=2e-3
    )


def test_equation_5_as_indexed():
    w, v = errata_printed.equation_5_as_indexed(4)
    right, signs = generalising_bias(4)
    np.testing.assert_array_equal(w, right)
    # on the quadrants of the first three units the output is that of the next one
    x = hypercube(4)
    f = bias.forward(bias.Model(), w, v, bias.inputs(bias.Model(), x))
    quadrant = ((1 - x[:, 0]) + (1 - x[:, 1]) / 2).astype(int)
    expected = np.append(np.sign(signs[1:]), 0.0)[quadrant]
    np.testing.assert_allclose(f, expected, atol=1e-12)
    assert hypercube_zero_one_error("bias", w, v, 4) == 3 / 4


def test_equation_4_holds_for_positive_labels_only():
    data = sample_xor(8, 5, seed=0)
    assert errata_printed.equation_4_gap(data.x, np.abs(data.y)) < 1e-12
    # v = -h / ||x'|| and |v| = ||x'||^(-1/2)
    assert errata_printed.equation_4_gap(data.x, data.y) == pytest.approx(2 * 6**-0.25)


def test_lemma_a1_network():
    x = hypercube(4)
    y, inputs = xor_labels(x), sim_bn.inputs(sim_bn.Model(), x)
    printed = sim_bn.forward(
        sim_bn.Model(), *errata_printed.lemma_a1_network(4), inputs
    )
    np.testing.assert_allclose(printed, 1.0)
    signed = errata_printed.lemma_a1_network(4, signed=True, scale=1e6)
    at = sim_bn_sharpness.per_example_gradients(*signed, inputs)
    np.testing.assert_allclose(at.f, y, atol=1e-12)
    trace = sim_bn_sharpness.trace_hessian(at, 2 * (at.f - y))
    _, gamma, v = signed
    assert trace == pytest.approx(2 * (gamma @ gamma + v @ v), rel=1e-9)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_theorem_41_network(depth):
    data = sample_xor(8, 5, seed=0)
    y = data.y * np.linspace(0.5, 2, 8)
    printed = errata_printed.theorem_41_network(data.x, y, depth)
    for ours, theirs in zip(memorising_deep(data.x, y, depth), printed, strict=True):
        # the two differ off the diagonal of the middle layers only
        np.testing.assert_allclose(np.maximum(ours, -99 * (ours != -0.1)), theirs)


def test_deep_trace():
    data = sample_xor(8, 5, seed=0)
    printed = errata_printed.deep_trace(errata_printed.theorem_41_network, data)
    assert printed["worst error"] < 1e-12
    assert abs(printed["excess"]) < 1e-12
    assert printed["bound"] == pytest.approx(6 * 6 ** (1 / 3))
    # one unit of eight is active
    assert printed["on a kink"] == 7 / 8
    assert errata_printed.deep_trace(memorising_deep, data)["on a kink"] == 0


def test_deep_trace_at_a_label_of_0():
    data = errata_printed.with_a_zero_label(sample_xor(8, 5, seed=0))
    assert np.flatnonzero(data.y == 0).tolist() == [0]
    printed = errata_printed.deep_trace(errata_printed.theorem_41_network, data)
    assert printed["worst error"] < 1e-12
    # the activation 1 of the last hidden layer is the gradient of a weight
    assert printed["excess"] == pytest.approx(2 / 8)


def test_sim_ln_excess():
    data = sample_xor(8, 5, seed=0)
    assert errata_printed.sim_ln_excess(data, 1.5) == pytest.approx(0, abs=1e-12)
    assert errata_printed.sim_ln_excess(data, 0.5) == pytest.approx(0, abs=1e-12)
    # 2 min(1, 2 s / eps) is the bound, 4 s / eps the trace
    assert errata_printed.sim_ln_excess(data, 0.75) == pytest.approx(1.0)
    assert errata_printed.sim_ln_excess(data, 1.0) == pytest.approx(2.0)
    # a point of label 0 costs 2 / n
    zero = errata_printed.with_a_zero_label(data)
    assert errata_printed.sim_ln_excess(zero, 1.5) == pytest.approx(2 / 8)


@pytest.mark.parametrize("share", [0.3, 0.75, 1.0, 2.0])
def test_theorem_51_network_interpolates(share):
    data = errata_printed.with_a_zero_label(sample_xor(8, 5, seed=0))
    y = share * data.y / 6**0.5
    w, v = errata_printed.theorem_51_network(data.x, y, 1.0)
    assert verify("sim_ln", w, v, data.x, y, eps=1.0).worst_error < 1e-12
    # the corrected network attains the bound
    w, v = memorising_sim_ln(data.x, y, 1.0)
    checked = verify("sim_ln", w, v, data.x, y, eps=1.0)
    assert abs(checked.relative_excess) < 1e-12


def test_sim_bn_traces():
    x = hypercube(4)
    table = errata_printed.sim_bn_traces(x, xor_labels(x), scales=[1, 1e6])
    # v^2 = gamma^2 = 1/2 for four units; the first layer's share falls as scale^-2
    assert table["as printed"].tolist() == pytest.approx([4, 4])
    assert table["twice that"].tolist() == pytest.approx([8, 8])
    assert table["trace"].iloc[0] > 8.1
    assert table["trace"].iloc[1] == pytest.approx(8, rel=1e-9)


def test_logistic_traces():
    found = errata_printed.logistic_traces(sample_xor(20, 30, seed=0), 0.2)
    exact = 0.16 * 2 * np.log(4) * 31**0.5
    assert exact == pytest.approx(2.47, abs=0.005)
    for name in ("dense Hessian", "times p (1 - p)", "certified bound"):
        assert found[name] == pytest.approx(exact, rel=1e-9)
    assert found["divided by p (1 - p)"] == pytest.approx(exact / 0.16**2)


@pytest.mark.parametrize("p", [0.1, 0.2, 0.7])
def test_smoothed_minimiser(p):
    for b in (0, 1):
        # stationary: p multiplies the true class
        share = 1 / (1 + np.exp(-errata_printed.smoothed_minimiser(p, b)))
        assert share == pytest.approx(p if b == 1 else 1 - p, abs=1e-6)


def test_a_minimiser_that_is_none_is_refused(monkeypatch):
    wrong = SimpleNamespace(x=0.5)
    monkeypatch.setattr(errata_printed, "minimize_scalar", lambda *_, **__: wrong)
    with pytest.raises(ArithmeticError, match="slope .* at a = 0.5"):
        errata_printed.smoothed_minimiser(0.2, 1)


def test_undefined_share_is_what_is_not_trained_on():
    data = sample_xor(5, 4, seed=0)
    assert errata_printed.undefined_share(data.x, data.y, hypercube(4)) == 11 / 16


def test_gradients_beside_the_floor():
    below, above = errata_printed.gradients_beside_the_floor(4, 0.1)
    assert below == pytest.approx((5 + 0.01) / 0.01)
    assert above == pytest.approx(1)


@pytest.mark.parametrize(
    ("p", "b", "message"), [(0.0, 1, "p = 0.0: allowed"), (0.2, 2, "b = 2: allowed")]
)
def test_bad_arguments(p, b, message):
    with pytest.raises(ValueError, match=message):
        errata_printed.smoothed_minimiser(p, b)
