"""What few units can do on the square, by search and by a construction."""

from itertools import combinations

import numpy as np
import pytest

from flatminima.data import hypercube, xor_labels
from flatminima.theory.few_units import (
    LABELS,
    fewest_errors_on_square,
    three_unit_flattest,
)
from flatminima.theory.generalising_networks import SIGNS
from flatminima.theory.verify import verify
from flatminima.theory.zero_one import hypercube_zero_one_error


@pytest.mark.parametrize(("width", "errors"), [(1, 2), (2, 1), (3, 0)])
def test_fewest_errors(width, errors):
    assert fewest_errors_on_square(width) == errors


@pytest.mark.parametrize("width", [1, 2])
def test_random_networks_do_no_better(width, rng):
    points = np.column_stack([SIGNS, np.ones(4)])
    z = np.einsum("ik,tkj->tij", points, rng.normal(size=(20_000, 3, width)))
    f = np.einsum("tij,tj->ti", np.maximum(z, 0), rng.normal(size=(20_000, width)))
    wrong = np.sum(~(f * LABELS > 0), axis=1)
    assert wrong.min() == fewest_errors_on_square(width)


def test_three_units_are_flattest_and_right_everywhere():
    cube = hypercube(3)
    y = xor_labels(cube)
    for chosen in combinations(range(8), 3):
        x = cube[list(chosen)]
        w, v = three_unit_flattest(x, y[list(chosen)])
        checked = verify("bias", w, v, x, y[list(chosen)])
        assert checked.worst_error < 1e-12
        assert abs(checked.relative_excess) < 1e-12
        assert checked.kink_distance > 0.1
        assert hypercube_zero_one_error("bias", w, v, 3) == 0


def test_bad_arguments():
    with pytest.raises(ValueError, match="width = 0: allowed are width >= 1"):
        fewest_errors_on_square(0)
    with pytest.raises(ValueError, match="tilt = 2: allowed are 0 < tilt < 2"):
        three_unit_flattest(hypercube(2)[:3], xor_labels(hypercube(2)[:3]), tilt=2)
