"""Printed formulas, built literally: what slips in them, and nothing else."""

import numpy as np
import pytest

from flatminima.data import hypercube, sample_xor, xor_labels
from flatminima.models import bias, deep, sim_bn
from flatminima.sharpness import deep as deep_sharpness
from flatminima.sharpness import sim_bn as sim_bn_sharpness
from flatminima.theory import errata
from flatminima.theory.deep_memorising import memorising_deep
from flatminima.theory.generalising_networks import generalising_bias
from flatminima.theory.memorising_networks import memorising_sim_ln
from flatminima.theory.verify import verify
from flatminima.theory.zero_one import hypercube_zero_one_error


def test_figure_2b_by_hand():
    # 18.58^2 + 14.36^2 + 13.77^2 + 12.60^2 = 900
    norms = np.linalg.norm(errata.FIGURE_2B, axis=0)
    np.testing.assert_allclose(norms[:2], 30.0, rtol=1e-4)
    np.testing.assert_allclose(errata.FIGURE_2B_COLUMNS / norms[:2], 2**0.5, rtol=2e-3)


def test_equation_5_as_indexed():
    w, v = errata.equation_5_as_indexed(4)
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
    assert errata.equation_4_gap(data.x, np.abs(data.y)) < 1e-12
    # v = -h / ||x'|| and |v| = ||x'||^(-1/2)
    assert errata.equation_4_gap(data.x, data.y) == pytest.approx(2 * 6**-0.25)


def test_lemma_a1_network():
    x = hypercube(4)
    y, inputs = xor_labels(x), sim_bn.inputs(sim_bn.Model(), x)
    printed = sim_bn.forward(sim_bn.Model(), *errata.lemma_a1_network(4), inputs)
    np.testing.assert_allclose(printed, 1.0)
    signed = errata.lemma_a1_network(4, signed=True, scale=1e6)
    at = sim_bn_sharpness.per_example_gradients(*signed, inputs)
    np.testing.assert_allclose(at.f, y, atol=1e-12)
    trace = sim_bn_sharpness.trace_hessian(at, 2 * (at.f - y))
    _, gamma, v = signed
    assert trace == pytest.approx(2 * (gamma @ gamma + v @ v), rel=1e-9)


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_theorem_41_network(depth):
    data = sample_xor(8, 5, seed=0)
    y = data.y * np.linspace(0.5, 2, 8)
    printed = errata.theorem_41_network(data.x, y, depth)
    for ours, theirs in zip(memorising_deep(data.x, y, depth), printed, strict=True):
        # the two differ off the diagonal of the middle layers only
        np.testing.assert_allclose(np.maximum(ours, -99 * (ours != -0.1)), theirs)


def test_theorem_41_network_on_kinks_and_zero_labels():
    data = sample_xor(8, 5, seed=0)
    inputs = deep.inputs(deep.Model(), data.x)
    input_sq = np.sum(inputs**2, axis=1)

    def ratio(y):
        printed = errata.theorem_41_network(data.x, y, 3)
        at = deep_sharpness.per_example_gradients(*printed, inputs)
        np.testing.assert_allclose(at.f, y, atol=1e-12)
        assert at.kink_distance == 0
        bound = deep.lower_bound(deep.Model(), input_sq, y)
        return deep_sharpness.trace_hessian(at).sum() - bound

    assert abs(ratio(data.y)) < 1e-12
    with_zero = data.y * (np.arange(8) > 0)
    # the activation 1 of the last hidden layer is the gradient of a weight
    assert ratio(with_zero) == pytest.approx(2 / 8)


def test_theorem_51_network():
    data = sample_xor(8, 5, seed=0)

    def excess(size, eps=1.0):
        y = data.y * size / 6**0.5  # ||x'|| |y| = size
        w, v = errata.theorem_51_network(data.x, y, eps)
        checked = verify("sim_ln", w, v, data.x, y, eps=eps)
        assert checked.worst_error < 1e-12
        w, v = memorising_sim_ln(data.x, y, eps)
        ours = verify("sim_ln", w, v, data.x, y, eps=eps)
        assert abs(ours.relative_excess) < 1e-12
        return checked.relative_excess

    assert abs(excess(1.5)) < 1e-12
    assert abs(excess(0.5)) < 1e-12
    assert excess(0.75) == pytest.approx(0.5)
    assert excess(1.0) == pytest.approx(1.0)


def test_theorem_51_network_at_label_0():
    data = sample_xor(8, 5, seed=0)
    y = data.y * (np.arange(8) > 0)
    w, v = errata.theorem_51_network(data.x, y, 1e-4)
    checked = verify("sim_ln", w, v, data.x, y, eps=1e-4)
    assert checked.trace - checked.bound == pytest.approx(2 / 8)


@pytest.mark.parametrize("p", [0.1, 0.2, 0.7])
def test_smoothed_minimiser(p):
    for b in (0, 1):
        # stationary: p multiplies the true class
        share = 1 / (1 + np.exp(-errata.smoothed_minimiser(p, b)))
        assert share == pytest.approx(p if b == 1 else 1 - p, abs=1e-6)


def test_undefined_share_is_what_is_not_trained_on():
    data = sample_xor(5, 4, seed=0)
    assert errata.undefined_share(data.x, data.y, hypercube(4)) == 11 / 16


def test_gradients_beside_the_floor():
    below, above = errata.gradients_beside_the_floor(4, 0.1)
    assert below == pytest.approx((5 + 0.01) / 0.01)
    assert above == pytest.approx(1)


@pytest.mark.parametrize(
    ("p", "b", "message"), [(0.0, 1, "p = 0.0: allowed"), (0.2, 2, "b = 2: allowed")]
)
def test_bad_arguments(p, b, message):
    with pytest.raises(ValueError, match=message):
        errata.smoothed_minimiser(p, b)
