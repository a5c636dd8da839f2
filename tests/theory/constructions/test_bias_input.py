"""Networks carried to another bias input: same function, least trace."""

import numpy as np
import pytest

from flatminima.data.xor import sample_xor, xor_test_set
from flatminima.models import bias
from flatminima.theory.constructions.bias_input import with_bias_input
from flatminima.theory.constructions.generalising_networks import generalising_bias
from flatminima.theory.constructions.memorising_networks import memorising_bias
from flatminima.theory.constructions.verify import verify

D, N = 7, 20
TRAIN = sample_xor(N, D, seed=3)
NETWORKS = {
    "memorises": memorising_bias(TRAIN.x, TRAIN.y),
    "generalises": generalising_bias(D),
}
each_network = pytest.mark.parametrize("name", NETWORKS)
each_constant = pytest.mark.parametrize("c", [0.01, 0.5, 1.0, 3.0])


@each_network
@each_constant
def test_attains_the_bound_at_every_constant(name, c):
    w, v = with_bias_input(*NETWORKS[name], TRAIN.x, c)
    found = verify("bias", w, v, TRAIN.x, TRAIN.y, bias_input=c)
    np.testing.assert_allclose(found.bound, 4 * np.sqrt(D + c**2))
    assert abs(found.relative_excess) < 1e-10
    assert found.worst_error < 1e-10
    assert found.kink_distance > 1e-3


@each_network
@each_constant
def test_the_function_of_x_is_the_same(name, c):
    w, v = NETWORKS[name]
    x = xor_test_set(TRAIN, 0).x
    one, other = bias.Model(), bias.Model(bias_input=c)
    np.testing.assert_allclose(
        bias.forward(other, *with_bias_input(w, v, TRAIN.x, c), bias.inputs(other, x)),
        bias.forward(one, w, v, bias.inputs(one, x)),
        atol=1e-10,
    )


@each_network
def test_the_constant_one_changes_nothing(name):
    w, v = NETWORKS[name]
    found = with_bias_input(w, v, TRAIN.x, 1.0)
    np.testing.assert_allclose(found[0], w, atol=1e-12)
    np.testing.assert_allclose(found[1], v, atol=1e-12)


def test_no_other_scale_of_a_unit_is_flatter(rng):
    w, v = rng.standard_normal((D + 1, 9)), rng.standard_normal(9)
    w, v = with_bias_input(w, v, TRAIN.x, 0.4)
    x, y = (
        TRAIN.x,
        bias.forward(bias.Model(), w, v, bias.inputs(bias.Model(0.4), TRAIN.x)),
    )
    best = verify("bias", w, v, x, y, bias_input=0.4).trace
    for _ in range(20):
        scale = np.exp(0.1 * rng.standard_normal(9))
        other = verify("bias", w * scale, v / scale, x, y, bias_input=0.4)
        assert other.worst_error < 1e-10
        assert other.trace > best


def test_a_unit_that_is_never_active_keeps_its_scale():
    w, v = NETWORKS["generalises"]
    w = np.column_stack([w, np.r_[np.zeros(D), -1.0]])
    found = with_bias_input(w, np.r_[v, 2.0], TRAIN.x, 0.5)
    np.testing.assert_allclose(found[0][:, -1], np.r_[np.zeros(D), -2.0])
    assert found[1][-1] == 2.0


@pytest.mark.parametrize("c", [0.0, -1.0, np.inf, np.nan])
def test_a_constant_out_of_range_is_refused(c):
    with pytest.raises(ValueError, match="allowed are finite values above 0"):
        with_bias_input(*NETWORKS["generalises"], TRAIN.x, c)
