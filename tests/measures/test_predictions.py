import numpy as np
import pytest

from flatminima.data.xor import hypercube, xor_labels
from flatminima.measures import predictions
from flatminima.measures.predictions import (
    hypercube_zero_one_error,
    outputs,
    zero_one_error,
)
from flatminima.models.base import load
from flatminima.theory.constructions.generalising_networks import generalising_bias


def test_an_output_of_zero_is_an_error():
    # f = relu(x): right at 2, silent at -1 whatever the label, wrong at 3.
    w, v = np.array([[1.0]]), np.array([1.0])
    x = np.array([[2.0], [-1.0], [-1.0], [3.0]])
    y = np.array([1.0, 1.0, -1.0, -1.0])
    assert zero_one_error("no_bias", w, v, x, y) == 0.75


def test_not_a_number_is_an_error():
    w, v = np.array([[np.nan]]), np.array([1.0])
    assert zero_one_error("no_bias", w, v, np.ones((2, 1)), np.ones(2)) == 1


def test_no_points_have_no_error():
    error = zero_one_error(
        "no_bias", np.ones((1, 1)), np.ones(1), np.ones((0, 1)), np.ones(0)
    )
    assert np.isnan(error)


@pytest.mark.parametrize("numbers", [1, 12, 2**20])
def test_batches_change_nothing(monkeypatch, numbers):
    monkeypatch.setattr(predictions, "NUMBERS_AT_ONCE", numbers)
    w, v = generalising_bias(5)
    x = hypercube(5)
    y = np.where(np.arange(32) < 7, -1.0, 1.0) * xor_labels(x)
    assert zero_one_error("bias", w, v, x, y) == 7 / 32
    bias = load("bias")
    f = outputs(bias, bias.Model(), (w, v), x)
    np.testing.assert_allclose(f, xor_labels(x), rtol=1e-13)


def test_other_labels_of_the_cube():
    w, v = generalising_bias(5)
    assert hypercube_zero_one_error("bias", w, v, 5, lambda x: -xor_labels(x)) == 1
    assert hypercube_zero_one_error("bias", w, v, 5, lambda x: x[:, 0]) == 0.5


def test_a_cube_too_large_is_refused():
    with pytest.raises(ValueError, match="d = 21: the hypercube is enumerated"):
        hypercube_zero_one_error("bias", *generalising_bias(21), 21)
