"""The deep memorising network attains its bound, interpolates and memorises."""

import numpy as np
import pytest

from flatminima.data.xor import hypercube, sample_xor, xor_labels
from flatminima.models import deep
from flatminima.sharpness.deep import per_example_gradients, trace_hessian
from flatminima.theory.constructions.deep_memorising import memorising_deep
from flatminima.theory.constructions.memorising_networks import memorising_bias

MODEL = deep.Model()


@pytest.mark.parametrize("depth", [2, 3, 4, 7])
@pytest.mark.parametrize("d", [3, 10, 30])
def test_attains_the_bound_on_xor(d, depth):
    data = sample_xor(min(20, 2**d), d, seed=1)
    parameters = memorising_deep(data.x, data.y, depth)
    inputs = deep.inputs(MODEL, data.x)
    at = per_example_gradients(*parameters, inputs)
    np.testing.assert_allclose(at.f, data.y, atol=1e-12)
    shares = trace_hessian(at)
    np.testing.assert_allclose(shares, shares[0], rtol=1e-12)
    bound = deep.lower_bound(deep.Model(depth), np.sum(inputs**2, axis=1), data.y)
    assert shares.sum() == pytest.approx(bound, rel=1e-12)
    assert at.kink_distance > 0.05


@pytest.mark.parametrize("depth", [3, 4])
def test_real_labels_and_points(depth, rng):
    x = rng.normal(size=(8, 12))
    y = rng.normal(size=8) + 0.5
    parameters = memorising_deep(x, y, depth, fraction=0.3, inhibition=1.0)
    inputs = deep.inputs(MODEL, x)
    at = per_example_gradients(*parameters, inputs)
    np.testing.assert_allclose(at.f, y, atol=1e-12)
    bound = deep.lower_bound(deep.Model(depth), np.sum(inputs**2, axis=1), y)
    assert trace_hessian(at).sum() == pytest.approx(bound, rel=1e-12)


def test_published_trace_of_depth_three():
    data = sample_xor(100, 30, seed=0)
    parameters = memorising_deep(data.x, data.y, 3)
    at = per_example_gradients(*parameters, deep.inputs(MODEL, data.x))
    assert trace_hessian(at).sum() == pytest.approx(6 * 31 ** (1 / 3), rel=1e-12)


def test_error_off_the_training_set_is_one():
    data = sample_xor(50, 8, seed=0)
    parameters = memorising_deep(data.x, data.y, 3)
    cube = hypercube(8)
    f = deep.forward(MODEL, *parameters, deep.inputs(MODEL, cube))
    assert np.mean(~(f * xor_labels(cube) > 0)) == 1 - 50 / 2**8


def test_depth_two_is_the_two_layer_construction():
    data = sample_xor(9, 6, seed=0)
    w, middle, v = memorising_deep(data.x, data.y, 2)
    first, second = memorising_bias(data.x, data.y)
    np.testing.assert_allclose(w, first)
    np.testing.assert_allclose(v, second)
    assert middle.shape == (0, 9, 9)


def test_bad_arguments():
    data = sample_xor(4, 4, seed=0)
    with pytest.raises(ValueError, match="depth = 1: must be an integer of at least 2"):
        memorising_deep(data.x, data.y, 1)
    with pytest.raises(ValueError, match="inhibition = 0: allowed are finite"):
        memorising_deep(data.x, data.y, 3, inhibition=0)
    with pytest.raises(ValueError, match=r"y\[1\] = 0: allowed are labels other than"):
        memorising_deep(data.x, data.y * np.array([1, 0, 1, 1]), 3)


def test_a_fraction_of_a_half_and_an_inhibition_of_a_tenth_unless_told():
    data = sample_xor(5, 4, seed=0)
    found = memorising_deep(data.x, data.y, 4)
    told = memorising_deep(data.x, data.y, 4, fraction=0.5, inhibition=0.1)
    for one, other in zip(found, told, strict=True):
        np.testing.assert_array_equal(one, other)
    _, middle, _ = memorising_deep(data.x, data.y, 4, inhibition=0.25)
    assert middle.shape == (2, 5, 5)
    off = middle[:, ~np.eye(5, dtype=bool)]
    assert (off == -0.25).all()


@pytest.mark.parametrize("inhibition", [0.0, -1.0, np.inf, np.nan])
def test_other_inhibitions_are_refused(inhibition):
    data = sample_xor(4, 4, seed=0)
    with pytest.raises(ValueError, match="allowed are finite values > 0"):
        memorising_deep(data.x, data.y, 3, inhibition=inhibition)
