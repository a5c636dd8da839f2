"""Teachers: their laws, in closed form and by counting."""

import numpy as np
import pytest

from flatminima.data.teachers import FLIPPED, SPREAD, TEACHERS, draw, score

SIZES = {name: 9 if name == "low_rank" else 8 for name in TEACHERS}


def of(name, *, noisy=False, n=40, seed=1, test_points=20_000):
    return draw(name, n, SIZES[name], seed, noisy=noisy, test_points=test_points)


@pytest.mark.parametrize("name", TEACHERS)
def test_labels_have_a_mean_square_of_about_one(name):
    """Exactly one for normal inputs and signs. On the sphere it is at most 1/2.

    The mean square of one unit is d/2 times 1/(2 d), and their product is not negative.
    """
    _, test = of(name)
    square = float(np.mean(test.y**2))
    if name == "ball":  # two variances of |x|, each below E x^2 = d / (d + 2)
        assert 0.4 < square < 1.6
    elif name == "sphere":
        assert 0 < square <= 0.51
    else:
        spread = float(np.std(test.y**2)) / len(test.y) ** 0.5
        assert abs(square - 1) < 3 * spread + 1e-12


def test_labels_of_signs_are_products():
    for name, count in (("xor", 2), ("parity", 3)):
        train, _ = of(name)
        assert set(np.unique(train.x)) == {-1.0, 1.0}
        assert (train.y == np.prod(train.x[:, :count], axis=1)).all()


def test_inputs_lie_where_they_should():
    ball, sphere = of("ball")[1].x, of("sphere")[1].x
    assert (np.linalg.norm(ball, axis=1) <= 8**0.5 + 1e-12).all()
    # the radius over sqrt(d) has E r^2 = d / (d + 2)
    assert np.mean(ball**2) == pytest.approx(8 / 10, abs=0.01)
    np.testing.assert_allclose(np.linalg.norm(sphere, axis=1), 1.0)


def test_linear_targets_are_what_they_say():
    train, test = of("sparse")
    beta = np.linalg.lstsq(train.x, train.y, rcond=None)[0]
    assert (np.abs(beta) > 1e-9).sum() == 2
    np.testing.assert_allclose(test.x @ beta, test.y, atol=1e-9)
    train, _ = of("low_rank")
    matrix = np.linalg.lstsq(train.x, train.y, rcond=None)[0].reshape(3, 3)
    assert np.linalg.matrix_rank(matrix, tol=1e-9) == 1
    assert np.linalg.norm(matrix) == pytest.approx(1.0)


def test_a_single_index_depends_on_one_direction():
    """The gradient of relu(u . x) has one direction: differences of outputs say so."""
    _, test = of("single_index", test_points=400)
    low = test.y.min()
    on = test.y > low + 1e-9
    u = np.linalg.lstsq(test.x[on], (test.y - low)[on], rcond=None)[0]
    np.testing.assert_allclose(np.maximum(test.x @ u, 0) + low, test.y, atol=1e-9)
    # relu'(t) = 1 at a slope of 1 / sqrt(1/2 - 1/(2 pi))
    assert np.linalg.norm(u) == pytest.approx((0.5 - 0.5 / np.pi) ** -0.5)


@pytest.mark.parametrize("name", TEACHERS)
def test_noise_moves_training_labels_alone(name):
    clean, test = of(name)
    noisy, same = of(name, noisy=True)
    assert (clean.x == noisy.x).all()
    assert (test.x == same.x).all() and (test.y == same.y).all()
    moved = noisy.y - clean.y
    if TEACHERS[name].classes:
        assert np.count_nonzero(moved) == round(FLIPPED * 40)
        assert (np.abs(noisy.y) == 1).all()
    else:
        assert np.std(moved) == pytest.approx(SPREAD, rel=3 / 80**0.5)


def test_seeds_draw_other_targets_and_points():
    one, two = of("sphere", seed=1)[0], of("sphere", seed=2)[0]
    assert not np.isclose(one.x, two.x).any()
    again = of("sphere", seed=1)[0]
    assert (one.x == again.x).all() and (one.y == again.y).all()


def test_scores():
    y = np.array([1.0, -1.0, 1.0, -1.0])
    assert score("xor", np.array([2.0, -0.1, 0.0, 3.0]), y) == 0.5
    assert score("ball", y, y) == 1.0
    assert score("ball", np.zeros(4), y) == 0.0
    assert score("ball", -y, y) == 0.0  # R² is -3 there
    assert score("ball", 0.5 * y, y) == pytest.approx(0.75)
    assert score("xor", np.array([1.0, np.nan, 1, 1]), y) == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "spiral"}, "data = 'spiral': must be one of"),
        ({"n": 0}, "n = 0: must be an integer of at least 1"),
        ({"test_points": 1}, "test_points = 1"),
        ({"name": "parity", "d": 2}, "d = 2: must be an integer of at least 3"),
        ({"name": "xor", "n": 3, "noisy": True}, "n = 3: noise flips 0.1"),
    ],
)
def test_it_refuses(change, message):
    usual = {"name": "ball", "n": 5, "d": 4, "seed": 0}
    given = usual | {"noisy": False, "test_points": 10} | change
    with pytest.raises(ValueError, match=message):
        draw(**given)
