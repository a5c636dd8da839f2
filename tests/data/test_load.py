"""P_xor and its draws."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from flatminima.data.ball import sample_ball
from flatminima.data.load import train_and_test
from flatminima.data.streams import Dataset, generator
from flatminima.data.xor import (
    flip_labels,
    hypercube,
    sample_xor,
    xor_labels,
    xor_test_set,
)

sizes = st.integers(2, 8).flatmap(lambda d: st.tuples(st.just(d), st.integers(1, 2**d)))


@given(sizes, st.integers(0, 1000))
def test_train_and_test_split_the_cube(size, seed):
    d, n = size
    train = sample_xor(n, d, seed)
    test = xor_test_set(train, seed)
    assert train.x.shape == (n, d)
    assert len(np.unique(train.x, axis=0)) == n
    both = np.vstack([train.x, test.x])
    np.testing.assert_array_equal(
        np.unique(both, axis=0), np.unique(hypercube(d), axis=0)
    )
    assert len(both) == 2**d
    np.testing.assert_array_equal(train.y, train.x[:, 0] * train.x[:, 1])
    np.testing.assert_array_equal(test.y, xor_labels(test.x))


@pytest.mark.parametrize(("d", "n"), [(17, 3000), (30, 100), (70, 5)])
def test_draws_beyond_enumeration(d, n):
    train = sample_xor(n, d, 0)
    test = xor_test_set(train, 0)
    assert len(np.unique(train.x, axis=0)) == n
    assert test.x.shape == (10_000, d)
    for data in (train, test):
        assert set(np.unique(data.x)) == {-1.0, 1.0}
        np.testing.assert_array_equal(data.y, data.x[:, 0] * data.x[:, 1])
    # fair coins: mean 0, standard error 1 / sqrt(10 000 d)
    assert abs(test.x.mean()) < 3 / np.sqrt(10_000 * d)


def test_repeated_draws_are_replaced():
    # 60 000 draws of 2^17 points repeat often
    train = sample_xor(3000, 17, 5)
    assert len(np.unique(train.x, axis=0)) == 3000


def test_enumeration_ends_at_16():
    train = sample_xor(10, 16, 0)
    assert len(xor_test_set(train, 0).y) == 2**16 - 10


def test_hypercube_in_binary_order():
    expected = [[-1, -1], [1, -1], [-1, 1], [1, 1]]
    np.testing.assert_array_equal(hypercube(2), expected)


def test_same_seed_same_points():
    for d in (6, 30):
        a, b, c = (sample_xor(20, d, seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(a.x, b.x)
        assert (a.x != c.x).any()
    a, b, c = (xor_test_set(sample_xor(20, 30, 0), seed).x for seed in (1, 1, 2))
    np.testing.assert_array_equal(a, b)
    assert (a != c).any()


def test_ball_is_uniform():
    d, n = 10, 20_000
    data = sample_ball(n, d, 0)
    radius = np.linalg.norm(data.x, axis=1) / np.sqrt(d)
    assert radius.max() <= 1
    # the share of a concentric ball is its volume, r^d, and no direction is special
    assert scipy.stats.kstest(radius**d, "uniform").pvalue > 0.01
    # E x_k^2 = d / (d + 2); three standard errors, from the sample
    for square in (data.x**2).T:
        assert abs(square.mean() - d / (d + 2)) < 3 * square.std() / np.sqrt(n)
    assert np.abs(data.x.mean(axis=0)).max() < 4 * np.sqrt(d / (d + 2) / n)
    expected = np.abs(data.x[:, 0]) - np.abs(data.x[:, 1])
    np.testing.assert_array_equal(data.y, expected)


def test_training_and_test_balls_are_apart():
    train, test = train_and_test("ball", 50, 3, seed=0)
    assert train.x.shape == (50, 3) and test.x.shape == (10_000, 3)
    assert not np.isin(train.x, test.x).any()
    again, _ = train_and_test("ball", 50, 3, seed=0)
    np.testing.assert_array_equal(train.x, again.x)


@given(share=st.floats(0, 1), n=st.integers(1, 60), seed=st.integers(0, 100))
def test_exactly_so_many_labels_are_flipped(share, n, seed):
    clean = sample_xor(n, 6, seed)
    noisy = flip_labels(clean, share, seed)
    assert np.count_nonzero(noisy.y != clean.y) == round(share * n)
    np.testing.assert_array_equal(np.abs(noisy.y), 1.0)
    assert noisy.x is clean.x


def test_noise_reaches_training_labels_alone():
    (clean, test), (noisy, same) = (
        train_and_test("xor", 100, 30, 3, label_noise=p) for p in (0.0, 0.1)
    )
    np.testing.assert_array_equal(clean.x, noisy.x)
    assert np.count_nonzero(clean.y != noisy.y) == 10
    np.testing.assert_array_equal(test.x, same.x)
    np.testing.assert_array_equal(same.y, xor_labels(same.x))


def test_more_noise_flips_the_same_labels_and_more():
    clean = sample_xor(100, 30, 0)
    few, many = (flip_labels(clean, p, 0).y != clean.y for p in (0.1, 0.3))
    assert (many | ~few).all()


@pytest.mark.parametrize("share", [-0.1, 1.5, np.nan])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match=r"share = .*: allowed are 0 <= share <= 1"):
        flip_labels(sample_xor(4, 3, 0), share, 0)


@pytest.mark.parametrize(("n", "d", "name"), [(0, 3, "n = 0"), (5, 1, "d = 1")])
def test_impossible_balls_are_refused(n, d, name):
    with pytest.raises(ValueError, match=name):
        sample_ball(n, d, 0)


def test_streams_of_a_seed_are_unrelated():
    a, b = (generator(0, stream).random(4) for stream in ("train", "init"))
    assert (a != b).all()
    np.testing.assert_array_equal(a, generator(0, "train").random(4))


def test_draws_are_pinned():
    # PCG64 and its seeding are stable by numpy's policy; so are our results
    assert generator(0, "train").integers(1000, size=4).tolist() == [426, 112, 497, 157]


@pytest.mark.parametrize(
    ("n", "d", "message"),
    [
        (17, 4, r"n = 17: allowed are 1 <= n <= 2\^d distinct points, d = 4"),
        (0, 4, r"n = 0: allowed are 1 <= n"),
        (-1, 100, r"n = -1: allowed are 1 <= n"),
        (1, 1, "d = 1: P_xor needs d >= 2"),
    ],
)
def test_impossible_sets_are_refused(n, d, message):
    with pytest.raises(ValueError, match=message):
        sample_xor(n, d, 0)


@pytest.mark.parametrize("d", [0, 21])
def test_hypercube_refuses(d):
    with pytest.raises(ValueError, match=f"d = {d}: .* 1 <= d <= 20"):
        hypercube(d)


def test_wrong_shapes_are_refused():
    with pytest.raises(TypeCheckError):
        Dataset(np.ones((3, 2)), np.ones(4))
    with pytest.raises(TypeCheckError):
        xor_labels(np.ones(3))
