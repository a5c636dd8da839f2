"""Fates by hand, then on training sets whose answer is known."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from flatminima.data.xor import hypercube, sample_xor, xor_labels, xor_test_set
from flatminima.studies.flattest.faces import (
    FATES,
    fate_shares,
    fates,
    forced,
    null,
    predictions,
    shares_of_all,
)
from flatminima.theory.certificates.certificate import certify
from flatminima.theory.certificates.optimal_face import (
    PredictionRange,
    prediction_range,
)


def test_fates_of_intervals():
    low = np.array([0.5, -2.0, -0.1, -np.inf, 0.0])
    high = np.array([1.0, -0.5, 0.3, np.inf, 1.0])
    found = PredictionRange(low, high, low, high, slack=0.1)
    expected = ["right", "wrong", "undecided", "unbounded", "undecided"]
    assert fates(found, np.ones(5)).tolist() == expected
    expected = ["wrong", "right", "undecided", "unbounded", "undecided"]
    assert fates(found, -np.ones(5)).tolist() == expected


def test_what_is_attained_but_not_proved_is_undecided():
    inner, outer = np.array([0.1]), np.array([-0.1])
    one = np.ones(1)
    found = PredictionRange(inner, one, outer, one, slack=0.1)
    assert fates(found, one).tolist() == ["undecided"]


def test_with_bias_every_corner_is_free():
    table = predictions("bias", [(3, 5), (3, 7)], 2, 8)
    assert set(table["fate"]) == {"unbounded"}
    assert len(table) == 2 * (3 + 1)
    assert (fate_shares(table)["bounded"] == 0).all()


def test_without_bias_rows_are_ranges():
    table = predictions("no_bias", [(4, 10)], 1, 6)
    train = sample_xor(10, 4, 0)
    test = xor_test_set(train, 0)
    found = prediction_range(certify(train.x, train.y), train.x, train.y, test.x)
    order = np.lexsort((found.low, test.y))
    mine = table.sort_values(["y", "low"])
    np.testing.assert_array_equal(mine["y"], test.y[order])
    np.testing.assert_allclose(mine["low"], found.low[order], atol=0.02)
    np.testing.assert_allclose(mine["high"], found.high[order], atol=0.02)
    assert set(table["fate"]) == {"right"}


def test_some_points_are_some_of_all_points():
    everything = predictions("no_bias", [(4, 8)], 2, 16)
    some = predictions("no_bias", [(4, 8)], 2, 3)
    assert some.groupby("seed").size().tolist() == [3, 3]
    keys = ["seed", "point"]
    merged = some.merge(everything, on=keys, suffixes=("", "_all"))
    assert (merged["y"] == merged["y_all"]).all()
    assert (merged["fate"] == merged["fate_all"]).all()


def test_shares_add_up_and_name_every_fate():
    table = pd.DataFrame(
        {
            "architecture": "no_bias",
            "d": 4,
            "n": [8, 8, 8, 8, 10],
            "seed": 0,
            "fate": ["right", "right", "wrong", "unbounded", "right"],
        }
    )
    shares = fate_shares(table).set_index("n")
    assert shares.loc[8, list(FATES)].tolist() == [0.5, 0.25, 0.0, 0.25]
    assert shares.loc[8, "bounded"] == 0.75
    assert shares.loc[10, list(FATES)].tolist() == [1, 0, 0, 0]


def spanned(known, new):
    """Whether each new row is a combination of the known ones."""
    rank = np.linalg.matrix_rank(known)
    return [np.linalg.matrix_rank(np.vstack([known, row])) == rank for row in new]


@pytest.mark.parametrize(("d", "n"), [(4, 10), (4, 12), (5, 26)])
def test_forced_outputs_are_those_that_no_weights_can_change(d, n):
    """An output that many random units can change, with f = y kept, is not forced."""
    units = np.random.default_rng(0).standard_normal((d, 200))
    seen = []
    for seed in range(10):
        train = sample_xor(n, d, seed)
        test = xor_test_set(train, seed)
        outputs = [np.maximum(x @ units, 0) for x in (train.x, test.x)]
        found = forced(train.x, test.x)
        assert found.tolist() == spanned(*outputs)
        weights = np.linalg.lstsq(outputs[0], train.y, rcond=None)[0]
        np.testing.assert_allclose(
            (outputs[1] @ weights)[found], test.y[found], atol=1e-9
        )
        seen += found.tolist()
    assert 0 < np.mean(seen) < 1


def test_three_opposite_pairs_force_a_cube_and_two_do_not():
    cube = hypercube(3)
    for missing in range(8):
        train = np.delete(cube, missing, axis=0)
        assert forced(train, cube[[missing]]).tolist() == [True]
        other = np.delete(cube, [missing, (missing + 1) % 8], axis=0)
        assert not forced(other, cube[[missing, (missing + 1) % 8]]).any()


def test_with_a_bias_nothing_is_forced():
    (row,) = shares_of_all("bias", [(3, 7)]).to_dict("records")
    assert row["forced"] == 0 and row["unbounded"] == 1


@pytest.mark.parametrize("n", [6, 7])
def test_shares_of_all_sets_are_those_without_symmetries(n):
    """Every set asked by itself, with `prediction_range` and no table."""
    cube = hypercube(3)
    right, unbounded, known = [], [], []
    for chosen in combinations(range(8), n):
        x, new = cube[list(chosen)], np.delete(cube, chosen, axis=0)
        y, y_new = xor_labels(x), xor_labels(new)
        found = prediction_range(certify(x, y), x, y, new, tolerance=1e-2)
        right.append(found.all_correct(y_new).mean())
        unbounded.append(np.isinf(found.high).mean())
        known.append(forced(x, new).mean())
    (row,) = shares_of_all("no_bias", [(3, n)]).to_dict("records")
    assert row["sets"] == len(right) > row["classes"]
    assert row["right"] == pytest.approx(np.mean(right))
    assert row["unbounded"] == pytest.approx(np.mean(unbounded))
    assert row["forced"] == pytest.approx(np.mean(known))
    assert sum(row[fate] for fate in FATES) == pytest.approx(1)
    free = 1 - np.mean(known)
    if n == 7:  # three pairs span the cube and force the last point
        assert free == 0 and np.isnan(row["free_right"])
    else:
        expected = (np.mean(right) - np.mean(known)) / free
        assert row["free_right"] == pytest.approx(expected)


def test_the_null_of_a_cube():
    """Of seven of eight points three pairs span the cube, and the last has its pair."""
    (row,) = null(3, [7 / 8], 4).to_dict("records")
    assert row == {"d": 3, "n": 7, "seen": 1, "forced": 1, "rank": 3}
    few, many = null(6, [1 / 16, 3 / 4], 10).to_dict("records")
    assert few["forced"] == 0 < few["seen"]
    assert many["forced"] == many["seen"] == pytest.approx(3 / 4, abs=0.1)


def test_the_null_asks_for_points_held_out():
    with pytest.raises(ValueError, match=r"shares: 1.0 of 2\^3 points gives n = 8"):
        null(3, [1.0], 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([(3, 8)], 1, 1), "n = 8: no point is held out, d = 3"),
        (([(7, 8)], 1, 1), "d = 7"),
        (([(3, 5)], 0, 1), "draws = 0"),
        (([(3, 5)], 1, 0), "points = 0"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        predictions("no_bias", *arguments)
