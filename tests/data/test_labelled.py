"""Data sets of classes: splits, balance, and labels redrawn at random."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from flatminima.data import clusters, digits
from flatminima.data.labelled import Labelled, redraw_labels


@settings(max_examples=15)
@given(n=st.integers(1, digits.MOST), seed=st.integers(0, 1000))
def test_digits_are_split_without_loss_and_balanced(n, seed):
    split = digits.split(n, seed)
    assert (len(split.train.y), len(split.test.y)) == (n, digits.num_test_points(n))
    counts = np.bincount(split.train.y, minlength=10)
    assert counts.max() - counts.min() <= 1
    both = np.concatenate([split.train.x, split.test.x]).reshape(1797, 64)
    raw = load_digits().data
    step = np.diff(np.unique(both.round(9))).max()
    pixels = np.rint((both - both.min()) / step)
    assert sorted(map(tuple, pixels)) == sorted(map(tuple, raw))


def test_digits_are_standardised_by_the_training_set_and_drawn_by_the_seed():
    one, two, again = (digits.split(300, seed) for seed in (0, 1, 0))
    assert one.train.x.shape == (300, 1, 8, 8)
    assert one.train.x.mean() == pytest.approx(0, abs=1e-12)
    assert one.train.x.std() == pytest.approx(1)
    np.testing.assert_array_equal(one.train.x, again.train.x)
    assert (one.train.y != two.train.y).any()


def test_clusters_are_of_one_task_and_not_linear():
    one, two = (clusters.split(4000, seed) for seed in (0, 1))
    assert (one.train.x != two.train.x).all()
    means = [
        [part.x[part.y == k].mean(axis=0) for k in range(clusters.CLASSES)]
        for part in (one.test, two.test)
    ]
    np.testing.assert_allclose(means[0], means[1], atol=0.15)
    design = np.c_[one.train.x, np.ones(4000)]
    targets = np.eye(clusters.CLASSES)[one.train.y]
    weights = np.linalg.lstsq(design, targets, rcond=None)[0]
    guesses = (np.c_[one.test.x, np.ones(len(one.test.y))] @ weights).argmax(axis=1)
    linear = np.mean(guesses != one.test.y)
    nearest = one.train.y[
        [np.argmin(((one.train.x - x) ** 2).sum(axis=1)) for x in one.test.x[:500]]
    ]
    assert 2 * np.mean(nearest != one.test.y[:500]) < linear < 0.5


@given(
    n=st.integers(2, 60),
    share=st.floats(0, 1),
    more=st.floats(0, 1),
    seed=st.integers(0),
)
def test_redrawn_labels_are_nested_and_as_many_as_asked(n, share, more, seed):
    data = Labelled(np.zeros((n, 1)), np.full(n, -1))
    few, many = sorted([share, more])
    first, second = (redraw_labels(data, s, 5, seed).y for s in (few, many))
    assert np.sum(first >= 0) == round(few * n)
    assert np.sum(second >= 0) == round(many * n)
    np.testing.assert_array_equal(second[first >= 0], first[first >= 0])
    assert second.max() < 5


@pytest.mark.parametrize("module", [digits, clusters])
def test_a_size_that_cannot_be_drawn_is_refused(module):
    for n in (0, module.MOST + 1):
        with pytest.raises(ValueError, match=f"n = {n}"):
            module.split(n, 0)
    with pytest.raises(ValueError, match=r"share = 1\.5"):
        redraw_labels(module.split(5, 0).train, 1.5, 4, 0)
