"""The maps keep xor up to its sign, and the classes hold every training set once."""

from itertools import combinations
from math import comb, factorial

import numpy as np
import pytest

from flatminima.data.xor import hypercube, xor_labels
from flatminima.theory.certificates.certificate import certify
from flatminima.theory.certificates.cube_symmetries import symmetries, training_sets


@pytest.mark.parametrize("d", [2, 3, 4])
def test_maps_are_distinct_permutations_that_keep_xor_up_to_sign(d):
    maps = symmetries(d)
    y = xor_labels(hypercube(d))
    assert len(np.unique(maps, axis=0)) == 2 * factorial(d - 2) * 2**d
    for image in maps:
        assert sorted(image) == list(range(2**d))
        moved = y[image]
        assert (moved == y).all() or (moved == -y).all()


@pytest.mark.parametrize(("d", "n"), [(2, 1), (3, 3), (3, 7), (4, 3)])
def test_classes_hold_every_set_once(d, n):
    found = list(training_sets(n, d))
    assert sum(size for _, _, size in found) == comb(2**d, n)
    for train, test, _ in found:
        points = np.vstack([train.x, test.x])
        assert len(train.y) == n and len(np.unique(points, axis=0)) == 2**d
        np.testing.assert_array_equal(train.y, xor_labels(train.x))
        np.testing.assert_array_equal(test.y, xor_labels(test.x))


def test_classes_of_three_corners_of_the_square():
    ((_, test, size),) = training_sets(3, 2)
    assert size == 4 and len(test.y) == 1


def test_least_traces_of_a_class_agree():
    """All sets of six corners, weighted by class, have the mean trace of all."""
    cube = hypercube(3)
    traces = [
        certify(cube[list(s)], xor_labels(cube[list(s)])).value
        for s in combinations(range(8), 6)
    ]
    found = [(certify(t.x, t.y).value, size) for t, _, size in training_sets(6, 3)]
    values, sizes = np.array(found).T
    assert np.average(values, weights=sizes) == pytest.approx(np.mean(traces))
    assert len(found) < len(traces)


@pytest.mark.parametrize(("n", "d"), [(8, 3), (9, 3), (16, 5), (0, 3)])
def test_sizes_out_of_range(n, d):
    with pytest.raises(ValueError, match=f"n = {n}"):
        next(training_sets(n, d))


def test_sets_are_enumerated_up_to_twenty_thousand():
    """Of 16 corners 12870 sets of eight; of 32 corners 35960 sets of four."""
    assert comb(16, 8) <= 20_000 < comb(32, 4)
    train, test, _ = next(training_sets(8, 4))
    assert len(train.y) == len(test.y) == 8
    with pytest.raises(ValueError, match="at most 20000 sets"):
        next(training_sets(4, 5))
    assert len(next(training_sets(3, 5))[0].y) == 3
