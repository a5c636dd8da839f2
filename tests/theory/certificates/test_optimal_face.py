"""Predictions over the face: closed forms, then networks inside it, then scipy.

A known family of minimisers must be inside the bounds; a linear programme over many
directions must stay inside, and come close where it can.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.optimize import linprog

from flatminima.data.xor import hypercube, sample_xor, xor_labels, xor_test_set
from flatminima.theory.certificates import cone_distance, optimal_face
from flatminima.theory.certificates.certificate import certify
from flatminima.theory.certificates.cone_programme import solve
from flatminima.theory.certificates.optimal_face import (
    PredictionRange,
    prediction_range,
)
from tests.theory.examples import seeds

ONE_POINT = np.eye(2), np.ones(2), np.ones((1, 2))
"""Inputs, labels and a new point, the sum of the inputs."""


def with_bias(x):
    return np.column_stack([x, np.ones(len(x))])


def predictions_over_directions(x, y, new, w, budget):
    """Least and largest prediction at `new` with units of the given directions."""
    h = np.maximum(x @ w, 0)
    cost = np.sqrt(np.sum(x**2, axis=1) @ (h > 0) * np.sum(h**2, axis=0)) * 4 / len(x)
    seen = np.maximum(new @ w, 0)
    ends = []
    for sign in (1, -1):
        found = linprog(
            sign * np.append(seen, -seen),
            A_eq=np.hstack([h, -h]),
            b_eq=y,
            A_ub=np.append(cost, cost)[None],
            b_ub=[budget],
        )
        ends.append(sign * found.fun)
    return ends


@pytest.mark.parametrize("d", [2, 3])
def test_with_bias_a_point_outside_is_free(d):
    """Every vertex is extreme, so a unit active on it alone costs nothing.

    Memorising (output 0) and generalising are both optimal, and so is any output.
    """
    train = sample_xor(2**d - 1, d, seed=0)
    test = xor_test_set(train, 0)
    x, new = with_bias(train.x), with_bias(test.x)
    found = prediction_range(certify(x, train.y), x, train.y, new)
    assert found.low[0] == found.low_bound[0] == -np.inf
    assert found.high[0] == found.high_bound[0] == np.inf
    assert not found.all_correct(test.y)[0] and found.some_wrong(test.y)[0]


def test_with_bias_inside_the_hull_memorising_and_generalising_are_both_optimal():
    """A point between the vertices of the square.

    Held out is x = (1, .5), on the edge from (1, 1) to (1, -1). The generalising
    network is affine there, 1 at one end and -1 at the other, so 0.5; memorising
    units may be narrow, down to 0 between. With slack the range is slightly wider.
    """
    x, y = hypercube(2), xor_labels(hypercube(2))
    new = np.array([[1.0, 0.5]])
    x, new = with_bias(x), with_bias(new)
    certificate = certify(x, y)
    assert certificate.value == pytest.approx(4 * np.sqrt(3))
    found = prediction_range(certificate, x, y, new, slack=1e-4, tolerance=1e-4)
    assert found.low[0] <= 0 and found.high[0] >= 0.5
    assert np.isfinite(found.high_bound[0])


def test_at_a_training_point_the_prediction_is_the_label():
    train = sample_xor(10, 4, seed=0)
    x, y = train.x, train.y
    found = prediction_range(certify(x, y), x, y, np.vstack([x[3], 2 * x[5]]))
    expected = [y[3], 2 * y[5]]
    for end in (found.low, found.high, found.low_bound, found.high_bound):
        np.testing.assert_allclose(end, expected, atol=2e-3)


def test_at_zero_every_network_predicts_zero():
    x, y = np.eye(2), np.ones(2)
    found = prediction_range(certify(x, y), x, y, np.zeros((1, 2)))
    assert found.low[0] == found.high[0] == 0
    assert not found.all_correct(np.ones(1))[0] and found.some_wrong(np.ones(1))[0]


def test_without_bias_sixteen_points_of_five_dimensions_decide_xor():
    """All nearly flattest networks are right, although the trace is above 4 sqrt(d)."""
    train = sample_xor(16, 5, seed=0)
    test = xor_test_set(train, 0)
    points, labels = test.x[:1], test.y[:1]
    found = prediction_range(certify(train.x, train.y), train.x, train.y, points)
    assert found.all_correct(labels).all() and not found.some_wrong(labels).any()


def test_without_bias_too_few_points_do_not():
    """Among six points of four dimensions, some flattest network is wrong."""
    train = sample_xor(6, 4, seed=0)
    test = xor_test_set(train, 0)
    certificate = certify(train.x, train.y)
    found = prediction_range(certificate, train.x, train.y, test.x)
    assert found.some_wrong(test.y).all()
    assert np.isinf(found.low).any() and np.isfinite(found.low).any()


def test_a_solver_that_stops_short_makes_no_point_blind(monkeypatch):
    """The residual of mu = 2 has no acute angle with a generator, but is no distance.

    The point is the sum of the two inputs, so its prediction is that of their labels.
    """
    x, y, new = np.eye(2), np.ones(2), np.ones((1, 2))
    nnls = cone_distance.nnls

    def wrong(generators, point):
        if generators.shape == (2, 2) and np.array_equal(point, new[0]):
            return np.array([2.0, 2.0]), 0.0
        return nnls(generators, point)

    monkeypatch.setattr(cone_distance, "nnls", wrong)
    found = prediction_range(certify(x, y), x, y, new)
    assert np.isfinite(found.high[0]) and np.isfinite(found.low[0])


def test_a_point_of_which_nothing_is_proved_is_refused(monkeypatch):
    def unsettled(generators, point):
        return cone_distance.Bounds(0.0, 1.0, met=False)

    certificate = certify(*ONE_POINT[:2])
    monkeypatch.setattr(cone_distance, "distance_bounds", unsettled)
    with pytest.raises(ArithmeticError, match="between 0 and 1 away"):
        prediction_range(certificate, *ONE_POINT)


def test_a_range_that_is_not_closed_is_refused(monkeypatch):
    """In one round what is attained and what is proved stay apart."""
    train = sample_xor(16, 5, seed=0)
    test = xor_test_set(train, 0)
    certificate = certify(train.x, train.y)
    monkeypatch.setattr(optimal_face, "MAX_ROUNDS", 1)
    with pytest.raises(ArithmeticError, match="a gap of at most 0.001"):
        prediction_range(certificate, train.x, train.y, test.x[:1])


def test_a_prediction_of_what_breaks_its_constraints_is_refused(monkeypatch):
    def off(*arguments, **options):
        return replace(solve(*arguments, **options), off=1e-3)

    certificate = certify(*ONE_POINT[:2])
    monkeypatch.setattr(optimal_face, "solve", off)
    with pytest.raises(ArithmeticError, match="0.001 off its constraints"):
        prediction_range(certificate, *ONE_POINT)


def test_a_prediction_above_what_is_possible_is_refused(monkeypatch):
    def higher(*arguments, **options):
        found = solve(*arguments, **options)
        return replace(found, reward=found.reward + 0.1)

    certificate = certify(*ONE_POINT[:2])
    monkeypatch.setattr(optimal_face, "solve", higher)
    with pytest.raises(ArithmeticError, match="none above .* is possible"):
        prediction_range(certificate, *ONE_POINT)


@given(seed=seeds)
@settings(max_examples=8)
def test_directions_in_the_plane_stay_within_the_bounds(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 8))
    x, y = rng.normal(size=(n, 2)), rng.normal(size=n)
    new = rng.normal(size=2)
    certificate = certify(x, y)
    found = prediction_range(certificate, x, y, new[None], slack=0.02)
    rows = np.vstack([x, new])
    walls = np.arctan2(rows[:, 1], rows[:, 0])[:, None] + np.array([1, -1]) * np.pi / 2
    angle = np.concatenate(
        [
            np.linspace(0, 2 * np.pi, 2000),
            (walls + 1e-7).ravel(),
            (walls - 1e-7).ravel(),
        ]
    )
    w = np.vstack([np.cos(angle), np.sin(angle)])
    budget = 1.02 * certificate.value
    if np.isinf(found.low[0]):
        silent = (x @ w <= 0).all(axis=0) & (new @ w > 0)
        assert silent.any()
        return
    low, high = predictions_over_directions(x, y, new, w, budget)
    scale = 1e-6 * np.abs(y).max()
    assert found.low_bound[0] - scale <= low and high <= found.high_bound[0] + scale
    assert low == pytest.approx(found.low[0], abs=0.02 * np.abs(y).max())
    assert high == pytest.approx(found.high[0], abs=0.02 * np.abs(y).max())


def test_ranges_grow_with_the_slack():
    train = sample_xor(9, 4, seed=0)
    x, y = train.x, train.y
    new = xor_test_set(train, 0).x[2:3]
    narrow, wide = (
        prediction_range(certify(x, y), x, y, new, slack=slack) for slack in (1e-3, 0.1)
    )
    assert wide.low[0] < narrow.low[0] < narrow.high[0] < wide.high[0]


def test_verdicts_on_signs():
    ends = np.array([[0.5, -0.1, -2.0, 0.0], [1.0, 0.3, -1.0, 1.0]])
    found = PredictionRange(*ends, *ends, slack=0.1)
    ones = np.ones(4)
    assert found.all_correct(ones).tolist() == [True, False, False, False]
    assert found.some_wrong(ones).tolist() == [False, True, True, True]
    assert found.all_correct(-ones).tolist() == [False, False, True, False]
    assert found.some_wrong(-ones).tolist() == [True, True, False, True]


def test_bad_input_is_refused():
    x, y = np.eye(2), np.ones(2)
    certificate = certify(x, y)
    for arguments, message in [
        ({"slack": 0.0}, "slack = 0.0: allowed are finite values >= 1e-05"),
        ({"slack": np.inf}, "slack = inf"),
        ({"tolerance": 0.0}, "tolerance = 0.0"),
    ]:
        with pytest.raises(ValueError, match=message):
            prediction_range(certificate, x, y, x, **arguments)
    with pytest.raises(ValueError, match="needed is a certified minimum above 0"):
        prediction_range(certify(x, 0 * y), x, 0 * y, x)


def test_a_thousandth_of_slack_and_of_tolerance_unless_told():
    certificate = certify(*ONE_POINT[:2])
    found = prediction_range(certificate, *ONE_POINT)
    told = prediction_range(certificate, *ONE_POINT, slack=1e-3, tolerance=1e-3)
    assert found.slack == 1e-3
    assert (found.low, found.high) == (told.low, told.high)
    assert (found.low_bound, found.high_bound) == (told.low_bound, told.high_bound)


def test_bounds_hold_what_is_attained_within_the_tolerance():
    train = sample_xor(10, 4, seed=0)
    new = np.vstack([3 * train.x[:2], train.x[:1] + train.x[3:4]])
    found = prediction_range(
        certify(train.x, train.y), train.x, train.y, new, tolerance=1e-2
    )
    assert (found.high_bound - found.high <= 1e-2).all()
    assert (found.low - found.low_bound <= 1e-2).all()
    assert (found.low_bound <= found.low + 1e-3).all()
    assert (found.low <= found.high + 1e-3).all()
    assert (found.high <= found.high_bound + 1e-3).all()


@pytest.mark.parametrize("factor", [0.1, 20.0])
def test_ranges_scale_with_the_labels_and_not_with_the_inputs(factor):
    x, y, new = ONE_POINT
    found = prediction_range(certify(x, y), x, y, new, slack=0.05)
    labels = prediction_range(certify(x, factor * y), x, factor * y, new, slack=0.05)
    inputs = prediction_range(
        certify(factor * x, y), factor * x, y, factor * new, slack=0.05
    )
    for end in ("low", "high", "low_bound", "high_bound"):
        one = getattr(found, end)
        np.testing.assert_allclose(getattr(labels, end), factor * one, rtol=2e-3)
        np.testing.assert_allclose(getattr(inputs, end), one, rtol=2e-3)
