"""Kinks against the function itself, which is drawn on a grid."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from flatminima.measures.kinks import count_kinks, kinks

X = np.array([-1.0, 0.2, 1.0])


def drawn(w, b, a, x):
    return np.maximum(np.outer(x, w) + b, 0) @ a


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_bends_are_the_second_differences_of_the_function(seed):
    w, b, a = np.random.default_rng(seed).standard_normal((3, 6))
    places, changes = kinks(w, b, a, -1.0, 1.0)
    assert np.all(np.diff(places) >= 0)
    ends = np.concatenate([[-1.0], places, [1.0]])
    middles = (ends[1:] + ends[:-1]) / 2
    widths = np.maximum(np.diff(ends), 1e-12) * 1e-3
    slopes = (drawn(w, b, a, middles + widths) - drawn(w, b, a, middles - widths)) / (
        2 * widths
    )
    apart = np.diff(ends).min() > 1e-4
    if apart:
        np.testing.assert_allclose(np.diff(slopes), changes, rtol=1e-5, atol=1e-6)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6), factor=st.floats(0.1, 10))
def test_rescaling_a_unit_moves_no_kink(seed, factor):
    w, b, a = np.random.default_rng(seed).standard_normal((3, 6))
    before = kinks(w, b, a, -1.0, 1.0)
    after = kinks(factor * w, factor * b, a / factor, -1.0, 1.0)
    for one, two in zip(before, after, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12)


def test_small_bends_and_cancelling_units_do_not_count():
    w = np.array([1.0, -1.0, 1.0, 1.0])
    b = np.array([0.0, 0.0, -0.5, 0.9])
    assert count_kinks(w, b, np.array([1.0, 1.0, 0.1, 1.0]), X) == 2
    # a max(x, 0) and -a max(-x, 0) make a straight line
    assert count_kinks(w, b, np.array([1.0, -1.0, 0.1, 1.0]), X) == 1
    assert count_kinks(w, b, np.array([1.0, -1.0, 0.1, 1.0]), X, tolerance=0.05) == 2


def test_only_what_lies_between_the_examples_counts():
    one = np.ones(2)
    assert count_kinks(one, np.array([1.5, -1.5]), one, X) == 0
    assert count_kinks(np.zeros(2), one, one, X) == 0


def test_kinks_within_a_window_are_one():
    one = np.ones(3)
    b = -np.array([0.0, 0.04, 0.08])
    assert count_kinks(one, b, one, X) == 2
    assert count_kinks(one, b, one, X, apart=0.1) == 1
    assert count_kinks(one, b, one, X, apart=0.01) == 3
